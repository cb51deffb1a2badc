//! Calls whose bodies are whatever the attacker likes.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::codegen::http::{HeaderMap, Request};

type Sent = StreamBody<stream::BoxStream<'static, Result<Frame<Bytes>, std::io::Error>>>;

/// A connection of its own.
#[derive(Clone)]
pub(crate) struct Attacker(SendRequest<Sent>);

/// A body that is sent piece by piece, and stays open until it is dropped.
pub(crate) type Pieces = mpsc::Sender<Bytes>;

impl Attacker {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::with(&Builder::new(TokioExecutor::new()), address).await
    }

    /// One whose answers have next to no room.
    pub(crate) async fn unreading(address: SocketAddr) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(1);
        Self::with(&builder, address).await
    }

    async fn with(builder: &Builder<TokioExecutor>, address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (calls, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(calls)
    }

    /// Calls with a whole body.
    pub(crate) async fn call(&mut self, path: &str, packed: Option<&str>, body: Vec<u8>) -> Status {
        let body = stream::iter([Ok(Frame::data(Bytes::from(body)))]);
        self.send(path, packed, Box::pin(body)).await
    }

    /// Begins a call whose body goes on; what is answered is for the caller to await.
    pub(crate) fn begin(
        &self,
        path: &'static str,
        packed: Option<&'static str>,
    ) -> (Pieces, impl Future<Output = Status> + use<>) {
        let (pieces, received) = mpsc::channel(1);
        let body = stream::unfold(received, |mut received| async {
            let piece = received.recv().await?;
            Some((Ok(Frame::data(piece)), received))
        });
        let mut attacker = self.clone();
        let answer = async move { attacker.send(path, packed, Box::pin(body)).await };
        (pieces, answer)
    }

    async fn send(
        &mut self,
        path: &str,
        packed: Option<&str>,
        body: stream::BoxStream<'static, Result<Frame<Bytes>, std::io::Error>>,
    ) -> Status {
        let mut request = Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(packed) = packed {
            request = request.header("grpc-encoding", packed);
        }
        let request = request.body(StreamBody::new(body)).unwrap();
        if self.0.ready().await.is_err() {
            return Status::unavailable("the connection is over");
        }
        let response = match self.0.send_request(request).await {
            Ok(response) => response,
            Err(error) => return Status::unavailable(error.to_string()),
        };
        let (head, body) = response.into_parts();
        let status = |headers: &HeaderMap| Status::from_header_map(headers);
        if let Some(status) = status(&head.headers) {
            return status;
        }
        match body.collect().await {
            Ok(answer) => answer
                .trailers()
                .and_then(status)
                .unwrap_or_else(|| Status::unknown(format!("{}", head.status))),
            Err(error) => Status::unavailable(error.to_string()),
        }
    }
}
