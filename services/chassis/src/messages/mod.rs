//! What a call may send: each message is bounded before memory is given to it, in its bytes as they come, unpacked, and
//! decoded, and all of them together in the room of the process.
//!
//! Where the calls are decoded ([`whole`]) messages are read one by one; where they are handed on to another process
//! ([`passing`]) only their lengths are looked at, for whoever decodes them does the rest.

mod lengths;
mod packed;
mod passing;
mod patience;
mod room;
mod whole;

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use nopic_domain::principal::Principal;
use nopic_proto::weight::Requests;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::held::holding;
pub use lengths::{Lengths, Seen};
use packed::Packed;
use passing::Passing;
pub use room::{CallRoom, Held, Pool, Room};
use whole::{Whole, Working};

/// Of a message: whether it is packed, and its length.
const PREFIX: usize = 5;
/// What is shorter is not counted: as many calls as there may be at a time have room for it.
pub const SHORT: usize = 64 << 10;
/// Bytes that a message of a call has at most, whatever its method.
pub const MAX_REQUEST_BYTES: u32 = 16 << 20;
/// Bytes of a message of a method that the contract does not have: of health and reflection.
const MOST_OF_OTHERS: u32 = 64 << 10;
/// How long a message may take to come: so long, and a second for so many bytes.
const MESSAGE_TIME: Duration = Duration::from_secs(10);
const BYTES_PER_SECOND: u32 = 128 << 10;
/// The same before the only message of a call, and behind it, where somebody hands it on: longer than the time in which the
/// door reads a whole body that it puts into another form.
const MESSAGE_TIME_BEHIND: Duration = Duration::from_secs(90);

/// The requests of everything that a server serves.
static REQUESTS: LazyLock<Requests> = LazyLock::new(|| {
    Requests::read([
        nopic_proto::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ])
});

/// Bounds the messages of calls.
#[derive(Debug, Clone, Default)]
pub struct BoundMessages {
    room: Option<Room>,
    elsewhere: Arc<HashSet<&'static str>>,
    is_at_the_door: bool,
}

impl BoundMessages {
    /// In the room that a process has for what comes from outside. Without, by [`Default`], each message is bounded and not
    /// all of them: for callers in the same process, whose own callers were counted.
    #[must_use]
    pub fn within(room: Room) -> Self {
        Self {
            room: Some(room),
            ..Self::default()
        }
    }

    /// The same where the calls of these services are handed on to other processes.
    #[must_use]
    pub fn handing_on(mut self, services: impl IntoIterator<Item = &'static str>) -> Self {
        self.elsewhere = Arc::new(services.into_iter().collect());
        self
    }

    /// The same where the calls come from whoever sends their messages, and not from somebody who hands them on.
    #[must_use]
    pub fn at_the_door(mut self) -> Self {
        self.is_at_the_door = true;
        self
    }

    /// The body of a request, bounded.
    fn body(&self, body: Body, head: &Head, working: &Working) -> Body {
        let request = REQUESTS.at(&head.path);
        let most = request.map_or(MOST_OF_OTHERS, |request| request.most_bytes);
        let is_single = request.is_some_and(|request| !request.is_stream);
        let time = is_single.then_some(head.time);
        match (&self.room, head.is_handed_on) {
            (Some(room), true) => {
                Body::new(Passing::new(body, most, head.tenant.clone(), room.clone()).within(time))
            }
            (room, _) => Whole {
                body,
                read: Bytes::new(),
                request,
                most,
                packed: head.packed,
                time,
                tenant: head.tenant.clone(),
                room: room.clone(),
                working: Arc::clone(working),
                copies: None,
                longest: 0,
            }
            .body(),
        }
    }
}

/// What is known of a call before its body.
struct Head {
    path: String,
    tenant: String,
    packed: Option<Packed>,
    is_handed_on: bool,
    /// For the beginning and the end of a single message.
    time: Duration,
}

/// The room that a call's messages take where they are worked on, until its answer is over.
#[derive(Debug)]
pub struct Bounded(Working);

impl BoundMessages {
    /// The call with its messages bounded. What is given with it goes beside its answer.
    pub fn bound(&self, mut request: http::Request<Body>) -> (http::Request<Body>, Option<Bounded>) {
        if http_body::Body::is_end_stream(request.body()) {
            return (request, None);
        }
        let path = request.uri().path();
        let service = path.split('/').nth(1).unwrap_or_default();
        let is_handed_on = self.elsewhere.contains(service);
        let caller = request.extensions().get::<Principal>();
        // What is put into another form on its way in is read whole before, in a time that is bounded there.
        let is_as_it_came = request.extensions().get::<CallRoom>().is_none();
        let head = Head {
            path: path.to_owned(),
            tenant: caller.map_or_else(String::new, |caller| caller.tenant.clone()),
            packed: if is_handed_on {
                None
            } else {
                Packed::take(request.headers_mut())
            },
            is_handed_on,
            time: if self.is_at_the_door && is_as_it_came {
                time_for(0)
            } else {
                MESSAGE_TIME_BEHIND
            },
        };
        if let (Some(of_call), Some(room)) = (request.extensions().get::<CallRoom>(), &self.room) {
            of_call.is_of(room, &head.tenant);
        }
        let working = Working::default();
        let request = request.map(|body| self.body(body, &head, &working));
        (request, (!head.is_handed_on).then_some(Bounded(working)))
    }
}

impl Bounded {
    /// The answer, which holds the room from now on.
    #[must_use]
    pub fn answered(self, response: http::Response<Body>) -> http::Response<Body> {
        // Of a stream it belongs to its body, which whoever answers has still.
        let held = if Arc::strong_count(&self.0) == 1 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
        } else {
            None
        };
        match held {
            Some(held) => holding(response, held),
            None => response,
        }
    }
}

impl<S> Layer<S> for BoundMessages {
    type Service = MessagesBounded<S>;

    fn layer(&self, inner: S) -> MessagesBounded<S> {
        MessagesBounded {
            inner,
            bound: self.clone(),
        }
    }
}

/// Calls behind [`BoundMessages`].
#[derive(Debug, Clone)]
pub struct MessagesBounded<S> {
    inner: S,
    bound: BoundMessages,
}

impl<S> Service<http::Request<Body>> for MessagesBounded<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (request, bounded) = self.bound.bound(request);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(match bounded {
                Some(bounded) => bounded.answered(response),
                None => response,
            })
        })
    }
}

/// How long a message of this length may take.
fn time_for(length: u32) -> Duration {
    MESSAGE_TIME + Duration::from_secs(u64::from(length / BYTES_PER_SECOND))
}

/// A message took longer.
fn late() -> Status {
    Status::deadline_exceeded("a message took too long to come: send it faster, or in parts")
}

/// A message says that it is longer than one may be.
fn too_long(length: u32, most: u32) -> Status {
    Status::out_of_range(format!(
        "a message of {length} bytes is too long: at most {most}; send lines in batches or on a stream, files in chunks"
    ))
}

/// A body that cannot be read to its end is its sender's fault, or that of the way here.
fn broken(status: Status) -> Status {
    match status.code() {
        Code::Internal | Code::Unknown => {
            Status::invalid_argument(format!("the body cannot be read: {}", status.message()))
        }
        _ => status,
    }
}
