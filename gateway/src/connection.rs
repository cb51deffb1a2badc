//! One connection: from its first byte, which must come soon, over the time that it is used, to its end, which its calls
//! may wait for.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use nopic_chassis::draining::Draining;
use nopic_chassis::incoming::Peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};
use tonic::body::Body;
use tonic::codegen::http::header::CONNECTION;
use tonic::codegen::http::{self, HeaderValue, Version};
use tower::Service;

use crate::held::holding;
use crate::{Calls, Request, Response};

/// How long a connection may say nothing at its beginning.
const FIRST_BYTE: Duration = Duration::from_secs(10);
/// How long it may be open without a call; a call whose headers never end is none.
const IDLE: Duration = Duration::from_secs(120);
/// How long the other end may take to hear that the connection ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// What is going on on a connection.
#[derive(Debug)]
struct Activity {
    has_spoken: AtomicBool,
    calls: AtomicUsize,
    last_end: Mutex<Instant>,
}

impl Activity {
    fn new() -> Self {
        Self {
            has_spoken: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            last_end: Mutex::new(Instant::now()),
        }
    }

    /// When to look again; `None`: nothing goes on, and has not for too long.
    fn look_again(&self, now: Instant) -> Option<Instant> {
        if self.calls.load(Ordering::Acquire) > 0 {
            return Some(now + IDLE);
        }
        if !self.has_spoken.load(Ordering::Relaxed) {
            return None;
        }
        let last_end = *self.last_end.lock().unwrap_or_else(PoisonError::into_inner);
        Some(last_end + IDLE).filter(|until| *until > now)
    }
}

/// A call that is open.
struct OpenCall(Arc<Activity>);

impl OpenCall {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.calls.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(activity))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        *self.0.last_end.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.calls.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves a connection until it is over. When its time is up or the server stops, it takes no new calls and ends with
/// those that are open.
pub(crate) async fn serve<C>(
    builder: Builder<TokioExecutor>,
    connection: C,
    peer: Peer,
    calls: Calls,
    most_age: Option<Duration>,
    stopping: Draining,
) where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Arc::new(Activity::new());
    let service = PerCall {
        calls,
        peer,
        activity: Arc::clone(&activity),
    };
    let io = TokioIo::new(Heard {
        connection,
        activity: Arc::clone(&activity),
    });
    let mut served = pin!(builder.serve_connection_with_upgrades(io, TowerToHyperService::new(service)));
    let now = Instant::now();
    let mut look = pin!(sleep_until(now + FIRST_BYTE));
    let mut aged = pin!(async move {
        match most_age {
            Some(age) => sleep_until(now + age).await,
            None => std::future::pending().await,
        }
    });
    let mut stop = pin!(stopping.begun());
    let mut is_ending = false;
    loop {
        let ends = tokio::select! {
            ended = &mut served => {
                if let Err(error) = ended {
                    tracing::debug!(error = &*error, "a connection ended early");
                }
                return;
            }
            () = &mut stop, if !is_ending => true,
            () = &mut aged, if !is_ending => true,
            () = &mut look => {
                let now = Instant::now();
                match activity.look_again(now) {
                    Some(later) => {
                        look.as_mut().reset(later);
                        false
                    }
                    // It was told, and does not go.
                    None if is_ending => return,
                    None => {
                        look.as_mut().reset(now + FAREWELL);
                        true
                    }
                }
            }
        };
        if ends {
            is_ending = true;
            served.as_mut().graceful_shutdown();
        }
    }
}

/// The stack as one connection calls it.
#[derive(Clone)]
struct PerCall {
    calls: Calls,
    peer: Peer,
    activity: Arc<Activity>,
}

impl Service<http::Request<Incoming>> for PerCall {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.calls.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Incoming>) -> Self::Future {
        let open = OpenCall::begin(&self.activity);
        let is_reused = request.version() < Version::HTTP_2;
        let is_read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let mut request: Request = request.map(|body| {
            Body::new(Read {
                body,
                is_over: Arc::clone(&is_read),
            })
        });
        request.extensions_mut().insert(self.peer.clone());
        let answer = self.calls.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            if is_reused && !is_read.load(Ordering::Acquire) {
                // What is left of the request stands before the next one: this connection has none, and says so before
                // its caller sends one.
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(holding(response, open))
        })
    }
}

/// A request's body that notes when it was read to its end.
struct Read {
    body: Incoming,
    is_over: Arc<AtomicBool>,
}

impl hyper::body::Body for Read {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.is_over.store(true, Ordering::Release);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        let is_over = self.body.is_end_stream();
        if is_over {
            self.is_over.store(true, Ordering::Release);
        }
        is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Notes whether anything was ever said.
struct Heard<C> {
    connection: C,
    activity: Arc<Activity>,
}

impl<C: AsyncRead + Unpin> AsyncRead for Heard<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.connection).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.has_spoken.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Heard<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}
