//! A web server that does with each request what a test says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Doing {
    /// It is answered with these bytes.
    Answer(Vec<u8>),
    /// The same after a pause.
    Late(Duration, Vec<u8>),
    /// It is answered with these bytes, and then with others without end.
    Endless(Vec<u8>),
    /// One byte a second of an answer that never ends.
    Drips,
    /// It is never answered.
    Hangs,
    /// It is answered with these bytes, and the connection is closed.
    Closes(Vec<u8>),
}

/// An answer with this status, these headers, and this body.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Doing {
    Doing::Answer(bytes(status, headers, body))
}

pub(crate) fn bytes(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} It\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The server. It ends with the test's runtime.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Bytes of answers without end.
    written: Arc<AtomicUsize>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Receiver {
    /// One that does so with every request.
    pub(crate) async fn that(doing: Doing) -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), doing, None).await
    }

    pub(crate) async fn over_tls(doing: Doing, acceptor: TlsAcceptor) -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), doing, Some(acceptor)).await
    }

    pub(crate) async fn at(address: SocketAddr, doing: Doing, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (sender, seen) = mpsc::unbounded_channel();
        let counted = Arc::clone(&connections);
        let written = Arc::new(AtomicUsize::new(0));
        let bytes = Arc::clone(&written);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (doing, sender, acceptor) = (doing.clone(), sender.clone(), acceptor.clone());
                let bytes = Arc::clone(&bytes);
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, doing, sender, &bytes).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, doing, sender, &bytes).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            connections,
            written,
            seen,
        }
    }

    /// Settings that lead here.
    pub(crate) fn settings(&self) -> Value {
        json!({"url": format!("http://{}/hooks?key=hidden", self.address)})
    }

    /// The same by a name, over https.
    pub(crate) fn settings_by_name(&self, name: &str) -> Value {
        json!({"url": format!("https://{name}:{}/hooks", self.address.port())})
    }

    pub(crate) fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn endless_bytes(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    /// The next request, once it came.
    pub(crate) async fn next(&mut self) -> Seen {
        self.seen.recv().await.unwrap()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    doing: Doing,
    sender: mpsc::UnboundedSender<Seen>,
    written: &AtomicUsize,
) {
    while let Some(seen) = request(&mut stream).await {
        // A test that looks at no requests has none.
        let _ = sender.send(seen);
        let went_well = match &doing {
            Doing::Answer(bytes) => stream.write_all(bytes).await.is_ok(),
            Doing::Late(pause, bytes) => {
                tokio::time::sleep(*pause).await;
                stream.write_all(bytes).await.is_ok()
            }
            Doing::Endless(bytes) => {
                let mut goes_on = stream.write_all(bytes).await.is_ok();
                while goes_on {
                    goes_on = stream.write_all(&[b'x'; 4_096]).await.is_ok();
                    written.fetch_add(4_096, Ordering::SeqCst);
                }
                false
            }
            Doing::Drips => {
                let mut goes_on = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.is_ok();
                while goes_on {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    goes_on = stream.write_all(b"x").await.is_ok();
                }
                false
            }
            Doing::Hangs => std::future::pending().await,
            Doing::Closes(bytes) => {
                let _ = stream.write_all(bytes).await;
                false
            }
        };
        if !went_well {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// The next request of a connection, if there is one.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = read.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen {
        line,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}
