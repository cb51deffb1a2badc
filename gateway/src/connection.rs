//! One connection: from its first byte, which must come soon, over the time that it is used, to its end, which its calls
//! may wait for.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use nopic_chassis::draining::Draining;
use nopic_chassis::gate::Usage;
use nopic_chassis::incoming::Peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};
use tonic::body::Body;
use tonic::codegen::http::header::{CONNECTION, CONTENT_LENGTH};
use tonic::codegen::http::{self, HeaderValue, Method, Version};

use crate::answer::Calls;
use crate::cross_site::CrossSite;
use crate::places::{Places, UnderWay};
use crate::unread::Unread;
use crate::{Request, Response};

/// How long a connection may say nothing at its beginning.
const FIRST_BYTE: Duration = Duration::from_secs(10);
/// How long it may be open before the first call, and between calls; a call whose headers never end is none.
const UNUSED: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(120);
/// How long a caller may leave an answer unread.
const UNREAD: Duration = Duration::from_secs(60);
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(15);
/// How long the other end may take to hear that the connection ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// What is going on on a connection.
struct Activity {
    has_spoken: AtomicBool,
    usage: Arc<Usage>,
    unread: Unread,
}

impl Activity {
    /// When to look again; `None`: nothing goes on, and has not for too long.
    fn look_again(&self, now: Instant) -> Option<Instant> {
        if self.usage.calls() > 0 {
            let is_read = self.unread.longest() < UNREAD;
            return is_read.then_some(now + LOOK);
        }
        if !self.has_spoken.load(Ordering::Relaxed) {
            return None;
        }
        let idle = if self.usage.has_called() { IDLE } else { UNUSED };
        let until = self.usage.idle_since() + idle;
        (until > now).then(|| until.min(now + LOOK))
    }
}

/// Serves a connection until it is over. When its time is up or the server stops, it takes no new calls and ends with
/// those that are open.
pub(crate) async fn serve<C>(
    builder: Builder<TokioExecutor>,
    connection: C,
    mut peer: Peer,
    calls: Calls,
    most_age: Option<Duration>,
    stopping: Draining,
) where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Arc::new(Activity {
        has_spoken: AtomicBool::new(false),
        // Counted here, for every form of call.
        usage: peer.usage.take().unwrap_or_default(),
        unread: Unread::new(),
    });
    let service = PerCall {
        calls,
        peer,
        activity: Arc::clone(&activity),
    };
    let io = TokioIo::new(Heard {
        connection,
        activity: Arc::clone(&activity),
    });
    let mut served = pin!(builder.serve_connection_with_upgrades(io, service));
    let now = Instant::now();
    let mut look = pin!(sleep_until(now + FIRST_BYTE));
    let mut aged = pin!(async move {
        match most_age {
            // Connections that began together do not end together.
            Some(age) => sleep_until(now + age.mul_f64(rand::random_range(0.9..1.1))).await,
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

/// All layers as one connection calls them.
struct PerCall {
    calls: Calls,
    peer: Peer,
    activity: Arc<Activity>,
}

impl Service<http::Request<Incoming>> for PerCall {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: http::Request<Incoming>) -> Answering {
        let places = Places::default();
        let under_way = UnderWay::begin(&self.activity.usage, places.clone());
        let is_reused = request.version() < Version::HTTP_2;
        let is_head = request.method() == Method::HEAD;
        let is_read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let cross_site = CrossSite::of(&request);
        let mut request: Request = request.map(|body| {
            Body::new(Read {
                body,
                is_over: Arc::clone(&is_read),
            })
        });
        let extensions = request.extensions_mut();
        extensions.insert(self.peer.clone());
        extensions.insert(places);
        if let Some(cross_site) = cross_site {
            extensions.insert(cross_site);
        }
        Answering {
            answer: self.calls.answer(request),
            is_unread: is_reused.then_some(is_read),
            is_head,
            unread: self.activity.unread.clone(),
            under_way: Some(under_way),
        }
    }
}

/// A call until its answer begins.
struct Answering {
    answer: BoxFuture<'static, Response>,
    /// Whether the request was read to its end, where another one may come behind it on the same connection.
    is_unread: Option<Arc<AtomicBool>>,
    /// Whether the caller wants the headers alone.
    is_head: bool,
    unread: Unread,
    /// Until the answer is over.
    under_way: Option<UnderWay>,
}

impl Future for Answering {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = ready!(self.answer.as_mut().poll(context));
        if let Some(is_read) = &self.is_unread
            && !is_read.load(Ordering::Acquire)
        {
            // What is left of the request stands before the next one: this connection has none, and says so before its
            // caller sends one.
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.is_head {
            response = without_body(response);
        }
        Poll::Ready(Ok(match self.under_way.take() {
            Some(under_way) => response.map(|body| self.unread.watch(body, under_way)),
            // Whoever asks twice has had it.
            None => response,
        }))
    }
}

/// The headers of an answer, and how long it would be.
fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response.map(|_| Body::empty())
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
