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
    /// By channel and what came of it.
    tries: BTreeMap<(&'static str, &'static str), u64>,
    lag_seconds: i64,
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
            reading.seconds(
                "notification_delivery_lag",
                "For how long the message that waits the longest has been due",
                &[(&[], kept.lag_seconds)],
            )?;
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

    pub(crate) fn behind(&self, service: &'static str, seconds: u32) {
        self.kept().behind.insert(service, seconds);
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
            Outcome::Refused { .. } => "refused",
            Outcome::Gone { .. } => "gone",
        };
        *self.kept().tries.entry((channel, outcome)).or_default() += 1;
    }
}
