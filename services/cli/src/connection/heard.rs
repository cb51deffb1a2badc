//! What the other side of a connection says before it ends it: what it speaks, by the first byte that comes from there, and
//! why it refuses TLS. Calls on the connection learn no more than that it ended.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Records of TLS begin with their kind: change of cipher, alert, handshake, data. HTTP begins with a letter, HTTP/2 with
/// the length of a frame, which is far below.
const TLS_RECORDS: std::ops::RangeInclusive<u8> = 20..=23;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    Tls,
    PlainText,
}

/// What was heard first from the other side.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Words>);

#[derive(Debug, Default)]
struct Words {
    first: OnceLock<u8>,
    alert: OnceLock<AlertDescription>,
}

impl Heard {
    /// Absent: nothing was said.
    pub(super) fn speech(&self) -> Option<Speech> {
        let first = self.0.first.get()?;
        Some(if TLS_RECORDS.contains(first) {
            Speech::Tls
        } else {
            Speech::PlainText
        })
    }

    /// Why the other side refuses TLS; absent: it does not, or does not say so.
    pub(super) fn alert(&self) -> Option<AlertDescription> {
        self.0.alert.get().copied()
    }

    /// Takes from an error what the other side said. What it said first stays, here and below.
    pub(super) fn note(&self, error: &io::Error) {
        let error = error.get_ref().and_then(|inner| inner.downcast_ref());
        if let Some(rustls::Error::AlertReceived(alert)) = error {
            let _ = self.0.alert.set(*alert);
        }
    }
}

/// A connection that is listened to.
#[derive(Debug)]
pub(super) struct Hearing<S> {
    stream: S,
    heard: Heard,
    /// Whether nothing above it needs the bytes of a connection that has ended.
    is_outermost: bool,
}

impl<S> Hearing<S> {
    /// Listens to what others read.
    pub(super) fn new(stream: S, heard: Heard) -> Self {
        Self {
            stream,
            heard,
            is_outermost: false,
        }
    }

    /// Listens also when the connection has ended under a write, upon which nobody would read.
    pub(super) fn outermost(stream: S, heard: Heard) -> Self {
        Self {
            is_outermost: true,
            ..Self::new(stream, heard)
        }
    }
}

impl<S: AsyncRead + Unpin> Hearing<S> {
    /// Reads what was said before the connection ended, if it ended; then hands on how the write went.
    fn hear_out<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        // Reading from a connection in such a state does not wait for the other side, so neither does this.
        let has_ended = matches!(&written, Poll::Ready(Err(error)) if matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
        ));
        if !self.is_outermost || !has_ended {
            return written;
        }
        let mut bytes = [0; 64];
        match Pin::new(self).poll_read(context, &mut ReadBuf::new(&mut bytes)) {
            // The system has not told us yet of what came: the write is tried anew then, and fails the same way.
            Poll::Pending => Poll::Pending,
            Poll::Ready(_) => written,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Hearing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if let Err(error) = &read {
            self.heard.note(error);
        }
        if let Some(first) = buffer.filled().get(before) {
            let _ = self.heard.0.first.set(*first);
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Hearing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.hear_out(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.hear_out(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.hear_out(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// The other side has said this and ended the connection; the system tells of it a little later.
    struct Ended {
        said: &'static [u8],
        is_known: bool,
    }

    impl AsyncRead for Ended {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if !std::mem::replace(&mut self.is_known, true) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            buffer.put_slice(std::mem::take(&mut self.said));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Ended {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_was_said_is_heard_before_a_write_fails() {
        let heard = Heard::default();
        let ended = Ended {
            said: b"\x15\x03\x03\x00\x02\x02\x32",
            is_known: false,
        };
        let mut hearing = Hearing::outermost(ended, heard.clone());
        let error = hearing.write_all(b"PRI * HTTP/2.0").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(heard.speech(), Some(Speech::Tls));
    }

    #[tokio::test]
    async fn the_first_byte_tells_what_is_spoken() {
        let spoken = async |text: &[u8]| {
            let heard = Heard::default();
            let mut hearing = Hearing::new(text, heard.clone());
            hearing.read_to_end(&mut Vec::new()).await.unwrap();
            heard.speech()
        };
        assert_eq!(spoken(b"").await, None);
        // An alert, a frame of settings, an answer of HTTP/1.1.
        assert_eq!(spoken(b"\x15\x03\x03\x00\x02\x02\x32").await, Some(Speech::Tls));
        assert_eq!(spoken(b"\x00\x00\x12\x04\x00").await, Some(Speech::PlainText));
        assert_eq!(spoken(b"HTTP/1.1 400\x15").await, Some(Speech::PlainText));
    }
}
