//! The server's side: the outermost layer, so that refused calls count, too.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::body::Body;
use tonic::codegen::http;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field};

use super::{Calls, code_name, code_of, is_servers_fault, method};
use crate::deadline::{self, KEPT};
use crate::incoming::Peer;
use crate::metrics::Metrics;
use crate::telemetry::propagation::continue_trace;

/// Opens a span for each call, which goes on with the caller's trace; gives the call its deadline, refusing what cannot
/// finish within it and ending what has not; measures it.
#[derive(Debug, Clone)]
pub struct Observe(Option<Calls>);

impl Observe {
    /// Durations are counted there.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self(Some(Calls::new(
            "rpc_server_call_duration",
            "Duration of calls that this server answered, to the last message of a stream",
            metrics,
        )))
    }

    /// For services that are asked in memory: what the process is asked from outside is counted at its edge.
    #[must_use]
    pub(crate) fn uncounted() -> Self {
        Self(None)
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            calls: self.0.clone(),
        }
    }
}

/// A server behind [`Observe`].
#[derive(Debug, Clone)]
pub struct Observed<S> {
    inner: S,
    calls: Option<Calls>,
}

impl<S, B> Service<http::Request<B>> for Observed<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let method = method::at(request.uri().path());
        let client = request
            .extensions()
            .get::<Peer>()
            .and_then(|peer| peer.name.as_deref());
        let span = tracing::info_span!(
            target: "nopic::rpc",
            "rpc",
            otel.name = method,
            otel.kind = "server",
            otel.status_code = field::Empty,
            rpc.system.name = "grpc",
            rpc.method = method,
            rpc.response.status_code = field::Empty,
            nopic.client = client,
        );
        continue_trace(&span, request.headers());
        let given = deadline::of(request.headers());
        let began = Instant::now();
        let ending = Ending {
            method,
            began,
            calls: self.calls.clone(),
            span: span.clone(),
            code: Code::Cancelled,
        };
        if given.is_some_and(|given| given <= KEPT) {
            let status = Status::deadline_exceeded(format!(
                "no answer can be given within the time that is left: {} ms are kept for the reply; allow more",
                KEPT.as_millis()
            ));
            ending.with(status.code());
            return Box::pin(std::future::ready(Ok(status.into_http())));
        }
        let deadline = given.map(|given| began + given);
        let answer = deadline::scope(deadline, self.inner.call(request));
        let answer = async move {
            let response = answer.await?;
            let (parts, body) = response.into_parts();
            // What is refused at once has its status here, everything else behind its last message.
            let code = code_of(&parts.headers);
            let body = ObservedBody {
                body,
                ending: Some(Ending {
                    code: code.unwrap_or(ending.code),
                    ..ending
                }),
                time: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            };
            Ok(http::Response::from_parts(parts, Body::new(body)))
        };
        Box::pin(answer.instrument(span))
    }
}

/// What is noted when a call ends. Dropped with the body before its end, the caller has left.
struct Ending {
    method: &'static str,
    began: Instant,
    calls: Option<Calls>,
    span: Span,
    code: Code,
}

impl Ending {
    fn with(self, code: Code) {
        self.span.record("rpc.response.status_code", code_name(code));
        if is_servers_fault(code) {
            self.span.record("otel.status_code", "ERROR");
        }
        if let Some(calls) = &self.calls {
            calls.ended(self.method, code, self.began.elapsed());
        }
    }
}

/// An answer on its way, to its trailers or its deadline.
struct ObservedBody {
    body: Body,
    ending: Option<Ending>,
    time: Option<Pin<Box<Sleep>>>,
}

impl ObservedBody {
    fn end(&mut self, code: Option<Code>) {
        if let Some(ending) = self.ending.take() {
            let code = code.unwrap_or(ending.code);
            ending.with(code);
        }
    }
}

impl http_body::Body for ObservedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let span = match &this.ending {
            Some(ending) => ending.span.clone(),
            // Everything has been said.
            None => return Poll::Ready(None),
        };
        let _entered = span.enter();
        if let Some(time) = &mut this.time
            && time.as_mut().poll(context).is_ready()
        {
            let status = Status::deadline_exceeded("the time that the caller gave is over");
            this.end(Some(Code::DeadlineExceeded));
            let trailers = status.into_http::<Body>().into_parts().0.headers;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        match ready!(Pin::new(&mut this.body).poll_frame(context)) {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.end(code_of(trailers));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                this.end(Some(error.code()));
                Poll::Ready(Some(Err(error)))
            }
            None => {
                this.end(None);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ending.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ObservedBody {
    fn drop(&mut self) {
        self.end(None);
    }
}
