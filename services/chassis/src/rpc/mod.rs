//! What every call carries and leaves behind, on the side of the server ([`server`]) and of the client ([`client`]): a
//! span of a trace, a deadline, and a number in the metrics.

pub mod client;
mod method;
pub mod server;

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tonic::Code;
use tonic::codegen::http::HeaderMap;

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

/// The status in these headers or trailers.
fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers
        .get("grpc-status")
        .map(|code| Code::from_bytes(code.as_bytes()))
}

/// A status as gRPC spells it.
fn code_name(code: Code) -> &'static str {
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
