//! Refusals on REST paths: problem details (RFC 9457).

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tonic::body::Body;
use tonic::codegen::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use tonic::codegen::http::{HeaderValue, Method as Verb, StatusCode};
use tonic::{Code, Status};

use super::refusal::Refusal;
use crate::Response;
use crate::access_log::RefusedWith;
use crate::request_id::RequestId;

/// The content type.
pub(crate) const CONTENT: &str = "application/problem+json";

#[derive(Debug, Serialize)]
struct Problem<'r> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'r str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Value>,
}

/// A refusal as an object.
pub(crate) fn json(refusal: &Refusal, id: Option<&RequestId>) -> Vec<u8> {
    let problem = Problem {
        r#type: "about:blank",
        title: refusal.http.canonical_reason().unwrap_or("Client Closed Request"),
        status: refusal.http.as_u16(),
        detail: refusal.status.message(),
        instance: id.and_then(|id| id.0.to_str().ok()),
        code: nopic_chassis::rpc::code_name(refusal.status.code()),
        details: refusal
            .details()
            .iter()
            .map(super::refusal::Detail::json)
            .collect(),
    };
    // Texts and numbers can be written.
    serde_json::to_vec(&problem).unwrap_or_default()
}

/// A refusal as an answer.
pub(crate) fn response(refusal: &Refusal, id: Option<&RequestId>) -> Response {
    with_body(refusal, CONTENT, json(refusal, id))
}

/// A refusal as an answer of this form.
pub(crate) fn with_body(refusal: &Refusal, content: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::new(http_body_util::Full::new(Bytes::from(body))));
    *response.status_mut() = refusal.http;
    response
        .extensions_mut()
        .insert(RefusedWith(refusal.status.code()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
    if refusal.http == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let retry = refusal
        .details()
        .iter()
        .find_map(super::refusal::Detail::retry_after);
    let is_passing = matches!(refusal.status.code(), Code::ResourceExhausted | Code::Unavailable);
    if let Some(seconds) = retry.filter(|_| is_passing) {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Nothing is at the path.
pub(crate) fn nothing(path: &str) -> Refusal {
    Refusal::from(Status::not_found(format!(
        "there is nothing at {}: /docs lists what there is",
        super::read::shortened(path)
    )))
}

/// The path is called with other verbs.
pub(crate) fn other_verb(verbs: &[Verb]) -> (Refusal, HeaderValue) {
    let mut allowed: Vec<_> = verbs.iter().map(Verb::as_str).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    let allowed = allowed.join(", ");
    let status = Status::unimplemented(format!("this path takes {allowed}"));
    // Verbs may stand in a header.
    let header = HeaderValue::from_str(&allowed).unwrap_or(HeaderValue::from_static(""));
    (Refusal::with(StatusCode::METHOD_NOT_ALLOWED, status), header)
}

/// Says which verbs a path takes.
pub(crate) fn allow(mut response: Response, verbs: HeaderValue) -> Response {
    response.headers_mut().insert(ALLOW, verbs);
    response
}

/// A body of another form than is taken.
pub(crate) fn other_content(wanted: &str) -> Refusal {
    Refusal::with(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Status::invalid_argument(format!(
            "the body is taken as {wanted}, not compressed: set the header content-type"
        )),
    )
}

/// A file in a form that is not the file itself.
pub(crate) fn other_file(why: &str) -> Refusal {
    Refusal::with(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Status::invalid_argument(format!(
            "a file is taken as it is, alone in the body, and this one {why}: with curl, send it by --data-binary @FILE"
        )),
    )
}
