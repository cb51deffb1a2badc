//! Connections that are opened and not used.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::door::{Door, size};

/// So many connections on which this is said, and nothing more.
pub(crate) async fn opened(address: SocketAddr, count: usize, said: &[u8]) -> Vec<TcpStream> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let connected = timeout(Duration::from_secs(5), TcpStream::connect(address)).await;
        // The queue of the system is full: the server takes its time.
        let Ok(Ok(mut stream)) = connected else { break };
        if stream.write_all(said).await.is_ok() {
            connections.push(stream);
        }
    }
    connections
}

async fn held(address: SocketAddr, count: usize, said: &[u8]) -> String {
    let connections = opened(address, count, said).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    format!("{} of {count} connections", connections.len())
}

/// Of the limit on open files some are for other things; said loudly where it makes the attack smaller.
pub(crate) fn as_many_as_files(count: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let files: usize = line
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap_or(usize::MAX);
    let possible = count.min(files.saturating_sub(500));
    if possible < count {
        eprintln!("ONLY {possible} CONNECTIONS IN PLACE OF {count}: the limit on open files is {files}");
    }
    possible
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_ones() {
    let door = Door::open();
    let count = as_many_as_files(size(5_000, 10_000));
    door.withstands("silent connections", held(door.address, count, b""))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_ones_behind_tls() {
    let door = Door::open_secured();
    let count = as_many_as_files(size(5_000, 10_000));
    door.withstands("silent connections, TLS", held(door.address, count, b""))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_are_never_whole() {
    let door = Door::open_secured();
    let count = as_many_as_files(size(3_000, 10_000));
    // A record that says that it has 512 bytes, and its first ones.
    let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    door.withstands("half-open handshakes", held(door.address, count, &hello))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_never_come() {
    let door = Door::open();
    let count = as_many_as_files(size(2_000, 4_000));
    let begun = b"POST /v1/entries:validate HTTP/1.1\r\nhost: localhost\r\n";
    door.withstands("header blocks that never end", held(door.address, count, begun))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_ones_shut_nobody_out() {
    let door = Door::open_with(&[("NOPIC_SERVER_MAX_CONNECTIONS", "50")]);
    let attack = async {
        let mut all = Vec::new();
        let mut longest = Duration::ZERO;
        for _ in 0..size(4, 20) {
            all.extend(opened(door.address, 50, b"").await);
            let began = Instant::now();
            door.other().await.ask().await;
            longest = longest.max(began.elapsed());
        }
        assert!(longest < Duration::from_secs(3), "a newcomer waited {longest:?}");
        format!(
            "{} silent connections under a bound of 50, newcomers waited {longest:?} at most",
            all.len()
        )
    };
    door.withstands("idle connections at the bound", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_take_the_room_of_all() {
    let door = Door::open_with(&[("NOPIC_SERVER_MAX_CONNECTIONS_PER_ADDRESS", "20")]);
    let attack = async {
        let all = opened(
            door.address,
            size(500, 5_000),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        )
        .await;
        door.other().await.ask().await;
        format!("{} connections of an address that may have 20", all.len())
    };
    door.withstands("connections of one address", attack).await;
}
