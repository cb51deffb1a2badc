//! What the service tells of its certificates: how many are near their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::Days;
use nopic_chassis::clock::Clock;
use nopic_chassis::metrics::{Labels, Metrics};
use nopic_chassis::worker::Worker;

use crate::store::CertificateStore;

/// How often they are counted.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// Spans of days from today on, both days included, with their labels.
const SPANS: [(u64, &str); 2] = [(7, "7d"), (30, "30d")];

/// Numbers that were counted last; below zero: not yet.
#[derive(Debug)]
pub(crate) struct Ending([AtomicI64; SPANS.len()]);

impl Ending {
    pub(crate) fn new(metrics: &Metrics) -> Arc<Self> {
        let ending = Arc::new(Self([const { AtomicI64::new(-1) }; SPANS.len()]));
        let read = Arc::clone(&ending);
        metrics.add_read(move |reading| {
            let labels: Vec<_> = SPANS
                .iter()
                .zip(&read.0)
                .map(|((_, within), count)| ([("within", *within)], count.load(Ordering::Relaxed)))
                .filter(|(_, count)| *count >= 0)
                .collect();
            let values: Vec<(&Labels, i64)> = labels
                .iter()
                .map(|(labels, count)| (&labels[..], *count))
                .collect();
            reading.gauge(
                "certificates_ending",
                "Certificates in force whose last day is today or within so many days",
                &values,
            )
        });
        ending
    }

    /// Counts again and again, until the future of it is dropped.
    pub(crate) async fn count_forever(&self, store: &dyn CertificateStore, clock: &dyn Clock) {
        let count = || async {
            let today = clock.today();
            for ((days, _), count) in SPANS.iter().zip(&self.0) {
                let found = store.ending(today, today + Days::new(*days)).await?;
                count.store(i64::try_from(found).unwrap_or(i64::MAX), Ordering::Relaxed);
            }
            Ok::<_, nopic_sql::Error>(())
        };
        Worker::new("counting the certificates near their end", COUNT_EVERY)
            .run_alone(count)
            .await;
    }
}
