//! One HTTP/2 connection to one address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::uri::{Authority, PathAndQuery, Scheme};
use tonic::codegen::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version, uri,
};

use super::members::Way;
use super::request_body::{Sending, Sent};
use crate::windows;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);
/// A connection that is silent for so long is asked whether it lives, and given up when it does not say so. A server with
/// far too much to do takes seconds for that, too, and would have more to do with every connection that is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(5);
/// The same holds for the handshakes, which are the server's work, where TCP's is its kernel's.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Who takes calls answers this in far less.
const ASK: Duration = Duration::from_secs(1);

/// How connections to a target are made.
#[derive(Debug, Clone)]
pub(super) struct Wiring {
    /// As requests name it.
    pub(super) authority: Authority,
    /// With the name in the server's certificate; absent: plain text.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub(super) enum Unconnected {
    #[error("connecting took too long")]
    Late,
    #[error("the handshake took too long")]
    LateHandshake,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

/// A connection that calls can be made on. It ends by itself when the last one is dropped and its calls are over.
#[derive(Debug, Clone)]
pub(super) struct Link {
    requests: SendRequest<Sending>,
    scheme: Scheme,
    authority: Authority,
}

impl Way for Link {
    fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }
}

impl Link {
    /// Makes a call.
    pub(super) async fn call(
        &mut self,
        method: Method,
        path: PathAndQuery,
        headers: HeaderMap,
        body: Sending,
    ) -> hyper::Result<Response<Incoming>> {
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        let mut request = Request::new(body);
        // All three parts are there.
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        *request.method_mut() = method;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        self.requests.send_request(request).await
    }

    /// Asks whether the server lives: any answer says so. `None`: the connection has ended meanwhile.
    pub(super) async fn lives(&mut self) -> Option<bool> {
        let headers = [
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("grpc-timeout", "1S"),
        ];
        let headers = headers
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        // An empty message: of the server as a whole.
        let body = Sent::whole(Bytes::from_static(&[0; 5])).send();
        let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
        match timeout(ASK, self.call(Method::POST, path, headers, body)).await {
            Ok(Ok(_)) => Some(true),
            Ok(Err(_)) => None,
            Err(_) => Some(false),
        }
    }
}

/// Connects. The second value ends when no more calls can be made there.
pub(super) async fn connect(
    wiring: &Wiring,
    address: SocketAddr,
) -> Result<(Link, JoinHandle<()>), Unconnected> {
    let stream = timeout(CONNECT, TcpStream::connect(address))
        .await
        .map_err(|_| Unconnected::Late)??;
    stream.set_nodelay(true)?;
    let (scheme, requests, connection) = timeout(HANDSHAKE, async {
        match &wiring.tls {
            None => {
                let (requests, connection) = speak(stream).await?;
                Ok::<_, Unconnected>((Scheme::HTTP, requests, connection))
            }
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await?;
                let (requests, connection) = speak(stream).await?;
                Ok((Scheme::HTTPS, requests, connection))
            }
        }
    })
    .await
    .map_err(|_| Unconnected::LateHandshake)??;
    let link = Link {
        requests,
        scheme,
        authority: wiring.authority.clone(),
    };
    Ok((link, connection))
}

async fn speak<S>(stream: S) -> hyper::Result<(SendRequest<Sending>, JoinHandle<()>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(windows::STREAM)
        .initial_connection_window_size(windows::CONNECTION)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await?;
    let connection = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a connection to a service ended"
            );
        }
    });
    Ok((requests, connection))
}
