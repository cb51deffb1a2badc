//! One line of log for each call: what, by whom, how it ended and how long it took. No secrets, no bodies, no queries.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::Either;
use http_body::{Frame, SizeHint};
use nopic_chassis::incoming::Peer;
use nopic_domain::principal::Principal;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Method};
use tonic::{Code, Status};
use tower::Layer;

use crate::answer::Answer;
use crate::request_id::RequestId;
use crate::{Request, Response};

/// What the layers inside find out about a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    method: OnceLock<String>,
    caller: OnceLock<Principal>,
    status: OnceLock<i32>,
}

impl Noted {
    /// The method that is called, whatever its form.
    pub(crate) fn method(&self, path: &str) {
        // What was said first stands.
        let _ = self.0.method.set(path.to_owned());
    }

    /// How the call ended, where the answer outside does not say it as gRPC does.
    pub(crate) fn status(&self, headers: &HeaderMap) {
        if let Some(status) = status_of(headers) {
            let _ = self.0.status.set(status);
        }
    }

    /// What was noted of how it ended.
    #[cfg(test)]
    pub(crate) fn noted_status(&self) -> Option<i32> {
        self.0.status.get().copied()
    }

    /// Who calls.
    pub(crate) fn caller(&self, principal: &Principal) {
        let _ = self.0.caller.set(principal.clone());
    }
}

/// With an answer: that it is a refusal of a form that is not gRPC, and its code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefusedWith(pub(crate) Code);

fn status_of(headers: &HeaderMap) -> Option<i32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// Logs each call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogAccess;

impl<S> Layer<S> for LogAccess {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Logged<S> {
        Logged { inner }
    }
}

/// Calls behind [`LogAccess`].
#[derive(Debug)]
pub(crate) struct Logged<S> {
    inner: S,
}

impl<S: Answer> Answer for Logged<S> {
    fn answer(&self, mut request: Request) -> impl Future<Output = Response> + Send {
        if !tracing::enabled!(target: "nopic::access", tracing::Level::INFO) {
            // Nobody reads it: nothing is kept.
            return Either::Left(self.inner.answer(request));
        }
        let noted = Noted::default();
        request.extensions_mut().insert(noted.clone());
        let mut entry = Entry {
            began: Instant::now(),
            verb: request.method().clone(),
            // Without the query, in which values stand.
            path: request.uri().path().to_owned(),
            id: request.extensions().get::<RequestId>().cloned(),
            address: request.extensions().get::<Peer>().and_then(|peer| peer.address),
            noted,
            http_status: 0,
            grpc_status: None,
            bytes: 0,
            is_over: false,
        };
        Either::Right(self.inner.answer(request).map(move |response| {
            entry.http_status = response.status().as_u16();
            entry.note(response.headers());
            if let Some(RefusedWith(code)) = response.extensions().get() {
                entry.grpc_status = Some(*code as i32);
            }
            response.map(|body| {
                if http_body::Body::is_end_stream(&body) {
                    entry.is_over = true;
                    drop(entry);
                    body
                } else {
                    Body::new(Watched { body, entry })
                }
            })
        }))
    }
}

/// What is logged, when it is dropped: then the call is over.
struct Entry {
    began: Instant,
    verb: Method,
    path: String,
    id: Option<RequestId>,
    address: Option<std::net::SocketAddr>,
    noted: Noted,
    http_status: u16,
    grpc_status: Option<i32>,
    bytes: u64,
    is_over: bool,
}

impl Entry {
    fn note(&mut self, headers: &HeaderMap) {
        self.grpc_status = status_of(headers).or(self.grpc_status);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let caller = self.noted.0.caller.get();
        let took = self.began.elapsed();
        tracing::info!(
            target: "nopic::access",
            request_id = self.id.as_ref().and_then(|id| id.0.to_str().ok()),
            verb = self.verb.as_str(),
            path = self.path,
            method = self.noted.0.method.get().map(|path| path.trim_start_matches('/')),
            client = self.address.map(tracing::field::display),
            tenant = caller.map(|caller| caller.tenant.as_str()),
            actor = caller.map(|caller| caller.actor.as_str()),
            role = caller.map(|caller| caller.role.as_str()),
            http_status = self.http_status,
            grpc_status = self.grpc_status.or_else(|| self.noted.0.status.get().copied()),
            bytes = self.bytes,
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            complete = self.is_over,
            "call"
        );
    }
}

struct Watched {
    body: Body,
    entry: Entry,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(None) => self.entry.is_over = true,
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.entry.bytes += data.len() as u64;
                    // Whoever knows the length asks for nothing behind the last piece.
                    self.entry.is_over = http_body::Body::is_end_stream(&self.body);
                } else if let Some(trailers) = frame.trailers_ref() {
                    let trailers = trailers.clone();
                    self.entry.note(&trailers);
                    self.entry.is_over = true;
                }
            }
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
