//! Calls by the paths of the contract: `GET /v1/operations/{nop_id}`.

use std::sync::Arc;

use bytes::Bytes;
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message as _;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{HeaderMap, HeaderValue};

use super::call::{self, inward, lazily, work};
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
        Ok(answer) => written(method, answer).await.map_err(Refusal::from),
        Err(refusal) => Err(refusal),
    };
    answered.unwrap_or_else(|refusal| problem::response(&refusal, id.as_ref()))
}

async fn written(method: &Arc<Method>, answer: call::Answer) -> Result<Response, Status> {
    let json = json(method, answer.message).await?;
    let mut response = Response::new(Body::new(http_body_util::Full::new(json)));
    *response.headers_mut() = answer.headers;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// An answer of a method as JSON.
pub(crate) async fn json(method: &Arc<Method>, message: Bytes) -> Result<Bytes, Status> {
    let method = Arc::clone(method);
    let written = work(message.len(), move || {
        let message = DynamicMessage::decode(method.output.clone(), message);
        message.map(|message| Bytes::from(write::message(&message)))
    });
    written
        .await?
        .map_err(|_| Status::internal("an answer cannot be read"))
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
