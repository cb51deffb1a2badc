//! Messages are bounded where they are not decoded: each says its length before it comes, and one that is too long, or
//! one too many of the long ones, is refused by that, before memory is given to it anywhere.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use nopic_domain::principal::Principal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::refusal::too_much_under_way;
use crate::tenant_places::TenantPlaces;
use crate::{Request, Response};

/// Longest message of a request.
pub(crate) const MAX_MESSAGE_BYTES: u32 = 16 << 20;
/// Shorter ones are not counted among those under way.
const SHORT: u32 = 64 << 10;
/// Kilobytes of long messages under way at a time, of all callers and of one tenant: no tenant takes all the room.
const UNDER_WAY: usize = 128 << 10;
const OF_A_TENANT: usize = 32 << 10;
/// Of a message: whether it is packed, and its length.
const PREFIX: usize = 5;

/// Bounds the messages of requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct BoundMessages(Arc<Room>);

/// The room for long messages, in kilobytes.
#[derive(Debug)]
struct Room {
    all: Arc<Semaphore>,
    tenants: TenantPlaces,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(UNDER_WAY)),
            tenants: TenantPlaces::new(OF_A_TENANT),
        }
    }
}

impl Room {
    /// So many kilobytes for a tenant, until they are dropped.
    fn take(&self, tenant: &str, kilobytes: u32) -> Option<[OwnedSemaphorePermit; 2]> {
        let own = self.tenants.take(tenant, kilobytes)?;
        let all = Arc::clone(&self.all).try_acquire_many_owned(kilobytes).ok()?;
        Some([own, all])
    }
}

impl<S> Layer<S> for BoundMessages {
    type Service = WithBoundMessages<S>;

    fn layer(&self, inner: S) -> WithBoundMessages<S> {
        WithBoundMessages {
            inner,
            room: Arc::clone(&self.0),
        }
    }
}

/// Calls behind [`BoundMessages`].
#[derive(Debug, Clone)]
pub(crate) struct WithBoundMessages<S> {
    inner: S,
    room: Arc<Room>,
}

impl<S: Service<Request, Response = Response>> Service<Request> for WithBoundMessages<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> S::Future {
        let room = Arc::clone(&self.room);
        let caller = request.extensions().get::<Principal>();
        let tenant = caller.map_or_else(String::new, |caller| caller.tenant.clone());
        self.inner.call(request.map(|body| {
            if http_body::Body::is_end_stream(&body) {
                return body;
            }
            Body::new(Measured {
                body,
                lengths: Lengths::default(),
                tenant,
                room,
                held: None,
                is_refused: false,
            })
        }))
    }
}

/// Follows where messages begin and end in what comes in any pieces.
#[derive(Debug, Default)]
pub(crate) struct Lengths {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that have come.
    begun: usize,
    /// Bytes of the message that have not.
    left: u32,
}

/// What a piece holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A message of this length begins.
    Begin(u32),
    /// The message that began is whole.
    End,
}

impl Lengths {
    /// Whether every message that has begun is whole.
    pub(crate) const fn is_between(&self) -> bool {
        self.begun == 0 && self.left == 0
    }

    /// Says of a piece what it holds, in order, until someone says that it is enough.
    pub(crate) fn follow<E>(
        &mut self,
        mut piece: &[u8],
        mut see: impl FnMut(Seen) -> Result<(), E>,
    ) -> Result<(), E> {
        while !piece.is_empty() {
            if self.left > 0 {
                let taken = piece.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                piece = &piece[taken..];
                self.left -= u32::try_from(taken).unwrap_or(self.left);
                if self.left == 0 {
                    see(Seen::End)?;
                }
                continue;
            }
            let taken = piece.len().min(PREFIX - self.begun);
            self.prefix[self.begun..self.begun + taken].copy_from_slice(&piece[..taken]);
            self.begun += taken;
            piece = &piece[taken..];
            if self.begun == PREFIX {
                let [_, length @ ..] = self.prefix;
                self.begun = 0;
                self.left = u32::from_be_bytes(length);
                see(Seen::Begin(self.left))?;
                if self.left == 0 {
                    see(Seen::End)?;
                }
            }
        }
        Ok(())
    }
}

/// A request's body whose messages are bounded.
struct Measured {
    body: Body,
    lengths: Lengths,
    tenant: String,
    room: Arc<Room>,
    /// The room of the message that has begun, if it is long.
    held: Option<[OwnedSemaphorePermit; 2]>,
    is_refused: bool,
}

impl Measured {
    fn measure(&mut self, data: &[u8]) -> Result<(), Status> {
        let (held, room, tenant) = (&mut self.held, &self.room, &self.tenant);
        self.lengths.follow(data, |seen| match seen {
            Seen::End => {
                *held = None;
                Ok(())
            }
            Seen::Begin(length) if length > MAX_MESSAGE_BYTES => Err(Status::out_of_range(format!(
                "a message of {length} bytes is too long: at most {MAX_MESSAGE_BYTES}; send lines in batches or on a stream, \
                 files in chunks"
            ))),
            Seen::Begin(length) if length > SHORT => {
                *held = Some(room.take(tenant, length >> 10).ok_or_else(too_much_under_way)?);
                Ok(())
            }
            Seen::Begin(_) => Ok(()),
        })
    }
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_refused {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(status) = self.measure(data)
        {
            self.is_refused = true;
            return Poll::Ready(Some(Err(status)));
        }
        Poll::Ready(frame)
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

    #[test]
    fn no_tenant_takes_the_room_of_all() {
        let room = Room::default();
        let longest = MAX_MESSAGE_BYTES >> 10;
        let held: Vec<_> = (0..10).map_while(|_| room.take("a", longest)).collect();
        assert_eq!(held.len(), 2);
        let others: Vec<_> = (0..10)
            .map_while(|number| room.take(&number.to_string(), longest))
            .collect();
        assert_eq!(others.len(), 6);
        drop(held);
        assert!(room.take("b", longest).is_some());
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
