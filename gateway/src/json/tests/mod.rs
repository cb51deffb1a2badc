//! Calls in every form, to a server that tells what it was asked and answers what it was told to.

mod connect;
mod contract;
mod reading;
mod refusals;
mod rest;
mod streams;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message as _;
use serde_json::Value;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, StatusCode};

use super::contract::{Contract, Method};
use super::frames::{Messages, frame};
use super::{read, write};
use crate::answer::Answer;
use crate::request_id::RequestId;
use crate::{Request, Response};

/// What the server behind does.
#[derive(Debug, Clone)]
enum Behind {
    /// Reads the request, and answers these messages, then this status.
    Answers(Vec<String>, Status),
    /// Refuses without a look at the body.
    Refuses(Status),
}

/// What it was asked.
#[derive(Debug, Clone, Default)]
struct Seen {
    path: String,
    headers: HeaderMap,
    messages: Vec<String>,
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    seen: Option<Seen>,
}

impl Answered {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{:?}", self.body))
    }

    fn content(&self) -> &str {
        self.headers["content-type"].to_str().unwrap()
    }

    fn asked(&self) -> String {
        let seen = self.seen.as_ref().unwrap();
        format!(
            "{} {}",
            seen.path.rsplit('/').next().unwrap(),
            seen.messages.join(" ")
        )
    }
}

fn message(method: &Method, json: &str) -> Bytes {
    read::message(&method.output, json.as_bytes())
        .unwrap()
        .encode_to_vec()
        .into()
}

/// A server behind that answers by this.
struct By<F>(F);

impl<F, Answered> Answer for By<F>
where
    F: Fn(Request) -> Answered + Send + Sync,
    Answered: Future<Output = Response> + Send,
{
    async fn answer(&self, request: Request) -> Response {
        (self.0)(request).await
    }
}

async fn behind(behind: Behind, seen: Arc<Mutex<Option<Seen>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut asked = Seen {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        messages: Vec::new(),
    };
    let (messages, status) = match behind {
        Behind::Refuses(status) => {
            *seen.lock().unwrap() = Some(asked);
            return status.into_http();
        }
        Behind::Answers(messages, status) => (messages, status),
    };
    let method = Contract::get().method(&asked.path).unwrap();
    let mut requests = Messages::new(body, 64 << 20);
    loop {
        match requests.next().await {
            Ok(None) => break,
            Ok(Some(message)) => {
                let message = DynamicMessage::decode(method.input.clone(), message).unwrap();
                asked
                    .messages
                    .push(String::from_utf8(write::message(&message)).unwrap());
            }
            // As tonic tells of a body that breaks.
            Err(_) => return Status::internal("the request broke").into_http(),
        }
    }
    *seen.lock().unwrap() = Some(asked);
    let frames: Vec<_> = messages
        .iter()
        .map(|text| Ok(Frame::data(frame(0, &message(method, text)))))
        .collect();
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    trailers.insert("x-behind", HeaderValue::from_static("yes"));
    let body = StreamBody::new(stream::iter(
        frames
            .into_iter()
            .chain([Ok::<_, Status>(Frame::trailers(trailers))]),
    ));
    let mut response = Response::new(Body::new(body));
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    response
        .headers_mut()
        .insert("x-revision", HeaderValue::from_static("7"));
    response
}

async fn call(what: Behind, line: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answered {
    let (verb, uri) = line.split_once(' ').unwrap();
    let mut request = tonic::codegen::http::Request::builder().method(verb).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::new(Full::new(body.into()))).unwrap();
    request
        .extensions_mut()
        .insert(RequestId(HeaderValue::from_static("the-id")));
    let seen = Arc::default();
    let inner = By(|request| behind(what.clone(), Arc::clone(&seen), request));
    let (parts, body) = super::answer(&inner, request).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let seen = seen.lock().unwrap().clone();
    Answered {
        status: parts.status,
        headers: parts.headers,
        body,
        seen,
    }
}

fn answers(json: &str) -> Behind {
    Behind::Answers(vec![json.to_owned()], Status::ok(""))
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn connect(method: &str) -> String {
    let methods = &Contract::get().methods;
    let method = methods
        .iter()
        .find(|found| found.descriptor.name() == method)
        .unwrap();
    format!("POST {}", method.path)
}
