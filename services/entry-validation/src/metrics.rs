//! What the service counts: verdicts, and what the cache of statuses does.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::NaiveTime;
use nopic_cache::{Stats, StatusReader};
use nopic_chassis::clock::Clock;
use nopic_chassis::metrics::{Labels, Metrics};
use nopic_domain::finding::Code;
use nopic_domain::rules::Outcome;

use crate::inquiry::Purpose;
use crate::upstream::Statuses;

const PURPOSES: [(Purpose, &str); 2] = [(Purpose::PreCheck, "validated"), (Purpose::Filing, "filed")];
const OUTCOMES: [Outcome; 4] = [
    Outcome::Accept,
    Outcome::Warn,
    Outcome::Reject,
    Outcome::Indeterminate,
];

/// Counts of verdicts since the service was opened.
#[derive(Debug)]
pub(crate) struct Verdicts {
    by_outcome: [[AtomicU64; OUTCOMES.len()]; PURPOSES.len()],
    /// In the order of [`Code::ALL`].
    by_code: Vec<AtomicU64>,
}

impl Verdicts {
    pub(crate) fn new(metrics: &Metrics) -> Arc<Self> {
        let verdicts = Arc::new(Self {
            by_outcome: Default::default(),
            by_code: Code::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        });
        let read = Arc::clone(&verdicts);
        metrics.add_read(move |reading| {
            let labels: Vec<([(&str, &str); 2], u64)> = PURPOSES
                .iter()
                .flat_map(|(purpose, name)| {
                    OUTCOMES.iter().map(|outcome| {
                        let count = &read.by_outcome[*purpose as usize][*outcome as usize];
                        let labels = [("purpose", *name), ("verdict", outcome.as_str())];
                        (labels, count.load(Ordering::Relaxed))
                    })
                })
                .collect();
            let values: Vec<(&Labels, u64)> = labels
                .iter()
                .map(|(labels, count)| (&labels[..], *count))
                .collect();
            reading.counter("verdicts", "Lines judged, by what for and by verdict", &values)?;
            let labels: Vec<([(&str, &str); 1], u64)> = Code::ALL
                .iter()
                .zip(&read.by_code)
                .map(|(code, count)| ([("code", code.as_str())], count.load(Ordering::Relaxed)))
                .collect();
            let values: Vec<(&Labels, u64)> = labels
                .iter()
                .map(|(labels, count)| (&labels[..], *count))
                .collect();
            reading.counter("findings", "Findings about lines, by code", &values)
        });
        verdicts
    }

    /// Counts a line and its findings.
    pub(crate) fn count(&self, purpose: Purpose, outcome: Outcome, codes: impl IntoIterator<Item = Code>) {
        self.by_outcome[purpose as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
        for code in codes {
            if let Some(count) = self.by_code.get(code as usize) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Filings that were set aside.
#[derive(Debug, Default)]
pub(crate) struct SetAside {
    times: AtomicU64,
    now: AtomicI64,
}

impl SetAside {
    pub(crate) fn new(metrics: &Metrics) -> Arc<Self> {
        let set_aside = Arc::new(Self::default());
        let read = Arc::clone(&set_aside);
        metrics.add_read(move |reading| {
            reading.counter(
                "filings_set_aside",
                "How often this process set a filing aside that cannot be finished",
                &[(&[], read.times.load(Ordering::Relaxed))],
            )?;
            reading.gauge(
                "set_aside_filings",
                "Filings that are set aside, in the database",
                &[(&[], read.now.load(Ordering::Relaxed))],
            )
        });
        set_aside
    }

    pub(crate) fn happened(&self) {
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn there_are(&self, filings: i64) {
        self.now.store(filings, Ordering::Relaxed);
    }
}

/// Adds what the cache of statuses counts, and how old what it holds is.
pub(crate) fn add_cache(
    metrics: &Metrics,
    stats: Arc<Stats>,
    reader: StatusReader<Statuses>,
    clock: Arc<dyn Clock>,
) {
    metrics.add_read(move |reading| {
        reading.counter(
            "cache_shards",
            "Shards of statuses that were needed, by where they came from: the process, Redis or the registry",
            &[
                (&[("level", "l1")], stats.shards_l1.get()),
                (&[("level", "redis")], stats.shards_redis.get()),
                (&[("level", "origin")], stats.shards_origin.get()),
            ],
        )?;
        reading.counter(
            "cache_confirmations",
            "Confirmations of the current revision, by who gave them",
            &[
                (&[("level", "redis")], stats.manifests_redis.get()),
                (&[("level", "origin")], stats.manifests_origin.get()),
            ],
        )?;
        reading.counter(
            "cache_misses",
            "Values that Redis lacked or had damaged",
            &[
                (&[("reason", "absent")], stats.misses.get().saturating_sub(stats.damaged.get())),
                (&[("reason", "damaged")], stats.damaged.get()),
            ],
        )?;
        reading.counter(
            "cache_calls_failed",
            "Calls to Redis without an answer: failed or too slow, or not made because the breaker is open",
            &[
                (&[("reason", "failed")], stats.failures.get()),
                (&[("reason", "refused")], stats.refused.get()),
            ],
        )?;
        reading.counter(
            "cache_breaker_trips",
            "How often Redis was left alone after failures in a row",
            &[(&[], stats.trips.get())],
        )?;
        reading.gauge(
            "cache_breaker_open",
            "Whether Redis is left alone now",
            &[(&[], i64::from(stats.is_tripped()))],
        )?;
        let Some((view, age)) = reader.confirmed() else {
            return Ok(());
        };
        reading.gauge(
            "cache_revision",
            "Revision of the registry that answers here",
            &[(&[], view.revision().into())],
        )?;
        reading.seconds(
            "cache_confirmed_age",
            "Time since the registry or Redis last said that this revision is the current one",
            &[(&[], i64::try_from(age.as_secs()).unwrap_or(i64::MAX))],
        )?;
        let Some(published_on) = view.published_on() else {
            return Ok(());
        };
        let age = clock.now() - published_on.and_time(NaiveTime::MIN).and_utc();
        reading.seconds(
            "cache_snapshot_age",
            "Time since the day on which the newest full snapshot was published",
            &[(&[], age.num_seconds())],
        )
    });
}
