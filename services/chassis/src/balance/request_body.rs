//! A request's body that can be sent again: what was sent is kept, up to a bound, until an answer begins.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::Frame;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

/// Bytes of a request that are kept; more than that is sent once only.
const MOST_KEPT: usize = 1 << 20;

/// The body as far as it was sent to any server.
#[derive(Debug, Clone)]
pub(super) struct Sent(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rest: Option<Body>,
    kept: Vec<Bytes>,
    bytes: usize,
    /// Whether all that was sent is kept, so that it can be sent again.
    is_whole: bool,
    /// Why it came to no end: then the call's end says nothing of the endpoint.
    broken: Option<Status>,
    /// Whether it need not be sent again.
    is_let_go: bool,
    /// When its end was sent first.
    over: Option<Instant>,
    /// Which attempt it is sent by. What is left of one before must not take what this one is to send.
    attempt: u32,
    /// What of `kept` this attempt has sent.
    place: usize,
}

impl Sent {
    /// Nothing of it yet.
    pub(super) fn new(body: Body) -> Self {
        Self::of(Some(body), Vec::new())
    }

    /// One message that is there already.
    pub(super) fn whole(message: Bytes) -> Self {
        Self::of(None, vec![message])
    }

    fn of(rest: Option<Body>, kept: Vec<Bytes>) -> Self {
        Self(Arc::new(Mutex::new(State {
            rest,
            bytes: 0,
            kept,
            is_whole: true,
            broken: None,
            is_let_go: false,
            over: None,
            attempt: 0,
            place: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nobody panics who holds it; and if so, what it holds is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body from its beginning, for one more attempt.
    pub(super) fn send(&self) -> Sending {
        let mut state = self.lock();
        state.attempt += 1;
        state.place = 0;
        Sending {
            sent: self.clone(),
            attempt: state.attempt,
        }
    }

    /// Whether it can be sent again.
    pub(super) fn is_whole(&self) -> bool {
        self.lock().is_whole
    }

    /// Why its sender did not send all of it, if that is so.
    pub(super) fn broken(&self) -> Option<Status> {
        self.lock().broken.clone()
    }

    /// Keeps nothing any more: an answer has begun. Says when the request was over, if it is.
    pub(super) fn let_go(&self) -> Option<Instant> {
        let mut state = self.lock();
        (state.is_let_go, state.is_whole) = (true, false);
        let place = state.place;
        state.kept[..place].fill(Bytes::new());
        state.over
    }
}

/// The body for one server.
#[derive(Debug)]
pub(super) struct Sending {
    sent: Sent,
    attempt: u32,
}

impl tonic::codegen::Body for Sending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut state = self.sent.lock();
        let state = &mut *state;
        if state.attempt != self.attempt {
            return Poll::Ready(Some(Err(Status::cancelled("the call is made elsewhere"))));
        }
        loop {
            if let Some(data) = state.kept.get_mut(state.place) {
                state.place += 1;
                let data = if state.is_let_go {
                    std::mem::take(data)
                } else {
                    data.clone()
                };
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            let Some(rest) = &mut state.rest else {
                state.over.get_or_insert_with(Instant::now);
                return Poll::Ready(None);
            };
            let frame = ready!(Pin::new(&mut *rest).poll_frame(context));
            // The end of a request that came over HTTP/2 comes as an empty piece. Sent on as one that is not the last, it
            // is what floods are made of: a server ends a connection with a hundred of them.
            let is_empty = |frame: &Frame<Bytes>| frame.data_ref().is_some_and(Bytes::is_empty);
            if matches!(&frame, Some(Ok(frame)) if is_empty(frame)) {
                continue;
            }
            if frame.is_none() || rest.is_end_stream() {
                state.over = Some(Instant::now());
                state.rest = None;
            }
            match &frame {
                Some(Ok(frame)) if state.is_whole => match frame.data_ref() {
                    Some(data) if state.bytes + data.len() <= MOST_KEPT => {
                        state.bytes += data.len();
                        state.kept.push(data.clone());
                        state.place += 1;
                    }
                    // What is kept was sent: it is of no use any more.
                    _ => (state.is_whole, state.place, state.kept) = (false, 0, Vec::new()),
                },
                None | Some(Ok(_)) => {}
                Some(Err(status)) => {
                    state.is_whole = false;
                    state.broken.get_or_insert_with(|| status.clone());
                }
            }
            return Poll::Ready(frame);
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.sent.lock();
        state.attempt == self.attempt && state.rest.is_none() && state.place == state.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::{BodyExt as _, StreamBody};
    use proptest::prelude::*;

    use super::*;

    fn body(chunks: &[Vec<u8>]) -> Body {
        let frames = chunks
            .iter()
            .map(|chunk| Ok::<_, Status>(Frame::data(Bytes::from(chunk.clone()))))
            .collect::<Vec<_>>();
        Body::new(StreamBody::new(tokio_stream::iter(frames)))
    }

    async fn read(sending: &mut Sending, frames: usize) -> Vec<u8> {
        let mut read = Vec::new();
        for _ in 0..frames {
            let Some(frame) = sending.frame().await else { break };
            read.extend_from_slice(frame.unwrap().data_ref().unwrap());
        }
        read
    }

    #[tokio::test]
    async fn more_than_the_bound_is_sent_once() {
        let chunks = vec![vec![1; MOST_KEPT], vec![2]];
        let sent = Sent::new(body(&chunks));
        let mut sending = sent.send();
        read(&mut sending, 1).await;
        assert!(sent.is_whole());
        assert_eq!(read(&mut sending, 9).await, [2]);
        assert!(!sent.is_whole());
    }

    #[tokio::test]
    async fn empty_pieces_are_not_sent_and_the_last_one_is_known_to_be_it() {
        let sent = Sent::new(body(&[vec![], vec![1], vec![], vec![]]));
        let mut sending = sent.send();
        assert_eq!(read(&mut sending, 1).await, [1]);
        assert!(sending.frame().await.is_none() && sending.is_end_stream());
        let mut again = sent.send();
        assert!(!again.is_end_stream());
        assert_eq!(read(&mut again, 1).await, [1]);
        assert!(again.is_end_stream(), "what was kept is all there is");
    }

    #[tokio::test]
    async fn what_is_left_of_an_attempt_takes_nothing_from_the_next() {
        let sent = Sent::new(body(&[vec![1], vec![2]]));
        let mut first = sent.send();
        let mut second = sent.send();
        assert!(first.frame().await.unwrap().is_err());
        assert_eq!(read(&mut second, 9).await, [1, 2]);
    }

    proptest! {
        #[test]
        fn every_attempt_sends_the_whole(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..10),
            attempts in prop::collection::vec(0_usize..12, 0..4),
            let_go_after in 0_usize..12,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let whole = chunks.concat();
                let sent = Sent::new(body(&chunks));
                for frames in attempts {
                    let read = read(&mut sent.send(), frames).await;
                    assert!(whole.starts_with(&read) && sent.is_whole());
                }
                let mut last = sent.send();
                let mut all = read(&mut last, let_go_after).await;
                sent.let_go();
                all.extend(read(&mut last, usize::MAX).await);
                assert_eq!(all, whole);
                assert!(!sent.is_whole());
            });
        }
    }
}
