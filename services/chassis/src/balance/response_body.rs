//! An answer's body, at whose end the call is judged: by the status in the trailers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::Response;

use super::outcome::{Outcome, code_of, status_of};
use super::request_body::Sent;
use super::shared::Given;

/// The answer of a call that was given to an endpoint.
pub(super) fn judged(answer: Response<Incoming>, mut given: Given, sent: Sent) -> Response<Body> {
    let at_end = match code_of(answer.headers()) {
        Some(code) => Outcome::of(code),
        // What ends so was no answer of gRPC's.
        None => Outcome::of_http(answer.status()),
    };
    answer.map(|body| {
        if tonic::codegen::Body::is_end_stream(&body) {
            given.ended(at_end);
            return Body::new(body);
        }
        Body::new(Judged {
            body,
            given,
            sent,
            at_end,
        })
    })
}

struct Judged {
    body: Incoming,
    given: Given,
    /// The request, which may go on.
    sent: Sent,
    /// What is known without trailers.
    at_end: Outcome,
}

impl tonic::codegen::Body for Judged {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let at_end = self.at_end;
        Poll::Ready(match frame {
            None => {
                self.given.ended(at_end);
                None
            }
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(code_of) {
                    self.given.ended(Outcome::of(code));
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(match self.sent.broken() {
                Some(status) => {
                    self.given.ended(Outcome::Unknown);
                    status
                }
                None => {
                    self.given.ended(Outcome::of_error(&error));
                    status_of(error.into())
                }
            })),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
