//! HTTP/2 by hand: what no well-behaved client would say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACKNOWLEDGE: u8 = 1;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The setting of the room that the other end has for each answer.
pub(crate) const INITIAL_WINDOW: u16 = 4;

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field of a header, as it is.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let length = text.len();
        let mut written = if length < 127 {
            vec![u8::try_from(length).unwrap()]
        } else {
            let mut rest = length - 127;
            let mut written = vec![127];
            while rest >= 128 {
                written.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            written.push(u8::try_from(rest).unwrap());
            written
        };
        written.extend(text.as_bytes());
        written
    };
    [vec![0], text(name), text(value)].concat()
}

/// The headers of a gRPC call.
pub(crate) fn call(path: &str) -> Vec<u8> {
    [
        field(":method", "POST"),
        field(":scheme", "http"),
        field(":path", path),
        field(":authority", "localhost"),
        field("content-type", "application/grpc"),
        field("te", "trailers"),
    ]
    .concat()
}

/// A message as gRPC frames it.
pub(crate) fn message(flag: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[flag][..], &length, bytes].concat()
}

/// A connection that says anything, and of what comes looks at nothing but why it ends.
pub(crate) struct Raw {
    writer: OwnedWriteHalf,
    is_over: Arc<AtomicBool>,
    /// The code with which the other end went.
    said: Arc<AtomicU32>,
    reader: JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Raw {
    /// With these settings.
    pub(crate) async fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let is_over = Arc::<AtomicBool>::default();
        let over = Arc::clone(&is_over);
        let said = Arc::<AtomicU32>::default();
        let why = Arc::clone(&said);
        let open = Arc::<Notify>::default();
        let opened = Arc::clone(&open);
        let reader = tokio::spawn(async move {
            let mut head = [0; 9];
            while reader.read_exact(&mut head).await.is_ok() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length as usize];
                if reader.read_exact(&mut payload).await.is_err() {
                    break;
                }
                if head[3] == WINDOW_UPDATE {
                    opened.notify_one();
                }
                if head[3] == GOAWAY {
                    why.store(
                        u32::from_be_bytes(payload[4..8].try_into().unwrap()),
                        Ordering::Release,
                    );
                }
            }
            over.store(true, Ordering::Release);
        });
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let begin = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &frame(SETTINGS, 0, 0, &settings)[..],
        ]
        .concat();
        writer.write_all(&begin).await.unwrap();
        // The server's first words: its settings, and its window, which is larger than the usual one.
        let spoken = timeout(Duration::from_secs(5), open.notified()).await;
        spoken.expect("the server says its window");
        writer
            .write_all(&frame(SETTINGS, ACKNOWLEDGE, 0, &[]))
            .await
            .unwrap();
        Self {
            writer,
            is_over,
            said,
            reader,
        }
    }

    /// Sends it; whether the other end still takes anything.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        // A server that reads no more has had enough, too.
        let sent = timeout(Duration::from_secs(2), self.writer.write_all(bytes)).await;
        matches!(sent, Ok(Ok(()))) && !self.is_over()
    }

    /// The code of HTTP/2 with which the other end ended it; 0: none.
    pub(crate) fn said(&self) -> u32 {
        self.said.load(Ordering::Acquire)
    }

    /// Whether the other end has ended it.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}
