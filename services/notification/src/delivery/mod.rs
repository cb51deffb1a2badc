//! Sending what waits: receivers are held by one process each, so that one that fails delays nobody else's.

mod batch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::stream::{FuturesUnordered, StreamExt as _};
use nopic_chassis::clock::Clock;
use nopic_chassis::draining::Draining;
use nopic_chassis::retry::Backoff;
use nopic_chassis::worker::Worker;
use serde_json::Value;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};

use self::batch::Batch;
use crate::channels::{Channel, Channels, Content, Message, MessageId, Outcome, Secret};
use crate::metrics::Numbers;
use crate::store::{HeldReceiver, NotificationStore, Pending};

/// How long a message waits at most until somebody looks, where nothing is under way.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const MEASURE_EVERY: Duration = Duration::from_secs(10);
const AFTER_FAILURE: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
/// For so long a receiver is held unless its holder, who lives, renews it: whoever takes over waits no longer.
const LEASE: Duration = Duration::from_secs(30);
const RENEW_EVERY: Duration = Duration::from_secs(8);
/// So long a receiver keeps its place; then others have their turn. A try that has begun ends by itself within 90 s.
const TURN: Duration = Duration::from_secs(30);
/// Receivers of this process at a time, messages of one batch, and tries of one receiver at a time.
const RECEIVERS: usize = 64;
const BATCH: u32 = 64;
/// Where most places are taken, those that become free are given again so often.
const GATHER: Duration = Duration::from_millis(20);
const AT_A_TIME: usize = 4;

/// Sends what waits.
pub(crate) struct Sender {
    pub(crate) store: Arc<dyn NotificationStore>,
    pub(crate) channels: Channels,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) numbers: Numbers,
    pub(crate) draining: Draining,
    /// The tenant whose people run the deployment.
    pub(crate) operators: Arc<str>,
    /// This process, among others on the same database.
    pub(crate) holder: Arc<str>,
}

impl Sender {
    /// Sends for as long as the process serves.
    pub(crate) async fn run(self: Arc<Self>) {
        let work = || {
            let sender = Arc::clone(&self);
            async move { sender.send_due().await }
        };
        Worker::new("sending notices", LOOK_EVERY)
            .after_failure(AFTER_FAILURE)
            .run_alone(work)
            .await;
    }

    /// Gives up what waits for receivers that are gone, and measures how far sending is behind, whether or not anything is
    /// sent.
    pub(crate) async fn look_after(self: Arc<Self>) {
        let work = || {
            let sender = Arc::clone(&self);
            async move {
                let now = sender.clock.now();
                sender.store.give_up_gone(now).await?;
                let oldest = sender.store.oldest_due(now).await?;
                sender.numbers.oldest_due(now, oldest);
                sender.numbers.receivers(sender.store.receiver_counts().await?);
                Ok::<_, nopic_sql::Error>(())
            }
        };
        Worker::new("looking after receivers", MEASURE_EVERY)
            .run_alone(work)
            .await;
    }

    /// Sends all that is due, and ends when nothing is. What fails at one receiver ends nothing else.
    pub(crate) async fn send_due(self: &Arc<Self>) -> Result<(), nopic_sql::Error> {
        let mut turns = Turns::default();
        loop {
            let given = self.give_turns(&mut turns).await;
            if turns.is_empty() {
                return given;
            }
            if let Err(error) = given {
                // Those that are under way go on, and hold what they hold as soon as the database answers again.
                tracing::warn!(%error, "receivers could not be held");
            }
            // A receiver that is slow keeps its place and nobody else's.
            tokio::select! {
                () = turns.ended() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn give_turns(self: &Arc<Self>, turns: &mut Turns) -> Result<(), nopic_sql::Error> {
        if turns.renewed_at.elapsed() >= RENEW_EVERY {
            let held = turns.receivers();
            self.store
                .renew_holds(&held, &self.holder, self.clock.now(), LEASE)
                .await?;
            turns.renewed_at = Instant::now();
        }
        let room = RECEIVERS.saturating_sub(turns.len());
        if room == 0 || self.draining.has_begun() {
            return Ok(());
        }
        let room = u32::try_from(room).unwrap_or(1);
        let held = self
            .store
            .hold_receivers(&self.holder, self.clock.now(), LEASE, room)
            .await?;
        for receiver in held {
            turns.begin(self, receiver);
        }
        Ok(())
    }

    /// Sends to one receiver until nothing is due, it fails, or its turn is over.
    async fn serve(&self, receiver: i64) -> Result<(), nopic_sql::Error> {
        let begun_at = Instant::now();
        loop {
            let now = self.clock.now();
            let begun = self.store.begin_tries(receiver, &self.holder, now, BATCH).await?;
            let Some(begun) = begun else { return Ok(()) };
            let batch = self.try_all(&begun.receiver, begun.pending, now).await;
            let goes_on = !begun.is_all && begun_at.elapsed() < TURN && !self.draining.has_begun();
            let now = self.clock.now();
            let (ended, pause) = batch.end(&begun.receiver, goes_on, (now, &self.operators));
            self.store.end_tries(receiver, &self.holder, &ended, now).await?;
            let Some(pause) = pause else { return Ok(()) };
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_all(&self, receiver: &HeldReceiver, pending: Vec<Pending>, now: DateTime<Utc>) -> Batch {
        let way = self.way(receiver, now);
        let begun_at = Instant::now();
        // One that has failed shows first that it is well.
        let is_careful = receiver.ordered || receiver.failing_since.is_some();
        let at_a_time = if is_careful { 1 } else { AT_A_TIME };
        let mut batch = Batch::default();
        let mut waiting = pending.into_iter();
        let mut under_way = FuturesUnordered::new();
        let mut held_back: BTreeSet<String> = BTreeSet::new();
        loop {
            let may_begin = !batch.is_over() && begun_at.elapsed() < TURN && !self.draining.has_begun();
            while may_begin && under_way.len() < at_a_time {
                let next = waiting.find(|next| next.is_digest || !held_back.contains(&next.subject));
                let Some(pending) = next else { break };
                let way = &way;
                under_way.push(async move {
                    let outcome = match way {
                        Ok(way) => way.deliver(receiver, &pending, self.clock.now()).await,
                        Err(why) => Outcome::Ours { why: why.clone() },
                    };
                    (pending, outcome)
                });
            }
            let Some((pending, outcome)) = under_way.next().await else {
                break;
            };
            let channel = way.as_ref().map_or("none", |way| way.channel.name());
            self.numbers.tried(channel, &outcome);
            if !batch.take(&pending, outcome, self.clock.now()) && receiver.ordered {
                held_back.insert(pending.subject);
            }
        }
        batch
    }

    /// By which way messages reach a receiver, or why there is none.
    fn way(&self, receiver: &HeldReceiver, now: DateTime<Utc>) -> Result<Way<'_>, String> {
        let channel = self
            .channels
            .find(&receiver.channel)
            .ok_or_else(|| format!("This deployment has no channel {:?}.", receiver.channel))?;
        let settings = serde_json::from_str(&receiver.settings)
            .map_err(|error| format!("The receiver's settings cannot be read: {error}."))?;
        let secrets = receiver
            .secrets
            .iter()
            .filter(|kept| kept.until.is_none_or(|until| until > now))
            .filter_map(|kept| Secret::parse(&kept.secret).ok())
            .collect();
        Ok(Way {
            channel: channel.as_ref(),
            settings,
            secrets,
        })
    }
}

/// Receivers that have their turn: in tasks of their own, so that one that has a transaction open goes on while others
/// wait for the database.
struct Turns {
    tasks: JoinSet<Result<(), nopic_sql::Error>>,
    /// The receiver of each task.
    receivers: BTreeMap<Id, i64>,
    renewed_at: Instant,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            receivers: BTreeMap::new(),
            renewed_at: Instant::now(),
        }
    }
}

impl Turns {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn len(&self) -> usize {
        self.tasks.len()
    }

    fn receivers(&self) -> Vec<i64> {
        self.receivers.values().copied().collect()
    }

    fn begin(&mut self, sender: &Arc<Sender>, receiver: i64) {
        // One whose lease ran out here, and was taken here again, has its turn still.
        if self.receivers.values().any(|held| *held == receiver) {
            return;
        }
        let sender = Arc::clone(sender);
        let task = self.tasks.spawn(async move { sender.serve(receiver).await });
        self.receivers.insert(task.id(), receiver);
    }

    /// Waits until one has ended, and takes leave of all that have; while most places are taken, for a moment more, so that
    /// places are given to several at once. One that failed is tried again when its lease is over.
    async fn ended(&mut self) {
        let mut next = self.tasks.join_next_with_id().await;
        let gathered = Instant::now() + GATHER;
        while let Some(ended) = next {
            self.take_leave(ended);
            next = self.tasks.try_join_next_with_id();
            if next.is_none() && self.len() > RECEIVERS / 2 {
                next = timeout_at(gathered, self.tasks.join_next_with_id())
                    .await
                    .unwrap_or_default();
            }
        }
    }

    fn take_leave(&mut self, ended: Result<(Id, Result<(), nopic_sql::Error>), JoinError>) {
        let (task, error): (Id, Option<Box<dyn std::error::Error + Send + Sync>>) = match ended {
            Ok((task, ended)) => (task, ended.err().map(Into::into)),
            Err(error) => (error.id(), Some(error.into())),
        };
        let receiver = self.receivers.remove(&task);
        if let Some(error) = error {
            tracing::error!(receiver, error, "sending to a receiver ended before its time");
        }
    }
}

/// How messages reach one receiver.
struct Way<'a> {
    channel: &'a dyn Channel,
    settings: Value,
    secrets: Vec<Secret>,
}

impl Way<'_> {
    async fn deliver(&self, receiver: &HeldReceiver, pending: &Pending, now: DateTime<Utc>) -> Outcome {
        match message(receiver, pending) {
            Ok(message) => {
                self.channel
                    .deliver(&self.settings, &self.secrets, &message, now)
                    .await
            }
            Err(why) => Outcome::Refused { why },
        }
    }
}

fn message(receiver: &HeldReceiver, pending: &Pending) -> Result<Message, String> {
    let mut notices = pending.notices.clone()?;
    // One notice of a digest is a digest still.
    let content = if pending.is_digest && !notices.is_empty() {
        Content::Digest(notices)
    } else {
        Content::Notice(Box::new(notices.pop().ok_or("The message says nothing.")?))
    };
    Ok(Message {
        id: MessageId::parse(&pending.message_id).map_err(|error| error.to_string())?,
        tenant: receiver.tenant.clone(),
        subject: pending.subject.clone(),
        content,
        made_at: pending.created_at,
    })
}

#[cfg(test)]
mod tests;
