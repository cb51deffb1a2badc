//! Passes connections on to a server, slowly or with gaps, as a test says.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    delay: watch::Sender<Duration>,
}

/// Pieces on the way in one direction before the sender waits.
const PIECES: usize = 1024;

impl Relay {
    /// To a server that need not be there yet.
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (delay, delayed) = watch::channel(Duration::ZERO);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let delayed = delayed.clone();
                tokio::spawn(async move {
                    // Where there is no server the connection ends, as it would without this.
                    if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await {
                        client.set_nodelay(true).unwrap();
                        server.set_nodelay(true).unwrap();
                        pass(client, server, delayed).await;
                    }
                });
            }
        });
        Self { address, delay }
    }

    /// From now on each piece takes so long to arrive, in either direction.
    pub(crate) fn delay(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }
}

async fn pass(client: TcpStream, server: TcpStream, delay: watch::Receiver<Duration>) {
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let there = one_way(client_reads, server_writes, delay.clone());
    let back = one_way(server_reads, client_writes, delay);
    // Where one direction ends the connection is over.
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

async fn one_way(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    delay: watch::Receiver<Duration>,
) {
    let (pieces, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let reading = async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + *delay.borrow();
            if pieces.send((due, buffer[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, piece)) = arriving.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}
