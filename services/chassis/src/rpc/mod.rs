//! What every call carries and leaves behind, on the side of the server ([`server`]) and of the client ([`client`]): a
//! span of a trace, a deadline, and a number in the metrics.

mod access;
pub mod client;
mod method;
pub mod server;

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;
use tonic::Code;
use tracing::Span;

use self::access::Access;
use crate::gate::OpenCall;
use crate::metrics::{Metrics, durations};

/// Labels of a call: its method as `package.Service/Method` (`_OTHER` for what is none of ours) and its status.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    rpc_method: &'static str,
    rpc_response_status_code: &'static str,
}

/// Durations of calls by method and status.
#[derive(Debug, Clone)]
struct Calls(Arc<Durations>);

type Durations = Family<CallLabels, Histogram, fn() -> Histogram>;

impl Calls {
    fn new(name: &str, help: &str, metrics: &Metrics) -> Self {
        let family = Family::new_with_constructor(durations as fn() -> Histogram);
        metrics.add_seconds(name, help, family.clone());
        Self(Arc::new(family))
    }

    fn ended(&self, rpc_method: &'static str, code: Code, took: std::time::Duration) {
        let labels = CallLabels {
            rpc_method,
            rpc_response_status_code: code_name(code),
        };
        self.0.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

/// Which end of a call is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

/// Notes how a call ended, in its span and in the numbers, once. Dropped before, the call was given up: for want of time,
/// or because the caller left.
#[derive(Debug)]
struct Ending {
    side: Side,
    method: &'static str,
    began: Instant,
    deadline: Option<Instant>,
    calls: Option<Calls>,
    span: Span,
    is_noted: bool,
    /// Of a server: the call on its connection.
    open: Option<OpenCall>,
    /// Of a server whose calls are logged.
    access: Option<Access>,
}

impl Ending {
    fn note(&mut self, code: Code) {
        if std::mem::replace(&mut self.is_noted, true) {
            return;
        }
        self.open = None;
        self.span.record("rpc.response.status_code", code_name(code));
        let is_error = match self.side {
            Side::Server => is_servers_fault(code),
            Side::Client => code != Code::Ok,
        };
        if is_error {
            self.span.record("otel.status_code", "ERROR");
        }
        let took = self.began.elapsed();
        if let Some(calls) = &self.calls {
            calls.ended(self.method, code, took);
        }
        if let Some(access) = self.access.take() {
            access.ended(self.method, code, took);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let is_late = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        self.note(if is_late {
            Code::DeadlineExceeded
        } else {
            Code::Cancelled
        });
    }
}

/// A status as gRPC spells it.
#[must_use]
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Whether a status is the server's fault, as the conventions for spans of servers count.
fn is_servers_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}
