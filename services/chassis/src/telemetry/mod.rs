//! Telemetry of a process: logs with trace ids and a filter that can be changed while it runs, and traces that leave
//! it over OTLP.
//!
//! A trace is one from the first service to every statement: spans are those of `tracing`, calls carry them in
//! `traceparent` (see [`crate::rpc`]), and the statements that sqlx reports become spans of their own ([`sql`]). Names
//! of spans and attributes are those of OpenTelemetry's semantic conventions.

mod log;
pub mod propagation;
mod sql;
pub(crate) mod trace;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use thiserror::Error;
use tonic::transport::{Certificate, ClientTlsConfig};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

pub use trace::decide_here;

/// What is logged unless something else is asked for: trouble. The database's remarks on slow statements are none.
pub const DEFAULT_FILTER: &str = "warn,sqlx=error";
/// Longest filter that is taken.
const MAX_FILTER_BYTES: usize = 4_096;
/// How long an export of spans may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last export.
const LAST_EXPORT: Duration = Duration::from_secs(2);

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; in colour or not.
    Text {
        /// Whether colours are written.
        colour: bool,
    },
    /// One JSON object a line, with the ids of trace and span.
    Json,
}

/// Where traces go.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// URL of an OTLP receiver that speaks gRPC, such as `http://collector:4317`.
    pub endpoint: String,
    /// PEM of the authorities that an `https` receiver's certificate may come from.
    pub authority: Option<Vec<u8>>,
    /// Which share of the traces that begin here is recorded, from 0 to 1; one that comes from a caller is recorded where
    /// the caller records it.
    pub share: f64,
}

/// What telemetry is told at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Name of the service in every trace.
    pub service: &'static str,
    /// Of the log.
    pub format: LogFormat,
    /// The engine of its database, as OpenTelemetry names it.
    pub database: &'static str,
    /// In the form of `tracing-subscriber` (`debug`, `nopic_registry=trace`, …).
    pub filter: String,
    /// Absent: none leave the process.
    pub traces: Option<Traces>,
}

/// Why telemetry does not start.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// A filter that cannot be read.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// No way to the receiver.
    #[error("traces cannot be sent: {0}")]
    Traces(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Another one runs in this process.
    #[error("telemetry runs already: {0}")]
    Running(#[from] TryInitError),
}

/// A filter of the log that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no filter of the log, such as info or warn,nopic_registry=debug: {1}")]
pub struct FilterError(String, String);

/// Reads a filter of the log.
///
/// # Errors
/// It is none, or far too long.
pub fn filter(text: &str) -> Result<EnvFilter, FilterError> {
    if text.len() > MAX_FILTER_BYTES {
        return Err(FilterError(
            text.chars().take(40).collect(),
            format!("it is longer than {MAX_FILTER_BYTES} bytes"),
        ));
    }
    let text = or_default(text);
    EnvFilter::try_new(text).map_err(|error| FilterError(text.to_owned(), error.to_string()))
}

fn or_default(text: &str) -> &str {
    match text.trim() {
        "" => DEFAULT_FILTER,
        text => text,
    }
}

/// Reads and changes the filter of the log while the process runs.
#[derive(Debug, Clone)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    /// As it was asked for.
    text: Arc<ArcSwap<String>>,
}

impl LogFilter {
    /// The filter now.
    #[must_use]
    pub fn text(&self) -> String {
        (**self.text.load()).clone()
    }

    /// Changes it, from the next record on; an empty text brings the default back.
    ///
    /// # Errors
    /// The text is no filter; the old one stays.
    pub fn set(&self, text: &str) -> Result<(), FilterError> {
        let new = filter(text)?;
        self.handle
            .reload(new)
            .map_err(|error| FilterError(text.to_owned(), error.to_string()))?;
        self.text.store(Arc::new(or_default(text).to_owned()));
        Ok(())
    }
}

/// Telemetry that runs.
#[derive(Debug)]
pub struct Telemetry {
    filter: LogFilter,
    provider: SdkTracerProvider,
}

impl Telemetry {
    /// Starts it for this process, once. With traces it must be called within a tokio runtime.
    ///
    /// # Errors
    /// A filter that is none, a receiver that cannot be meant, or another start before. That a receiver does not answer
    /// is no error: spans are then dropped.
    pub fn start(options: Options) -> Result<Self, TelemetryError> {
        let (filter, handle) = reload::Layer::new(filter(&options.filter)?);
        let lines = match options.format {
            LogFormat::Json => fmt::layer()
                .event_format(log::Json)
                .fmt_fields(log::NoSpans)
                .with_writer(std::io::stderr)
                .boxed(),
            LogFormat::Text { colour } => fmt::layer()
                .with_ansi(colour)
                .with_writer(std::io::stderr)
                .boxed(),
        };
        let provider = provider(&options)?;
        let tracer = provider.tracer("nopic");
        let statements = sql::Statements::new(tracer.clone(), options.database);
        // Spans are made whatever the log's filter says: who follows a trace wants all of it.
        let spans = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            // How long a span was worked on is not told apart from how long it took: it is measured at every step.
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| {
                if metadata.is_span() {
                    metadata.target().starts_with("nopic")
                } else {
                    *metadata.level() <= LevelFilter::WARN
                }
            }));
        tracing_subscriber::registry()
            .with(lines.with_filter(filter))
            .with(spans)
            .with(statements.with_filter(sql::only_of_traces()))
            .try_init()?;
        trace::share_is(options.traces.as_ref().map_or(0.0, |traces| traces.share));
        trace::spans_are(match options.traces {
            Some(_) => trace::Spans::Taken,
            None => trace::Spans::Nowhere,
        });
        Ok(Self {
            filter: LogFilter {
                handle,
                text: Arc::new(ArcSwap::from_pointee(or_default(&options.filter).to_owned())),
            },
            provider,
        })
    }

    /// The filter of the log.
    #[must_use]
    pub fn filter(&self) -> LogFilter {
        self.filter.clone()
    }

    /// Sends what is left, within two seconds. It blocks for so long.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_EXPORT) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the last spans could not be sent"
            );
        }
    }
}

fn provider(options: &Options) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder()
        .with_service_name(options.service)
        .with_attribute(KeyValue::new("service.namespace", "nopic"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(traces) = &options.traces else {
        // Ids are given all the same: the log names them.
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    };
    let mut exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&traces.endpoint)
        .with_timeout(EXPORT_TIMEOUT);
    if let Some(authority) = &traces.authority {
        exporter =
            exporter.with_tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority)));
    }
    let root = Sampler::TraceIdRatioBased(traces.share);
    Ok(builder
        .with_sampler(Sampler::ParentBased(Box::new(root)))
        .with_batch_exporter(exporter.build()?)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_or_said_to_be_none() {
        for text in ["", " ", "info", "warn,nopic_registry=debug"] {
            assert!(filter(text).is_ok(), "{text:?}");
        }
        let error = filter("nopic=loud").unwrap_err().to_string();
        assert!(
            error.contains("nopic=loud") && error.contains("such as"),
            "{error}"
        );
        assert!(filter(&"info,".repeat(1_000)).is_err());
    }
}
