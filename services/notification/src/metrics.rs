//! What the service tells of its work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use nopic_chassis::metrics::{Labels, Metrics};

use crate::channels::Outcome;

#[derive(Debug, Default)]
struct Kept {
    behind: BTreeMap<&'static str, u32>,
    notices: u64,
    set_aside: u64,
    /// By channel and what came of it.
    tries: BTreeMap<(&'static str, &'static str), u64>,
    lag_seconds: i64,
    receivers: Vec<(&'static str, u64)>,
    /// When the events of a service were read last.
    read_at: BTreeMap<&'static str, DateTime<Utc>>,
}

/// Numbers that are counted as things happen. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers(Arc<Mutex<Kept>>);

impl Numbers {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let numbers = Self::default();
        let read = numbers.clone();
        metrics.add_read(move |reading| {
            let kept = read.kept();
            let behind: Vec<_> = kept
                .behind
                .iter()
                .map(|(service, seconds)| ([("service", *service)], i64::from(*seconds)))
                .collect();
            let behind: Vec<(&Labels, i64)> = behind
                .iter()
                .map(|(labels, value)| (&labels[..], *value))
                .collect();
            if !behind.is_empty() {
                reading.seconds(
                    "notification_events_behind",
                    "Age of the oldest event of a service that was not taken in yet",
                    &behind,
                )?;
            }
            reading.counter("notices_made", "Notices that were made", &[(&[], kept.notices)])?;
            reading.counter(
                "notification_events_set_aside",
                "Events that could not be taken in, of which nobody is told",
                &[(&[], kept.set_aside)],
            )?;
            reading.seconds(
                "notification_delivery_lag",
                "For how long the message that waits the longest has been due",
                &[(&[], kept.lag_seconds)],
            )?;
            let receivers: Vec<_> = kept
                .receivers
                .iter()
                .map(|(state, count)| ([("state", *state)], i64::try_from(*count).unwrap_or(i64::MAX)))
                .collect();
            let receivers: Vec<(&Labels, i64)> = receivers
                .iter()
                .map(|(labels, value)| (&labels[..], *value))
                .collect();
            if !receivers.is_empty() {
                reading.gauge(
                    "notification_receivers",
                    "Receivers that are ACTIVE, FAILING (active, and the last tries failed), PAUSED or GONE",
                    &receivers,
                )?;
            }
            let tries: Vec<_> = kept
                .tries
                .iter()
                .map(|((channel, outcome), count)| ([("channel", *channel), ("outcome", *outcome)], *count))
                .collect();
            let tries: Vec<(&Labels, u64)> = tries
                .iter()
                .map(|(labels, count)| (&labels[..], *count))
                .collect();
            if tries.is_empty() {
                return Ok(());
            }
            reading.counter(
                "notification_tries",
                "Tries to deliver a message, by channel and what came of them",
                &tries,
            )
        });
        numbers
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So old is the oldest event of a service that was not taken in.
    pub(crate) fn behind(&self, service: &'static str, seconds: u32, now: DateTime<Utc>) {
        let mut kept = self.kept();
        kept.behind.insert(service, seconds);
        kept.read_at.insert(service, now);
    }

    /// The events of a service could not be read: since the last time there may be some.
    pub(crate) fn not_read(&self, service: &'static str, now: DateTime<Utc>) {
        let mut kept = self.kept();
        let since = *kept.read_at.entry(service).or_insert(now);
        let seconds = u32::try_from((now - since).num_seconds().max(0)).unwrap_or(u32::MAX);
        let behind = kept.behind.entry(service).or_default();
        *behind = seconds.max(*behind);
    }

    /// How many receivers stand how.
    pub(crate) fn receivers(&self, counts: Vec<(&'static str, u64)>) {
        self.kept().receivers = counts;
    }

    pub(crate) fn event_set_aside(&self) {
        self.kept().set_aside += 1;
    }

    pub(crate) fn notices_made(&self, count: usize) {
        self.kept().notices += u64::try_from(count).unwrap_or(u64::MAX);
    }

    pub(crate) fn oldest_due(&self, now: DateTime<Utc>, due: Option<DateTime<Utc>>) {
        self.kept().lag_seconds = due.map_or(0, |due| (now - due).num_seconds().max(0));
    }

    pub(crate) fn tried(&self, channel: &'static str, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Delivered => "delivered",
            Outcome::Passing { .. } => "passing",
            Outcome::Ours { .. } => "ours",
            Outcome::Refused { .. } => "refused",
            Outcome::Gone { .. } => "gone",
        };
        *self.kept().tries.entry((channel, outcome)).or_default() += 1;
    }
}
