//! How services reach each other: over sockets, or in memory inside one process, by the same clients and servers.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
pub use tonic::codec::CompressionEncoding;
use tonic::codegen::http;
use tonic::transport::{Channel, Endpoint, Server};
use tower::util::MapRequestLayer;

use crate::callers::{Authorize, Callers};
use crate::cut::HearCuts;
use crate::gate::{ConnectionBounds, Gate};
use crate::incoming::{Peer, accept};
use crate::messages::{BoundMessages, Room};
use crate::metrics::Metrics;
use crate::roles::Protected;
use crate::rpc::server::Observe;
use crate::tls::ServerTls;
use crate::windows;

/// Bytes under way in one direction of an in-memory connection before the writer waits.
const IN_MEMORY_BUFFER: usize = 1 << 20;
/// The largest message that a client decodes or a server encodes: 10,000 verdicts with long texts.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// The largest message that stock clients take; what a caller is answered is no larger.
pub const MAX_ANSWER_BYTES: usize = 4 << 20;

/// A generated service with the bounds that every one has, behind [`BoundMessages`], which knows those of each method.
/// Messages may come packed by gzip or zstd.
#[macro_export]
macro_rules! bounded {
    ($service:expr) => {
        $service
            .max_decoding_message_size($crate::messages::MAX_REQUEST_BYTES as usize)
            .max_encoding_message_size($crate::transport::MAX_MESSAGE_BYTES)
            .accept_compressed($crate::transport::CompressionEncoding::Gzip)
            .accept_compressed($crate::transport::CompressionEncoding::Zstd)
    };
}

/// Streams of one connection at a time: what a gateway has under way.
const MAX_STREAMS: u32 = 1_024;
/// Streams that were reset before anybody looked at them; a connection with more of them ends.
const MAX_RESET_STREAMS: usize = 64;
/// Longest header block, in bytes.
const MAX_HEADER_BYTES: u32 = 32 << 10;
/// A connection that is silent for so long is asked whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);

fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(windows::STREAM)
        .initial_connection_window_size(windows::CONNECTION)
        .max_frame_size(1 << 20)
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESET_STREAMS))
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_ANSWER))
}

/// A channel to services in this process, without a socket, for a caller of this name. They are served for as long as the
/// channel or a clone of it lives.
pub fn in_memory(services: Protected, caller: &str) -> Channel {
    let Protected { routes, check } = services;
    let peer = Peer {
        name: Some(Arc::from(caller)),
        address: None,
        usage: None,
    };
    let name_caller = move |mut request: http::Request<Body>| {
        request.extensions_mut().insert(peer.clone());
        request
    };
    let (connections, incoming) = mpsc::channel::<io::Result<DuplexStream>>(16);
    tokio::spawn(async move {
        let served = server()
            .layer(MapRequestLayer::new(name_caller))
            .layer(Observe::uncounted())
            .layer(check)
            .layer(BoundMessages::default())
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
    let connector = tower::service_fn(move |_| {
        let connections = connections.clone();
        async move {
            let (client, server) = tokio::io::duplex(IN_MEMORY_BUFFER);
            connections
                .send(Ok(server))
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok::<_, io::Error>(TokioIo::new(client))
        }
    });
    windows::with_windows(Endpoint::from_static("http://in-memory")).connect_with_connector_lazy(connector)
}

/// Certificates of a server, and how it knows those who connect.
#[derive(Debug, Clone)]
pub enum Secured {
    /// Other services, by the names in their certificates: who may call what.
    Services(Arc<ServerTls>, Authorize),
    /// Callers at a door, which finds out by itself who they are; of these certificates, too, where some are listed.
    Callers(Arc<ServerTls>, Option<Callers>),
}

/// How a server takes connections.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Certificates; absent: plain text, for everybody who reaches it.
    pub secured: Option<Secured>,
    /// Open connections at a time.
    pub connections: ConnectionBounds,
    /// After so long a connection ends by itself, when its calls are done: so that clients spread over new replicas.
    /// Absent: never.
    pub max_connection_age: Option<Duration>,
    /// Where its calls are counted.
    pub metrics: Metrics,
    /// What whoever owns the process knows and nobody else: who shows it to a door may say for whom a call is made.
    pub owner: Option<OwnerSecret>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            secured: None,
            connections: ConnectionBounds {
                most: 10_000,
                of_an_address: 10_000,
            },
            max_connection_age: None,
            metrics: Metrics::default(),
            owner: None,
        }
    }
}

/// Metadata key of an [`OwnerSecret`].
pub const OWNER_KEY: &str = "nopic-owner";

/// What only the owner of a process can read.
#[derive(Clone)]
pub struct OwnerSecret(Arc<str>);

impl OwnerSecret {
    /// This one.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(Arc::from(secret))
    }

    /// Whether this is it; how much of it is right takes no other time.
    #[must_use]
    pub fn is(&self, shown: &[u8]) -> bool {
        // Of equal length whatever is shown.
        let hashed = |bytes: &[u8]| <[u8; 32]>::from(Sha256::digest(bytes));
        let (known, shown) = (hashed(self.0.as_bytes()), hashed(shown));
        known
            .iter()
            .zip(&shown)
            .fold(0, |differs, (one, other)| differs | (one ^ other))
            == 0
    }
}

impl std::fmt::Debug for OwnerSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnerSecret")
    }
}

/// Serves on a socket until `shutdown` ends, then lets open calls finish.
///
/// # Errors
/// What the listener or the server reports.
pub async fn serve(
    listener: TcpListener,
    services: Protected,
    options: ServerOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let gate = Gate::new(options.connections);
    let served = serve_behind(&gate, listener, services, options, shutdown).await;
    gate.all_over().await;
    served
}

async fn serve_behind(
    gate: &Gate,
    listener: TcpListener,
    services: Protected,
    options: ServerOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    // The server stops when the connections end that come to it: with those that have come already.
    let shutdown = async {
        shutdown.await;
        gate.close();
        std::future::pending().await
    };
    let mut server = server();
    let observe = Observe::new(&options.metrics).logging_access();
    let bound = BoundMessages::within(Room::default());
    let Protected { routes, check } = services;
    check.count_in(&options.metrics);
    if let Some(age) = options.max_connection_age {
        server = server.max_connection_age(age);
    }
    match options.secured {
        None => {
            let incoming = accept(listener, None, gate);
            server
                .layer(observe)
                .layer(check)
                .layer(HearCuts)
                .layer(bound)
                .add_routes(routes)
                .serve_with_incoming_shutdown(incoming, shutdown)
                .await
        }
        Some(Secured::Callers(..)) => {
            tracing::error!("nothing is served: these certificates are for a door, and this server is none");
            Ok(())
        }
        Some(Secured::Services(tls, authorize)) => {
            let incoming = accept(listener, Some(Arc::clone(&tls)), gate);
            authorize.count_in(&options.metrics);
            let served = server
                .layer(observe)
                .layer(authorize)
                .layer(check)
                .layer(HearCuts)
                .layer(bound)
                .add_routes(routes)
                .serve_with_incoming_shutdown(incoming, shutdown);
            tokio::select! {
                served = served => served,
                () = tls.follow() => Ok(()),
            }
        }
    }
}
