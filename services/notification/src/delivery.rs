//! Sending what waits: receivers are held by one process each, so that one that fails delays nobody else's.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{FuturesUnordered, StreamExt as _};
use nopic_chassis::clock::Clock;
use nopic_chassis::retry::Backoff;
use nopic_chassis::worker::Worker;
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Parties, ToDo};
use tokio::task::JoinSet;

use crate::channels::{Channels, Content, Message, MessageId, Outcome, Secret};
use crate::metrics::Numbers;
use crate::store::{
    DeliveryState, HeldReceiver, NewNotice, NotificationStore, Pending, ReceiverAfter, ReceiverState, Taken,
    Tried, Whose,
};

/// How long a message waits at most until somebody looks, where nothing is under way.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const AFTER_FAILURE: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
/// For so long a receiver is held: longer than a batch takes, which stops beginning tries after [`BATCH_TIME`], and a try
/// ends by itself after 90 s.
const LEASE: Duration = Duration::from_secs(150);
const BATCH_TIME: Duration = Duration::from_secs(30);
/// Receivers of this process at a time, messages of one batch, and tries of one receiver at a time.
const RECEIVERS: usize = 64;
const BATCH: u32 = 64;
const AT_A_TIME: usize = 4;
/// Pauses of a message, and of a receiver that fails: half a minute at first, six hours at last.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(30), Duration::from_secs(6 * 3600));
/// A receiver that has failed for so long is paused, and its owner told.
const GONE_FOR_LONG: TimeDelta = TimeDelta::hours(24);

/// Sends what waits.
pub(crate) struct Sender {
    pub(crate) store: Arc<dyn NotificationStore>,
    pub(crate) channels: Channels,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) numbers: Numbers,
    /// This process, among others on the same database.
    pub(crate) holder: Arc<str>,
}

impl Sender {
    /// Sends for as long as the process serves.
    pub(crate) async fn run(self) {
        let sender = Arc::new(self);
        let work = || {
            let sender = Arc::clone(&sender);
            async move { sender.send_due().await }
        };
        Worker::new("sending notices", LOOK_EVERY)
            .after_failure(AFTER_FAILURE)
            .run_alone(work)
            .await;
    }

    /// Sends all that is due, and ends when nothing is.
    pub(crate) async fn send_due(self: &Arc<Self>) -> Result<(), nopic_sql::Error> {
        // Tasks of their own: one that has a transaction open goes on while others wait for the database here.
        let mut under_way: JoinSet<Result<(), nopic_sql::Error>> = JoinSet::new();
        loop {
            let room = RECEIVERS - under_way.len();
            if room > 0 {
                let now = self.clock.now();
                self.numbers.oldest_due(now, self.store.oldest_due(now).await?);
                let held = self
                    .store
                    .hold_receivers(&self.holder, now, LEASE, u32::try_from(room).unwrap_or(1))
                    .await?;
                for receiver in held {
                    let sender = Arc::clone(self);
                    under_way.spawn(async move { sender.serve(receiver).await });
                }
            }
            // A receiver that is slow keeps its place and nobody else's.
            let look_again = tokio::time::sleep(LOOK_EVERY);
            tokio::select! {
                ended = under_way.join_next() => match ended {
                    None => return Ok(()),
                    Some(Ok(ended)) => ended?,
                    // Its receiver is tried again when its lease is over.
                    Some(Err(error)) => tracing::error!(%error, "sending to a receiver ended before its time"),
                },
                () = look_again => {}
            }
        }
    }

    /// Sends to one receiver until nothing is due or it fails.
    async fn serve(&self, mut receiver: HeldReceiver) -> Result<(), nopic_sql::Error> {
        loop {
            let now = self.clock.now();
            let begun = self
                .store
                .begin_tries(&receiver, &self.holder, now, BATCH)
                .await?;
            let Some(pending) = begun else { return Ok(()) };
            let is_over = pending.len() < BATCH as usize;
            let count = pending.len();
            let batch = self.try_all(&receiver, pending, now).await;
            let after = batch.after(&receiver, count, is_over, self.clock.now());
            self.store
                .end_tries(&receiver, &self.holder, &batch.tried, &after, self.clock.now())
                .await?;
            if after.state != ReceiverState::Active {
                self.tell_owner(&receiver, &after).await?;
            }
            if after.held_until.is_none() {
                return Ok(());
            }
            receiver.failing_since = after.failing_since;
            receiver.failures = after.failures;
        }
    }

    async fn try_all(&self, receiver: &HeldReceiver, pending: Vec<Pending>, now: DateTime<Utc>) -> Batch {
        let mut batch = Batch::default();
        let Some(channel) = self.channels.find(&receiver.channel) else {
            let why = format!("This deployment has no channel {:?}.", receiver.channel);
            batch
                .tried
                .extend(pending.iter().map(|pending| later(pending, &why, now)));
            batch.failed = Some(Failure::new(why));
            return batch;
        };
        let settings = match serde_json::from_str(&receiver.settings) {
            Ok(settings) => settings,
            Err(error) => {
                let why = format!("The receiver's settings cannot be read: {error}.");
                batch
                    .tried
                    .extend(pending.iter().map(|pending| dead(pending, &why, now)));
                return batch;
            }
        };
        let secrets: Vec<Secret> = receiver
            .secrets
            .iter()
            .filter(|kept| kept.until.is_none_or(|until| until > now))
            .filter_map(|kept| Secret::parse(&kept.secret).ok())
            .collect();
        let begun_at = tokio::time::Instant::now();
        let at_a_time = if receiver.ordered { 1 } else { AT_A_TIME };
        let mut waiting = pending.into_iter();
        let mut under_way = FuturesUnordered::new();
        let mut held_back: Vec<String> = Vec::new();
        loop {
            let may_begin = batch.failed.is_none() && batch.gone.is_none() && begun_at.elapsed() < BATCH_TIME;
            while may_begin && under_way.len() < at_a_time {
                let Some(pending) = waiting.next() else { break };
                if receiver.ordered && held_back.contains(&pending.subject) {
                    batch.tried.push(untried(&pending, now));
                    continue;
                }
                let (settings, secrets) = (&settings, &secrets);
                under_way.push(async move {
                    let now = self.clock.now();
                    let outcome = match message(receiver, &pending) {
                        Some(message) => channel.deliver(settings, secrets, &message, now).await,
                        None => Outcome::Refused {
                            why: "The message says nothing.".to_owned(),
                        },
                    };
                    (pending, outcome)
                });
            }
            let Some((pending, outcome)) = under_way.next().await else {
                break;
            };
            let now = self.clock.now();
            self.numbers.tried(channel.name(), &outcome);
            let tried = batch.take(&pending, outcome, now);
            if tried.state == DeliveryState::Waiting {
                held_back.push(pending.subject);
            }
            batch.tried.push(tried);
        }
        // Those that were not begun are due as they were.
        batch.tried.extend(waiting.map(|pending| untried(&pending, now)));
        batch
    }

    /// Tells the owner of a receiver, by another way, that nothing is sent to it any more.
    async fn tell_owner(
        &self,
        receiver: &HeldReceiver,
        after: &ReceiverAfter,
    ) -> Result<(), nopic_sql::Error> {
        let now = self.clock.now();
        let since = after.failing_since.unwrap_or(now);
        let notice = Notice {
            kind: NoticeKind::ReceiverPaused,
            severity: NoticeSeverity::Action,
            subject: receiver.name.clone(),
            parties: Parties::default(),
            occurred_at: now,
            title: format!("Nothing is sent to the receiver {} any more", receiver.name),
            sentences: vec![after.because.clone()],
            to_do: vec![ToDo {
                who: "the owner of the receiver".to_owned(),
                what: format!(
                    "Mend it, then `nopic receiver resume {0}`; what waits for it is sent then, and what was given up \
                     by `nopic notice redeliver --receiver {0}`.",
                    receiver.name
                ),
                by: None,
            }],
        };
        let taken = Taken {
            notices: vec![NewNotice {
                whose: Whose::Tenant(receiver.tenant.clone()),
                cause: format!("receiver/{}/{}", receiver.id, since.timestamp()),
                notice,
            }],
            ..Taken::default()
        };
        self.store.take(None, &taken, now).await?;
        Ok(())
    }
}

/// A failure that is the receiver's, not one message's.
#[derive(Debug, Clone)]
struct Failure {
    why: String,
    retry_after: Option<Duration>,
}

impl Failure {
    fn new(why: String) -> Self {
        Self {
            why,
            retry_after: None,
        }
    }
}

/// What came of a batch.
#[derive(Debug, Default)]
struct Batch {
    tried: Vec<Tried>,
    succeeded: bool,
    failed: Option<Failure>,
    gone: Option<String>,
}

impl Batch {
    fn take(&mut self, pending: &Pending, outcome: Outcome, now: DateTime<Utc>) -> Tried {
        match outcome {
            Outcome::Delivered => {
                self.succeeded = true;
                Tried {
                    delivery: pending.id,
                    state: DeliveryState::Delivered,
                    next_attempt_at: now,
                    result: "delivered".to_owned(),
                }
            }
            Outcome::Refused { why } => dead(pending, &why, now),
            Outcome::Gone { why } => {
                let tried = dead(pending, &why, now);
                self.gone = Some(why);
                tried
            }
            Outcome::Passing { why, retry_after, .. } => {
                let mut tried = later(pending, &why, now);
                if let Some(after) = retry_after {
                    tried.next_attempt_at = tried.next_attempt_at.max(now + delta(after));
                }
                let longest = self.failed.as_ref().and_then(|failed| failed.retry_after);
                self.failed = Some(Failure {
                    why,
                    retry_after: longest.max(retry_after),
                });
                tried
            }
        }
    }

    /// What the receiver is after it.
    fn after(&self, before: &HeldReceiver, count: usize, is_over: bool, now: DateTime<Utc>) -> ReceiverAfter {
        let mut after = ReceiverAfter {
            state: ReceiverState::Active,
            because: String::new(),
            failing_since: None,
            failures: 0,
            rests_until: now,
            held_until: (!is_over).then(|| now + delta(LEASE)),
        };
        if let Some(why) = &self.gone {
            after.state = ReceiverState::Gone;
            after.because.clone_from(why);
            after.held_until = None;
            return after;
        }
        if let Some(failed) = &self.failed {
            after.held_until = None;
            let since = before.failing_since.filter(|_| !self.succeeded).unwrap_or(now);
            after.failing_since = Some(since);
            after.failures = if self.succeeded {
                1
            } else {
                before.failures.saturating_add(1)
            };
            let rest = PAUSES
                .pause(after.failures)
                .max(failed.retry_after.unwrap_or_default());
            after.rests_until = now + delta(rest);
            if now - since >= GONE_FOR_LONG {
                after.state = ReceiverState::Paused;
                after.because = format!(
                    "Every try since {} failed, the last one so: {}",
                    since.format("%Y-%m-%d %H:%M UTC"),
                    failed.why
                );
            }
            return after;
        }
        if !self.succeeded {
            // All were refused, which says nothing of the next ones.
            after.failing_since = before.failing_since;
            after.failures = before.failures;
        }
        if before.per_minute > 0 {
            let seconds =
                f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * 60.0 / f64::from(before.per_minute);
            after.rests_until = now + delta(Duration::from_secs_f64(seconds));
            after.held_until = None;
        }
        after
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn message(receiver: &HeldReceiver, pending: &Pending) -> Option<Message> {
    let mut notices: Vec<Notice> = pending.notices.iter().map(|(_, notice)| notice.clone()).collect();
    // A digest has no subject; one notice of it is a digest still.
    let content = if pending.subject.is_empty() {
        if notices.is_empty() {
            return None;
        }
        Content::Digest(notices)
    } else {
        Content::Notice(Box::new(notices.pop()?))
    };
    Some(Message {
        id: MessageId::parse(&pending.message_id).ok()?,
        tenant: receiver.tenant.clone(),
        subject: pending.subject.clone(),
        content,
        made_at: pending.created_at,
    })
}

fn dead(pending: &Pending, why: &str, now: DateTime<Utc>) -> Tried {
    Tried {
        delivery: pending.id,
        state: DeliveryState::Dead,
        next_attempt_at: now,
        result: why.to_owned(),
    }
}

/// To be tried again, or given up where its time is over.
fn later(pending: &Pending, why: &str, now: DateTime<Utc>) -> Tried {
    let pause = PAUSES.pause(pending.attempts);
    let next = now + delta(pause);
    if next > pending.expires_at {
        return dead(
            pending,
            &format!("Given up after 3 days; the last try: {why}"),
            now,
        );
    }
    Tried {
        delivery: pending.id,
        state: DeliveryState::Waiting,
        next_attempt_at: next,
        result: why.to_owned(),
    }
}

/// Not tried after all: it is due as it was.
fn untried(pending: &Pending, now: DateTime<Utc>) -> Tried {
    Tried {
        delivery: pending.id,
        state: DeliveryState::Waiting,
        next_attempt_at: now,
        result: "not tried yet: an earlier message could not be sent".to_owned(),
    }
}

#[cfg(test)]
mod tests;
