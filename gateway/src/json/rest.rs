//! Calls by the paths of the contract: `GET /v1/operations/{nop_id}`.

use std::sync::Arc;

use bytes::Bytes;
use nopic_chassis::messages::Held;
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message as _;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{HeaderMap, HeaderValue};

use super::call::{self, TIMES, inward, lazily, work};
use super::contract::{Binding, Holds, Method};
use super::refusal::{Refusal, Slot};
use super::{lines, problem, query, read, upload, write};
use crate::answer::Answer;
use crate::request_id::RequestId;
use crate::{Request, Response};

/// Answers a call of this method; these are the values of the fields in its path.
pub(crate) async fn answer<S: Answer>(
    inner: &S,
    request: Request,
    method: &Arc<Method>,
    binding: &'static Binding,
    values: Vec<String>,
) -> Response {
    let (parts, body) = request.into_parts();
    let id = parts.extensions.get::<RequestId>().cloned();
    let slot = Slot::default();
    let body = match self::body(&parts, body, method, binding, values, &slot) {
        Ok(body) => body,
        Err(refusal) => return problem::response(&refusal, id.as_ref()),
    };
    let response = inner.answer(inward(parts, &method.path, body, &slot)).await;
    if method.descriptor.is_server_streaming() {
        return lines::answer(response, Arc::clone(method), slot, id).await;
    }
    let answered = match call::answer(response, &slot).await {
        Ok(answer) => written(method, answer, &slot).await.map_err(Refusal::from),
        Err(refusal) => Err(refusal),
    };
    answered.unwrap_or_else(|refusal| problem::response(&refusal, id.as_ref()))
}

async fn written(method: &Arc<Method>, answer: call::Answer, slot: &Slot) -> Result<Response, Status> {
    let mut room = None;
    let json = json(method, answer.message, slot, &mut room).await?;
    let mut response = Response::new(Body::new(http_body_util::Full::new(json)));
    *response.headers_mut() = answer.headers;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(call::holding(response, room))
}

/// An answer of a method as JSON, in room that is kept for as long as that is there.
pub(crate) async fn json(
    method: &Arc<Method>,
    message: Bytes,
    slot: &Slot,
    room: &mut Option<Held>,
) -> Result<Bytes, Status> {
    let method = Arc::clone(method);
    let length = message.len();
    slot.room.work_on(room, TIMES * length).await?;
    let written = work(length, move || {
        let message = DynamicMessage::decode(method.output.clone(), message);
        message.map(|message| Bytes::from(write::message(&message)))
    });
    let written = written
        .await?
        .map_err(|_| Status::internal("an answer cannot be read"))?;
    slot.room.work_on(room, written.len()).await?;
    Ok(written)
}

/// The body of the call, which reads that of the request when it is read itself.
fn body(
    parts: &Parts,
    body: Body,
    method: &Arc<Method>,
    binding: &'static Binding,
    values: Vec<String>,
    slot: &Slot,
) -> Result<Body, Refusal> {
    let query = parts.uri.query().map(str::to_owned);
    let is_plain = parts
        .headers
        .get(CONTENT_ENCODING)
        .is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    match &binding.body {
        Holds::Nothing => {
            let input = method.input.clone();
            Ok(lazily(slot, async move {
                let mut message = [DynamicMessage::new(input)];
                let fields: Vec<_> = binding.template.fields().collect();
                query::set(&mut message, &query.unwrap_or_default(), &fields)?;
                let [message] = message;
                of_path(message, binding, &values)
            }))
        }
        Holds::File(_) if !is_plain => Err(problem::other_file("is compressed (content-encoding)")),
        Holds::File(_) if is_form(&parts.headers) => {
            Err(problem::other_file("is part of a form (multipart)"))
        }
        Holds::File(parts) => Ok(upload::body(parts, query.as_deref(), body, slot)),
        Holds::Fields => {
            let has_body = !http_body::Body::is_end_stream(&body);
            let is_json = match parts.headers.get(CONTENT_TYPE) {
                Some(content) => is_json(content),
                None => !has_body,
            };
            if !is_plain || !is_json {
                return Err(problem::other_content("application/json"));
            }
            let input = method.input.clone();
            let call = slot.clone();
            Ok(lazily(slot, async move {
                if query.is_some_and(|query| !query.is_empty()) {
                    return Err(Refusal::invalid(
                        "this path takes no parameters: the fields stand in the body",
                    ));
                }
                let (bytes, _room) = call::whole(body, &call).await?;
                let read = call::read(&call, bytes.len(), move || match bytes.is_empty() {
                    // Whoever has nothing to say need not say it.
                    true => Ok(DynamicMessage::new(input)),
                    false => read::message(&input, &bytes),
                });
                let message = read.await?.map_err(Refusal::from)?;
                of_path(message, binding, &values)
            }))
        }
    }
}

fn of_path(mut message: DynamicMessage, binding: &Binding, values: &[String]) -> Result<Bytes, Refusal> {
    for (field, value) in binding.template.fields().zip(values) {
        query::set_of_path(&mut message, field, value)?;
    }
    Ok(message.encode_to_vec().into())
}

/// Whether a body is what a form of a page sends, with files as its parts.
fn is_form(headers: &HeaderMap) -> bool {
    let content = headers.get(CONTENT_TYPE).map(essence).unwrap_or_default();
    let (kind, _) = content.split_once('/').unwrap_or_default();
    kind.eq_ignore_ascii_case("multipart")
}

/// Whether a body is JSON, in the one encoding that it has.
pub(crate) fn is_json(content: &HeaderValue) -> bool {
    essence(content).eq_ignore_ascii_case("application/json") && is_utf_8(content)
}

/// Whether a content type says nothing of another encoding.
pub(crate) fn is_utf_8(content: &HeaderValue) -> bool {
    let parameters = content.to_str().unwrap_or_default().split(';').skip(1);
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"))
}

/// A content type without its parameters.
pub(crate) fn essence(content: &HeaderValue) -> &str {
    let text = content.to_str().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use http_body_util::{BodyExt as _, Full};
    use nopic_chassis::messages::{BoundMessages, Room};

    use super::*;
    use crate::json::contract::Contract;

    #[tokio::test]
    async fn an_answer_has_room_as_text_until_it_was_sent() {
        let slot = Slot::default();
        let mut request = Request::new(Body::new(Full::new(Bytes::from_static(b"asked"))));
        request.extensions_mut().insert(slot.room.clone());
        drop(BoundMessages::within(Room::default()).bound(request));
        // What a tenant has at most.
        let all = || slot.room.work(64 << 20).now_or_never();
        let method = Contract::get().method("/nopic.access.v1.AccessService/WhoAmI");
        let method = Arc::clone(method.unwrap());
        for (length, has_room) in [(100, false), (200 << 10, true)] {
            let said = format!("{{\"methods\":[\"{}\"]}}", "m".repeat(length));
            let message = read::message(&method.output, said.as_bytes()).unwrap();
            let answer = call::Answer {
                message: message.encode_to_vec().into(),
                room: None,
                headers: HeaderMap::new(),
                trailers: HeaderMap::new(),
            };
            let answer = written(&method, answer, &slot).await.unwrap();
            assert_eq!(all().is_none(), has_room, "{length}");
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), said);
            assert!(all().unwrap().is_ok());
        }
    }
}
