//! The calls: convert, load, decide, save, convert.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use nopic_chassis::answers::{AnswerStream, Answers, answer};
use nopic_chassis::clock::Clock;
use nopic_chassis::draining::Draining;
use nopic_chassis::principal;
use nopic_chassis::requests::{self, Page, RequestError, at_most, given, page_token};
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Parties};
use nopic_domain::principal::Principal;
use nopic_proto::notification as wire;
use nopic_proto::notification::notification_service_server::NotificationService;
use prost::Message;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};
use tonic::{Request, Response, Status};

use crate::channels::{Channels, Secret};
use crate::convert;
use crate::error::Error;
use crate::roles::{DECIDERS, sees};
use crate::store::{
    Act, DeliveryFilter, KeptSecret, NewReceiver, NotificationStore, ReceiverState, StoredReceiver,
};
use crate::usual::usual;

/// Notices of one answer to who watches, and answers that a slow reader may leave lying.
const WATCHED: u32 = 100;
const AHEAD: usize = 2;
/// Who watches hears of a notice after so long at most, and where there is none so often where it is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Hours for which an old secret signs: unless somebody asks, and at most.
const USUAL_GRACE: u32 = 24;
const LONGEST_GRACE: u32 = 720;
/// Bytes of a receiver's settings, characters of a reason, messages a minute.
const MAX_SETTINGS: usize = 16 * 1024;
const MAX_REASON: usize = 2_000;
const MOST_PER_MINUTE: u32 = 60_000;

/// What answers calls.
#[derive(Clone)]
pub(crate) struct Rpc {
    pub(crate) store: Arc<dyn NotificationStore>,
    pub(crate) channels: Channels,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) draining: Draining,
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc").finish_non_exhaustive()
    }
}

impl Rpc {
    /// In whole microseconds, which both engines keep.
    fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(6)
    }

    fn act(
        &self,
        principal: &Principal,
        action: &str,
        request_id: &str,
        message: &impl Message,
    ) -> Result<Act, Error> {
        act(principal, action, request_id, message, self.now())
    }

    /// A receiver as it is asked for, with the secret that signs what is sent to it, where its channel signs.
    fn new_receiver(&self, asked: wire::CreateReceiverRequest) -> Result<(NewReceiver, String), Error> {
        let is_silent = asked.without_subscriptions;
        let Some(asked) = asked.receiver else {
            return Err(RequestError::invalid("receiver", "is required").into());
        };
        let name = convert::name("receiver.name", &asked.name)?;
        let Some(channel) = self.channels.find(&asked.channel) else {
            let known: Vec<_> = self.channels.names().collect();
            return Err(RequestError::invalid(
                "receiver.channel",
                format!("{:?} is none of {}", asked.channel, known.join(", ")),
            )
            .into());
        };
        at_most("receiver.settings (bytes)", asked.settings.len(), MAX_SETTINGS)?;
        let settings = serde_json::from_str(&asked.settings)
            .map_err(|error| RequestError::invalid("receiver.settings", format!("it is no JSON: {error}")))?;
        channel.check(&settings).map_err(|problems| {
            let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
            RequestError::invalid("receiver.settings", all.join("; "))
        })?;
        if asked.per_minute > MOST_PER_MINUTE {
            return Err(
                RequestError::invalid("receiver.per_minute", format!("at most {MOST_PER_MINUTE}")).into(),
            );
        }
        let (secrets, told) = if channel.signs() {
            let secret = new_secret()?;
            let kept = KeptSecret {
                secret: secret.clone(),
                until: None,
            };
            (vec![kept], secret)
        } else {
            (Vec::new(), String::new())
        };
        let subscriptions = if is_silent {
            Vec::new()
        } else {
            usual(&name, channel.is_read_by_people())
        };
        let new = NewReceiver {
            name,
            subscriptions,
            channel: channel.name(),
            settings: asked.settings,
            secrets,
            ordered: asked.ordered,
            per_minute: asked.per_minute,
        };
        Ok((new, told))
    }

    fn shown(&self, receiver: StoredReceiver) -> wire::Receiver {
        let destination = self
            .channels
            .find(&receiver.channel)
            .zip(serde_json::from_str(&receiver.settings).ok())
            .filter(|_| receiver.settings != "{}")
            .map(|(channel, settings)| channel.destination(&settings));
        convert::receiver_to_wire(receiver, destination.unwrap_or_default())
    }

    async fn watch(
        self,
        answers: Answers<wire::WatchNoticesResponse>,
        principal: Principal,
        mut after: i64,
    ) -> Result<(), Status> {
        let mut said_at: Option<Instant> = None;
        while !answers.is_unheard() {
            let mut found = self
                .store
                .notices_after(&principal.tenant, after, WATCHED)
                .await
                .map_err(Error::from)?;
            let is_behind = found.len() == WATCHED as usize;
            after = found.last().map_or(after, |last| last.id);
            found.retain(|found| sees(principal.role, found.notice.kind));
            if !found.is_empty() || said_at.is_none_or(|at| at.elapsed() >= HEARTBEAT) {
                answers
                    .send(wire::WatchNoticesResponse {
                        notices: found.into_iter().map(convert::notice_to_wire).collect(),
                        position: after,
                    })
                    .await?;
                said_at = Some(Instant::now());
            }
            if is_behind {
                continue;
            }
            tokio::select! {
                // It goes on elsewhere, from the position that was told last.
                () = self.draining.begun() => return Ok(()),
                () = sleep(LOOK_EVERY) => {}
            }
        }
        Ok(())
    }
}

/// A change that somebody asks for by a message, at a moment in whole microseconds.
pub(crate) fn act(
    principal: &Principal,
    action: &str,
    request_id: &str,
    message: &impl Message,
    now: DateTime<Utc>,
) -> Result<Act, Error> {
    requests::request_id(request_id)?;
    let mut hash = Sha256::new();
    hash.update(action);
    hash.update([0]);
    hash.update(message.encode_to_vec());
    Ok(Act {
        principal: principal.clone(),
        request_id: request_id.to_owned(),
        hash: hash.finalize().into(),
        now,
    })
}

fn new_secret() -> Result<String, Error> {
    Secret::generate()
        .map(|secret| secret.show())
        .map_err(|error| nopic_sql::Error::corrupt("receiver.secrets", error).into())
}

fn of<T>(request: &Request<T>) -> Result<Principal, Status> {
    Ok(principal::of(request.extensions())?.clone())
}

#[tonic::async_trait]
impl NotificationService for Rpc {
    async fn list_notices(
        &self,
        request: Request<wire::ListNoticesRequest>,
    ) -> Result<Response<wire::ListNoticesResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let mut filter = convert::notice_filter(&request)?;
        let is_kept_from = |kind: &NoticeKind| !sees(principal.role, *kind);
        if NoticeKind::ALL.iter().any(is_kept_from) {
            if filter.kinds.is_empty() {
                filter.kinds = NoticeKind::ALL.to_vec();
            }
            filter.kinds.retain(|kind| !is_kept_from(kind));
            if filter.kinds.is_empty() {
                return Ok(Response::new(wire::ListNoticesResponse {
                    complete: true,
                    ..wire::ListNoticesResponse::default()
                }));
            }
        }
        let page = Page::of(request.page_size)?;
        let before = page_token(&request.page_token, |token| token.parse().ok())?.unwrap_or(i64::MAX);
        let mut notices = self
            .store
            .notices(&principal.tenant, &filter, before, page.to_read())
            .await
            .map_err(Error::from)?;
        let next = page.cut(&mut notices, |last| last.id.to_string());
        Ok(Response::new(wire::ListNoticesResponse {
            notices: notices.into_iter().map(convert::notice_to_wire).collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn get_notice(
        &self,
        request: Request<wire::GetNoticeRequest>,
    ) -> Result<Response<wire::GetNoticeResponse>, Status> {
        let principal = of(&request)?;
        let number = request.into_inner().notice;
        let (notice, deliveries) = self
            .store
            .notice(&principal.tenant, number)
            .await
            .map_err(Error::from)?
            .filter(|(found, _)| sees(principal.role, found.notice.kind))
            .ok_or_else(|| Error::NotFound(format!("there is no notice {number} of this tenant")))?;
        Ok(Response::new(wire::GetNoticeResponse {
            notice: Some(convert::notice_to_wire(notice)),
            deliveries: deliveries.into_iter().map(convert::delivery_to_wire).collect(),
        }))
    }

    type WatchNoticesStream = AnswerStream<wire::WatchNoticesResponse>;

    async fn watch_notices(
        &self,
        request: Request<wire::WatchNoticesRequest>,
    ) -> Result<Response<Self::WatchNoticesStream>, Status> {
        let principal = of(&request)?;
        let after = request.into_inner().after;
        if after < 0 {
            return Err(RequestError::invalid("after", "a position is no number below zero").into());
        }
        let rpc = self.clone();
        Ok(Response::new(answer(AHEAD, move |answers| {
            rpc.watch(answers, principal, after)
        })))
    }

    async fn create_receiver(
        &self,
        request: Request<wire::CreateReceiverRequest>,
    ) -> Result<Response<wire::CreateReceiverResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let act = self.act(&principal, "create receiver", &request.request_id, &request)?;
        let (new, secret) = self.new_receiver(request)?;
        let (receiver, subscriptions) = self.store.create_receiver(&act, &new).await?;
        let subscriptions = subscriptions.into_iter().map(convert::subscription_to_wire);
        Ok(Response::new(wire::CreateReceiverResponse {
            receiver: Some(self.shown(receiver)),
            secret,
            subscriptions: subscriptions.collect(),
        }))
    }

    async fn list_receivers(
        &self,
        request: Request<wire::ListReceiversRequest>,
    ) -> Result<Response<wire::ListReceiversResponse>, Status> {
        let principal = of(&request)?;
        let receivers = self
            .store
            .receivers(&principal.tenant)
            .await
            .map_err(Error::from)?;
        let shown = receivers.into_iter().map(|receiver| {
            let mut shown = self.shown(receiver);
            if !DECIDERS.contains(&principal.role) {
                shown.settings.clear();
            }
            shown
        });
        Ok(Response::new(wire::ListReceiversResponse {
            receivers: shown.collect(),
        }))
    }

    async fn pause_receiver(
        &self,
        request: Request<wire::PauseReceiverRequest>,
    ) -> Result<Response<wire::PauseReceiverResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        at_most("reason (characters)", request.reason.chars().count(), MAX_REASON)?;
        let act = self.act(&principal, "pause receiver", &request.request_id, &request)?;
        let because = given(request.reason.trim()).map_or_else(
            || format!("{} paused it.", principal.actor),
            |reason| format!("{} paused it: {reason}", principal.actor),
        );
        let receiver = self
            .store
            .set_state(&act, &request.name, ReceiverState::Paused, &because)
            .await?;
        Ok(Response::new(wire::PauseReceiverResponse {
            receiver: Some(self.shown(receiver)),
        }))
    }

    async fn resume_receiver(
        &self,
        request: Request<wire::ResumeReceiverRequest>,
    ) -> Result<Response<wire::ResumeReceiverResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let act = self.act(&principal, "resume receiver", &request.request_id, &request)?;
        let receiver = self
            .store
            .set_state(&act, &request.name, ReceiverState::Active, "")
            .await?;
        Ok(Response::new(wire::ResumeReceiverResponse {
            receiver: Some(self.shown(receiver)),
        }))
    }

    async fn rotate_secret(
        &self,
        request: Request<wire::RotateSecretRequest>,
    ) -> Result<Response<wire::RotateSecretResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let hours = match request.grace_hours {
            None => USUAL_GRACE,
            Some(hours) if hours <= LONGEST_GRACE => hours,
            Some(_) => {
                return Err(RequestError::invalid("grace_hours", format!("at most {LONGEST_GRACE}")).into());
            }
        };
        let act = self.act(&principal, "rotate secret", &request.request_id, &request)?;
        let until = act.now + TimeDelta::hours(i64::from(hours));
        let secret = new_secret()?;
        let receiver = self
            .store
            .rotate_secret(&act, &request.name, &secret, until)
            .await?;
        Ok(Response::new(wire::RotateSecretResponse {
            receiver: Some(self.shown(receiver)),
            secret,
        }))
    }

    async fn test_receiver(
        &self,
        request: Request<wire::TestReceiverRequest>,
    ) -> Result<Response<wire::TestReceiverResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let act = self.act(&principal, "test receiver", &request.request_id, &request)?;
        let notice = Notice {
            kind: NoticeKind::Test,
            severity: NoticeSeverity::Information,
            subject: request.name.clone(),
            parties: Parties::default(),
            occurred_at: act.now,
            title: format!("This is a test of the receiver {}", request.name),
            sentences: vec![format!("{} asked for it. Nothing has happened.", principal.actor)],
            to_do: Vec::new(),
        };
        let delivery = self.store.test_receiver(&act, &request.name, &notice).await?;
        Ok(Response::new(wire::TestReceiverResponse {
            delivery: Some(convert::delivery_to_wire(delivery)),
        }))
    }

    async fn remove_receiver(
        &self,
        request: Request<wire::RemoveReceiverRequest>,
    ) -> Result<Response<wire::RemoveReceiverResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let act = self.act(&principal, "remove receiver", &request.request_id, &request)?;
        let receiver = self.store.remove_receiver(&act, &request.name).await?;
        Ok(Response::new(wire::RemoveReceiverResponse {
            receiver: Some(self.shown(receiver)),
        }))
    }

    async fn set_subscription(
        &self,
        request: Request<wire::SetSubscriptionRequest>,
    ) -> Result<Response<wire::SetSubscriptionResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let act = self.act(&principal, "set subscription", &request.request_id, &request)?;
        let new = convert::subscription(request.subscription)?;
        let set = self.store.set_subscription(&act, &new).await?;
        Ok(Response::new(wire::SetSubscriptionResponse {
            subscription: Some(convert::subscription_to_wire(set)),
        }))
    }

    async fn list_subscriptions(
        &self,
        request: Request<wire::ListSubscriptionsRequest>,
    ) -> Result<Response<wire::ListSubscriptionsResponse>, Status> {
        let tenant = of(&request)?.tenant;
        let subscriptions = self.store.subscriptions(&tenant).await.map_err(Error::from)?;
        Ok(Response::new(wire::ListSubscriptionsResponse {
            subscriptions: subscriptions
                .into_iter()
                .map(convert::subscription_to_wire)
                .collect(),
        }))
    }

    async fn remove_subscription(
        &self,
        request: Request<wire::RemoveSubscriptionRequest>,
    ) -> Result<Response<wire::RemoveSubscriptionResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let act = self.act(&principal, "remove subscription", &request.request_id, &request)?;
        self.store.remove_subscription(&act, &request.name).await?;
        Ok(Response::new(wire::RemoveSubscriptionResponse {}))
    }

    async fn list_deliveries(
        &self,
        request: Request<wire::ListDeliveriesRequest>,
    ) -> Result<Response<wire::ListDeliveriesResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let filter = DeliveryFilter {
            receiver: given(&request.receiver).map(str::to_owned),
            state: convert::delivery_state(&request.state)?,
        };
        let page = Page::of(request.page_size)?;
        let before = page_token(&request.page_token, |token| token.parse().ok())?.unwrap_or(i64::MAX);
        let mut deliveries = self
            .store
            .deliveries(&principal.tenant, &filter, before, page.to_read())
            .await
            .map_err(Error::from)?;
        let next = page.cut(&mut deliveries, |last| last.id.to_string());
        Ok(Response::new(wire::ListDeliveriesResponse {
            deliveries: deliveries.into_iter().map(convert::delivery_to_wire).collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn redeliver(
        &self,
        request: Request<wire::RedeliverRequest>,
    ) -> Result<Response<wire::RedeliverResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let act = self.act(&principal, "redeliver", &request.request_id, &request)?;
        let one = (request.delivery != 0).then_some(request.delivery);
        let receiver = given(&request.receiver);
        // Whoever leaves all of it out has forgotten something, and does not mean everything.
        if usize::from(one.is_some()) + usize::from(receiver.is_some()) + usize::from(request.all) != 1 {
            return Err(RequestError::invalid("delivery", "give one of delivery, receiver and all").into());
        }
        let count = self.store.redeliver(&act, one, receiver).await?;
        Ok(Response::new(wire::RedeliverResponse { count }))
    }
}
