//! Gives every call an id, which stands in the answer, in the log and in what the services are asked.

use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::Map;
use tonic::codegen::http::{HeaderName, HeaderValue};
use tower::{Layer, Service};

use crate::{Request, Response};

/// The header by which it travels.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id of a caller's own that is taken.
const MAX_LENGTH: usize = 64;

/// The id of a call, among its extensions.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

/// Names each call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameRequest;

impl<S> Layer<S> for NameRequest {
    type Service = Named<S>;

    fn layer(&self, inner: S) -> Named<S> {
        Named { inner }
    }
}

/// Calls behind [`NameRequest`].
#[derive(Debug, Clone)]
pub(crate) struct Named<S> {
    inner: S,
}

impl<S> Service<Request> for Named<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future =
        Map<S::Future, Box<dyn FnOnce(Result<Response, S::Error>) -> Result<Response, S::Error> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let given = request
            .headers()
            .get(&REQUEST_ID)
            .filter(|id| is_usable(id))
            .cloned();
        let id = given.unwrap_or_else(new_id);
        request.headers_mut().insert(REQUEST_ID, id.clone());
        request.extensions_mut().insert(RequestId(id.clone()));
        self.inner.call(request).map(Box::new(move |answer| {
            answer.map(|mut response| {
                response.headers_mut().insert(REQUEST_ID, id);
                response
            })
        }))
    }
}

/// What may stand in a log and in a header as it is.
fn is_usable(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=MAX_LENGTH).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
}

fn new_id() -> HeaderValue {
    let mut bytes = [0; 16];
    // Where the system has no randomness, calls are named alike: worse for whoever reads the log, and nothing else.
    let _ = getrandom::fill(&mut bytes);
    // Hexadecimal digits may stand in a header.
    HeaderValue::from_str(&hex::encode(bytes)).unwrap_or(HeaderValue::from_static("unnamed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_the_callers_own_is_taken_where_it_may_stand_in_a_log() {
        for (id, is_taken) in [
            ("a1b2-c3", true),
            ("00-4bf92f:7.1_x", true),
            ("", false),
            ("a b", false),
            ("{\"a\"}", false),
            (&"x".repeat(65), false),
        ] {
            assert_eq!(is_usable(&HeaderValue::from_str(id).unwrap()), is_taken, "{id}");
        }
        assert!(is_usable(&new_id()));
        assert_ne!(new_id(), new_id());
    }
}
