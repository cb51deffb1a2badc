//! Which calls get spans: those of traces that somebody records. The others carry the ids of their traces alone, for the
//! lines of the log and for whoever is asked in their turn: a span that nobody takes costs as much as one that is sent.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use opentelemetry::Context;
use opentelemetry::ContextGuard;
use opentelemetry::trace::{
    FutureExt as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use tonic::codegen::http::{HeaderMap, HeaderValue};
use tracing::{Instrument as _, Span};

use super::propagation::{context_in, name_trace, write_context};

/// The header that names a trace.
const PARENT: &str = "traceparent";

/// What becomes of the spans of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spans {
    /// Telemetry does not run: whoever listens to spans is somebody else.
    Unknown = 0,
    /// They leave the process.
    Taken = 1,
    /// Nobody takes them.
    Nowhere = 2,
}

static SPANS: AtomicU8 = AtomicU8::new(Spans::Unknown as u8);

/// Says what becomes of spans from now on.
pub(super) fn spans_are(spans: Spans) {
    SPANS.store(spans as u8, Ordering::Relaxed);
}

/// The share of traces that are recorded, as the bits of a number: of those that begin here, and of those from outside.
static SHARE: AtomicU64 = AtomicU64::new(0);

/// Says what it is from now on.
pub(super) fn share_is(share: f64) {
    SHARE.store(share.to_bits(), Ordering::Relaxed);
}

/// Decides anew whether a call from outside is recorded: whoever makes it names its trace, and no more. By our own chance,
/// for the ids are the caller's to choose.
pub fn decide_here(headers: &mut HeaderMap) {
    headers.remove("tracestate");
    if headers.contains_key(PARENT) {
        let is_sampled = chance() < f64::from_bits(SHARE.load(Ordering::Relaxed));
        decide(headers, is_sampled);
    }
}

/// Evenly from nothing up to one.
fn chance() -> f64 {
    let [.., a, b, c, d] = RandomIdGenerator::default().new_trace_id().to_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
}

/// As [`decide_here`], decided so.
fn decide(headers: &mut HeaderMap, is_sampled: bool) {
    let flags: &[u8; 2] = if is_sampled { b"01" } else { b"00" };
    let parent = headers.remove(PARENT);
    // Version, trace, span, flags; whatever is of another version begins a trace of its own.
    let named = parent
        .as_ref()
        .and_then(|parent| <[u8; 55]>::try_from(parent.as_bytes()).ok())
        .filter(|parent| parent.starts_with(b"00-"));
    let decided = named.and_then(|mut parent| {
        parent[53..].copy_from_slice(flags);
        HeaderValue::from_bytes(&parent).ok()
    });
    if let Some(mut decided) = decided {
        // Another one each time: a connection remembers it in vain.
        decided.set_sensitive(true);
        headers.insert(PARENT, decided);
    }
}

fn spans() -> Spans {
    match SPANS.load(Ordering::Relaxed) {
        1 => Spans::Taken,
        2 => Spans::Nowhere,
        _ => Spans::Unknown,
    }
}

/// The trace of a call.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// None of a trace that nobody records.
    pub(crate) span: Span,
    /// Its ids, where there is no span that has them.
    named: Option<Context>,
}

/// Where a trace is worked on, until it is dropped.
pub(crate) struct Entered<'a> {
    _span: tracing::span::Entered<'a>,
    _named: Option<ContextGuard>,
}

impl Trace {
    /// Of a call that comes with these headers.
    pub(crate) fn of_server(headers: &HeaderMap, span: impl FnOnce() -> Span) -> Self {
        let callers = context_in(headers);
        match Self::by_name(callers.as_ref()) {
            Some(named) => named,
            None => Self::recorded(span(), callers),
        }
    }

    /// Of a call that is made now, and named in its headers.
    pub(crate) fn of_client(headers: &mut HeaderMap, span: impl FnOnce() -> Span) -> Self {
        let current = Context::current();
        let current = current.span().span_context().is_valid().then_some(current);
        let Some(named) = Self::by_name(current.as_ref()) else {
            let span = span();
            name_trace(&span, headers);
            return Self { span, named: None };
        };
        if let Some(context) = &named.named {
            write_context(context, headers);
        }
        named
    }

    /// Of a call that belongs to no trace.
    pub(crate) const fn none() -> Self {
        Self {
            span: Span::none(),
            named: None,
        }
    }

    fn recorded(span: Span, callers: Option<Context>) -> Self {
        if let Some(callers) = callers {
            // Without telemetry there is no layer that would want to know.
            let _ = tracing_opentelemetry::OpenTelemetrySpanExt::set_parent(&span, callers);
        }
        Self { span, named: None }
    }

    /// A trace by its ids alone; `None`: somebody records it, or may. Whether one that begins here is recorded is decided
    /// by its share, which knows it by its span.
    fn by_name(known: Option<&Context>) -> Option<Self> {
        let is_sampled = |context: &Context| context.span().span_context().is_sampled();
        match spans() {
            Spans::Unknown => return None,
            Spans::Taken if known.is_none_or(is_sampled) => return None,
            Spans::Taken | Spans::Nowhere => {}
        }
        let context = known.cloned().unwrap_or_else(new_ids);
        Some(Self {
            span: Span::none(),
            named: Some(context),
        })
    }

    /// Works within the trace.
    pub(crate) fn follow<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let context = self.named.clone().unwrap_or_else(Context::current);
        work.instrument(self.span.clone()).with_context(context)
    }

    /// Works within it until what is given is dropped.
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered {
            _span: self.span.enter(),
            _named: self.named.clone().map(Context::attach),
        }
    }
}

fn new_ids() -> Context {
    let ids = RandomIdGenerator::default();
    let (trace, span): (TraceId, SpanId) = (ids.new_trace_id(), ids.new_span_id());
    let flags = TraceFlags::default();
    Context::new().with_remote_span_context(SpanContext::new(trace, span, flags, true, TraceState::NONE))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use futures::FutureExt as _;

    const RECORDED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const NOT_RECORDED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    fn headers(parent: Option<&'static str>) -> HeaderMap {
        let parent = parent.map(|parent| ("traceparent".parse().unwrap(), HeaderValue::from_static(parent)));
        parent.into_iter().collect()
    }

    /// Whether a span is made for a call that comes with this, and how the call that is made for it names its trace.
    fn passed_on(parent: Option<&'static str>) -> (bool, Option<String>) {
        let is_made = Cell::new(false);
        let span = || {
            is_made.set(true);
            Span::none()
        };
        let trace = Trace::of_server(&headers(parent), span);
        let mut onward = HeaderMap::new();
        trace
            .follow(async { Trace::of_client(&mut onward, Span::none) })
            .now_or_never()
            .unwrap();
        let named = onward.get("traceparent");
        let named = named.map(|parent| parent.to_str().unwrap().to_owned());
        (is_made.get(), named)
    }

    #[test]
    fn who_calls_from_outside_names_its_trace_and_does_not_say_that_it_is_recorded() {
        for (named, is_sampled, decided) in [
            (RECORDED, false, Some(NOT_RECORDED)),
            (NOT_RECORDED, true, Some(RECORDED)),
            (
                "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                true,
                None,
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
                true,
                None,
            ),
            ("", false, None),
        ] {
            let mut headers = headers(Some(named));
            decide(&mut headers, is_sampled);
            let found = headers.get(PARENT).map(|parent| parent.to_str().unwrap());
            assert_eq!(found, decided, "{named:?}");
        }
        // Without telemetry the share is nothing.
        let mut headers = headers(Some(RECORDED));
        headers.insert("tracestate", HeaderValue::from_static("a=b"));
        decide_here(&mut headers);
        assert_eq!(headers[PARENT], NOT_RECORDED);
        assert!(!headers.contains_key("tracestate"));
    }

    #[test]
    fn spans_are_made_for_those_who_take_them_and_ids_go_on_without() {
        // Whoever else listens to spans has them all.
        assert!(passed_on(Some(NOT_RECORDED)).0 && passed_on(None).0);
        spans_are(Spans::Nowhere);
        for parent in [RECORDED, NOT_RECORDED] {
            assert_eq!(passed_on(Some(parent)), (false, Some(parent.to_owned())));
        }
        let (is_made, begun) = passed_on(None);
        assert!(
            !is_made && begun.as_ref().is_some_and(|begun| begun.ends_with("-00")),
            "{begun:?}"
        );
        assert_ne!(begun, passed_on(None).1, "each has ids of its own");
        spans_are(Spans::Taken);
        assert!(passed_on(Some(RECORDED)).0 && passed_on(None).0);
        assert_eq!(
            passed_on(Some(NOT_RECORDED)),
            (false, Some(NOT_RECORDED.to_owned()))
        );
    }
}
