//! A call put into gRPC, and its answer taken out of it.

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use nopic_chassis::messages::Held;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::codegen::http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, StatusCode, Uri, Version};
use tonic::{Code, Status};

use super::frames::{Messages, frame};
use super::refusal::{Refusal, Slot};
use crate::access_log::Noted;
use crate::{Request, Response};

/// Bytes of a body or of a message at most.
pub(crate) const MAX_BYTES: usize = 16 << 20;
/// What is larger is read and written where it holds up nobody, so many at a time: a message that is looked at takes many
/// times its bytes.
const LARGE: usize = 64 << 10;
static LARGE_ONES: Semaphore = Semaphore::const_new(2);
/// How long a body that is read whole may take to come: it holds room meanwhile.
const BODY_TIME: Duration = Duration::from_secs(60);
/// A value that is looked at takes so many times the bytes of its text.
pub(crate) const TIMES: usize = 6;

/// A body, whole, and the room that it takes.
pub(crate) type Whole = (Bytes, Option<Held>);

/// Headers of HTTP that say something of the form outside alone.
static OUTSIDE: [HeaderName; 16] = [
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("connect-protocol-version"),
    HeaderName::from_static("connect-timeout-ms"),
    HeaderName::from_static("connect-accept-encoding"),
];

/// The call of a method.
pub(crate) fn inward(mut parts: Parts, path: &str, body: Body, slot: &Slot) -> Request {
    parts.extensions.insert(slot.room.clone());
    parts.extensions.insert(slot.received.clone());
    if let Some(noted) = parts.extensions.get::<Noted>() {
        noted.method(path);
    }
    for name in &OUTSIDE {
        parts.headers.remove(name);
    }
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    parts.headers.insert(TE, HeaderValue::from_static("trailers"));
    parts.method = Verb::POST;
    // The path of a method is one.
    parts.uri = Uri::try_from(path).unwrap_or_default();
    parts.version = Version::HTTP_2;
    Request::from_parts(parts, body)
}

/// One message, made only when somebody behind reads it.
pub(crate) fn lazily(
    slot: &Slot,
    make: impl Future<Output = Result<Bytes, Refusal>> + Send + 'static,
) -> Body {
    let slot = slot.clone();
    Body::new(StreamBody::new(stream::once(async move {
        match make.await {
            Ok(message) => Ok(Frame::data(frame(0, &message))),
            Err(refusal) => Err(slot.put(refusal)),
        }
    })))
}

/// Reads a body to its end.
pub(crate) async fn whole(body: Body, slot: &Slot) -> Result<Whole, Refusal> {
    let read = tokio::time::timeout(BODY_TIME, to_end(body, slot)).await;
    read.unwrap_or_else(|_| {
        let status = Status::deadline_exceeded("the body took too long to come");
        Err(Refusal::with(StatusCode::REQUEST_TIMEOUT, status))
    })
}

async fn to_end(mut body: Body, slot: &Slot) -> Result<Whole, Refusal> {
    let too_large = || {
        Refusal::with(
            StatusCode::PAYLOAD_TOO_LARGE,
            Status::resource_exhausted(format!(
                "the body is longer than {MAX_BYTES} bytes: send it in parts, or a file as an upload"
            )),
        )
    };
    let is_longer = |length: u64| usize::try_from(length).map_or(true, |length| length > MAX_BYTES);
    let stated = http_body::Body::size_hint(&body).lower();
    if is_longer(stated) {
        return Err(too_large());
    }
    // No more than that for what is only stated.
    let mut bytes = BytesMut::with_capacity(usize::try_from(stated).unwrap_or_default().min(LARGE));
    let mut room = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(broken)?;
        // Trailers of a request say nothing here.
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > MAX_BYTES {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
            slot.received.add(data.len());
            // Small ones come through whatever others send.
            if bytes.len() > LARGE {
                slot.room.grow(&mut room, bytes.len())?;
            }
        }
    }
    Ok((bytes.freeze(), room))
}

/// A body that ended before its end.
pub(crate) fn broken(status: Status) -> Refusal {
    tracing::debug!(error = %status, "a body broke off");
    Refusal::with(StatusCode::BAD_REQUEST, Status::cancelled("the body broke off"))
}

/// Work over so many bytes.
pub(crate) async fn work<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    if bytes < LARGE {
        return Ok(work());
    }
    let internal = || Status::internal("internal");
    let place = LARGE_ONES.acquire().await.map_err(|_| internal())?;
    let done = tokio::task::spawn_blocking(move || {
        // Held by the work itself: who waits for it may leave.
        let _place = place;
        work()
    });
    done.await.map_err(|_| internal())
}

/// Reading a body of so many bytes, of a call that has room for what is made of it.
pub(crate) async fn read<T: Send + 'static>(
    slot: &Slot,
    bytes: usize,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let _room = match bytes {
        0..LARGE => None,
        _ => slot.room.work(TIMES * bytes).await?,
    };
    work(bytes, read).await
}

/// An answer that is there, and keeps its room until it was sent.
pub(crate) fn holding(response: Response, room: Option<Held>) -> Response {
    match room {
        Some(room) => nopic_chassis::held::holding(response, room),
        None => response,
    }
}

/// The answer to a call of a unary method.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) message: Bytes,
    /// What that takes.
    pub(crate) room: Option<Held>,
    /// Headers and trailers that are not gRPC's own.
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
}

/// Takes the one message out of an answer.
pub(crate) async fn answer(response: Response, slot: &Slot) -> Result<Answer, Refusal> {
    let (parts, body) = response.into_parts();
    if let Some(refusal) = early(&parts.headers, parts.status) {
        return Err(slot.get().unwrap_or(refusal));
    }
    let mut messages = Messages::new(body, MAX_BYTES).within(slot.room.clone());
    let mut room = None;
    let mut read = async || {
        let message = messages.next().await?;
        room = messages.take_room();
        if messages.next().await?.is_some() {
            return Err(Status::internal("more than one message came back"));
        }
        match (messages.status(), message) {
            (status, Some(message)) if status.code() == Code::Ok => Ok(message),
            (status, None) if status.code() == Code::Ok => Err(Status::internal("no message came back")),
            (status, _) => Err(status),
        }
    };
    match read().await {
        Ok(message) if slot.get().is_none() => Ok(Answer {
            message,
            room,
            headers: own(&parts.headers),
            trailers: messages.trailers().map(own).unwrap_or_default(),
        }),
        Ok(_) => Err(slot.or(Status::internal("internal"))),
        Err(status) => Err(slot.or(status)),
    }
}

/// What the headers already say is refused.
pub(crate) fn early(headers: &HeaderMap, http: StatusCode) -> Option<Refusal> {
    match Status::from_header_map(headers) {
        Some(status) if status.code() == Code::Ok => None,
        Some(status) => Some(status.into()),
        None if http == StatusCode::OK => None,
        None => Some(Status::unknown(format!("whoever was asked answered {http}")).into()),
    }
}

/// Those that are neither gRPC's nor of the form.
pub(crate) fn own(headers: &HeaderMap) -> HeaderMap {
    let is_own = |name: &HeaderName| {
        !name.as_str().starts_with("grpc-") && !OUTSIDE.contains(name) && name != CONTENT_TYPE && name != TE
    };
    headers
        .iter()
        .filter(|(name, _)| is_own(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
