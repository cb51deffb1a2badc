//! A door that drains ends the streams that go through it at an entry's boundary, as a service does that drains itself: it
//! cuts the requests of a call short, between two messages, and says so in trailers. The service behind hears that the call
//! is to end, and of the requests no more.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{self, Extensions};
use tower::{Layer, Service};

use crate::draining::Draining;

/// Header of a call whose requests may be cut short, and trailer of requests that were.
pub const CUT: &str = "nopic-cut";

/// Among the extensions of a request: that its call is to end.
#[derive(Debug, Clone)]
struct Cut(Draining);

/// When a call that would go on for long is to end: with its server, or because whoever hands it on drains.
#[derive(Debug, Clone)]
pub struct Ending {
    server: Draining,
    cut: Option<Draining>,
}

impl Ending {
    /// Of a call to a server that says when it drains.
    #[must_use]
    pub fn of(request: &Extensions, server: &Draining) -> Self {
        Self {
            server: server.clone(),
            cut: request.get::<Cut>().map(|Cut(cut)| cut.clone()),
        }
    }

    /// Whether it is to end.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.server.has_begun() || self.is_cut()
    }

    /// Whether its requests are cut short: no more of them come.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut.as_ref().is_some_and(Draining::has_begun)
    }

    /// Ends when it is to end; at once where it is.
    pub async fn begun(&self) {
        match &self.cut {
            None => self.server.begun().await,
            Some(cut) => tokio::select! {
                () = self.server.begun() => {}
                () = cut.begun() => {}
            },
        }
    }
}

/// Hears of requests that are cut short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HearCuts;

impl<S> Layer<S> for HearCuts {
    type Service = CutsHeard<S>;

    fn layer(&self, inner: S) -> CutsHeard<S> {
        CutsHeard(inner)
    }
}

/// A server behind [`HearCuts`].
#[derive(Debug, Clone)]
pub(crate) struct CutsHeard<S>(S);

impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for CutsHeard<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> S::Future {
        if !request.headers().contains_key(CUT) {
            return self.0.call(request);
        }
        let cut = Draining::default();
        request.extensions_mut().insert(Cut(cut.clone()));
        self.0.call(request.map(|body| {
            Body::new(MayBeCut {
                body,
                cut,
                is_cut: false,
            })
        }))
    }
}

/// Requests that may be cut short. Then they do not end: an end would say that all was sent.
struct MayBeCut {
    body: Body,
    cut: Draining,
    is_cut: bool,
}

impl http_body::Body for MayBeCut {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_cut {
            // Whoever waits for more hears of the cut.
            return Poll::Pending;
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && frame
                .trailers_ref()
                .is_some_and(|trailers| trailers.contains_key(CUT))
        {
            self.is_cut = true;
            self.cut.begin();
            return Poll::Pending;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        !self.is_cut && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use http_body_util::{BodyExt as _, StreamBody};
    use tonic::codegen::http::HeaderMap;

    use super::*;

    fn requests(trailer: Option<&'static str>) -> (MayBeCut, Draining) {
        let mut frames = vec![Ok::<_, Status>(Frame::data(Bytes::from_static(b"one")))];
        if let Some(name) = trailer {
            let mut trailers = HeaderMap::new();
            trailers.insert(name, http::HeaderValue::from_static("1"));
            frames.push(Ok(Frame::trailers(trailers)));
        }
        let cut = Draining::default();
        let body = MayBeCut {
            body: Body::new(StreamBody::new(tokio_stream::iter(frames))),
            cut: cut.clone(),
            is_cut: false,
        };
        (body, cut)
    }

    #[test]
    fn a_cut_is_heard_behind_what_came_and_is_no_end() {
        let (mut body, cut) = requests(Some(CUT));
        assert!(body.frame().now_or_never().unwrap().unwrap().unwrap().is_data());
        assert!(!cut.has_begun());
        for _ in 0..2 {
            assert!(body.frame().now_or_never().is_none() && cut.has_begun());
        }
        let mut request = Extensions::new();
        let of_server = Draining::default();
        assert!(!Ending::of(&request, &of_server).has_begun());
        request.insert(Cut(cut));
        let ending = Ending::of(&request, &of_server);
        assert!(ending.is_cut() && ending.has_begun() && ending.begun().now_or_never().is_some());
    }

    #[test]
    fn a_server_that_drains_ends_calls_that_are_not_cut() {
        let mut request = Extensions::new();
        request.insert(Cut(Draining::default()));
        let of_server = Draining::default();
        of_server.begin();
        let ending = Ending::of(&request, &of_server);
        assert!(ending.has_begun() && ending.begun().now_or_never().is_some() && !ending.is_cut());
    }

    #[test]
    fn other_ends_are_ends() {
        for trailer in [None, Some("x-other")] {
            let (body, cut) = requests(trailer);
            assert_eq!(body.collect().now_or_never().unwrap().unwrap().to_bytes(), "one");
            assert!(!cut.has_begun());
        }
    }
}
