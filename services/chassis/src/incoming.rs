//! Connections to a server: bounded in number by a [`Gate`], behind TLS where it has certificates, each with the name of its client.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::draining::Draining;
use crate::gate::{Gate, Place, Usage};
use crate::tls::ServerTls;

/// How long a connection may say nothing at its beginning: until then it has hardly any memory.
const FIRST_BYTE: Duration = Duration::from_secs(10);
/// How long a client may take until it has shown its certificate.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Pause after an error of the listener, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// The same once the server takes no more.
const LAST_HANDSHAKE: Duration = Duration::from_millis(500);
/// How long the other end of a connection that is over may take to hear all that was said.
const LINGER: Duration = Duration::from_secs(1);
/// How long what was read last may take to become a call on a connection that must make room.
const LAST_CALL: Duration = Duration::from_millis(100);
/// Connections that are ready and not taken yet.
const AHEAD: usize = 16;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The name in its certificate: the first DNS name. Absent without TLS.
    pub name: Option<Arc<str>>,
    /// Where it is.
    pub address: Option<SocketAddr>,
    /// What its connection is used for; absent: nobody counts that.
    pub usage: Option<Arc<Usage>>,
}

/// A connection that counts against the bound for as long as it lives.
#[derive(Debug)]
pub struct Connection {
    /// Taken when it is dropped, and only then.
    open: Option<(Wire, Place)>,
    peer: Peer,
    /// When something was read last.
    read: Instant,
    /// When it ends, once it must make room.
    ends: Option<Pin<Box<Sleep>>>,
}

impl Drop for Connection {
    /// Closes it when the other end has heard everything. A socket that is closed while the other end still sends, as
    /// callers of streams do that the server has ended, takes back what was not read there yet: the last answers.
    fn drop(&mut self) {
        if let (Some((wire, place)), Ok(runtime)) = (self.open.take(), Handle::try_current()) {
            let usage = &place.usage;
            if usage.must_end() && !(usage.has_called() && usage.idle_since().elapsed() < LINGER) {
                // Another waits for its place, and all that was said on it was heard long ago.
                return;
            }
            runtime.spawn(async move {
                let mut stream = match wire {
                    Wire::Plain(stream) => stream,
                    Wire::Tls(stream) => stream.into_inner().0,
                };
                let heard = async {
                    // The other end may be gone already: then there is nothing to wait for.
                    stream.shutdown().await?;
                    let mut unread = [0; 4_096];
                    while stream.read(&mut unread).await? > 0 {}
                    io::Result::Ok(())
                };
                // Either way it is over.
                let _ = tokio::time::timeout(LINGER, heard).await;
                drop((stream, place));
            });
        }
    }
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Accepts connections, as many as the gate takes: others wait in the system's queue. Ends with the last one that came
/// before the gate was closed, so that none is forgotten between here and the server.
pub fn accept(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
    gate: &Gate,
) -> impl Stream<Item = io::Result<Connection>> + Send + use<> {
    let (ready, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(accept_all(listener, tls, gate.clone(), ready));
    ReceiverStream::new(receiver)
}

async fn accept_all(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
    gate: Gate,
    ready: mpsc::Sender<io::Result<Connection>>,
) {
    loop {
        let accepted = tokio::select! {
            // The server listens no more.
            () = ready.closed() => return,
            () = gate.closing.begun() => return,
            accepted = accept_one(&listener, &gate) => accepted,
        };
        let (stream, address, place) = match accepted {
            Ok(Some(accepted)) => accepted,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a connection was not accepted"
                );
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Small answers must not wait for a full packet; a socket that refuses is served all the same.
        let _ = stream.set_nodelay(true);
        let (tls, ready, closing) = (tls.clone(), ready.clone(), gate.closing.clone());
        // A client that dawdles holds up nobody else.
        tokio::spawn(async move {
            let usage = Arc::clone(&place.usage);
            let must_end = poll_fn(|context| usage.poll_must_end(context));
            let has_spoken = tokio::select! {
                spoken = timeout(FIRST_BYTE, speaks(&stream)) => spoken,
                () = must_end => return,
                // Whoever has not spoken by then has no call.
                () = closing.begun() => timeout(LAST_HANDSHAKE, speaks(&stream)).await,
            };
            if !has_spoken.unwrap_or(false) {
                return;
            }
            // On the heap only now: what has said nothing is small.
            let begun = Box::pin(begin(stream, address, place, tls, closing));
            match begun.await {
                // Where the server has ended nobody takes it.
                Ok(connection) => drop(ready.send(Ok(connection)).await),
                Err(why) => tracing::warn!(client = %address, why, "a connection was refused"),
            }
        });
    }
}

/// The next connection with its place; `None`: there is no place for it.
async fn accept_one(
    listener: &TcpListener,
    gate: &Gate,
) -> io::Result<Option<(TcpStream, SocketAddr, Place)>> {
    let (stream, address) = listener.accept().await?;
    let Some(place) = gate.admit(address.ip()).await else {
        tracing::debug!(client = %address, "a connection was refused: its address has too many");
        return Ok(None);
    };
    Ok(Some((stream, address, place)))
}

/// Whether the other end says anything, once it does or goes.
async fn speaks(stream: &TcpStream) -> bool {
    stream.peek(&mut [0]).await.is_ok_and(|bytes| bytes > 0)
}

/// A connection on which something is said.
async fn begin(
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
    tls: Option<Arc<ServerTls>>,
    closing: Draining,
) -> Result<Connection, String> {
    let usage = Arc::clone(&place.usage);
    let Some(tls) = tls else {
        return Ok(Connection {
            open: Some((Wire::Plain(stream), place)),
            peer: Peer {
                name: None,
                address: Some(address),
                usage: Some(usage),
            },
            read: Instant::now(),
            ends: None,
        });
    };
    let must_end = poll_fn(|context| usage.poll_must_end(context));
    tokio::select! {
        secured = secure(stream, address, &tls, place) => secured,
        () = must_end => Err("it was the longest idle one of too many".to_owned()),
        () = async {
            closing.begun().await;
            tokio::time::sleep(LAST_HANDSHAKE).await;
        } => Err("the server stops".to_owned()),
    }
}

async fn secure(
    stream: TcpStream,
    address: SocketAddr,
    tls: &ServerTls,
    place: Place,
) -> Result<Connection, String> {
    let usage = Arc::clone(&place.usage);
    let handshake = TlsAcceptor::from(tls.config()).accept(stream);
    let stream = timeout(HANDSHAKE, handshake)
        .await
        .map_err(|_| "it took too long to show a certificate".to_owned())?
        .map_err(|error| error.to_string())?;
    let name = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first)
        .and_then(name_of);
    Ok(Connection {
        open: Some((Wire::Tls(Box::new(stream)), place)),
        peer: Peer {
            name,
            address: Some(address),
            usage: Some(usage),
        },
        read: Instant::now(),
        ends: None,
    })
}

/// The first DNS name of a certificate.
fn name_of(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::DNSName(name) => Some(Arc::from(*name)),
        _ => None,
    })
}

impl Connection {
    fn wire(&mut self) -> io::Result<&mut Wire> {
        match &mut self.open {
            Some((wire, _)) => Ok(wire),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some((_, place)) = &this.open
            && place.usage.poll_must_end(context).is_ready()
        {
            // What was read before may be a call that has not begun yet, and then it stays. Nothing more is read until then,
            // so that nobody can keep it by saying something.
            let until = this.read + LAST_CALL;
            let ends = this.ends.get_or_insert_with(|| Box::pin(sleep_until(until)));
            // As if the other end had gone.
            return ends.as_mut().poll(context).map(Ok);
        }
        this.ends = None;
        let read = match this.wire()? {
            Wire::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if read.is_ready() {
            this.read = Instant::now();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.wire()? {
            Wire::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.wire()? {
            Wire::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Wire::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.open {
            Some((Wire::Plain(stream), _)) => stream.is_write_vectored(),
            Some((Wire::Tls(stream), _)) => stream.is_write_vectored(),
            None => false,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.wire()? {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(context),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.wire()? {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio_stream::StreamExt as _;

    use super::*;
    use crate::gate::{ConnectionBounds, OpenCall};

    /// A server of three connections.
    struct Server {
        gate: Gate,
        address: SocketAddr,
        incoming: Pin<Box<dyn Stream<Item = io::Result<Connection>>>>,
    }

    impl Server {
        async fn new(of_an_address: usize) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let gate = Gate::new(ConnectionBounds {
                most: 3,
                of_an_address,
            });
            let incoming = Box::pin(accept(listener, None, &gate));
            Self {
                gate,
                address,
                incoming,
            }
        }

        /// A client that says this, and its connection here; whoever says nothing is not let in.
        async fn connect(&mut self, said: &[u8]) -> (TcpStream, Connection) {
            let mut client = TcpStream::connect(self.address).await.unwrap();
            client.write_all(said).await.unwrap();
            (client, self.incoming.next().await.unwrap().unwrap())
        }
    }

    /// What the other end hears that has said something which nobody read, while it goes on.
    async fn heard(mut client: TcpStream) -> Vec<u8> {
        // What comes now would make the system cut a connection that is closed.
        for _ in 0..3 {
            client.write_all(&[2; 10_000]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        heard
    }

    #[tokio::test]
    async fn the_last_words_are_heard_while_the_other_end_still_speaks() {
        let mut server = Server::new(3).await;
        let (client, mut connection) = server.connect(&[1; 10_000]).await;
        connection.write_all(b"last words").await.unwrap();
        drop(connection);
        assert_eq!(heard(client).await, b"last words");
        server.gate.close();
        assert!(
            server.incoming.next().await.is_none(),
            "nobody is let in any more"
        );
        let began = Instant::now();
        server.gate.all_over().await;
        assert!(began.elapsed() < LINGER, "all have gone");
        assert_eq!(server.gate.free(), 3);
    }

    #[tokio::test]
    async fn the_answer_of_a_call_is_heard_though_its_connection_must_make_room() {
        let mut server = Server::new(1).await;
        let (client, mut connection) = server.connect(&[1; 10_000]).await;
        let call = OpenCall::begin(connection.peer.usage.as_ref().unwrap());
        connection.write_all(b"answer").await.unwrap();
        drop(call);
        let _another = server.connect(&[1]).await;
        assert!(connection.peer.usage.as_ref().unwrap().must_end());
        drop(connection);
        assert_eq!(heard(client).await, b"answer");
    }

    #[tokio::test]
    async fn what_was_read_may_become_a_call_though_its_connection_must_make_room() {
        let mut server = Server::new(1).await;
        let (mut client, mut connection) = server.connect(&[1]).await;
        let usage = connection.peer.usage.clone().unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), 1);
        let _another = server.connect(&[1]).await;
        assert!(usage.must_end());
        client.write_all(&[2, 3]).await.unwrap();
        // However long it took to come here.
        connection.read = Instant::now();
        assert!(connection.read_u8().now_or_never().is_none());
        let call = OpenCall::begin(&usage);
        assert_eq!(connection.read_u8().await.unwrap(), 2);
        drop(call);
        let _another = server.connect(&[1]).await;
        assert!(usage.must_end());
        let end = connection.read_u8().await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }
}
