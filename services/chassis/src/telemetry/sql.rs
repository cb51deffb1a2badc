//! Spans of SQL statements, from what sqlx reports of each when it has ended.
//!
//! A statement names itself in a comment at its beginning, such as `/* ledger.draws */`; one that does not is named by
//! its first word. Its text has no values in it: they are parameters.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::clock::{Clock as _, SystemClock};
use opentelemetry::trace::{Span as _, SpanKind, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::layer::{self, Layer};

/// The target of the events in which sqlx reports statements.
const TARGET: &str = "sqlx::query";

/// Makes a span of each statement.
#[derive(Debug)]
pub(super) struct Statements {
    tracer: SdkTracer,
    /// As OpenTelemetry names the engine.
    database: &'static str,
}

impl Statements {
    pub(super) fn new(tracer: SdkTracer, database: &'static str) -> Self {
        Self { tracer, database }
    }
}

/// Lets through what sqlx reports within a trace that is recorded: elsewhere it costs nothing.
pub(super) fn only_of_traces<S: Subscriber>() -> impl layer::Filter<S> {
    DynFilterFn::new(|metadata: &Metadata<'_>, _: &layer::Context<'_, S>| {
        metadata.target() == TARGET && Context::current().span().span_context().is_sampled()
    })
    // Whoever reports something else is told once that nobody listens.
    .with_callsite_filter(|metadata: &'static Metadata<'static>| {
        if metadata.target() == TARGET {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    })
    .with_max_level_hint(Level::DEBUG)
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let mut statement = Statement::default();
        event.record(&mut statement);
        let end = SystemTime::from(SystemClock.now());
        let text = if statement.text.is_empty() {
            statement.summary
        } else {
            statement.text.trim().to_owned()
        };
        let mut span = self
            .tracer
            .span_builder(name(&text).to_owned())
            .with_kind(SpanKind::Client)
            .with_start_time(end.checked_sub(statement.elapsed).unwrap_or(end))
            .with_attributes([
                KeyValue::new("db.system.name", self.database),
                KeyValue::new("db.query.summary", name(&text).to_owned()),
                KeyValue::new("db.query.text", text),
                KeyValue::new("db.response.returned_rows", statement.rows),
            ])
            .start_with_context(&self.tracer, &Context::current());
        span.end_with_timestamp(end);
    }
}

/// What a statement calls itself.
fn name(text: &str) -> &str {
    let mut words = text.split_whitespace();
    match (words.next(), words.next()) {
        (Some("/*"), Some(name)) => name,
        (Some(word), _) => word,
        (None, _) => "statement",
    }
}

#[derive(Default)]
struct Statement {
    summary: String,
    text: String,
    elapsed: Duration,
    rows: i64,
}

impl Visit for Statement {
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.text),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "rows_returned" {
            self.rows = i64::try_from(value).unwrap_or(i64::MAX);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_statement_is_named_by_itself() {
        assert_eq!(name("/* ledger.draws */ SELECT 1"), "ledger.draws");
        assert_eq!(name("COMMIT"), "COMMIT");
        assert_eq!(name(" "), "statement");
    }
}
