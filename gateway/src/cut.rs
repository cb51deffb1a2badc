//! Ends the requests of streams that go to other processes when this one drains, between two messages, and says that it did:
//! the service behind then ends the answers at an entry's boundary, and the caller goes on at another gateway.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use nopic_chassis::cut::CUT;
use nopic_chassis::draining::Draining;
use nopic_chassis::messages::Lengths;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue};
use tower::Layer;

use crate::answer::Answer;
use crate::{Request, Response, json};

/// Cuts requests short when this is said; absent: whoever serves them hears it by itself.
#[derive(Debug, Clone)]
pub(crate) struct CutStreams(pub(crate) Option<Draining>);

impl<S> Layer<S> for CutStreams {
    type Service = StreamsCut<S>;

    fn layer(&self, inner: S) -> StreamsCut<S> {
        StreamsCut {
            inner,
            draining: self.0.clone(),
        }
    }
}

/// Calls behind [`CutStreams`].
#[derive(Debug)]
pub(crate) struct StreamsCut<S> {
    inner: S,
    draining: Option<Draining>,
}

impl<S> StreamsCut<S> {
    fn may_be_cut(&self, mut request: Request) -> Request {
        // From outside it says nothing.
        request.headers_mut().remove(CUT);
        let Some(draining) = self.draining.as_ref() else {
            return request;
        };
        if !json::sends_a_stream(request.uri().path()) {
            return request;
        }
        request.headers_mut().insert(CUT, HeaderValue::from_static("1"));
        let draining = draining.clone();
        request.map(|body| {
            Body::new(MayBeCut {
                body,
                lengths: Lengths::default(),
                draining: async move { draining.begun().await }.boxed(),
                is_draining: false,
                is_over: false,
            })
        })
    }
}

impl<S: Answer> Answer for StreamsCut<S> {
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send {
        self.inner.answer(self.may_be_cut(request))
    }
}

/// The requests of a stream.
struct MayBeCut {
    body: Body,
    lengths: Lengths,
    draining: BoxFuture<'static, ()>,
    is_draining: bool,
    is_over: bool,
}

impl MayBeCut {
    fn follow(&mut self, piece: &[u8]) {
        let followed: Result<(), Infallible> = self.lengths.follow(piece, |_| Ok(()));
        // Nothing is wrong with any length here.
        let Ok(()) = followed;
    }

    /// As much of a piece as belongs to the message that has begun.
    fn rest_of_message(&mut self, mut piece: Bytes) -> Bytes {
        let mut taken = 0;
        while taken < piece.len() && !self.lengths.is_between() {
            self.follow(&piece[taken..=taken]);
            taken += 1;
        }
        piece.truncate(taken);
        piece
    }
}

impl http_body::Body for MayBeCut {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        this.is_draining = this.is_draining || this.draining.poll_unpin(context).is_ready();
        if this.is_draining && this.lengths.is_between() {
            this.is_over = true;
            let mut said = HeaderMap::new();
            said.insert(CUT, HeaderValue::from_static("1"));
            return Poll::Ready(Some(Ok(Frame::trailers(said))));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(match frame.into_data() {
                Ok(data) if this.is_draining => Frame::data(this.rest_of_message(data)),
                Ok(data) => {
                    this.follow(&data);
                    Frame::data(data)
                }
                Err(mut trailers) => {
                    // From outside it says nothing here either.
                    if let Some(trailers) = trailers.trailers_mut() {
                        trailers.remove(CUT);
                    }
                    trailers
                }
            })),
            end => {
                this.is_over = true;
                end
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || (self.lengths.is_between() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        // It may be cut.
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    fn requests(pieces: &[&'static [u8]], draining: &Draining) -> MayBeCut {
        let frames: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, Status>(Frame::data(Bytes::from_static(piece))))
            .collect();
        let draining = draining.clone();
        MayBeCut {
            body: Body::new(StreamBody::new(futures::stream::iter(frames))),
            lengths: Lengths::default(),
            draining: async move { draining.begun().await }.boxed(),
            is_draining: false,
            is_over: false,
        }
    }

    #[tokio::test]
    async fn a_message_that_has_begun_comes_whole_and_nothing_behind_it() {
        let draining = Draining::default();
        let mut requests = requests(
            &[b"\0\0\0\0\x02hi\0\0", b"\0\0\x03y", b"ou\0\0\0\0\x01!"],
            &draining,
        );
        let first = requests.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, &b"\0\0\0\0\x02hi\0\0"[..]);
        draining.begin();
        let rest = requests.collect().await.unwrap();
        assert!(rest.trailers().unwrap().contains_key(CUT));
        assert_eq!(rest.to_bytes(), &b"\0\0\x03you"[..]);
    }

    #[tokio::test]
    async fn without_a_drain_all_comes() {
        let whole = requests(&[b"\0\0\0\0\x02hi", b"\0\0\0\0\0"], &Draining::default());
        let whole = whole.collect().await.unwrap();
        assert!(whole.trailers().is_none());
        assert_eq!(whole.to_bytes(), &b"\0\0\0\0\x02hi\0\0\0\0\0"[..]);
    }

    #[tokio::test]
    async fn that_it_is_cut_is_not_taken_from_outside() {
        let mut said = HeaderMap::new();
        said.insert(CUT, HeaderValue::from_static("1"));
        said.insert("x-other", HeaderValue::from_static("1"));
        let mut requests = requests(&[], &Draining::default());
        requests.body = Body::new(StreamBody::new(futures::stream::iter([Ok::<_, Status>(
            Frame::trailers(said),
        )])));
        let trailers = requests.collect().await.unwrap().trailers().cloned().unwrap();
        assert!(trailers.contains_key("x-other") && !trailers.contains_key(CUT));
    }
}
