//! Messages that pass: they are handed on in the pieces in which they come, so nothing but their lengths is looked at. Each
//! says its length before it comes, and one that is too long, one too many of the long ones, or one that does not come in
//! time is refused by that, before memory is given to it anywhere.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;

use super::lengths::{Lengths, Seen};
use super::room::{Held, Room};
use super::{SHORT, broken, late, time_for, too_long};

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
    /// Until when the message that has begun must be whole.
    until: Option<Pin<Box<Sleep>>>,
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
            until: None,
            is_refused: false,
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
                    self.until = None;
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
            self.until = Some(Box::pin(sleep(time_for(length))));
        }
        Ok(())
    }
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_refused {
            return Poll::Ready(None);
        }
        if let Some(until) = &mut self.until
            && until.as_mut().poll(context).is_ready()
        {
            self.is_refused = true;
            return Poll::Ready(Some(Err(late())));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref()
                    && let Err(status) = self.measure(data)
                {
                    self.is_refused = true;
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
    use proptest::prelude::*;

    use super::*;

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
