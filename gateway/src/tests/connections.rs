//! Connections: those that say nothing, those that end, and the door that drains.

use http_body_util::BodyExt as _;
use std::time::Duration;

use nopic_chassis::draining::Draining;
use nopic_chassis::incoming::Peer;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::connection;

/// A connection in memory, whose time passes as fast as nothing happens.
fn connected() -> (DuplexStream, JoinHandle<()>) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let calls = calls(Bounds::default(), &Metrics::default());
    let peer = Peer {
        name: None,
        address: None,
        usage: None,
    };
    let served = connection::serve(server::builder(), far, peer, calls, None, Draining::default());
    (near, tokio::spawn(served))
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_closed() {
    let (_silent, served) = connected();
    let began = Instant::now();
    served.await.unwrap();
    let waited = began.elapsed().as_secs();
    assert!((10..=20).contains(&waited), "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_calls_is_closed_in_time_and_one_with_a_stream_is_not() {
    let (near, served) = connected();
    let mut caller = Caller::over(near).await;
    let mut stream = caller.send(request(WATCH, Some("nopic_a"))).await.into_body();
    stream.frame().await.unwrap().unwrap();
    let next = tokio::time::timeout(Duration::from_secs(1_000), stream.frame()).await;
    assert!(next.is_err(), "the stream goes on: {next:?}");
    assert!(caller.is_taken().await);
    drop(stream);
    let began = Instant::now();
    served.await.unwrap();
    let waited = began.elapsed().as_secs();
    assert!((100..=300).contains(&waited), "{waited} s");
}

#[tokio::test]
async fn a_door_that_drains_ends_with_its_last_call() {
    let door = Door::open(Bounds::default()).await;
    let mut caller = door.connect().await;
    let mut stream = caller.send(request(WATCH, Some("nopic_a"))).await.into_body();
    stream.frame().await.unwrap().unwrap();
    door.stop.send(()).unwrap();
    // The connection says that it ends; nobody new is let in.
    let over = async { while caller.is_taken().await {} };
    tokio::time::timeout(Duration::from_secs(10), over).await.unwrap();
    assert!(!door.served.is_finished());
    drop(stream);
    tokio::time::timeout(Duration::from_secs(10), door.served)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(door.address).await.is_err());
}
