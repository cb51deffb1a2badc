//! Servers that behave as a test says, each on a thread of its own, so that one can be frozen as a whole.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response};
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::balance::{Balancer, Target, asked_again_already};

/// How a replica takes calls; whether it lives it says all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// With this status, at the body's end.
    Ends(Code),
    /// Likewise, so long after all else.
    EndsAfter(Duration, Code),
    /// With this status instead of an answer.
    Refuses(Code),
    /// For the sake of another service, which was asked again already.
    RefusesForAnother,
    /// So late.
    After(Duration),
    /// The connection is gone.
    Breaks,
}

/// One server.
pub(super) struct Replica {
    pub(super) address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    calls: watch::Sender<u64>,
    handle: tokio::runtime::Handle,
    stop: Arc<Notify>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Replica {
    pub(super) fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    pub(super) fn start_at(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut replica = Self {
            address: listener.local_addr().unwrap(),
            manner: Arc::new(Mutex::new(Manner::Ends(Code::Ok))),
            calls: watch::Sender::new(0),
            handle: runtime.handle().clone(),
            stop: Arc::default(),
            thread: None,
        };
        let (manner, calls) = (Arc::clone(&replica.manner), replica.calls.clone());
        let stop = Arc::clone(&replica.stop);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let accepting = async {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        tokio::spawn(connection(stream, Arc::clone(&manner), calls.clone()));
                    }
                };
                tokio::select! {
                    () = accepting => {}
                    () = stop.notified() => {}
                }
            });
            // With every connection.
            drop(runtime);
        });
        replica.thread = Some(thread);
        replica
    }

    pub(super) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Calls so far.
    pub(super) fn calls(&self) -> u64 {
        *self.calls.borrow()
    }

    /// Waits for a call more than there were.
    pub(super) async fn called(&self, before: u64) {
        self.calls
            .subscribe()
            .wait_for(|calls| *calls > before)
            .await
            .unwrap();
    }

    /// Nothing moves until what is returned is dropped.
    pub(super) fn freeze(&self) -> mpsc::Sender<()> {
        let (thaw, thawed) = mpsc::channel::<()>();
        let (frozen, is_frozen) = mpsc::channel();
        self.handle.spawn(async move {
            frozen.send(()).unwrap();
            // On purpose: the thread is the server.
            let _ = thawed.recv();
        });
        is_frozen.recv().unwrap();
        thaw
    }

    /// Gone without a word.
    pub(super) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

async fn connection(stream: TcpStream, manner: Arc<Mutex<Manner>>, calls: watch::Sender<u64>) {
    let broken = Arc::new(Notify::new());
    let service = service_fn(|request: Request<Incoming>| {
        let is_call = !request.uri().path().starts_with("/grpc.health.v1.Health/");
        let manner = if is_call {
            calls.send_modify(|calls| *calls += 1);
            *manner.lock().unwrap()
        } else {
            Manner::Ends(Code::Ok)
        };
        let broken = Arc::clone(&broken);
        async move {
            request.into_body().collect().await.ok();
            Ok::<_, Infallible>(match manner {
                Manner::Ends(code) => answer(code),
                Manner::EndsAfter(time, code) => answer_in(time, code),
                Manner::Refuses(code) => Status::new(code, "").into_http::<Body>(),
                Manner::RefusesForAnother => asked_again_already(Status::unavailable("")).into_http::<Body>(),
                Manner::After(time) => {
                    tokio::time::sleep(time).await;
                    answer(Code::Ok)
                }
                Manner::Breaks => {
                    broken.notify_one();
                    std::future::pending().await
                }
            })
        }
    });
    let served = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = served => {}
        () = broken.notified() => {}
    }
}

fn answer(code: Code) -> Response<Body> {
    answer_in(Duration::ZERO, code)
}

/// An answer whose end follows so long after it.
fn answer_in(time: Duration, code: Code) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code as i32));
    let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async move {
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        Some(Ok(trailers))
    });
    Response::new(Body::new(body.map_err(|never: Infallible| match never {})))
}

/// A balancer over these addresses, which a test may change.
pub(super) fn balancer(addresses: &Arc<Mutex<Vec<SocketAddr>>>) -> Balancer {
    let target = Target {
        authority: "replicas.test:1".to_owned(),
        name: "replicas".to_owned(),
        tls: None,
    };
    let addresses = Arc::clone(addresses);
    Balancer::with_lookup(target, move || {
        let found = addresses.lock().unwrap().clone();
        Box::pin(std::future::ready(Ok(found)))
    })
    .unwrap()
}

pub(super) fn over(replicas: &[&Replica]) -> Balancer {
    let addresses = replicas.iter().map(|replica| replica.address).collect();
    balancer(&Arc::new(Mutex::new(addresses)))
}

pub(super) fn request() -> Request<Body> {
    Request::post("/test.Test/Call")
        .header("content-type", "application/grpc")
        .body(Body::new(
            Empty::new().map_err(|never: Infallible| match never {}),
        ))
        .unwrap()
}

/// Makes a call and reads its end.
pub(super) async fn send(balancer: &Balancer, request: Request<Body>) -> Code {
    let answer = match balancer.clone().oneshot(request).await {
        Ok(answer) => answer,
        Err(status) => return status.code(),
    };
    let in_head = crate::balance::code_of(answer.headers());
    match answer.into_body().collect().await {
        Ok(body) => in_head
            .or(body.trailers().and_then(crate::balance::code_of))
            .unwrap(),
        Err(status) => status.code(),
    }
}

pub(super) async fn call(balancer: &Balancer) -> Code {
    send(balancer, request()).await
}

/// Calls until something is so, and says how many calls failed.
pub(super) async fn call_until(
    balancer: &Balancer,
    request: impl Fn() -> Request<Body>,
    is_so: impl Fn() -> bool,
) -> u64 {
    let failed = AtomicU64::new(0);
    let caller = async || {
        while !is_so() {
            if send(balancer, request()).await != Code::Ok {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            tokio::task::yield_now().await;
        }
    };
    let within = Duration::from_secs(20);
    let callers = async { tokio::join!(caller(), caller(), caller(), caller()) };
    tokio::time::timeout(within, callers)
        .await
        .expect("it never became so");
    failed.into_inner()
}

/// Waits until so many endpoints can be called.
pub(super) async fn connected(balancer: &Balancer, count: i64) {
    loop {
        let mut changed = balancer.shared.changes();
        if balancer.shared.states().connected == count {
            return;
        }
        changed.changed().await.unwrap();
    }
}
