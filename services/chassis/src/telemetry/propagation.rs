//! The context of a trace in the metadata of a call: `traceparent` and `tracestate`, as the W3C defines them.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            // Another one each time: a connection remembers it in vain.
            value.set_sensitive(true);
            self.0.insert(name, value);
        }
    }
}

/// The trace that these headers name, if they name one.
pub(crate) fn context_in(headers: &HeaderMap) -> Option<Context> {
    if !headers.contains_key("traceparent") {
        return None;
    }
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    context.span().span_context().is_valid().then_some(context)
}

/// Writes the trace that this span belongs to into headers.
pub(crate) fn name_trace(span: &tracing::Span, headers: &mut HeaderMap) {
    write_context(&span.context(), headers);
}

/// Writes the trace that this context is of into headers, if it is of one.
pub(crate) fn write_context(context: &Context, headers: &mut HeaderMap) {
    if context.span().span_context().is_valid() {
        TraceContextPropagator::new().inject_context(context, &mut HeadersMut(headers));
    }
}
