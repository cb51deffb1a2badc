//! Lines of the log as JSON: one object each, with the ids of the trace and span that were open.

use std::fmt;

use chrono::SecondsFormat;
use opentelemetry::trace::TraceContextExt as _;
use serde::ser::{SerializeMap as _, Serializer as _};
use serde_json::ser::{CompactFormatter, Compound};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Clock as _, SystemClock};

/// Writes `timestamp`, `severity_text`, `target`, `body`, `trace_id`, `span_id` and the fields of the event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let line = line(event).map_err(|_| fmt::Error)?;
        // JSON is text.
        writer.write_str(std::str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

/// Fields of spans do not stand in the lines: nothing is kept of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoSpans;

impl FormatFields<'_> for NoSpans {
    fn format_fields<R: RecordFields>(&self, _: Writer<'_>, _: R) -> fmt::Result {
        Ok(())
    }
}

/// Most lines are no longer.
const USUAL_BYTES: usize = 1 << 10;

fn line(event: &Event<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    let mut json = serde_json::Serializer::new(&mut text);
    let mut line = json.serialize_map(None)?;
    let now = SystemClock.now().to_rfc3339_opts(SecondsFormat::Micros, true);
    line.serialize_entry("timestamp", &now)?;
    line.serialize_entry("severity_text", event.metadata().level().as_str())?;
    line.serialize_entry("target", event.metadata().target())?;
    let context = opentelemetry::Context::current();
    let span = context.span().span_context().clone();
    if span.is_valid() {
        line.serialize_entry("trace_id", &format_args!("{}", span.trace_id()))?;
        line.serialize_entry("span_id", &format_args!("{}", span.span_id()))?;
    }
    let mut fields = Fields {
        line,
        written: Ok(()),
    };
    event.record(&mut fields);
    fields.written?;
    fields.line.end()?;
    text.push(b'\n');
    Ok(text)
}

struct Fields<'a, 't> {
    line: Compound<'a, &'t mut Vec<u8>, CompactFormatter>,
    /// Whether all could be written.
    written: Result<(), serde_json::Error>,
}

impl Fields<'_, '_> {
    fn put(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        if self.written.is_err() {
            return;
        }
        self.written = match field.name() {
            "message" => self.line.serialize_entry("body", value),
            // What a line always has is not said twice.
            name @ ("timestamp" | "severity_text" | "target" | "trace_id" | "span_id" | "body") => {
                self.line.serialize_entry(&format_args!("field.{name}"), value)
            }
            name => self.line.serialize_entry(name, value),
        };
    }
}

impl Visit for Fields<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, &format_args!("{value}"));
    }
}
