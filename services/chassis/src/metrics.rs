//! Numbers for Prometheus: counted where things happen, read by the admin port.
//!
//! Every set of labels is closed: values are those of an enumeration or a constant table, never a text that a caller
//! sends.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::encode;
pub use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Bounds of the durations of calls, in seconds: from a cached answer to the longest patience.
const SECONDS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A histogram of durations in seconds.
#[must_use]
pub fn durations() -> Histogram {
    Histogram::new(SECONDS)
}

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Every number of a process. Clones share them.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Adds a number under a name without unit; a counter's name gets `_total`.
    pub fn add(&self, name: &str, help: &str, metric: impl prometheus_client::registry::Metric) {
        self.lock().register(name, help, metric);
    }

    /// Adds durations in seconds; the name gets `_seconds`.
    pub fn add_seconds(&self, name: &str, help: &str, metric: impl prometheus_client::registry::Metric) {
        self.lock().register_with_unit(name, help, Unit::Seconds, metric);
    }

    /// Adds numbers that are looked up when they are read.
    pub fn add_read(&self, read: impl Fn(&mut Reading<'_>) -> fmt::Result + Send + Sync + 'static) {
        self.lock().register_collector(Box::new(Read(read)));
    }

    /// All of them, in OpenMetrics' text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A text takes whatever is written to it.
        let _ = encode(&mut text, &self.lock());
        text
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Read<F>(F);

impl<F> fmt::Debug for Read<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers that are looked up")
    }
}

impl<F: Fn(&mut Reading<'_>) -> fmt::Result + Send + Sync + 'static> Collector for Read<F> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut Reading(encoder))
    }
}

/// Takes numbers that are looked up.
#[derive(Debug)]
pub struct Reading<'a>(DescriptorEncoder<'a>);

/// Labels of a number: pairs of name and value.
pub type Labels = [(&'static str, &'static str)];

impl Reading<'_> {
    /// A number that only rises, once for each set of labels; the name gets `_total`.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn counter(&mut self, name: &str, help: &str, values: &[(&Labels, u64)]) -> fmt::Result {
        self.each(name, help, None, MetricType::Counter, values, ConstCounter::new)
    }

    /// A number that rises and falls, once for each set of labels.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn gauge(&mut self, name: &str, help: &str, values: &[(&Labels, i64)]) -> fmt::Result {
        self.each(name, help, None, MetricType::Gauge, values, ConstGauge::new)
    }

    /// A duration in whole seconds; the name gets `_seconds`.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn seconds(&mut self, name: &str, help: &str, values: &[(&Labels, i64)]) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        self.each(name, help, unit, MetricType::Gauge, values, ConstGauge::new)
    }

    /// Seconds that only rise; the name gets `_seconds_total`.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn counted_seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        self.each(
            name,
            help,
            unit,
            MetricType::Counter,
            &[(&[], value)],
            ConstCounter::new,
        )
    }

    fn each<V: Copy, M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        kind: MetricType,
        values: &[(&Labels, V)],
        metric: impl Fn(V) -> M,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in values {
            if labels.is_empty() {
                return metric(*value).encode(encoder);
            }
            metric(*value).encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_their_labels() {
        let metrics = Metrics::default();
        let calls = Arc::new(Count::default());
        let read = Arc::clone(&calls);
        metrics.add_read(move |reading| {
            reading.counter("calls", "Calls", &[(&[("result", "done")], read.get())])?;
            reading.seconds("age", "Age", &[(&[], 7)])
        });
        calls.add();
        assert_eq!(
            metrics.text(),
            "# HELP calls Calls\n# TYPE calls counter\ncalls_total{result=\"done\"} 1\n\
             # HELP age_seconds Age\n# TYPE age_seconds gauge\n# UNIT age_seconds seconds\nage_seconds 7\n# EOF\n"
        );
    }
}
