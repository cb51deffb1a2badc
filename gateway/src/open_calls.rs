//! Calls that everybody may make, without a word of who calls: health and reflection. They have places of their own and
//! little time, so that whoever shows nothing takes nothing from those who do.

use std::sync::Arc;
use std::time::Duration;

use futures::future::Either;
use nopic_chassis::deadline;
use nopic_chassis::metrics::{Count, Metrics};
use nopic_chassis::roles::is_open;
use tokio::sync::Semaphore;
use tonic::codegen::http::HeaderValue;
use tower::Layer;

use crate::answer::{Answer, at_once};
use crate::places::Places;
use crate::refusal::too_busy;
use crate::{Request, Response};

/// How many are under way at a time: short ones, and those that watch how a service is.
const PLACES: usize = 64;
const WATCHING: usize = 32;
/// How long a short one may take, with all that it sends.
const TIME: Duration = Duration::from_secs(10);
const TIME_TEXT: HeaderValue = HeaderValue::from_static("10S");
/// The one that has no end.
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// Bounds open calls.
#[derive(Debug, Clone)]
pub(crate) struct BoundOpenCalls {
    short: Arc<Semaphore>,
    watching: Arc<Semaphore>,
    refused: Arc<Count>,
}

impl BoundOpenCalls {
    /// Shows there how many are refused.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let refused = Arc::<Count>::default();
        let read = Arc::clone(&refused);
        metrics.add_read(move |reading| {
            reading.counter(
                "gateway_open_calls_refused",
                "Calls without a caller, of health and reflection, that were refused because too many were under way",
                &[(&[], read.get())],
            )
        });
        Self {
            short: Arc::new(Semaphore::new(PLACES)),
            watching: Arc::new(Semaphore::new(WATCHING)),
            refused,
        }
    }
}

impl<S> Layer<S> for BoundOpenCalls {
    type Service = OpenCallsBounded<S>;

    fn layer(&self, inner: S) -> OpenCallsBounded<S> {
        OpenCallsBounded {
            inner,
            bound: self.clone(),
        }
    }
}

/// Calls behind [`BoundOpenCalls`].
#[derive(Debug)]
pub(crate) struct OpenCallsBounded<S> {
    inner: S,
    bound: BoundOpenCalls,
}

impl<S: Answer> Answer for OpenCallsBounded<S> {
    fn answer(&self, mut request: Request) -> impl Future<Output = Response> + Send {
        if is_open(request.uri().path()) {
            let is_watching = request.uri().path() == WATCH;
            let places = if is_watching {
                &self.bound.watching
            } else {
                &self.bound.short
            };
            let Ok(place) = Arc::clone(places).try_acquire_owned() else {
                self.bound.refused.add();
                return at_once(too_busy().into_http());
            };
            Places::give(&mut request, place);
            if !is_watching && deadline::of(request.headers()).is_none_or(|time| time > TIME) {
                request.headers_mut().insert("grpc-timeout", TIME_TEXT);
            }
        }
        Either::Right(self.inner.answer(request))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt as _;

    use super::*;

    /// Never answers, and notes how much time a call has.
    #[derive(Default)]
    struct Hangs(Mutex<Vec<Option<Duration>>>);

    impl Answer for Hangs {
        async fn answer(&self, request: Request) -> Response {
            let noted = deadline::of(request.headers());
            self.0.lock().unwrap().push(noted);
            std::future::pending().await
        }
    }

    fn call(path: &str, time: Option<&'static str>) -> Request {
        let mut request = Request::default();
        *request.uri_mut() = path.parse().unwrap();
        if let Some(time) = time {
            let time = HeaderValue::from_static(time);
            request.headers_mut().insert("grpc-timeout", time);
        }
        request
    }

    const CHECK: &str = "/grpc.health.v1.Health/Check";

    #[test]
    fn calls_of_everybody_have_few_places_of_their_own() {
        let metrics = Metrics::default();
        let bounded = BoundOpenCalls::new(&metrics).layer(Hangs::default());
        let begin = |path| {
            let mut answer = Box::pin(bounded.answer(call(path, None)));
            let is_refused = answer.as_mut().now_or_never().is_some();
            (answer, is_refused)
        };
        let mut open: Vec<_> = (0..PLACES).map(|_| begin(CHECK)).collect();
        assert!(open.iter().all(|(_, is_refused)| !is_refused));
        assert!(begin(CHECK).1 && begin("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo").1);
        assert!(metrics.text().contains("gateway_open_calls_refused_total 2\n"));
        // Others have theirs.
        assert!(!begin(WATCH).1 && !begin("/nopic.registry.v1.RegistryService/GetOperation").1);
        open.pop();
        assert!(!begin(CHECK).1);
    }

    #[test]
    fn they_have_little_time_but_for_those_that_watch() {
        let bounded = BoundOpenCalls::new(&Metrics::default()).layer(Hangs::default());
        for (path, given) in [
            (CHECK, None),
            (CHECK, Some("1H")),
            (CHECK, Some("2S")),
            (WATCH, None),
        ] {
            assert!(bounded.answer(call(path, given)).now_or_never().is_none());
        }
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(
            *bounded.inner.0.lock().unwrap(),
            [seconds(10), seconds(10), seconds(2), None]
        );
    }
}
