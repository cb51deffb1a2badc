//! What happened in the parts of this process, as one gRPC service. That of a door by itself gives what happened behind it as
//! well, which it asks for.

mod positions;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use nopic_chassis::answers::{AnswerStream, Answers, answer};
use nopic_chassis::clock::Clock;
use nopic_chassis::draining::Draining;
use nopic_chassis::principal::{self, AttachPrincipal};
use nopic_chassis::requests::moment_text;
use nopic_chassis::roles::{EVENTS, Row};
use nopic_chassis::rpc::client::Client;
use nopic_chassis::serving::GrpcService;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_chassis::worker::Worker;
use nopic_domain::principal::Principal;
use nopic_proto::events as wire;
use nopic_proto::events::event_service_client::EventServiceClient;
use nopic_proto::events::event_service_server::{EventService, EventServiceServer};
use nopic_sql::outbox::{Message, Outbox, Page, Position, Whose};
use prost::Message as _;
use tokio::time::{Instant, sleep};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::audit::Behind;

use positions::{NoPosition, Positions};

/// Of every process whose parts tell events.
pub(crate) const SERVICE: GrpcService = GrpcService::hard("nopic.events.v1.EventService");

/// Who may call it.
pub(crate) const ROLES: &[Row] = EVENTS;

/// How many events there are in an answer: unless somebody asks, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 1_000;
/// A service that hangs takes no more than this of a reader's time.
const LONGEST_READ: Duration = Duration::from_secs(5);
/// A reader that waits hears of an event after so long at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A reader that hears of none hears so often where it is.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Answers that a slow reader may leave lying.
const AHEAD: usize = 2;

/// Who tells.
#[derive(Debug, Clone)]
enum Teller {
    Here(Arc<dyn Outbox>),
    Behind(Behind),
}

impl Teller {
    fn service(&self) -> &'static str {
        match self {
            Self::Here(outbox) => outbox.service(),
            Self::Behind(behind) => behind.service,
        }
    }
}

/// The events that can be told.
#[derive(Clone)]
pub(crate) struct EventRpc {
    tellers: Arc<[Teller]>,
    clock: Arc<dyn Clock>,
    draining: Draining,
}

/// The service for what happens here and behind.
pub(crate) fn service(
    here: Vec<Arc<dyn Outbox>>,
    behind: Vec<Behind>,
    clock: Arc<dyn Clock>,
    draining: Draining,
) -> EventServiceServer<EventRpc> {
    let here = here.into_iter().map(Teller::Here);
    nopic_chassis::bounded!(EventServiceServer::new(EventRpc {
        tellers: here.chain(behind.into_iter().map(Teller::Behind)).collect(),
        clock,
        draining,
    }))
}

/// Whose events a call reads.
#[derive(Debug, Clone)]
enum Readers {
    /// Those of its tenant.
    Own(Principal),
    Everyones,
}

impl EventRpc {
    /// Those who tell of these services; all where none is named.
    fn tellers(&self, services: &[String]) -> Result<Vec<Teller>, Status> {
        let known = |service: &str| self.tellers.iter().any(|teller| teller.service() == service);
        if let Some(unknown) = services.iter().find(|service| !known(service)) {
            let known: Vec<_> = self.tellers.iter().map(Teller::service).collect();
            return Err(Status::invalid_argument(format!(
                "services: {unknown:?} tells no events here; {} do",
                known.join(" and ")
            )));
        }
        let is_meant = |teller: &&Teller| {
            services.is_empty() || services.iter().any(|service| service == teller.service())
        };
        Ok(self.tellers.iter().filter(is_meant).cloned().collect())
    }

    /// Where a reader is, as it says.
    fn positions(&self, after: &str) -> Result<Positions, Status> {
        let wrong = |error: NoPosition| Status::invalid_argument(error.to_string());
        let positions = Positions::parse(after).map_err(wrong)?;
        let is_known = |service: &str| self.tellers.iter().any(|teller| teller.service() == service);
        // Whoever misspells a name would read that service's events all over again.
        if !positions.services().all(is_known) {
            return Err(wrong(NoPosition::of(after)));
        }
        Ok(positions)
    }

    async fn read(
        &self,
        tellers: &[Teller],
        readers: &Readers,
        mut positions: Positions,
        limit: u32,
    ) -> Result<(wire::ReadEventsResponse, Positions), Status> {
        let mut answer = wire::ReadEventsResponse::default();
        let mut left = limit;
        for (place, teller) in tellers.iter().enumerate() {
            // What one service leaves is for the others, so that none of them keeps others from being heard.
            let share = left.div_ceil(u32::try_from(tellers.len() - place).unwrap_or(1));
            let after = positions.of(teller.service());
            let read = tokio::time::timeout(LONGEST_READ, self.read_one(teller, readers, after, share));
            let read = match read
                .await
                .unwrap_or_else(|_| Err(Status::unavailable("no answer came")))
            {
                Err(status) if is_away(&status) && tellers.len() > 1 => {
                    // What the others tell is told all the same.
                    answer.unavailable_services.push(teller.service().to_owned());
                    if answer.unavailable_services.len() == tellers.len() {
                        return Err(status);
                    }
                    continue;
                }
                read => read?,
            };
            answer.behind_seconds = answer.behind_seconds.max(read.behind);
            // One that has no share any more is asked how far behind it is, and for nothing else.
            if share == 0 {
                continue;
            }
            left = left.saturating_sub(u32::try_from(read.events.len()).unwrap_or(u32::MAX));
            for (position, mut event) in read.events {
                positions.advance(teller.service(), position);
                event.position = positions.told();
                answer.events.push(event);
            }
            positions.advance(teller.service(), read.position);
        }
        answer.position = positions.told();
        Ok((answer, positions))
    }

    async fn read_one(
        &self,
        teller: &Teller,
        readers: &Readers,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Read, Status> {
        let outbox = match teller {
            Teller::Here(outbox) => outbox,
            Teller::Behind(behind) => return self.read_behind(behind, readers, after, limit).await,
        };
        let whose = match readers {
            Readers::Own(principal) => Whose::Of(&principal.tenant),
            Readers::Everyones => Whose::All,
        };
        match outbox
            .read(whose, after, limit)
            .await
            .map_err(|error| failure(&error))?
        {
            Page::Gone => Err(gone(format!(
                "events of {} behind this position are gone: they are kept for {KEPT_DAYS} days",
                outbox.service()
            ))),
            Page::NeverTold => Err(gone(format!(
                "the database of {} is another than the one that told this position, or was set back",
                outbox.service()
            ))),
            Page::Messages {
                messages,
                position,
                next_recorded_at,
            } => Ok(Read {
                events: messages
                    .into_iter()
                    .map(|message| (message.position, event(outbox.service(), message)))
                    .collect(),
                position,
                behind: next_recorded_at.map(|recorded_at| self.age(recorded_at)),
            }),
        }
    }

    fn age(&self, recorded_at: DateTime<Utc>) -> u32 {
        u32::try_from((self.clock.now() - recorded_at).num_seconds().max(0)).unwrap_or(u32::MAX)
    }

    /// What a service behind this door tells.
    async fn read_behind(
        &self,
        behind: &Behind,
        readers: &Readers,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Read, Status> {
        let Readers::Own(principal) = readers else {
            // A door is no way round it: whoever may read everyone's events asks the services themselves.
            return Err(Status::permission_denied(
                "events of all tenants are read from the services, not here",
            ));
        };
        let mut positions = Positions::default();
        if let Some(after) = after {
            positions.advance(behind.service, after);
        }
        let request = wire::ReadEventsRequest {
            after: positions.told(),
            // None at all cannot be asked for: whoever wants none looks how old the first one is.
            limit: limit.max(1),
            services: vec![behind.service.to_owned()],
        };
        let client: &Client = &behind.client;
        let answer = EventServiceClient::with_interceptor(client.clone(), AttachPrincipal::new(principal))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .read_events(request)
            .await?
            .into_inner();
        let position = |told: &str| {
            let told = Positions::parse(told)
                .ok()
                .and_then(|told| told.of(behind.service));
            told.ok_or_else(|| {
                tracing::error!(
                    service = behind.service,
                    "a service behind this door tells no position"
                );
                Status::internal("a service tells no positions of its events; the log says which")
            })
        };
        if limit == 0 {
            let first = answer
                .events
                .first()
                .and_then(|event| event.recorded_at.parse().ok());
            return Ok(Read {
                events: Vec::new(),
                position: after.unwrap_or_default(),
                behind: first.map(|recorded_at| self.age(recorded_at)),
            });
        }
        Ok(Read {
            position: position(&answer.position)?,
            behind: answer.behind_seconds,
            events: answer
                .events
                .into_iter()
                .map(|event| Ok((position(&event.position)?, event)))
                .collect::<Result<_, Status>>()?,
        })
    }

    async fn watch(
        self,
        answers: Answers<wire::ReadEventsResponse>,
        tellers: Vec<Teller>,
        readers: Readers,
        mut positions: Positions,
    ) -> Result<(), Status> {
        let mut said_at: Option<Instant> = None;
        while !answers.is_unheard() {
            let (page, next) = self.read(&tellers, &readers, positions, USUAL).await?;
            let is_news = !page.events.is_empty();
            let is_behind = page.behind_seconds.is_some();
            positions = next;
            if is_news || said_at.is_none_or(|at| at.elapsed() >= HEARTBEAT) {
                answers.send(page).await?;
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

/// Whether a service did not answer, which says nothing of what was asked.
fn is_away(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
}

/// What was read of one service.
struct Read {
    events: Vec<(Position, wire::Event)>,
    /// Where a reader is that has done with them.
    position: Position,
    /// How many seconds old the first event is that was left.
    behind: Option<u32>,
}

/// An event as it is told.
fn event(service: &'static str, message: Message) -> wire::Event {
    let mut event = wire::Event::decode(&message.content[..]).unwrap_or_else(|error| {
        // It is told that something happened: a reader that waited for it would wait for ever.
        tracing::error!(%error, service, position = %message.position, "an event cannot be read");
        wire::Event::default()
    });
    event.id = format!("{service}:{}", message.position);
    service.clone_into(&mut event.service);
    event.tenant = message.tenant;
    event.subject = message.subject;
    event.recorded_at = moment_text(message.recorded_at);
    event
}

fn gone(why: String) -> Status {
    Status::with_error_details(
        Code::OutOfRange,
        format!("after: {why}. Begin with an empty position"),
        ErrorDetails::with_error_info("EVENTS_GONE", "nopic", []),
    )
}

fn failure(error: &nopic_sql::Error) -> Status {
    tracing::error!(error = error as &dyn std::error::Error, "events cannot be read");
    if error.is_transient() {
        Status::unavailable("a database is busy: try again")
    } else {
        Status::internal("a database failed; the log says why")
    }
}

/// For how long events are kept.
const KEPT_DAYS: i64 = 30;
/// How often old ones are looked for, and how many go in one transaction.
const FORGET_EVERY: Duration = Duration::from_secs(600);
const FORGET_AT_ONCE: u32 = 1_000;

/// Forgets what is old, as long as the process serves.
pub(crate) async fn forget_forever(outbox: Arc<dyn Outbox>, clock: Arc<dyn Clock>) {
    let forget = || async {
        let before = clock.now() - TimeDelta::days(KEPT_DAYS);
        while outbox.forget(before, FORGET_AT_ONCE).await? == u64::from(FORGET_AT_ONCE) {}
        Ok::<_, nopic_sql::Error>(())
    };
    Worker::new("forgetting old events", FORGET_EVERY)
        .run_alone(forget)
        .await;
}

#[tonic::async_trait]
impl EventService for EventRpc {
    async fn read_events(
        &self,
        request: Request<wire::ReadEventsRequest>,
    ) -> Result<Response<wire::ReadEventsResponse>, Status> {
        let readers = Readers::Own(principal::of(request.extensions())?.clone());
        self.read_asked(readers, request.into_inner()).await
    }

    type WatchEventsStream = AnswerStream<wire::ReadEventsResponse>;

    async fn watch_events(
        &self,
        request: Request<wire::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let readers = Readers::Own(principal::of(request.extensions())?.clone());
        let request = request.into_inner();
        let tellers = self.tellers(&request.services)?;
        let positions = self.positions(&request.after)?;
        let events = self.clone();
        Ok(Response::new(answer(AHEAD, move |answers| {
            events.watch(answers, tellers, readers, positions)
        })))
    }

    async fn read_all_events(
        &self,
        request: Request<wire::ReadEventsRequest>,
    ) -> Result<Response<wire::ReadEventsResponse>, Status> {
        self.read_asked(Readers::Everyones, request.into_inner()).await
    }
}

impl EventRpc {
    async fn read_asked(
        &self,
        readers: Readers,
        request: wire::ReadEventsRequest,
    ) -> Result<Response<wire::ReadEventsResponse>, Status> {
        let limit = match request.limit {
            0 => USUAL,
            limit if limit <= MOST => limit,
            _ => return Err(Status::invalid_argument(format!("limit: at most {MOST}"))),
        };
        let tellers = self.tellers(&request.services)?;
        let positions = self.positions(&request.after)?;
        let (answer, _) = self.read(&tellers, &readers, positions, limit).await?;
        Ok(Response::new(answer))
    }
}
