//! The server's side: the outermost layer, so that refused calls count, too.

use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::body::Body;
use tonic::codegen::http;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::field;

use super::access::Access;
use super::{Calls, Ending, Side, method};
use crate::balance::code_of;
use crate::deadline::{self, KEPT};
use crate::gate::OpenCall;
use crate::incoming::Peer;
use crate::metrics::Metrics;
use crate::telemetry::trace::Trace;

/// Opens a span for each call, which goes on with the caller's trace; gives the call its deadline, refusing what cannot
/// finish within it and ending what has not; measures it.
#[derive(Debug, Clone)]
pub struct Observe {
    calls: Option<Calls>,
    logs_access: bool,
}

impl Observe {
    /// Durations are counted there.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let calls = Calls::new(
            "rpc_server_call_duration",
            "Duration of calls that this server answered, to the last message of a stream",
            metrics,
        );
        Self {
            calls: Some(calls),
            logs_access: false,
        }
    }

    /// Each call is a line of the log, too.
    #[must_use]
    pub fn logging_access(mut self) -> Self {
        self.logs_access = true;
        self
    }

    /// For services that are asked in memory: what the process is asked from outside is counted at its edge.
    #[must_use]
    pub(crate) fn uncounted() -> Self {
        Self {
            calls: None,
            logs_access: false,
        }
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            observe: self.clone(),
        }
    }
}

/// A server behind [`Observe`].
#[derive(Debug, Clone)]
pub struct Observed<S> {
    inner: S,
    observe: Observe,
}

impl Observe {
    /// Begins a call, which [`Begun::answered`] goes on with.
    ///
    /// # Errors
    /// The refusal of what cannot finish in the time that it has.
    pub fn begin<B>(&self, request: &http::Request<B>) -> Result<Begun, Status> {
        let method = method::at(request.uri().path());
        let peer = request.extensions().get::<Peer>();
        let client = peer.and_then(|peer| peer.name.as_deref());
        let open = peer.and_then(|peer| peer.usage.as_ref()).map(OpenCall::begin);
        let trace = if method::is_traced(method) {
            Trace::of_server(request.headers(), || {
                tracing::info_span!(
                    target: "nopic::rpc",
                    "rpc",
                    otel.name = method,
                    otel.kind = "server",
                    otel.status_code = field::Empty,
                    rpc.system.name = "grpc",
                    rpc.method = method,
                    rpc.response.status_code = field::Empty,
                    nopic.client = client,
                )
            })
        } else {
            Trace::none()
        };
        let given = deadline::of(request.headers());
        let began = Instant::now();
        let deadline = given.map(|given| began + given);
        let mut ending = Ending {
            side: Side::Server,
            method,
            began,
            deadline,
            calls: self.calls.clone(),
            span: trace.span.clone(),
            is_noted: false,
            open,
            access: (self.logs_access && method::is_traced(method))
                .then(|| Access::of(request))
                .flatten(),
        };
        if given.is_some_and(|given| given <= KEPT) {
            let status = Status::deadline_exceeded(format!(
                "no answer can be given within the time that is left: {} ms are kept for the reply; allow more",
                KEPT.as_millis()
            ));
            ending.note(status.code());
            return Err(status);
        }
        Ok(Begun {
            trace,
            deadline,
            ending,
        })
    }
}

/// A call that is observed.
#[derive(Debug)]
pub struct Begun {
    trace: Trace,
    deadline: Option<Instant>,
    ending: Ending,
}

impl Begun {
    /// Works for its answer, within its trace and its time, and watches that to its end.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn answered<E>(
        self,
        work: impl Future<Output = Result<http::Response<Body>, E>>,
    ) -> Result<http::Response<Body>, E> {
        let Self {
            trace,
            deadline,
            mut ending,
        } = self;
        let mut work = pin!(trace.follow(deadline::scope(deadline, work)));
        let response = match deadline {
            None => work.await?,
            Some(deadline) => match timeout_at(deadline, &mut work).await {
                Ok(answered) => answered?,
                Err(_) => {
                    let status = over();
                    ending.note(status.code());
                    return Ok(status.into_http());
                }
            },
        };
        // What is refused at once has its status here, everything else behind its last message.
        if let Some(code) = code_of(response.headers()) {
            ending.note(code);
        }
        Ok(response.map(|body| {
            Body::new(ObservedBody {
                body,
                trace,
                ending: Some(ending),
                time: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            })
        }))
    }
}

fn over() -> Status {
    Status::deadline_exceeded("the time that the caller gave is over")
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
        match self.observe.begin(&request) {
            Ok(begun) => Box::pin(begun.answered(self.inner.call(request))),
            Err(status) => Box::pin(ready(Ok(status.into_http()))),
        }
    }
}

/// An answer on its way, to its trailers or its deadline.
struct ObservedBody {
    body: Body,
    trace: Trace,
    ending: Option<Ending>,
    time: Option<Pin<Box<Sleep>>>,
}

impl ObservedBody {
    /// Everything has been said.
    fn end(&mut self, code: Code) {
        if let Some(mut ending) = self.ending.take() {
            ending.note(code);
        }
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let _entered = self.trace.enter();
        http_body::Body::poll_frame(Pin::new(&mut self.body), context)
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
        if this.ending.is_none() {
            // Everything has been said.
            return Poll::Ready(None);
        }
        if let Some(time) = &mut this.time
            && time.as_mut().poll(context).is_ready()
        {
            this.end(Code::DeadlineExceeded);
            let trailers = over().into_http::<Body>().into_parts().0.headers;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        match ready!(this.poll_body(context)) {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.end(code_of(trailers).unwrap_or(Code::Unknown));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                this.end(error.code());
                Poll::Ready(Some(Err(error)))
            }
            None => {
                // Without trailers: the headers had the status, and it is noted.
                this.end(Code::Unknown);
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;

    const METHOD: &str = "/grpc.health.v1.Health/Check";

    /// Calls a service that never answers, and gives up after a second.
    /// Whether there is an answer before.
    async fn call(metrics: &Metrics, given: Option<&str>) -> bool {
        let hangs = tower::service_fn(|_: http::Request<()>| {
            std::future::pending::<Result<http::Response<Body>, Infallible>>()
        });
        let mut server = Observe::new(metrics).layer(hangs);
        let mut request = http::Request::builder().uri(METHOD);
        if let Some(given) = given {
            request = request.header(deadline::TIMEOUT, given);
        }
        let called = server.call(request.body(()).unwrap());
        let Ok(answer) = tokio::time::timeout(Duration::from_secs(1), called).await else {
            return false;
        };
        let headers = answer.unwrap().into_parts().0.headers;
        assert_eq!(code_of(&headers), Some(Code::DeadlineExceeded));
        true
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_is_counted() {
        for (given, is_answered, code) in [
            // Given up by its caller, out of time, and without time from the beginning.
            (None, false, "CANCELLED"),
            (Some("5S"), false, "CANCELLED"),
            (Some("900m"), true, "DEADLINE_EXCEEDED"),
            (Some("20m"), true, "DEADLINE_EXCEEDED"),
        ] {
            let metrics = Metrics::default();
            assert_eq!(call(&metrics, given).await, is_answered, "{given:?}");
            let counted = format!(
                "rpc_server_call_duration_seconds_count{{rpc_method=\"grpc.health.v1.Health/Check\",\
                 rpc_response_status_code=\"{code}\"}} 1\n"
            );
            assert!(metrics.text().contains(&counted), "{given:?}: {}", metrics.text());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_outlasts_its_time_ends_with_it() {
        let metrics = Metrics::default();
        let streams = tower::service_fn(|_: http::Request<()>| async {
            // Messages that never come.
            let body =
                http_body_util::StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Status>>());
            Ok::<_, Infallible>(http::Response::new(Body::new(body)))
        });
        let mut server = Observe::new(&metrics).layer(streams);
        let request = http::Request::builder()
            .uri(METHOD)
            .header(deadline::TIMEOUT, "2S");
        let answer = server.call(request.body(()).unwrap()).await.unwrap();
        let frame = http_body_util::BodyExt::frame(&mut answer.into_body())
            .await
            .unwrap()
            .unwrap();
        let trailers = frame.into_trailers().unwrap();
        assert_eq!(code_of(&trailers), Some(Code::DeadlineExceeded));
    }
}
