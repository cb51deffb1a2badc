//! Calls as a client of the Connect protocol makes them: `POST /package.Service/Method`, in JSON or in protobuf.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use nopic_chassis::messages::Held;
use prost_reflect::prost::Message as _;
use serde_json::{Map, Value, json};
use tonic::body::Body;
use tonic::codegen::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, StatusCode};
use tonic::{Code, Status};

use super::call::{self, MAX_BYTES, early, inward, lazily, own};
use super::contract::Method;
use super::frames::{Messages, frame};
use super::refusal::{Refusal, Slot};
use super::rest::{self, essence};
use super::{problem, read};
use crate::answer::Answer;
use crate::{Request, Response};

/// What says that a call is of this protocol.
const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
/// How long the caller waits.
const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Json,
    Protobuf,
}

/// How a call is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    codec: Codec,
    is_stream: bool,
}

impl Written {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let content = headers.get(CONTENT_TYPE)?;
        if !rest::is_utf_8(content) {
            return None;
        }
        let (codec, is_stream) = match essence(content).to_ascii_lowercase().as_str() {
            "application/json" => (Codec::Json, false),
            "application/proto" => (Codec::Protobuf, false),
            "application/connect+json" => (Codec::Json, true),
            "application/connect+proto" => (Codec::Protobuf, true),
            _ => return None,
        };
        Some(Self { codec, is_stream })
    }

    fn content(self) -> &'static str {
        match (self.codec, self.is_stream) {
            (Codec::Json, false) => "application/json",
            (Codec::Protobuf, false) => "application/proto",
            (Codec::Json, true) => "application/connect+json",
            (Codec::Protobuf, true) => "application/connect+proto",
        }
    }
}

/// Whether a call to nowhere is of this protocol.
pub(crate) fn is_meant(request: &Request) -> bool {
    request.headers().contains_key(VERSION)
        || Written::of(request.headers()).is_some_and(|written| written.content() != "application/json")
}

/// Nothing is at the path.
pub(crate) fn nothing(path: &str) -> Response {
    let status = Status::unimplemented(format!("there is no method at {}", read::shortened(path)));
    refused(&Refusal::with(StatusCode::NOT_FOUND, status))
}

/// Answers a call of this method.
pub(crate) async fn answer<S: Answer>(inner: &S, request: Request, method: &Arc<Method>) -> Response {
    let (mut parts, body) = request.into_parts();
    let written = match check(&mut parts, method) {
        Ok(written) => written,
        Err(response) => return *response,
    };
    let slot = Slot::default();
    let body = match written.is_stream {
        true => requests(method, written, body, &slot),
        false => lazily(&slot, message(Arc::clone(method), written, body, slot.clone())),
    };
    let response = inner.answer(inward(parts, &method.path, body, &slot)).await;
    if written.is_stream {
        return answers(response, Arc::clone(method), written, slot);
    }
    let answer = match call::answer(response, &slot).await {
        Ok(answer) => answer,
        Err(refusal) => return refused(&refusal),
    };
    let mut room = answer.room;
    let message = match encode(method, written, answer.message, &slot, &mut room).await {
        Ok(message) => message,
        Err(status) => return refused(&status.into()),
    };
    let mut response = Response::new(Body::new(Full::new(message)));
    *response.headers_mut() = answer.headers;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(written.content()));
    for (name, value) in &answer.trailers {
        if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
            response.headers_mut().append(name, value.clone());
        }
    }
    call::holding(response, room)
}

/// Looks at what stands before the body.
fn check(parts: &mut Parts, method: &Method) -> Result<Written, Box<Response>> {
    let plain = |refusal: &Refusal| Box::new(refused(refusal));
    if parts.method != Verb::POST {
        let (refusal, verbs) = problem::other_verb(&[Verb::POST]);
        return Err(Box::new(problem::allow(refused(&refusal), verbs)));
    }
    let taken = match method.is_unary() {
        true => "application/json, application/proto",
        false => "application/connect+json, application/connect+proto",
    };
    let Some(written) = Written::of(&parts.headers).filter(|written| written.is_stream != method.is_unary())
    else {
        let mut response = refused(&problem::other_content(taken));
        response
            .headers_mut()
            .insert("accept-post", HeaderValue::from_static(taken));
        return Err(Box::new(response));
    };
    if parts.headers.get(VERSION).is_some_and(|version| version != "1") {
        return Err(plain(&Refusal::invalid("connect-protocol-version: 1 is wanted")));
    }
    let is_plain = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !parts.headers.get(CONTENT_ENCODING).is_none_or(is_plain) {
        return Err(plain(
            &Status::unimplemented("messages are taken as they are: identity is supported").into(),
        ));
    }
    if let Some(timeout) = parts.headers.get(TIMEOUT) {
        let Some(timeout) = grpc_timeout(timeout) else {
            return Err(plain(&Refusal::invalid(
                "connect-timeout-ms: at most ten digits are wanted",
            )));
        };
        parts.headers.insert("grpc-timeout", timeout);
    }
    Ok(written)
}

/// As gRPC says it, in eight digits at most.
fn grpc_timeout(milliseconds: &HeaderValue) -> Option<HeaderValue> {
    let text = milliseconds.to_str().ok()?;
    let is_number = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = text.parse().ok().filter(|_| is_number)?;
    let text = match number {
        0..=99_999_999 => format!("{number}m"),
        _ => format!("{}S", number / 1_000),
    };
    HeaderValue::from_str(&text).ok()
}

async fn message(method: Arc<Method>, written: Written, body: Body, slot: Slot) -> Result<Bytes, Refusal> {
    let (bytes, _room) = call::whole(body, &slot).await?;
    decode(method, written, bytes, &slot).await
}

/// A request as protobuf.
async fn decode(method: Arc<Method>, written: Written, bytes: Bytes, slot: &Slot) -> Result<Bytes, Refusal> {
    if written.codec == Codec::Protobuf {
        return Ok(bytes);
    }
    let read = call::read(slot, bytes.len(), move || read::message(&method.input, &bytes)).await?;
    Ok(read?.encode_to_vec().into())
}

/// An answer as the caller writes.
async fn encode(
    method: &Arc<Method>,
    written: Written,
    message: Bytes,
    slot: &Slot,
    room: &mut Option<Held>,
) -> Result<Bytes, Status> {
    match written.codec {
        Codec::Protobuf => Ok(message),
        Codec::Json => {
            // That of the message, until it is put into another form.
            let _room = room.take();
            rest::json(method, message, slot, room).await
        }
    }
}

/// A refusal as an answer.
pub(crate) fn refused(refusal: &Refusal) -> Response {
    problem::with_body(refusal, "application/json", json(refusal).to_string().into())
}

fn json(refusal: &Refusal) -> Value {
    let code = match refusal.status.code() {
        Code::Cancelled => "canceled".to_owned(),
        code => nopic_chassis::rpc::code_name(code).to_lowercase(),
    };
    let mut error = Map::new();
    error.insert("code".to_owned(), code.into());
    error.insert("message".to_owned(), refusal.status.message().into());
    let details: Vec<_> = refusal
        .details()
        .iter()
        .map(|detail| json!({ "type": detail.name, "value": detail.base64(), "debug": detail.json() }))
        .collect();
    if !details.is_empty() {
        error.insert("details".to_owned(), details.into());
    }
    error.into()
}

/// The requests of a stream, each read when the server behind asks for it.
fn requests(method: &Arc<Method>, written: Written, body: Body, slot: &Slot) -> Body {
    let messages = Messages::new(body, MAX_BYTES).within(slot.room.clone());
    let state = (messages, Arc::clone(method), slot.clone());
    let requests = stream::unfold(Some(state), move |state| async move {
        let (mut messages, method, slot) = state?;
        let next = match messages.next().await {
            Ok(None) => return None,
            Ok(Some(message)) => {
                slot.received.add(message.len());
                decode(Arc::clone(&method), written, message, &slot).await
            }
            Err(status) if matches!(status.code(), Code::ResourceExhausted | Code::Unimplemented) => {
                Err(status.into())
            }
            Err(status) => Err(call::broken(status)),
        };
        Some(match next {
            Ok(message) => (
                Ok(Frame::data(frame(0, &message))),
                Some((messages, method, slot)),
            ),
            Err(refusal) => (Err(slot.put(refusal)), None),
        })
    });
    Body::new(StreamBody::new(Box::pin(requests)))
}

/// The answers of a stream, and how it ended in a last message.
fn answers(response: Response, method: Arc<Method>, written: Written, slot: Slot) -> Response {
    let (parts, body) = response.into_parts();
    let refusal = early(&parts.headers, parts.status);
    let is_over = refusal.is_some() || Status::from_header_map(&parts.headers).is_some();
    let state = (Messages::new(body, MAX_BYTES), method, slot, None);
    let answers = stream::unfold(Some(state), move |state| {
        let refusal = refusal.clone();
        async move {
            // With the room of the answer before, which was taken.
            let (mut messages, method, slot, _) = state?;
            let mut room = None;
            let next = match refusal {
                Some(refusal) => Err(refusal.status),
                None => messages.next().await,
            };
            let next = match next {
                Ok(Some(message)) => {
                    let encoded = encode(&method, written, message, &slot, &mut room).await;
                    encoded.map(Some)
                }
                other => other,
            };
            let ended = match next {
                Ok(Some(message)) => {
                    let frame = Frame::data(frame(0, &message));
                    return Some((Ok::<_, Status>(frame), Some((messages, method, slot, room))));
                }
                // A stream that ended in its headers ended well, or was refused above.
                Ok(None) if is_over => None,
                Ok(None) => Some(messages.status()).filter(|status| status.code() != Code::Ok),
                Err(status) => Some(status),
            };
            let refusal = match ended {
                Some(status) => Some(slot.or(status)),
                None => slot.get(),
            };
            let end = end(refusal.as_ref(), messages.trailers());
            Some((Ok(Frame::data(frame(END, end.to_string().as_bytes()))), None))
        }
    });
    let mut response = Response::new(Body::new(StreamBody::new(Box::pin(answers))));
    *response.headers_mut() = own(&parts.headers);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(written.content()));
    response
}

/// Marks the last message of a stream.
const END: u8 = 2;

fn end(refusal: Option<&Refusal>, trailers: Option<&HeaderMap>) -> Value {
    let mut end = Map::new();
    if let Some(refusal) = refusal {
        end.insert("error".to_owned(), json(refusal));
    }
    let mut metadata: Map<String, Value> = Map::new();
    for (name, value) in &trailers.map(own).unwrap_or_default() {
        if let (Ok(value), Some(values)) = (
            value.to_str(),
            metadata
                .entry(name.as_str())
                .or_insert_with(|| json!([]))
                .as_array_mut(),
        ) {
            values.push(value.into());
        }
    }
    if !metadata.is_empty() {
        end.insert("metadata".to_owned(), metadata.into());
    }
    end.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_eight_digits_in_grpc() {
        for (given, expected) in [
            ("0", Some("0m")),
            ("1500", Some("1500m")),
            ("99999999", Some("99999999m")),
            ("9999999999", Some("9999999S")),
            ("99999999999", None),
            ("", None),
            ("-1", None),
            ("1s", None),
        ] {
            let found = grpc_timeout(&HeaderValue::from_static(given));
            assert_eq!(
                found.as_ref().map(|value| value.to_str().unwrap()),
                expected,
                "{given}"
            );
        }
    }
}
