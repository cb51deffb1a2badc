//! Calls in a closed loop: so many at a time over so many connections, each followed by the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::codegen::http::{HeaderValue, Request};

/// Where calls go, and by which key.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) connections: Vec<SendRequest<Full<Bytes>>>,
    pub(crate) credential: HeaderValue,
}

/// What was seen of a round.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) per_second: f64,
    /// Sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Round {
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list"
        )]
        let place = ((self.latencies.len() - 1) as f64 * share) as usize;
        self.latencies[place]
    }
}

impl Way {
    fn request(&self, path: &str, message: &Bytes) -> Request<Full<Bytes>> {
        Request::post(format!("https://gateway{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", &self.credential)
            .body(Full::new(message.clone()))
            .expect("a request")
    }

    /// Calls for a while, so many at a time on each connection.
    pub(crate) async fn run(
        &self,
        path: &'static str,
        message: &Bytes,
        at_a_time: usize,
        lasting: Duration,
    ) -> Round {
        let began = Instant::now();
        let end = began + lasting;
        let done = Arc::new(AtomicU64::new(0));
        let mut callers = JoinSet::new();
        for connection in &self.connections {
            for _ in 0..at_a_time {
                let (way, message, done) = (self.clone(), message.clone(), Arc::clone(&done));
                let mut connection = connection.clone();
                callers.spawn(async move {
                    let mut latencies = Vec::new();
                    while Instant::now() < end {
                        let sent = Instant::now();
                        let answer = connection
                            .send_request(way.request(path, &message))
                            .await
                            .expect("the connection holds");
                        let is_refused = answer.headers().contains_key("grpc-status");
                        let answer = answer.into_body().collect().await.expect("an answer comes whole");
                        let status = answer
                            .trailers()
                            .and_then(|trailers| trailers.get("grpc-status").cloned());
                        assert!(
                            !is_refused && status.is_some_and(|status| status == "0"),
                            "a call failed"
                        );
                        latencies.push(sent.elapsed());
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    latencies
                });
            }
        }
        let mut latencies = Vec::new();
        while let Some(own) = callers.join_next().await {
            latencies.extend(own.expect("no caller panics"));
        }
        latencies.sort_unstable();
        #[allow(clippy::cast_precision_loss, reason = "calls of seconds")]
        let per_second = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
        Round {
            per_second,
            latencies,
        }
    }
}
