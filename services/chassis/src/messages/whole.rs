//! Messages read one by one, each whole before it is handed on: unpacked, weighed, and with room in memory for what comes of
//! it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream;
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use nopic_proto::weight::Request;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;

use super::packed::{Packed, UnpackError};
use super::patience::Patience;
use super::room::{Held, Room};
use super::{PREFIX, REQUESTS, SHORT, broken, late, time_for, too_long};

/// Bytes that a message may take once it is decoded.
const HEAVIEST: usize = 32 << 20;
/// What is worked on takes so many times what it was decoded to: lines are put into the form that is judged, and answered.
const WORK: usize = 2;
/// Packed messages from this length on are unpacked where that holds up nobody.
const LONG_TO_UNPACK: usize = 4 << 10;
/// So many at a time: an unpacker takes memory of its own, up to what it may look back, and nobody counts that.
static UNPACKERS: Semaphore = Semaphore::const_new(4);

/// The room that the message of a call takes until the call is answered.
pub(super) type Working = Arc<Mutex<Option<Held>>>;

/// The messages of one call.
pub(super) struct Whole {
    pub(super) body: Body,
    /// Of the last frame, not taken yet.
    pub(super) read: Bytes,
    /// What the contract says of them; absent: nothing, they are of another.
    pub(super) request: Option<Request>,
    /// Bytes that one may have.
    pub(super) most: u32,
    pub(super) packed: Option<Packed>,
    /// How long nothing may come before the message and behind it; absent: it is one of a stream, which may rest.
    pub(super) time: Option<Duration>,
    pub(super) tenant: String,
    /// Absent: nobody's but the process's own.
    pub(super) room: Option<Room>,
    pub(super) working: Working,
    /// What the decoder has of it.
    pub(super) copies: Option<Held>,
    /// Bytes of the longest, which the decoder of a stream keeps.
    pub(super) longest: usize,
}

impl Whole {
    /// They as a body.
    pub(super) fn body(self) -> Body {
        let messages = stream::unfold(Some(self), |messages| async move {
            let mut messages = messages?;
            match messages.next().await {
                Ok(None) => None,
                Ok(Some(message)) => Some((Ok(Frame::data(message)), Some(messages))),
                Err(status) => Some((Err(status), None)),
            }
        });
        Body::new(StreamBody::new(Box::pin(messages)))
    }

    /// The next one with its prefix; `None`: there are no more.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        if self.request.is_none_or(|request| request.is_stream) {
            self.release();
        }
        let Some((begun, [flag, length @ ..])) = self.begin().await? else {
            return Ok(None);
        };
        let packed = self.how_packed(flag)?;
        let length = u32::from_be_bytes(length);
        if length > self.most {
            return Err(too_long(length, self.most));
        }
        let bytes = length as usize;
        // Until it has room for what comes of it.
        let _arriving = match &self.room {
            Some(room) if bytes > SHORT => Some(room.arrive(&self.tenant, bytes)?),
            _ => None,
        };
        let mut message = if self.read.len() >= PREFIX + bytes && begun.is_empty() {
            self.read.split_to(PREFIX + bytes)
        } else {
            self.gather(begun, PREFIX + bytes, time_for(length)).await?
        };
        if let Some(packed) = packed {
            message = self.unpack(message, packed).await?;
        }
        self.longest = self.longest.max(message.len());
        // Here until it is handed on, it is copied to where the decoder reads it.
        self.copy(message.len()).await?;
        let weight = self.weigh(&message[PREFIX..])?;
        self.work(WORK * weight).await?;
        Ok(Some(message))
    }

    /// What stands before a message: looked at where it lies, or in pieces that were taken.
    async fn begin(&mut self) -> Result<Option<(BytesMut, [u8; PREFIX])>, Status> {
        while self.read.is_empty() {
            let Some(data) = self.frame(None).await? else {
                return Ok(None);
            };
            self.read = data;
        }
        if let Some(prefix) = self.read.first_chunk() {
            return Ok(Some((BytesMut::new(), *prefix)));
        }
        let begun = BytesMut::from(self.gather(BytesMut::new(), PREFIX, time_for(0)).await?);
        // It was gathered to this length.
        Ok(begun.first_chunk().copied().map(|prefix| (begun, prefix)))
    }

    fn how_packed(&self, flag: u8) -> Result<Option<Packed>, Status> {
        match (flag, self.packed) {
            (0, _) => Ok(None),
            (1, Some(packed)) => Ok(Some(packed)),
            (1, None) => Err(Status::invalid_argument(
                "a message is packed, and the header grpc-encoding does not say how: gzip and zstd are taken",
            )),
            _ => Err(Status::invalid_argument(format!(
                "a message begins with {flag}: 0 stands before one as it is, 1 before a packed one"
            ))),
        }
    }

    /// Takes what was read until so many bytes are gathered, for which the sender has this time.
    async fn gather(
        &mut self,
        mut gathered: BytesMut,
        wanted: usize,
        time: Duration,
    ) -> Result<Bytes, Status> {
        let mut patience = Patience::new(time);
        gathered.reserve(wanted - gathered.len());
        loop {
            let more = self.read.len().min(wanted - gathered.len());
            gathered.extend_from_slice(&self.read.split_to(more));
            if gathered.len() == wanted {
                return Ok(gathered.freeze());
            }
            self.read = self
                .frame(Some(&mut patience))
                .await?
                .ok_or_else(|| Status::invalid_argument("the body ends within a message"))?;
        }
    }

    /// The next bytes of the body; within a message the sender's patience is given.
    async fn frame(&mut self, mut patience: Option<&mut Patience>) -> Result<Option<Bytes>, Status> {
        loop {
            let frame = match (&mut patience, self.time) {
                (None, None) => self.body.frame().await,
                // What lies ready is not late.
                (None, Some(time)) => timeout(time, self.body.frame()).await.map_err(|_| late())?,
                (Some(patience), _) => {
                    let mut ask = |context: &mut Context<'_>| Pin::new(&mut self.body).poll_frame(context);
                    poll_fn(|context| patience.poll(context, &mut ask)).await?
                }
            };
            let Some(frame) = frame else {
                return Ok(None);
            };
            // Trailers of a request say nothing.
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// A packed message as one that is not, prefix and all.
    async fn unpack(&mut self, message: Bytes, packed: Packed) -> Result<Bytes, Status> {
        let most = self.most;
        let length = aside(message.clone(), move |message| {
            packed.length(message, most as usize)
        });
        let length = length.await?.map_err(|error| not_unpacked(&error, most))?;
        // It is here, and copied to where the decoder reads it.
        self.copy(2 * (PREFIX + length)).await?;
        let unpack = move |message: &[u8]| {
            let mut unpacked = Vec::with_capacity(PREFIX + length);
            unpacked.resize(PREFIX, 0);
            packed.unpack(message, length, &mut unpacked)?;
            Ok(unpacked)
        };
        let unpacked: Result<Vec<u8>, _> = aside(message, unpack).await?;
        let mut unpacked = unpacked.map_err(|error| not_unpacked(&error, most))?;
        // It is no longer than its bound.
        let length = u32::try_from(unpacked.len() - PREFIX).unwrap_or(most);
        unpacked[1..PREFIX].copy_from_slice(&length.to_be_bytes());
        Ok(unpacked.into())
    }

    fn weigh(&self, message: &[u8]) -> Result<usize, Status> {
        let Some(request) = self.request else {
            return Ok(message.len());
        };
        let weight = REQUESTS.weigh(request, message, HEAVIEST);
        weight.map_err(|error| Status::invalid_argument(error.to_string()))
    }

    /// Room for so many bytes of copies, in all that is held; waits until there is some.
    async fn copy(&mut self, bytes: usize) -> Result<(), Status> {
        match &self.room {
            Some(room) if bytes > SHORT => room.copy(&self.tenant, &mut self.copies, bytes).await,
            _ => Ok(()),
        }
    }

    /// Room for so many bytes that are worked on; waits until there is some.
    async fn work(&mut self, bytes: usize) -> Result<(), Status> {
        let held = match &self.room {
            Some(room) if bytes > SHORT => Some(room.work(&self.tenant, bytes).await?),
            _ => None,
        };
        *self.working() = held;
        Ok(())
    }

    fn working(&self) -> MutexGuard<'_, Option<Held>> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The message before was worked on; what the decoder keeps of it stays counted.
    fn release(&mut self) {
        *self.working() = None;
        match &mut self.copies {
            Some(held) if self.longest > SHORT => held.shrink_to(self.longest),
            held => *held = None,
        }
    }
}

/// Why a message is not unpacked.
fn not_unpacked(error: &UnpackError, most: u32) -> Status {
    match error {
        UnpackError::TooLong => Status::out_of_range(format!(
            "a message is too long when it is unpacked: at most {most} bytes"
        )),
        UnpackError::Broken => Status::invalid_argument(
            "a message cannot be unpacked: it is not packed as the header grpc-encoding says",
        ),
    }
}

/// Work over a packed message, which holds up nobody where it is long.
async fn aside<T: Send + 'static>(
    message: Bytes,
    work: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T, Status> {
    if message.len() <= LONG_TO_UNPACK {
        return Ok(work(&message[PREFIX..]));
    }
    let internal = || Status::internal("internal");
    let place = UNPACKERS.acquire().await.map_err(|_| internal())?;
    let done = tokio::task::spawn_blocking(move || {
        // Held by the work itself: who waits for it may leave.
        let _place = place;
        work(&message[PREFIX..])
    });
    done.await.map_err(|_| internal())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt as _;
    use tonic::Code;

    use super::*;

    fn messages(
        sent: impl futures::Stream<Item = Result<Frame<Bytes>, Status>> + Send + 'static,
        time: Option<Duration>,
    ) -> Body {
        let messages = Whole {
            body: Body::new(StreamBody::new(sent)),
            read: Bytes::new(),
            request: None,
            most: 100,
            packed: None,
            time,
            tenant: "a".to_owned(),
            room: None,
            working: Working::default(),
            copies: None,
            longest: 0,
        };
        messages.body()
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_lies_ready_is_not_late_however_late_it_is_read() {
        let (sender, sent) = futures::channel::mpsc::unbounded();
        let mut messages = messages(sent, None);
        let send = |bytes: &'static [u8]| {
            let frame = Ok::<_, Status>(Frame::data(Bytes::from_static(bytes)));
            sender.unbounded_send(frame).unwrap();
        };
        send(&[0, 0, 0, 0, 4, 1, 2]);
        assert!(messages.frame().now_or_never().is_none());
        send(&[3]);
        // Nobody looks; what the sender may still have to send has its time afterwards.
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(messages.frame().now_or_never().is_none());
        send(&[4]);
        let message = messages.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&message[PREFIX..], [1, 2, 3, 4]);
        send(&[0, 0]);
        let late = messages.frame().await.unwrap().unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded);
    }
    #[tokio::test]
    async fn few_messages_are_unpacked_at_a_time_whoever_waits_for_them() {
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let message = Bytes::from(vec![0; LONG_TO_UNPACK + 1]);
        let works = (0..40).map(|_| {
            let (at_once, most) = (Arc::clone(&at_once), Arc::clone(&most));
            aside(message.clone(), move |_| {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
                at_once.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for done in futures::future::join_all(works).await {
            done.unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 4);
    }

    #[tokio::test(start_paused = true)]
    async fn the_only_message_of_a_call_is_not_waited_for_for_ever_and_those_of_a_stream_are() {
        for (sent, frames) in [(&[][..], 0), (&[0, 0, 0, 0, 1, 7], 1)] {
            let sent = futures::stream::iter([Ok::<_, Status>(Frame::data(Bytes::from_static(sent)))]);
            let sent = futures::StreamExt::chain(sent, futures::stream::pending());
            let mut messages = messages(sent, Some(time_for(0)));
            for _ in 0..frames {
                assert!(messages.frame().await.unwrap().is_ok());
            }
            // Neither for it nor for the end of the call behind it.
            let began = tokio::time::Instant::now();
            let late = messages.frame().await.unwrap().unwrap_err();
            assert_eq!(
                (late.code(), began.elapsed()),
                (Code::DeadlineExceeded, time_for(0))
            );
        }
        let mut rests = messages(futures::stream::pending(), None);
        let rests = tokio::time::timeout(Duration::from_secs(1_000), rests.frame());
        assert!(rests.await.is_err());
    }
}
