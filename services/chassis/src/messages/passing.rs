//! Messages that pass: they are handed on in the pieces in which they come, so nothing but their lengths is looked at. Each
//! says its length before it comes, and one that is too long, one too many of the long ones, or one that does not come in
//! time is refused by that, before memory is given to it anywhere.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::lengths::{Lengths, Seen};
use super::patience::Patience;
use super::room::{Held, Room};
use super::{SHORT, broken, time_for, too_long};

/// What comes of a body.
type Next = Option<Result<Frame<Bytes>, Status>>;

/// A request's body whose messages are bounded.
pub(super) struct Passing {
    body: Body,
    lengths: Lengths,
    /// Bytes that a message may have.
    most: u32,
    tenant: String,
    room: Room,
    /// The room of the message that has begun, if it is long.
    held: Option<Held>,
    /// For the rest of the message that has begun.
    patience: Option<Patience>,
    /// How long nothing may come before the message and behind it; absent: it is one of a stream, which may rest.
    time: Option<Duration>,
    is_refused: bool,
}

impl Passing {
    pub(super) fn new(body: Body, most: u32, tenant: String, room: Room) -> Self {
        Self {
            body,
            lengths: Lengths::default(),
            most,
            tenant,
            room,
            held: None,
            patience: None,
            time: None,
            is_refused: false,
        }
    }

    /// One message alone, before which and behind which nothing may come for this time.
    pub(super) fn within(self, time: Option<Duration>) -> Self {
        Self { time, ..self }
    }

    /// What comes next; what does not come in time is late.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Next, Status>> {
        loop {
            let body = Pin::new(&mut self.body);
            if let Some(patience) = &mut self.patience {
                return patience.poll(context, |context| http_body::Body::poll_frame(body, context));
            }
            match (http_body::Body::poll_frame(body, context), self.time) {
                (Poll::Ready(frame), _) => return Poll::Ready(Ok(frame)),
                (Poll::Pending, None) => return Poll::Pending,
                // Most have come by then: only who is waited for costs a timer.
                (Poll::Pending, Some(time)) => self.patience = Some(Patience::new(time)),
            }
        }
    }

    fn measure(&mut self, data: &[u8]) -> Result<(), Status> {
        let (held, room, tenant, most) = (&mut self.held, &self.room, &self.tenant, self.most);
        let mut begun = None;
        self.lengths.follow(data, |seen| {
            match seen {
                Seen::End => {
                    *held = None;
                    begun = None;
                    self.patience = None;
                }
                Seen::Begin(length) if length > most => return Err(too_long(length, most)),
                Seen::Begin(length) => {
                    begun = Some(length);
                    if length as usize > SHORT {
                        *held = Some(room.arrive(tenant, length as usize)?);
                    }
                }
            }
            Ok(())
        })?;
        // Most are whole at once.
        if let Some(length) = begun {
            self.patience = Some(Patience::new(time_for(length)));
        }
        Ok(())
    }
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.is_refused {
            return Poll::Ready(None);
        }
        let frame = match ready!(this.poll_next(context)) {
            Ok(frame) => frame,
            Err(late) => {
                this.is_refused = true;
                return Poll::Ready(Some(Err(late)));
            }
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref()
                    && let Err(status) = this.measure(data)
                {
                    this.is_refused = true;
                    return Poll::Ready(Some(Err(status)));
                }
                Some(Ok(frame))
            }
            Some(Err(status)) => Some(Err(broken(status))),
            None => None,
        })
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
    use proptest::prelude::*;
    use tonic::Code;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_message_that_lies_ready_is_not_late_however_late_it_is_read() {
        let (sender, sent) = futures::channel::mpsc::unbounded();
        let body = Body::new(StreamBody::new(sent));
        let mut passing = Passing::new(body, 100, "a".to_owned(), Room::default());
        let send = |bytes: &'static [u8]| {
            let frame = Ok::<_, Status>(Frame::data(Bytes::from_static(bytes)));
            sender.unbounded_send(frame).unwrap();
        };
        send(&[0, 0, 0, 0, 6, 1, 2]);
        send(&[3, 4]);
        assert!(passing.frame().await.unwrap().is_ok());
        // Whoever takes it has no room for more.
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(passing.frame().await.unwrap().is_ok());
        // Now the sender is waited for.
        let late = passing.frame().await.unwrap().unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded);
        assert!(passing.frame().now_or_never().unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_only_message_of_a_call_is_not_waited_for_for_ever_and_those_of_a_stream_are() {
        let begin = |sent: &'static [&'static [u8]], time| {
            let sent = sent
                .iter()
                .map(|piece| Ok::<_, Status>(Frame::data(Bytes::from_static(piece))));
            let sent = futures::stream::iter(sent);
            let sent = futures::StreamExt::chain(sent, futures::stream::pending());
            let body = Body::new(StreamBody::new(sent));
            Passing::new(body, 100, "a".to_owned(), Room::default()).within(time)
        };
        // Nothing, less than it takes to say how long it is, and a whole one behind which the call does not end.
        const SENT: [&[&[u8]]; 3] = [&[], &[&[0, 0]], &[&[0, 0, 0, 0, 1, 7]]];
        for sent in SENT {
            let mut passing = begin(sent, Some(time_for(0)));
            for _ in sent {
                assert!(passing.frame().await.unwrap().is_ok());
            }
            let began = tokio::time::Instant::now();
            let late = passing.frame().await.unwrap().unwrap_err();
            assert_eq!(
                (late.code(), began.elapsed()),
                (Code::DeadlineExceeded, time_for(0))
            );
        }
        let mut rests = begin(&[], None);
        let rests = tokio::time::timeout(Duration::from_secs(1_000), rests.frame());
        assert!(rests.await.is_err());
    }

    proptest! {
        /// However it is cut, the same messages are seen.
        #[test]
        fn messages_are_seen_however_they_are_cut(
            lengths in prop::collection::vec(0..300_u32, 0..20),
            cuts in prop::collection::vec(1..200_usize, 1..50),
        ) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for length in lengths {
                bytes.push(0);
                bytes.extend(length.to_be_bytes());
                bytes.extend(std::iter::repeat_n(7, length as usize));
                expected.extend([Seen::Begin(length), Seen::End]);
            }
            let (mut following, mut seen) = (Lengths::default(), Vec::new());
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, later) = rest.split_at((*cut).min(rest.len()));
                rest = later;
                following
                    .follow(piece, |one| {
                        seen.push(one);
                        Ok::<_, ()>(())
                    })
                    .unwrap();
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
