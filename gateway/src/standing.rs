//! Streams go on for as long as whoever makes them may call: that is asked again while they do, and when it is so no more,
//! their requests and their answers end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use http_body::{Frame, SizeHint};
use tokio::time::sleep;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::{Request, Response};

/// How often it is asked: with the time for which an answer is kept ([`crate::access::KnownCallers`]) within the two seconds
/// in which keys stop.
const PAUSE: Duration = Duration::from_millis(500);

/// That the caller of a stream may call. Clones are one.
#[derive(Clone)]
pub(crate) struct Standing(Shared<BoxFuture<'static, Status>>);

impl Standing {
    /// Until this says that it is so no more. That it is not known at present is no reason to end what has begun.
    pub(crate) fn asking<A>(mut ask: impl FnMut() -> A + Send + 'static) -> Self
    where
        A: Future<Output = Result<(), Status>> + Send,
    {
        let ended = async move {
            loop {
                sleep(PAUSE).await;
                if let Err(status) = ask().await
                    && matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied)
                {
                    return status;
                }
            }
        };
        Self(ended.boxed().shared())
    }

    /// The call, whose requests end with it.
    pub(crate) fn bound_request(&self, request: Request) -> Request {
        request.map(|body| self.bound(body, Side::Request))
    }

    /// The answer, which ends with it.
    pub(crate) fn bound_answer(&self, response: Response) -> Response {
        response.map(|body| self.bound(body, Side::Answer))
    }

    fn bound(&self, body: Body, side: Side) -> Body {
        if http_body::Body::is_end_stream(&body) {
            return body;
        }
        Body::new(Bound {
            body,
            side,
            standing: self.clone(),
            is_over: false,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Answer,
}

struct Bound {
    body: Body,
    side: Side,
    standing: Standing,
    is_over: bool,
}

impl http_body::Body for Bound {
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
        if let Poll::Ready(status) = this.standing.0.poll_unpin(context) {
            this.is_over = true;
            // Whoever works on it need not do so any more.
            this.body = Body::empty();
            return Poll::Ready(Some(match this.side {
                Side::Request => Err(status),
                Side::Answer => Ok(Frame::trailers(status.into_http::<Body>().into_parts().0.headers)),
            }));
        }
        let frame = Pin::new(&mut this.body).poll_frame(context);
        this.is_over = match &frame {
            Poll::Ready(None | Some(Err(_))) => true,
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Pending => false,
        };
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // It may end before.
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::{BodyExt as _, StreamBody};
    use tokio::time::Instant;

    use super::*;

    fn endless() -> Body {
        let one = futures::stream::iter([Ok::<_, Status>(Frame::data(Bytes::from_static(b"one")))]);
        Body::new(StreamBody::new(futures::StreamExt::chain(
            one,
            futures::stream::pending(),
        )))
    }

    #[tokio::test(start_paused = true)]
    async fn both_sides_of_a_stream_end_when_its_caller_may_call_no_more() {
        let asked = Arc::new(AtomicUsize::new(0));
        let standing = Standing::asking({
            let asked = Arc::clone(&asked);
            move || {
                let asked = asked.fetch_add(1, Ordering::Relaxed);
                let said = match asked {
                    0 => Ok(()),
                    1 => Err(Status::unavailable("the database is away")),
                    _ => Err(Status::unauthenticated("revoked")),
                };
                std::future::ready(said)
            }
        });
        let began = Instant::now();
        let mut requests = standing.bound_request(Request::new(endless())).into_body();
        let mut answers = standing.bound_answer(Response::new(endless())).into_body();
        for body in [&mut requests, &mut answers] {
            assert!(body.frame().await.unwrap().unwrap().is_data());
        }
        let (request, answer) = tokio::join!(requests.frame(), answers.frame());
        assert_eq!(request.unwrap().unwrap_err().code(), Code::Unauthenticated);
        let trailers = answer.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "16");
        assert_eq!(began.elapsed(), 3 * PAUSE);
        assert_eq!(asked.load(Ordering::Relaxed), 3, "once for both");
        assert!(requests.frame().await.is_none() && answers.frame().await.is_none());
    }
}
