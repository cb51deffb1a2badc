//! How services reach each other: over sockets, or in memory inside one process, by the same clients and servers.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use futures::StreamExt as _;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server};

/// Bytes under way in one direction of an in-memory connection before the writer waits.
const IN_MEMORY_BUFFER: usize = 1 << 20;
/// HTTP/2 windows: room for a few batches, so that the reader paces the writer.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
/// The largest message that a client or server decodes: 10,000 lines or verdicts with long texts.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(1 << 20)
}

/// A channel to services in this process, without a socket. They are served for as long as the channel or a clone of
/// it lives.
pub fn in_memory(routes: Routes) -> Channel {
    let (connections, incoming) = mpsc::channel::<io::Result<DuplexStream>>(16);
    tokio::spawn(async move {
        let served = server()
            .add_routes(routes)
            .serve_with_incoming(ReceiverStream::new(incoming))
            .await;
        if let Err(error) = served {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the in-memory server ended"
            );
        }
    });
    Endpoint::from_static("http://in-memory")
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .connect_with_connector_lazy(tower::service_fn(move |_| {
            let connections = connections.clone();
            async move {
                let (client, server) = tokio::io::duplex(IN_MEMORY_BUFFER);
                connections
                    .send(Ok(server))
                    .await
                    .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
                Ok::<_, io::Error>(TokioIo::new(client))
            }
        }))
}

/// Serves on a socket until `shutdown` ends, then lets open calls finish.
///
/// # Errors
/// What the listener or the server reports.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let incoming = TcpListenerStream::new(listener).map(|connection| {
        connection.inspect(|stream| {
            // Small answers must not wait for a full packet; a socket that refuses is served all the same.
            let _ = stream.set_nodelay(true);
        })
    });
    server()
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await
}

/// Binds a listener on this address; port 0 takes a free one.
///
/// # Errors
/// What the operating system reports.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
