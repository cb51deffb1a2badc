//! Answers that wait for a caller who does not read: they hold memory, and places that others want.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

use crate::places::UnderWay;

/// Bytes of a piece at most: what the server is given at once lies there until its caller takes it.
const PIECE: usize = 16 << 10;
/// Bytes of a last piece at most. The server takes it however little its caller has room for, and then forgets the answer,
/// which lies there in nobody's count; what comes behind a piece it takes only when there is room for all of that.
const LAST_PIECE: usize = 1 << 10;
/// Answers that are over are forgotten when there are so many.
const KEPT: usize = 64;

/// The answers of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Unread {
    born: Instant,
    answers: Arc<Mutex<Vec<Weak<Waiting>>>>,
}

/// Since when something of an answer waits to be read, in milliseconds after the connection's birth.
#[derive(Debug)]
struct Waiting(AtomicU64);

/// Nothing waits.
const NOTHING: u64 = u64::MAX;

impl Unread {
    pub(crate) fn new() -> Self {
        Self {
            born: Instant::now(),
            answers: Arc::default(),
        }
    }

    fn now(&self) -> u64 {
        // Nobody keeps a connection for so long.
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(NOTHING - 1)
    }

    /// The body of an answer, watched; its call is under way until its end.
    pub(crate) fn watch(&self, body: Body, under_way: UnderWay) -> Body {
        if http_body::Body::is_end_stream(&body) {
            return body;
        }
        // Where its caller gives no room at all it is never asked for anything.
        let waiting = Arc::new(Waiting(AtomicU64::new(self.now())));
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= KEPT && answers.len() == answers.capacity() {
            answers.retain(|answer| answer.strong_count() > 0);
        }
        answers.push(Arc::downgrade(&waiting));
        drop(answers);
        Body::new(Watched {
            body,
            rest: Bytes::new(),
            waiting,
            unread: self.clone(),
            under_way: Some(under_way),
        })
    }

    /// How long the caller has not read what waits longest.
    pub(crate) fn longest(&self) -> Duration {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut since = NOTHING;
        answers.retain(|answer| {
            let answer = answer.upgrade();
            if let Some(waiting) = &answer {
                since = since.min(waiting.0.load(Ordering::Relaxed));
            }
            answer.is_some()
        });
        match since {
            NOTHING => Duration::ZERO,
            since => Duration::from_millis(self.now().saturating_sub(since)),
        }
    }
}

struct Watched {
    body: Body,
    /// What is left of a long piece. The server takes whatever it is given, be it far more than its caller has room for.
    rest: Bytes,
    waiting: Arc<Waiting>,
    unread: Unread,
    under_way: Option<UnderWay>,
}

impl Watched {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.rest.is_empty() {
            let frame = match ready!(http_body::Body::poll_frame(Pin::new(&mut self.body), context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let rest = self.rest.len();
        let is_last = rest <= PIECE && http_body::Body::is_end_stream(&self.body);
        let length = match is_last && rest > LAST_PIECE {
            // Behind it is one byte more, so that its end is that of an answer that was read.
            true => rest - 1,
            false => rest.min(PIECE),
        };
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_over(&self) -> bool {
        self.rest.is_empty() && http_body::Body::is_end_stream(&self.body)
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = self.poll_piece(context);
        let is_over = match &frame {
            Poll::Ready(None | Some(Err(_))) => true,
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Pending => false,
        };
        if is_over {
            self.under_way = None;
        }
        // Whoever asks again has room for the last one; what is given now waits until then.
        let since = if frame.is_ready() {
            self.unread.now()
        } else {
            NOTHING
        };
        self.waiting.0.store(since, Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;
    use crate::places::Places;

    #[tokio::test(start_paused = true)]
    async fn what_is_not_read_shows_and_what_is_not_said_does_not() {
        let unread = Unread::new();
        let frames = futures::stream::iter([Ok::<_, Status>(Frame::data(Bytes::from_static(b"one")))]);
        let frames = futures::StreamExt::chain(frames, futures::stream::pending());
        let mut body = unread.watch(
            Body::new(StreamBody::new(frames)),
            UnderWay::begin(&Arc::default(), Places::default()),
        );
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(unread.longest().as_secs(), 5);
        assert!(body.frame().now_or_never().is_some());
        assert_eq!(unread.longest(), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(unread.longest().as_secs(), 7);
        // It is asked for more, and has none: nobody waits for the caller.
        assert!(body.frame().now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(unread.longest(), Duration::ZERO);
        drop(body);
        assert!(
            unread
                .answers
                .lock()
                .unwrap()
                .iter()
                .all(|answer| answer.strong_count() == 0)
        );
    }

    #[tokio::test]
    async fn a_long_piece_is_given_in_short_ones_and_places_are_kept_until_the_last() {
        let place = Arc::new(());
        let mut request = crate::Request::default();
        let places = Places::default();
        request.extensions_mut().insert(places.clone());
        Places::give(&mut request, Arc::clone(&place));
        drop(request);
        let long = Bytes::from(vec![7; 2 * PIECE + LAST_PIECE + 1]);
        let whole = Body::new(http_body_util::Full::new(long.clone()));
        let mut body = Unread::new().watch(whole, UnderWay::begin(&Arc::default(), places));
        let mut came = Vec::new();
        for length in [PIECE, PIECE, LAST_PIECE, 1] {
            assert!(!http_body::Body::is_end_stream(&body));
            assert_eq!(
                http_body::Body::size_hint(&body).exact(),
                Some((long.len() - came.len()) as u64)
            );
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(piece.len(), length);
            assert_eq!(Arc::strong_count(&place), 2, "its place is kept");
            came.extend(piece);
        }
        assert_eq!(came, long);
        assert!(http_body::Body::is_end_stream(&body));
        drop(body);
        assert_eq!(Arc::strong_count(&place), 1);
    }
}
