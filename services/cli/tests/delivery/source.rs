//! A stand-in for the services that tell events: it tells Emergency Action Notices of the plan's tenants, one of each notice,
//! and nothing else.

// The test and the bench use a part of this each.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream;
use nopic_proto::events::event::What;
use nopic_proto::events::event_service_server::{EventService, EventServiceServer};
use nopic_proto::events::{
    EmergencyActionNoticeRecorded, Event, ReadEventsRequest, ReadEventsResponse, WatchEventsRequest,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::tenants::tenant;

/// As it is named in events.
const SERVICE: &str = "entry_validation";

/// How many events can be read by now.
type Told = Box<dyn Fn() -> usize + Send + Sync>;

/// What is told, and how far it was read.
#[derive(Clone)]
pub(crate) struct Source(Arc<Events>);

struct Events {
    /// The receiver of each notice, which is its tenant's.
    of_notice: Vec<usize>,
    told: Told,
    /// Behind how many events somebody has asked for more, which it does once it has kept what it made of them.
    read: AtomicUsize,
}

/// To what the event of a notice happened.
pub(crate) fn subject(notice: usize) -> String {
    format!("EAN-{notice}")
}

/// The notice that is about this.
pub(crate) fn notice_of(subject: &str) -> usize {
    subject.strip_prefix("EAN-").unwrap().parse().unwrap()
}

impl Source {
    /// Events of notices for these receivers, of which so many as `told` says can be read.
    pub(crate) fn new(of_notice: Vec<usize>, told: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self(Arc::new(Events {
            of_notice,
            told: Box::new(told),
            read: AtomicUsize::new(0),
        }))
    }

    /// Whether somebody has done with every event.
    pub(crate) fn is_read(&self) -> bool {
        self.0.read.load(Ordering::Relaxed) == self.0.of_notice.len()
    }

    /// Serves with the certificate of a service; on which port.
    pub(crate) async fn serve(&self, certificate: &[u8], key: &[u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(EventServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        port
    }

    fn event(&self, number: usize) -> Event {
        Event {
            id: format!("{SERVICE}/{number}"),
            position: (number + 1).to_string(),
            service: SERVICE.to_owned(),
            tenant: tenant(self.0.of_notice[number]),
            recorded_at: "2026-11-30T12:00:00Z".to_owned(),
            subject: subject(number),
            what: Some(What::EmergencyActionNoticeRecorded(
                EmergencyActionNoticeRecorded {
                    entry_number: subject(number),
                    record: 1,
                },
            )),
        }
    }
}

#[tonic::async_trait]
impl EventService for Source {
    type WatchEventsStream = stream::Empty<Result<ReadEventsResponse, Status>>;

    async fn read_events(
        &self,
        _: Request<ReadEventsRequest>,
    ) -> Result<Response<ReadEventsResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn watch_events(
        &self,
        _: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn read_all_events(
        &self,
        request: Request<ReadEventsRequest>,
    ) -> Result<Response<ReadEventsResponse>, Status> {
        let asked = request.into_inner();
        let after: usize = asked.after.parse().unwrap_or(0);
        let is_here = asked.services.iter().any(|service| service == SERVICE);
        if is_here {
            self.0.read.fetch_max(after, Ordering::Relaxed);
        }
        let end = if is_here { (self.0.told)() } else { after };
        let last = end.min(after + usize::try_from(asked.limit).unwrap());
        Ok(Response::new(ReadEventsResponse {
            events: (after..last).map(|number| self.event(number)).collect(),
            position: last.to_string(),
            behind_seconds: (last < end).then_some(0),
            unavailable_services: Vec::new(),
        }))
    }
}
