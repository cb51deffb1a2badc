//! The client's side: a channel to another service, whose calls belong to the trace and keep the deadline of the call
//! that they are made for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::{StdError, http};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::Service;
use tracing::field;

use super::{Calls, Ending, Side, method};
use crate::balance::{BalanceMetrics, Balancer, Idempotent, code_of, status_of};
use crate::deadline;
use crate::metrics::Metrics;
use crate::roles::Protected;
use crate::telemetry::trace::Trace;
use crate::transport::in_memory;

/// How a service is reached.
#[derive(Debug, Clone)]
enum Way {
    Balanced(Balancer),
    Channel(Channel),
}

/// A channel to a service.
#[derive(Debug, Clone)]
pub struct Client {
    way: Way,
    /// Which service.
    name: &'static str,
    calls: Option<Calls>,
}

/// Numbers of the calls that a process makes.
#[derive(Debug, Clone)]
pub struct ClientMetrics {
    calls: Calls,
    balancers: BalanceMetrics,
}

impl ClientMetrics {
    /// Durations are counted there.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            calls: Calls::new(
                "rpc_client_call_duration",
                "Duration of calls that this process made, to the first message of an answer",
                metrics,
            ),
            balancers: BalanceMetrics::new(metrics),
        }
    }
}

impl Client {
    /// Calls to the service of this name.
    #[must_use]
    pub fn new(balancer: Balancer, name: &'static str) -> Self {
        Self::over(Way::Balanced(balancer), name)
    }

    fn over(way: Way, name: &'static str) -> Self {
        Self {
            way,
            name,
            calls: None,
        }
    }

    /// Calls by a channel of one's own, which nobody balances.
    #[must_use]
    pub fn by_channel(channel: Channel, name: &'static str) -> Self {
        Self::over(Way::Channel(channel), name)
    }

    /// Calls of `caller` to a service of this process, without a socket.
    #[must_use]
    pub fn in_memory(services: Protected, name: &'static str, caller: &str) -> Self {
        Self::by_channel(in_memory(services, caller), name)
    }

    /// The same, with its calls counted.
    #[must_use]
    pub fn counted(mut self, metrics: &ClientMetrics) -> Self {
        self.calls = Some(metrics.calls.clone());
        if let Way::Balanced(balancer) = &self.way {
            balancer.count_in(&metrics.balancers, self.name);
        }
        self
    }
}

impl Service<http::Request<Body>> for Client {
    type Response = http::Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, StdError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        match &mut self.way {
            Way::Balanced(balancer) => balancer.poll_ready(context).map_err(Into::into),
            Way::Channel(channel) => channel.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let method = method::at(request.uri().path());
        let trace = if method::is_traced(method) {
            Trace::of_client(request.headers_mut(), || {
                tracing::info_span!(
                    target: "nopic::rpc",
                    "rpc",
                    otel.name = method,
                    otel.kind = "client",
                    otel.status_code = field::Empty,
                    rpc.system.name = "grpc",
                    rpc.method = method,
                    rpc.response.status_code = field::Empty,
                    server.address = self.name,
                )
            })
        } else {
            Trace::none()
        };
        let asked = deadline::of(request.headers());
        let mut ending = Ending {
            side: Side::Client,
            method,
            began: Instant::now(),
            deadline: deadline::current(),
            calls: self.calls.clone(),
            span: trace.span.clone(),
            is_noted: false,
            open: None,
            access: None,
        };
        if deadline::current().is_some() || asked.is_some() {
            let Some(left) = deadline::within(asked.unwrap_or(std::time::Duration::MAX)) else {
                let status = Status::deadline_exceeded("the time that the caller gave is over");
                ending.note(status.code());
                return Box::pin(std::future::ready(Err(status.into())));
            };
            if let Ok(left) = deadline::text(left).parse() {
                request.headers_mut().insert(deadline::TIMEOUT, left);
            }
        }
        let is_idempotent = method::is_idempotent(request.uri().path());
        let answer = match &mut self.way {
            Way::Balanced(balancer) => {
                if is_idempotent {
                    request.extensions_mut().insert(Idempotent);
                }
                balancer.call(request)
            }
            Way::Channel(channel) => {
                let answer = channel.call(request);
                Box::pin(async move {
                    answer
                        .await
                        .map_err(|error| status_of(error.into(), is_idempotent))
                })
            }
        };
        Box::pin(trace.follow(async move {
            let answer = answer.await;
            let code = match &answer {
                Ok(response) => code_of(response.headers()).unwrap_or(Code::Ok),
                Err(status) => status.code(),
            };
            ending.note(code);
            answer.map_err(Into::into)
        }))
    }
}
