//! Tenants, each with one receiver: made and looked at by calls like anybody's.

// The test and the bench use a part of this each.
#![allow(dead_code)]

use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::{FilerCodes, Principal, Role};
use nopic_proto::notification::notification_service_client::NotificationServiceClient;
use nopic_proto::notification::{
    CreateReceiverRequest, Delivery, ListDeliveriesRequest, ListReceiversRequest, Receiver,
};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::webhooks::url;

const PAGE: u32 = 1_000;

/// The tenant of a receiver.
pub(crate) fn tenant(receiver: usize) -> String {
    format!("tenant{receiver:04}")
}

/// All of them.
pub(crate) struct Tenants {
    channels: Vec<Channel>,
    count: usize,
}

impl Tenants {
    pub(crate) const fn new(channels: Vec<Channel>, count: usize) -> Self {
        Self { channels, count }
    }

    /// Tenants take turns at the processes.
    fn client(
        &self,
        receiver: usize,
    ) -> NotificationServiceClient<InterceptedService<Channel, AttachPrincipal>> {
        let principal = Principal {
            tenant: tenant(receiver),
            actor: "tester".to_owned(),
            role: Role::Compliance,
            filer_codes: FilerCodes::All,
            certifier_id: None,
            nop_ids: Vec::new(),
        };
        let channel = self.channels[receiver % self.channels.len()].clone();
        NotificationServiceClient::with_interceptor(channel, AttachPrincipal::new(&principal))
    }

    /// A webhook of each, at the server on this port.
    pub(crate) async fn make_receivers(&self, port: u16) {
        for receiver in 0..self.count {
            let request = CreateReceiverRequest {
                request_id: "make".to_owned(),
                receiver: Some(Receiver {
                    name: "hook".to_owned(),
                    channel: "webhook".to_owned(),
                    settings: serde_json::json!({ "url": url(receiver, port) }).to_string(),
                    ..Receiver::default()
                }),
                without_subscriptions: false,
            };
            let made = self.client(receiver).create_receiver(request).await.unwrap();
            assert_eq!(made.into_inner().subscriptions.len(), 1);
        }
    }

    /// One as it is now.
    pub(crate) async fn receiver(&self, receiver: usize) -> Receiver {
        let mut client = self.client(receiver);
        let answer = client.list_receivers(ListReceiversRequest {}).await.unwrap();
        let mut receivers = answer.into_inner().receivers;
        assert_eq!(receivers.len(), 1);
        receivers.remove(0)
    }

    /// Each as it is now.
    pub(crate) async fn receivers(&self) -> Vec<Receiver> {
        let mut receivers = Vec::with_capacity(self.count);
        for receiver in 0..self.count {
            receivers.push(self.receiver(receiver).await);
        }
        receivers
    }

    /// All that was to be sent to each.
    pub(crate) async fn deliveries(&self) -> Vec<Vec<Delivery>> {
        let mut all = Vec::with_capacity(self.count);
        for receiver in 0..self.count {
            let mut found = Vec::new();
            let mut request = ListDeliveriesRequest {
                page_size: PAGE,
                ..ListDeliveriesRequest::default()
            };
            loop {
                let mut client = self.client(receiver);
                let page = client.list_deliveries(request.clone()).await.unwrap();
                let page = page.into_inner();
                found.extend(page.deliveries);
                if page.complete {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            all.push(found);
        }
        all
    }
}
