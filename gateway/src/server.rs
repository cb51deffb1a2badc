//! The server: connections of HTTP/2 and HTTP/1.1 on one port, until it drains.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use nopic_chassis::draining::Draining;
use nopic_chassis::gate::Gate;
use nopic_chassis::incoming::accept;
use nopic_chassis::part::Work;
use nopic_chassis::serving::ServingError;
use nopic_chassis::transport::{Secured, ServerOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::server::Connected as _;

use crate::answer::Calls;
use crate::connection;

/// Longest header block, in bytes.
const MAX_HEADER_BYTES: u32 = 32 << 10;
/// Streams of one connection at a time.
const MAX_STREAMS: u32 = 256;
/// Streams that were reset before anybody looked at them; a connection with more of them ends.
const MAX_RESET_STREAMS: usize = 64;
/// Bytes of requests that nobody has read yet, of one stream and of one connection: room for a batch or two.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 2 << 20;
/// Bytes of one answer that wait for a caller who does not read.
const MAX_UNREAD: usize = 64 << 10;
/// A connection that is silent for so long is asked whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);
/// How long the headers of a request may take, over HTTP/1.1.
const HEADERS: Duration = Duration::from_secs(10);

/// Serves until `stop` ends; then no new calls are taken, and the open ones end.
pub(crate) async fn serve(
    listener: TcpListener,
    calls: Calls,
    options: ServerOptions,
    stop: Work<()>,
) -> Result<(), ServingError> {
    let gate = Gate::new(options.connections);
    let tls = options.secured.map(|secured| match secured {
        Secured::Callers(tls, _) | Secured::Services(tls, _) => tls,
    });
    let mut incoming = pin!(accept(listener, tls.clone(), &gate));
    let builder = builder();
    let stopping = Draining::default();
    let mut follow = pin!(async {
        match &tls {
            Some(tls) => tls.follow().await,
            None => std::future::pending().await,
        }
    });
    let mut stop = pin!(stop);
    let mut is_stopping = false;
    let mut connections = JoinSet::new();
    loop {
        let connection = tokio::select! {
            () = &mut stop, if !is_stopping => {
                gate.close();
                stopping.begin();
                is_stopping = true;
                continue;
            }
            // It goes on for as long as it is polled.
            () = &mut follow => continue,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            connection = incoming.next() => connection,
        };
        let Some(connection) = connection else { break };
        // One that did not come about was logged, and is nobody's.
        let Ok(connection) = connection else { continue };
        let peer = connection.connect_info();
        connections.spawn(connection::serve(
            builder.clone(),
            connection,
            peer,
            calls.clone(),
            options.max_connection_age,
            stopping.clone(),
        ));
    }
    while connections.join_next().await.is_some() {}
    gate.all_over().await;
    Ok(())
}

pub(crate) fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(MAX_HEADER_BYTES as usize)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_send_buf_size(MAX_UNREAD)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER);
    builder
}
