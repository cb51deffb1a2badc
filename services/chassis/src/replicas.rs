//! Calls to several servers of one kind: in turn, and to the next one where a server has not taken the call.
//!
//! A server that stops takes no new connections and ends those that it has. A call that was on its way to it then has
//! certainly not been read ([`was_not_taken`]), so it is made elsewhere, whatever it does; a balanced channel would fail
//! it. Every other failure is for the caller to judge.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Frame;
use tonic::ConnectError;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response, request};
use tonic::transport::Channel;

use crate::client::{Target, TargetError, channel};

/// Bytes of a request that are kept until a server has taken it; more than that is sent once only.
const MOST_KEPT: usize = 1 << 20;
/// How often all servers are tried, and for how long a call pauses before it tries them again, times the round: a server
/// that has just come back may once more say that it was gone.
const ROUNDS: usize = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// Several servers that give the same answers. Clones take turns.
#[derive(Debug, Clone)]
pub struct Replicas {
    servers: Arc<[Channel]>,
    next: Arc<AtomicUsize>,
}

impl Replicas {
    /// The servers at these targets.
    ///
    /// # Errors
    /// Certificates that cannot be used, or an address that is none.
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Result<Self, TargetError> {
        let servers = targets.into_iter().map(channel).collect::<Result<_, _>>()?;
        Ok(Self::of(servers))
    }

    /// The servers behind these channels.
    #[must_use]
    pub fn of(servers: Arc<[Channel]>) -> Self {
        Self {
            servers,
            next: Arc::default(),
        }
    }
}

type Answer = Result<Response<Body>, tonic::transport::Error>;

impl Service<Request<Body>> for Replicas {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Which server is asked, and so whether it is ready, shows with the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        Box::pin(ask(Arc::clone(&self.servers), first, request))
    }
}

async fn ask(servers: Arc<[Channel]>, first: usize, request: Request<Body>) -> Answer {
    let (head, body) = request.into_parts();
    let sent = Arc::new(Mutex::new(Sent {
        rest: Some(body),
        kept: Vec::new(),
        bytes: 0,
        is_over: false,
        is_whole: true,
    }));
    let last = servers.len() * ROUNDS - 1;
    for attempt in 0..last {
        let server = &servers[(first + attempt) % servers.len()];
        match ask_one(server.clone(), &head, &sent).await {
            Err(error) if was_not_taken(&error) && lock(&sent).is_whole => {
                tracing::debug!(
                    error = &error as &dyn StdError,
                    "a server did not take a call: the next one is asked"
                );
            }
            answer => return answer,
        }
        if (attempt + 1) % servers.len() == 0 {
            let round = u32::try_from((attempt + 1) / servers.len()).unwrap_or(u32::MAX);
            tokio::time::sleep(PAUSE.saturating_mul(round)).await;
        }
    }
    ask_one(servers[(first + last) % servers.len()].clone(), &head, &sent).await
}

async fn ask_one(mut server: Channel, head: &request::Parts, sent: &Arc<Mutex<Sent>>) -> Answer {
    std::future::poll_fn(|context| server.poll_ready(context)).await?;
    let body = Sending {
        sent: Arc::clone(sent),
        place: 0,
    };
    server
        .call(Request::from_parts(head.clone(), Body::new(body)))
        .await
}

/// Whether a call that failed so has certainly not been read by the server.
#[must_use]
pub fn was_not_taken(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let is_unsent = error
            .downcast_ref::<hyper::Error>()
            // The connection had ended before the call was sent.
            .is_some_and(hyper::Error::is_canceled);
        let is_refused = error.downcast_ref::<h2::Error>().is_some_and(|error| {
            // What a server refuses, or says when it goes that it will not look at.
            let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            let is_left = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            error.is_remote() && (is_refused || is_left)
        });
        if is_unsent || is_refused || error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A request's body as far as it was sent to any server.
struct Sent {
    rest: Option<Body>,
    kept: Vec<Bytes>,
    bytes: usize,
    is_over: bool,
    /// Whether all that was sent is kept, so that it can be sent again.
    is_whole: bool,
}

fn lock(sent: &Mutex<Sent>) -> std::sync::MutexGuard<'_, Sent> {
    // Nobody panics who holds it; and if so, what it holds is whole.
    sent.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body from its beginning, for one server.
struct Sending {
    sent: Arc<Mutex<Sent>>,
    place: usize,
}

impl tonic::codegen::Body for Sending {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let shared = Arc::clone(&self.sent);
        let mut sent = lock(&shared);
        if let Some(data) = sent.kept.get(self.place) {
            self.place += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if sent.is_over {
            return Poll::Ready(None);
        }
        let Some(rest) = &mut sent.rest else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(rest).poll_frame(context));
        match &frame {
            None => {
                sent.is_over = true;
                sent.rest = None;
            }
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) if sent.is_whole && sent.bytes + data.len() <= MOST_KEPT => {
                    sent.bytes += data.len();
                    sent.kept.push(data.clone());
                    self.place += 1;
                }
                _ => sent.is_whole = false,
            },
            Some(Err(_)) => sent.is_whole = false,
        }
        Poll::Ready(frame)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tonic::service::Routes;
    use tonic::transport::Endpoint;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;
    use crate::roles::RoleTable;
    use crate::transport::{ServerOptions, bind, serve};

    fn channel_to(address: std::net::SocketAddr) -> Channel {
        Endpoint::from_shared(format!("http://{address}"))
            .unwrap()
            .connect_lazy()
    }

    /// A server, and what stops it.
    async fn server() -> (
        std::net::SocketAddr,
        oneshot::Sender<()>,
        tokio::task::JoinHandle<()>,
    ) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (_, health) = tonic_health::server::health_reporter();
        let served = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve(
                listener,
                RoleTable::new(&[]).unwrap().protect(Routes::new(health), None),
                ServerOptions::default(),
                stopped,
            )
            .await
            .unwrap();
        });
        (address, stop, served)
    }

    #[tokio::test]
    async fn a_server_that_goes_away_under_calls_fails_none() {
        let (first, stop, served) = server().await;
        let (second, _stop, _served) = server().await;
        let replicas = Replicas::of([channel_to(first), channel_to(second)].into());
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let mut health = HealthClient::new(replicas.clone());
                tokio::spawn(async move {
                    for _ in 0..200 {
                        health.check(HealthCheckRequest::default()).await.unwrap();
                    }
                })
            })
            .collect();
        HealthClient::new(replicas.clone())
            .check(HealthCheckRequest::default())
            .await
            .unwrap();
        stop.send(()).unwrap();
        for caller in callers {
            caller.await.unwrap();
        }
        served.await.unwrap();
        // Nobody listens there now.
        for _ in 0..4 {
            HealthClient::new(replicas.clone())
                .check(HealthCheckRequest::default())
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn where_no_server_is_the_call_fails_soon() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let replicas = Replicas::of([channel_to(address), channel_to(address)].into());
        let began = tokio::time::Instant::now();
        let failed = HealthClient::new(replicas)
            .check(HealthCheckRequest::default())
            .await
            .unwrap_err();
        assert_eq!(failed.code(), tonic::Code::Unavailable);
        assert!(began.elapsed() < Duration::from_secs(1));
    }

    /// A call that the server may have read is not made again.
    #[tokio::test]
    async fn a_connection_that_breaks_under_a_call_is_told() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = tokio::spawn(async move {
            let mut accepted = 0;
            while let Ok(Ok((mut stream, _))) =
                tokio::time::timeout(Duration::from_millis(500), listener.accept()).await
            {
                accepted += 1;
                // Long enough for the request's headers to come; then it is gone without a word.
                let mut read = vec![0; 1_024];
                let mut all = 0;
                while all < 100 {
                    all += tokio::io::AsyncReadExt::read(&mut stream, &mut read)
                        .await
                        .unwrap();
                }
            }
            accepted
        });
        let replicas = Replicas::of([channel_to(address), channel_to(address)].into());
        HealthClient::new(replicas)
            .check(HealthCheckRequest::default())
            .await
            .unwrap_err();
        assert_eq!(accepted.await.unwrap(), 1);
    }
}
