//! JSON over HTTP in front of gRPC: what comes is put into a gRPC call, and what comes back into the caller's form.
//!
//! - [`rest`]: the paths that stand beside the methods in the `.proto` files, with problems (RFC 9457) as refusals;
//!   [`upload`] takes a file, [`lines`] gives the answers of a stream.
//! - [`connect`]: `POST /package.Service/Method`, as clients of the Connect protocol call every method.
//! - [`openapi`] and [`page`]: what there is, told to everybody; the page is at `/`, too.
//!
//! Nothing of a body is read before the server behind asks for it, so whoever may not call is refused before. Where what was
//! sent is wrong, that is said in place of what the server behind made of it: see [`refusal::Slot`].

mod call;
mod comments;
mod connect;
mod contract;
mod frames;
mod lines;
mod openapi;
mod page;
mod problem;
mod query;
mod read;
mod refusal;
mod rest;
mod scalar;
mod schema;
mod template;
#[cfg(test)]
mod tests;
mod upload;
mod write;

use bytes::Bytes;
use http_body_util::Full;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{HeaderValue, Method as Verb, StatusCode};

use crate::answer::Answer;
use crate::request_id::RequestId;
use crate::{Request, Response};
use contract::{Contract, Found};
use refusal::Refusal;

/// Answers a call that is no gRPC.
pub(crate) async fn answer<S: Answer>(inner: &S, request: Request) -> Response {
    let contract = Contract::get();
    let path = request.uri().path();
    if let Some(method) = contract.method(path) {
        return connect::answer(inner, request, method).await;
    }
    let found = match path {
        "/" | "/openapi.json" | "/docs" | "/descriptors" => match *request.method() {
            Verb::GET | Verb::HEAD if matches!(path, "/" | "/docs") => return page::response(),
            Verb::GET | Verb::HEAD if path == "/descriptors" => return descriptors(),
            Verb::GET | Verb::HEAD => return openapi::response(),
            _ => Found::OtherVerbs(vec![Verb::GET]),
        },
        _ => contract.find(request.method(), path),
    };
    let id = request.extensions().get::<RequestId>();
    match found {
        Found::Method(method, values) => {
            // A method is found by its path, so it has one.
            let Some(binding) = &method.binding else {
                return problem::response(&problem::nothing(path), id);
            };
            rest::answer(inner, request, method, binding, values).await
        }
        Found::OtherVerbs(verbs) => {
            let (refusal, verbs) = problem::other_verb(&verbs);
            problem::allow(problem::response(&refusal, id), verbs)
        }
        Found::Nothing if connect::is_meant(&request) => connect::nothing(path),
        Found::Nothing => problem::response(&problem::nothing(path), id),
    }
}

/// A refusal of what is not called as it can be.
pub(crate) fn refused(request: &Request, http: StatusCode, status: Status) -> Response {
    problem::response(
        &Refusal::with(http, status),
        request.extensions().get::<RequestId>(),
    )
}

/// Whether the method at a gRPC path is sent a stream.
pub(crate) fn sends_a_stream(path: &str) -> bool {
    let method = Contract::get().method(path);
    method.is_some_and(|method| method.descriptor.is_client_streaming())
}

/// Whether the method at a gRPC path is sent a stream, or answers by one.
pub(crate) fn is_stream(path: &str) -> bool {
    Contract::get()
        .method(path)
        .is_some_and(|method| !method.is_unary())
}

/// The contract as an encoded `google.protobuf.FileDescriptorSet`, for clients that make theirs of it.
fn descriptors() -> Response {
    let mut response = Response::new(Body::new(Full::new(Bytes::from_static(nopic_proto::DESCRIPTORS))));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    response
}
