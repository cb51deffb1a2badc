//! One call: to an endpoint, and to another one where the first has not taken it, or where it may be made twice.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::codegen::http::header::USER_AGENT;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response, request};
use tonic::{Code, Status};

use super::connection::Link;
use super::members::Id;
use super::outcome::{Outcome, code_of, status_of, was_asked_again_behind, was_not_taken};
use super::request_body::Sent;
use super::response_body::{Made, judged};
use super::shared::{Given, Shared};
use crate::deadline;
use crate::retry::Backoff;

/// How often a call is made at most. A server that has just come back may once more say that it goes.
const ATTEMPTS: u32 = 4;
/// Between the second attempt and those that follow; the second itself goes at once, to another endpoint.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200));

/// Marks a request, among its extensions, that may be made twice: one that changes nothing, or names its change by an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotent;

/// Makes a call.
pub(super) async fn call(shared: &Arc<Shared>, request: Request<Body>) -> Result<Response<Body>, Status> {
    let (head, body) = request.into_parts();
    let mut call = Call::new(shared, head, Sent::new(body))?;
    call.shared.pay_in();
    let mut attempt = 1;
    loop {
        match call.attempt().await? {
            Attempted::Answered(answer, given) => return Ok(judged(answer, given, call.made())),
            Attempted::Failed(failure) => {
                if attempt == ATTEMPTS || !call.may_be_made_again(failure.was_not_taken) {
                    return failure.told;
                }
                tracing::debug!(
                    attempt,
                    was_not_taken = failure.was_not_taken,
                    "a call is made again"
                );
            }
        }
        if attempt > 1 {
            let pause = PAUSES.pause(attempt - 1);
            call.in_time(tokio::time::sleep(pause)).await?;
        }
        attempt += 1;
    }
}

enum Attempted {
    Answered(Response<Incoming>, Given),
    Failed(Failure),
}

struct Failure {
    was_not_taken: bool,
    /// What the caller is told if it is the last attempt.
    told: Result<Response<Body>, Status>,
}

struct Call<'a> {
    shared: &'a Arc<Shared>,
    head: request::Parts,
    path: PathAndQuery,
    sent: Sent,
    is_idempotent: bool,
    deadline: Option<Instant>,
    /// Who was asked.
    tried: Vec<Id>,
}

impl<'a> Call<'a> {
    fn new(shared: &'a Arc<Shared>, mut head: request::Parts, sent: Sent) -> Result<Self, Status> {
        let asked = deadline::of(&head.headers);
        let deadline = if asked.is_some() || deadline::current().is_some() {
            let left = deadline::within(asked.unwrap_or(Duration::MAX)).ok_or_else(late)?;
            Instant::now().checked_add(left)
        } else {
            None
        };
        let agent = HeaderValue::from_static(concat!("nopic/", env!("CARGO_PKG_VERSION")));
        head.headers.entry(USER_AGENT).or_insert(agent);
        let path = head.uri.path_and_query().cloned();
        Ok(Self {
            shared,
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            sent,
            is_idempotent: head.extensions.get::<Idempotent>().is_some(),
            head,
            deadline,
            tried: Vec::new(),
        })
    }

    /// Waits for something as long as the caller does.
    async fn in_time<F: Future>(&self, work: F) -> Result<F::Output, Status> {
        match self.deadline {
            None => Ok(work.await),
            Some(deadline) => timeout_at(deadline, work).await.map_err(|_| late()),
        }
    }

    async fn attempt(&mut self) -> Result<Attempted, Status> {
        let chosen = self
            .in_time(self.shared.choose(&self.tried, self.is_idempotent))
            .await?;
        let (mut given, link) = chosen
            .map_err(|down| Status::unavailable(format!("the service cannot be reached: {}", down.why)))?;
        self.tried.push(given.member());
        let answer = self.in_time(self.send(link)).await?;
        match answer {
            Ok(answer) => {
                let has_failed = code_of(answer.headers()).is_some_and(|code| {
                    // That an endpoint is tried out is no wish of the caller's, so whatever it does wrong is not told.
                    code == Code::Unavailable || given.is_trial() && Outcome::of(code) == Outcome::Failed
                });
                if has_failed
                    && !was_asked_again_behind(answer.headers())
                    && self.is_idempotent
                    && self.sent.is_whole()
                {
                    let answer = judged(answer, given, self.made());
                    return Ok(Attempted::Failed(Failure {
                        was_not_taken: false,
                        told: Ok(answer),
                    }));
                }
                given.answered(self.sent.let_go());
                Ok(Attempted::Answered(answer, given))
            }
            Err(error) => {
                if let Some(status) = self.sent.broken() {
                    given.ended(Outcome::Unknown);
                    return Err(status);
                }
                given.ended(Outcome::of_error(&error));
                Ok(Attempted::Failed(Failure {
                    was_not_taken: was_not_taken(&error),
                    told: Err(status_of(error.into(), self.is_idempotent)),
                }))
            }
        }
    }

    /// As what its answer is judged by.
    fn made(&self) -> Made {
        Made {
            sent: self.sent.clone(),
            is_idempotent: self.is_idempotent,
            deadline: self.deadline,
        }
    }

    async fn send(&self, mut link: Link) -> hyper::Result<Response<Incoming>> {
        let method = self.head.method.clone();
        let body = self.sent.send();
        link.call(method, self.path.clone(), self.headers(), body).await
    }

    /// With the time that is left now.
    fn headers(&self) -> HeaderMap {
        let mut headers = self.head.headers.clone();
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Ok(left) = deadline::text(left).parse() {
                headers.insert(deadline::TIMEOUT, left);
            }
        }
        headers
    }

    fn may_be_made_again(&self, was_not_taken: bool) -> bool {
        let counts = &self.shared.counts;
        let reason = if was_not_taken {
            &counts.not_taken
        } else if self.is_idempotent {
            &counts.idempotent
        } else {
            return false;
        };
        self.sent.is_whole() && self.shared.affords(reason)
    }
}

fn late() -> Status {
    Status::deadline_exceeded("the time that the caller gave is over")
}
