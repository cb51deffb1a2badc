//! Calls that end, that are made again, and that are not.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceExt as _;

use super::replica::{Manner, Replica, balancer, call, connected, over, request, send};
use crate::balance::Idempotent;
use crate::roles::RoleTable;
use crate::transport::{ServerOptions, serve};

/// A server of ours, and what stops it.
async fn server() -> (
    std::net::SocketAddr,
    oneshot::Sender<()>,
    tokio::task::JoinHandle<()>,
) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
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
    let balancer = balancer(&std::sync::Arc::new(vec![first, second].into()));
    connected(&balancer, 2).await;
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let mut health = HealthClient::new(balancer.clone());
            tokio::spawn(async move {
                for _ in 0..200 {
                    health.check(HealthCheckRequest::default()).await.unwrap();
                }
            })
        })
        .collect();
    HealthClient::new(balancer.clone())
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
        HealthClient::new(balancer.clone())
            .check(HealthCheckRequest::default())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn where_no_server_is_the_call_fails_soon_and_succeeds_as_soon_as_one_is() {
    let replica = Replica::start();
    let address = replica.address;
    replica.kill();
    let balancer = balancer(&std::sync::Arc::new(vec![address].into()));
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(call(&balancer).await, Code::Unavailable);
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    let _back = Replica::start_at(address);
    assert_eq!(call(&balancer).await, Code::Ok);
}

#[tokio::test]
async fn where_no_address_is_the_call_fails_soon() {
    let balancer = balancer(&std::sync::Arc::default());
    for _ in 0..2 {
        let began = Instant::now();
        assert_eq!(call(&balancer).await, Code::Unavailable);
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

/// A call that the server may have read is not made again, but where that does no harm.
#[tokio::test]
async fn a_connection_that_breaks_under_a_call_is_told_unless_it_may_be_made_twice() {
    let (breaking, good) = (Replica::start(), Replica::start());
    breaking.behave(Manner::Breaks);
    let balancer = over(&[&breaking]);
    assert_ne!(call(&balancer).await, Code::Ok);
    assert_eq!(breaking.calls(), 1);
    let balancer = over(&[&breaking, &good]);
    connected(&balancer, 2).await;
    // Until it was met.
    while breaking.calls() == 1 {
        let mut request = request();
        request.extensions_mut().insert(Idempotent);
        assert_eq!(send(&balancer, request).await, Code::Ok);
    }
    assert_eq!(breaking.calls(), 2);
    let counts = &balancer.shared.counts;
    assert_eq!((counts.idempotent.get(), counts.not_taken.get()), (1, 0));
}

#[tokio::test]
async fn only_what_may_be_made_twice_is_made_again_when_a_server_cannot_serve() {
    let (unable, good) = (Replica::start(), Replica::start());
    unable.behave(Manner::Refuses(Code::Unavailable));
    let balancer = over(&[&unable, &good]);
    connected(&balancer, 2).await;
    while unable.calls() == 0 {
        let mut request = request();
        request.extensions_mut().insert(Idempotent);
        assert_eq!(send(&balancer, request).await, Code::Ok);
    }
    let alone = over(&[&unable]);
    let before = unable.calls();
    assert_eq!(call(&alone).await, Code::Unavailable);
    assert_eq!(unable.calls(), before + 1);
}

#[tokio::test]
async fn what_was_asked_again_further_behind_is_not_made_again_here() {
    let (unable, good) = (Replica::start(), Replica::start());
    unable.behave(Manner::RefusesForAnother);
    let balancer = over(&[&unable, &good]);
    connected(&balancer, 2).await;
    let mut refused = 0;
    while refused == 0 {
        let mut request = request();
        request.extensions_mut().insert(Idempotent);
        if send(&balancer, request).await == Code::Unavailable {
            refused += 1;
        }
    }
    assert_eq!((unable.calls(), balancer.shared.counts.idempotent.get()), (1, 0));
}

/// A request that came over HTTP/2 ends by an empty piece; a server bears a hundred of them on a connection.
#[tokio::test]
async fn requests_that_are_handed_on_do_not_end_the_connection() {
    let server = Replica::start();
    let balancer = over(&[&server]);
    for number in 0..250 {
        let pieces =
            [&b"\0\0\0\0\0"[..], b""].map(|piece| Ok::<_, Status>(Frame::data(Bytes::from_static(piece))));
        let body = Body::new(StreamBody::new(tokio_stream::iter(pieces)));
        let request = request().map(|_| body);
        assert_eq!(send(&balancer, request).await, Code::Ok, "call {number}");
    }
}

/// Whoever sends half a request, or too much, is told what is wrong, and no endpoint is left alone for it.
#[tokio::test]
async fn a_request_that_breaks_off_is_its_senders_fault() {
    let servers = [Replica::start(), Replica::start()];
    let balancer = over(&[&servers[0], &servers[1]]);
    connected(&balancer, 2).await;
    for number in 0..40 {
        let pieces = [
            Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x09half"))),
            Err(Status::out_of_range("a message is too long")),
        ];
        let body = Body::new(StreamBody::new(tokio_stream::iter(pieces)));
        let mut request = request().map(|_| body);
        request.extensions_mut().insert(Idempotent);
        assert_eq!(send(&balancer, request).await, Code::OutOfRange, "call {number}");
    }
    assert_eq!(balancer.shared.states().ejected, 0);
    let counts = &balancer.shared.counts;
    assert_eq!((counts.idempotent.get(), counts.not_taken.get()), (0, 0));
    assert_eq!(call(&balancer).await, Code::Ok);
}

/// Retries end with their budget: what it holds from the beginning, and a share of the calls.
#[tokio::test]
async fn retries_do_not_multiply_the_load() {
    let unable = Replica::start();
    unable.behave(Manner::Refuses(Code::Unavailable));
    let balancer = over(&[&unable]);
    let began = Instant::now();
    let calls = futures::future::join_all((0..1_000).map(|_| {
        let mut request = request();
        request.extensions_mut().insert(Idempotent);
        send(&balancer, request)
    }));
    assert!(calls.await.into_iter().all(|code| code == Code::Unavailable));
    let more = 10 * began.elapsed().as_secs();
    assert!(
        (1_001..=1_000 + 210 + 100 + more).contains(&unable.calls()),
        "{}",
        unable.calls()
    );
}

#[tokio::test]
async fn a_call_ends_with_its_time() {
    let slow = Replica::start();
    slow.behave(Manner::After(Duration::from_secs(60)));
    let balancer = over(&[&slow]);
    let began = Instant::now();
    let mut request = request();
    request
        .headers_mut()
        .insert("grpc-timeout", "300m".parse().unwrap());
    request.extensions_mut().insert(Idempotent);
    assert_eq!(send(&balancer, request).await, Code::DeadlineExceeded);
    assert!((300..2_000).contains(&began.elapsed().as_millis()));
    assert_eq!(slow.calls(), 1);
}

/// Whoever drops the last balancer has its answers all the same.
#[tokio::test]
async fn an_answer_outlives_its_balancer() {
    let replica = Replica::start();
    let answer = over(&[&replica]).oneshot(request()).await.unwrap();
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
}
