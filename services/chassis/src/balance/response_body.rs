//! An answer's body, at whose end the call is judged: by the status in the trailers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::Response;
use tonic::{Code, Status};

use super::outcome::{Outcome, code_of, status_of};
use super::request_body::Sent;
use super::shared::Given;

/// By so much an end may come before the time is over that it is the end of.
const AHEAD: Duration = Duration::from_millis(100);

/// What of a call its answer is judged by.
pub(super) struct Made {
    /// The request, which may go on.
    pub(super) sent: Sent,
    pub(super) is_idempotent: bool,
    /// When its caller wants no more of it.
    pub(super) deadline: Option<Instant>,
}

/// The answer of a call that was given to an endpoint.
pub(super) fn judged(answer: Response<Incoming>, mut given: Given, made: Made) -> Response<Body> {
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
            made,
            at_end,
            has_said: false,
        })
    })
}

struct Judged {
    body: Incoming,
    given: Given,
    made: Made,
    /// What is known without trailers.
    at_end: Outcome,
    /// Whether any of it has come.
    has_said: bool,
}

impl Judged {
    fn ends(&mut self, code: Code) {
        let deadline = self.made.deadline;
        let is_time_over = deadline.is_some_and(|deadline| Instant::now() + AHEAD >= deadline);
        let outcome = Outcome::at_end(code, self.has_said, is_time_over);
        self.given.ended(outcome);
    }
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
                    self.ends(code);
                }
                self.has_said = true;
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(match self.made.sent.broken() {
                Some(status) => {
                    self.given.ended(Outcome::Unknown);
                    status
                }
                None => {
                    self.given.ended(Outcome::of_error(&error));
                    status_of(error.into(), self.made.is_idempotent)
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
