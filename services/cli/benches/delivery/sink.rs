//! The HTTP server of every receiver: it takes whatever comes, and remembers it where it is told to.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A post as it came.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    count: AtomicUsize,
    remembers: AtomicBool,
    posts: Mutex<Vec<Post>>,
    /// Of the first post and the last one since it was asked.
    moments: Mutex<Option<(Instant, Instant)>>,
    came: Notify,
}

impl Sink {
    /// Serves on every address of the loopback; on which port.
    pub(crate) async fn serve(self: &Arc<Self>) -> u16 {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sink = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                // A caller that waits for its answer sends nothing more.
                let _ = stream.set_nodelay(true);
                let sink = Arc::clone(&sink);
                let taking = service_fn(move |request| take(Arc::clone(&sink), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), taking));
            }
        });
        port
    }

    /// Whether posts are remembered from now on.
    pub(crate) fn remember(&self, does: bool) {
        self.remembers.store(does, Ordering::Relaxed);
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        std::mem::take(&mut *self.posts.lock().unwrap())
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts anew.
    pub(crate) fn begin(&self) {
        *self.moments.lock().unwrap() = None;
        self.count.store(0, Ordering::Relaxed);
    }

    /// Waits until so many posts have come; how many came a second, from the first to the last.
    pub(crate) async fn rate(&self, count: usize) -> f64 {
        while self.count() < count {
            self.came.notified().await;
        }
        let (first, last) = self.moments.lock().unwrap().unwrap();
        self.count() as f64 / (last - first).as_secs_f64()
    }
}

async fn take(sink: Arc<Sink>, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // Nobody breaks off here.
    let body = body.collect().await.unwrap().to_bytes();
    if sink.remembers.load(Ordering::Relaxed) {
        let post = Post {
            host: head.headers["host"].to_str().unwrap().to_owned(),
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body,
        };
        sink.posts.lock().unwrap().push(post);
    }
    let now = Instant::now();
    sink.moments.lock().unwrap().get_or_insert((now, now)).1 = now;
    sink.count.fetch_add(1, Ordering::Relaxed);
    sink.came.notify_one();
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
