//! Gives every call an id, which stands in the answer, in the log and in what the services are asked.

use futures::FutureExt as _;
use tonic::codegen::http::{HeaderName, HeaderValue};
use tower::Layer;

use crate::answer::Answer;
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
#[derive(Debug)]
pub(crate) struct Named<S> {
    inner: S,
}

impl<S: Answer> Answer for Named<S> {
    fn answer(&self, mut request: Request) -> impl Future<Output = Response> + Send {
        let given = request.headers().get(&REQUEST_ID).filter(|id| is_usable(id));
        let mut id = given.cloned().unwrap_or_else(new_id);
        // Another one each time: a connection remembers it in vain.
        id.set_sensitive(true);
        request.headers_mut().insert(REQUEST_ID, id.clone());
        request.extensions_mut().insert(RequestId(id.clone()));
        self.inner.answer(request).map(|mut response| {
            response.headers_mut().insert(REQUEST_ID, id);
            response
        })
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
    // By chance alone: an id is no secret.
    let bytes: [u8; 16] = rand::random();
    let mut digits = [0; 32];
    // Two digits for each byte have room, and may stand in a header.
    let _ = hex::encode_to_slice(bytes, &mut digits);
    HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("unnamed"))
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
