//! Taking in what happened: events of the other services, read in their order, and what happens by time alone.

mod closing;
mod entry;
mod sending;
pub(crate) mod timed;
mod told;
mod troubles;
mod words;

use std::sync::Arc;
use std::time::Duration;

use nopic_chassis::clock::Clock;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::retry::Backoff;
use nopic_chassis::rpc::client::Client;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_chassis::worker::Worker;
use nopic_domain::policy::Policy;
use nopic_domain::principal::Principal;
use nopic_proto::events::event_service_client::EventServiceClient;
use nopic_proto::events::{Event, ReadEventsRequest, ReadEventsResponse};
use thiserror::Error;
use tonic::{Code, Status};

use crate::asking::in_time;
use crate::cases::CaseRules;
use crate::metrics::Numbers;
use crate::over::NotKnown;
use crate::store::{NotificationStore, Step, Taken};

/// Events of one call, which become notices in one transaction.
const PAGE: u32 = 200;
/// How long an event waits at most, where nothing fails.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const AFTER_FAILURE: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// A service that tells what happens in it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// As it is named in events.
    pub(crate) service: &'static str,
    pub(crate) client: Client,
}

/// Takes in the events of one service.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) store: Arc<dyn NotificationStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) numbers: Numbers,
    /// The tenant whose people run the deployment.
    pub(crate) operators: Arc<str>,
    /// Says which findings count for cases.
    pub(crate) policy: Arc<Policy>,
    /// By what cases go, and who sends letters.
    pub(crate) rules: CaseRules,
}

/// Why events were not taken in.
#[derive(Debug, Error)]
pub(crate) enum IntakeError {
    #[error("events of {service} cannot be read: {status}")]
    Source {
        service: &'static str,
        status: Box<Status>,
    },
    #[error("a letter waits: nobody knows whether its case is over: {0}")]
    NotKnown(NotKnown),
    #[error("a letter was not sent: {0}")]
    Refused(Box<crate::error::Error>),
    #[error(transparent)]
    Store(#[from] nopic_sql::Error),
}

impl Intake {
    /// Takes in what happens there, for as long as the process serves.
    pub(crate) async fn run(self, source: Source) {
        let intake = Arc::new(self);
        let work = || {
            let (intake, source) = (Arc::clone(&intake), source.clone());
            async move { intake.catch_up(&source).await }
        };
        Worker::new("taking in events", LOOK_EVERY)
            .after_failure(AFTER_FAILURE)
            .run_alone(work)
            .await;
    }

    /// Takes in all that has happened until now.
    pub(crate) async fn catch_up(&self, source: &Source) -> Result<(), IntakeError> {
        while self.step(source).await? {}
        Ok(())
    }

    /// Takes in some events; whether there may be more for this process. While another one takes them in, this one looks
    /// now and then.
    async fn step(&self, source: &Source) -> Result<bool, IntakeError> {
        let from = self.store.position(source.service).await?;
        let mut events = EventServiceClient::with_interceptor(
            source.client.clone(),
            AttachPrincipal::new(&Principal::built_in("notification")),
        )
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = ReadEventsRequest {
            after: from.clone(),
            limit: PAGE,
            services: vec![source.service.to_owned()],
        };
        let mut read_all = async |request| -> Result<tonic::Response<ReadEventsResponse>, Status> {
            in_time(events.read_all_events(request)).await
        };
        let read = match read_all(request.clone()).await {
            Err(status) if status.code() == Code::OutOfRange => {
                // Nothing was taken in for longer than events are kept, or the source was restored from a backup: what
                // was between is lost to us, and said.
                tracing::error!(
                    service = source.service,
                    position = from,
                    "this position is none of the events that are kept: they are read again from the first. Of what \
                     happened more than 30 days ago no notices are made"
                );
                let request = ReadEventsRequest {
                    after: String::new(),
                    ..request
                };
                read_all(request).await
            }
            read => read,
        };
        let now = self.clock.now();
        let page = match read {
            Ok(page) => page.into_inner(),
            Err(status) => {
                self.numbers.not_read(source.service, now);
                return Err(IntakeError::Source {
                    service: source.service,
                    status: Box::new(status),
                });
            }
        };
        let mut goes_on = false;
        if let Some(first) = page.events.first() {
            // Until it is taken in.
            let age = (now - words::moment(&first.recorded_at)).num_seconds().max(0);
            self.numbers
                .behind(source.service, u32::try_from(age).unwrap_or(u32::MAX), now);
            goes_on = self.take(source, from, &page.events, &page.position).await?;
        }
        self.numbers
            .behind(source.service, page.behind_seconds.unwrap_or_default(), now);
        Ok(goes_on)
    }

    /// Takes in the events of a page. One that cannot be kept, however often it is tried, is set aside, and said; where the
    /// database cannot do its work, all wait.
    async fn take(
        &self,
        source: &Source,
        from: String,
        events: &[Event],
        position: &str,
    ) -> Result<bool, IntakeError> {
        match self.keep_events(source, &from, events, position).await {
            Err(error) if error.is_of_content() => {}
            kept => return Ok(kept?),
        }
        let mut from = from;
        for (place, event) in events.iter().enumerate() {
            let to = if place + 1 == events.len() {
                position
            } else {
                &event.position
            };
            match self
                .keep_events(source, &from, std::slice::from_ref(event), to)
                .await
            {
                Err(error) if error.is_of_content() => {
                    tracing::error!(%error, event = event.id, "an event cannot be taken in: nobody is told of it");
                    self.numbers.event_set_aside();
                    self.keep_events(source, &from, &[], to).await?;
                }
                kept => {
                    kept?;
                }
            }
            to.clone_into(&mut from);
        }
        Ok(true)
    }

    /// Whether they were kept here: another process may have been before.
    async fn keep_events(
        &self,
        source: &Source,
        from: &str,
        events: &[Event],
        to: &str,
    ) -> Result<bool, nopic_sql::Error> {
        let mut taken = Taken::default();
        for event in events {
            told::take(event, &self.operators, &self.policy, &mut taken);
        }
        let step = Step {
            service: source.service,
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let count = self.store.take(Some(&step), &taken, self.clock.now()).await?;
        let Some(count) = count else {
            return Ok(false);
        };
        self.numbers.notices_made(count);
        for event in events.iter().filter(|event| event.what.is_none()) {
            // Of a later program, or one that could not be read, which its service has logged.
            tracing::error!(
                event = event.id,
                "an event is not known here: nobody is told of it"
            );
            self.numbers.event_set_aside();
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
