//! The two servers that the gateway is measured between: one that says what it was told, as the service behind, and an
//! opaque pass-through of HTTP/2, as the floor. Each is a process of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response, header};

use crate::tls::{acceptor, connector};

/// Bytes under way of a stream and of a connection: as the gateway has them.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Which of the two a process is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Echo,
    PassThrough { to: SocketAddr },
}

/// Serves for ever.
pub(crate) async fn serve(role: Role, listen: SocketAddr, certificates: &Path) {
    let listener = TcpListener::bind(listen).await.expect("the address is free");
    match role {
        Role::Echo => serve_echo(listener, acceptor(certificates, "entry-validation")).await,
        Role::PassThrough { to } => {
            let onward = connect(to, certificates, Some("gateway"), "entry-validation").await;
            serve_pass_through(listener, acceptor(certificates, "gateway"), onward).await;
        }
    }
}

async fn serve_echo(listener: TcpListener, tls: TlsAcceptor) {
    each_connection(listener, tls, |request: Request<Incoming>| async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let end = futures::stream::iter([Ok(Frame::trailers(trailers))]);
        let said = request
            .into_body()
            .into_data_stream()
            .map(|data| data.map(Frame::data))
            .chain(end);
        let mut answer = Response::new(BodyExt::boxed(StreamBody::new(said)));
        answer
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        Ok(answer)
    })
    .await;
}

async fn serve_pass_through(listener: TcpListener, tls: TlsAcceptor, onward: SendRequest<Incoming>) {
    each_connection(listener, tls, move |request: Request<Incoming>| {
        let mut onward = onward.clone();
        async move { Ok(onward.send_request(request).await.expect("the service answers")) }
    })
    .await;
}

/// Answers every call of every connection.
async fn each_connection<Answer, Answered, Said>(listener: TcpListener, tls: TlsAcceptor, answer: Answer)
where
    Answer: Fn(Request<Incoming>) -> Answered + Clone + Send + 'static,
    Answered: Future<Output = Result<Response<Said>, Infallible>> + Send + 'static,
    Said: hyper::body::Body<Data = Bytes> + Send + 'static,
    Said::Error: std::error::Error + Send + Sync,
{
    loop {
        let (stream, _) = listener.accept().await.expect("a connection comes");
        let (tls, answer) = (tls.clone(), answer.clone());
        tokio::spawn(async move {
            stream.set_nodelay(true).expect("a socket has this option");
            // Whoever looks whether the port is open says nothing.
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(256)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
            // Its client goes when it has measured.
            drop(served);
        });
    }
}

/// A connection over TLS on which calls can be made, of a client of this name to a server of that name.
pub(crate) async fn connect<B>(
    to: SocketAddr,
    certificates: &Path,
    client: Option<&str>,
    server: &'static str,
) -> SendRequest<B>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connector = connector(certificates, client);
    let stream = TcpStream::connect(to).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket has this option");
    let name = server.try_into().expect("a name of a server");
    let stream = connector
        .connect(name, stream)
        .await
        .expect("the certificates fit");
    let (calls, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(TokioIo::new(stream))
        .await
        .expect("it speaks HTTP/2");
    tokio::spawn(connection);
    calls
}
