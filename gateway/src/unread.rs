//! Answers that wait for a caller who does not read: they hold memory, and places that others want.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use nopic_chassis::gate::OpenCall;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

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

    /// The body of an answer, watched; the call is open until its end.
    pub(crate) fn watch(&self, body: Body, open: OpenCall) -> Body {
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
            waiting,
            unread: self.clone(),
            open: Some(open),
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
    waiting: Arc<Waiting>,
    unread: Unread,
    open: Option<OpenCall>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let is_over = match &frame {
            Poll::Ready(None | Some(Err(_))) => true,
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Pending => false,
        };
        if is_over {
            self.open = None;
        }
        // Whoever asks again has had the last one taken; what is given now waits until then.
        let since = if frame.is_ready() {
            self.unread.now()
        } else {
            NOTHING
        };
        self.waiting.0.store(since, Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_not_read_shows_and_what_is_not_said_does_not() {
        let unread = Unread::new();
        let frames = futures::stream::iter([Ok::<_, Status>(Frame::data(Bytes::from_static(b"one")))]);
        let frames = futures::StreamExt::chain(frames, futures::stream::pending());
        let open = OpenCall::begin(&Arc::default());
        let mut body = unread.watch(Body::new(StreamBody::new(frames)), open);
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
}
