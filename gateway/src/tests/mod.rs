//! The whole stack on a real socket, before a service that says what reached it.

mod admission;
mod callers;
mod connections;
mod forms;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use nopic_cache::Limiter;
use nopic_cache::limiter::Rate;
use nopic_chassis::messages::{BoundMessages, Room};
use nopic_chassis::metrics::Metrics;
use nopic_chassis::principal::PRINCIPAL_KEY;
use nopic_chassis::roles::{CheckRoles, RoleTable, Row};
use nopic_chassis::transport::{OwnerSecret, ServerOptions};
use nopic_domain::principal::{Principal, Role};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::{self, HeaderMap, HeaderValue};
use tower::util::BoxCloneSyncService;

use crate::answer::Calls;
use crate::authenticate::{Authenticate, Callers, Refused};
use crate::cut::CutStreams;
use crate::limits::Limits;
use crate::rate::Charge;
use crate::route::Here;
use crate::route::Route;
use crate::shed::Shed;
use crate::stack::{Parts, stack};
use crate::tenant_calls::BoundTenants;
use crate::{Request, Response, server};

/// A method for everybody, one for operators, and one whose answers never end.
pub(crate) const SAY: &str = "/test.v1.Echo/Say";
pub(crate) const OPERATE: &str = "/test.v1.Echo/Operate";
pub(crate) const WATCH: &str = "/test.v1.Echo/Watch";
/// A stream of the contract, whose answers never end here.
pub(crate) const STREAM: &str = "/nopic.entry_validation.v1.EntryValidationService/ValidateStream";
/// A method of the contract with a message that says nothing, and an answer that may.
pub(crate) const WHO_AM_I: &str = "/nopic.access.v1.AccessService/WhoAmI";

const ROWS: &[Row] = &[
    Row::any_role("nopic.access.v1.AccessService/WhoAmI"),
    Row::any_role("test.v1.Echo/Say"),
    Row::roles("test.v1.Echo/Operate", &[Role::Operator]),
    Row::any_role("test.v1.Echo/Watch"),
    Row::any_role("nopic.entry_validation.v1.EntryValidationService/ValidateStream"),
];

/// Keys name their tenants: `nopic_a` is the key of a broker of tenant `a`. One of them is revoked after a while.
struct ByName {
    born: Instant,
}

/// When that is.
const REVOKED_AFTER: Duration = Duration::from_secs(5);

#[async_trait]
impl Callers for ByName {
    async fn of_key(&self, key: &str) -> Result<Principal, Refused> {
        match key.trim_start_matches("nopic_") {
            "unknown" => Err(Refused::Unknown),
            "suspended" => Err(Refused::Suspended),
            "unavailable" => Err(Refused::Unavailable),
            "revoked" if self.born.elapsed() >= REVOKED_AFTER => Err(Refused::Unknown),
            tenant => Ok(Principal {
                tenant: tenant.to_owned(),
                role: Role::Broker,
                ..Principal::built_in("key")
            }),
        }
    }

    async fn of_token(&self, _: &str) -> Result<Principal, Refused> {
        Err(Refused::Unknown)
    }

    async fn of_certificate(&self, name: &str) -> Result<Principal, Refused> {
        let tenant = name.strip_suffix(".example").ok_or(Refused::Unknown)?;
        self.of_key(tenant).await
    }
}

/// What a door lets through.
pub(crate) struct Bounds {
    pub(crate) places: usize,
    pub(crate) tenant_calls: usize,
    pub(crate) requests: Rate,
    pub(crate) kilobytes: Rate,
    pub(crate) otherwise: Option<Principal>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            places: 100,
            tenant_calls: 50,
            requests: Rate::new(1_000, 1_000).unwrap(),
            kilobytes: Rate::new(1_000_000, 1_000_000).unwrap(),
            otherwise: None,
        }
    }
}

/// A door on a socket.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) served: tokio::task::JoinHandle<()>,
}

impl Door {
    pub(crate) async fn open(bounds: Bounds) -> Self {
        let metrics = Metrics::default();
        let calls = calls(bounds, &metrics);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            let stopped = Box::pin(async { drop(stopped.await) });
            server::serve(listener, calls, ServerOptions::default(), stopped)
                .await
                .unwrap();
        });
        Self {
            address,
            metrics,
            stop,
            served,
        }
    }

    pub(crate) async fn connect(&self) -> Caller {
        Caller::over(TcpStream::connect(self.address).await.unwrap()).await
    }
}

/// The stack with these bounds.
pub(crate) fn calls(bounds: Bounds, metrics: &Metrics) -> Calls {
    let limits = Limits {
        requests: bounds.requests,
        kilobytes: bounds.kilobytes,
        calls: bounds.tenant_calls,
        lines: bounds.requests,
    };
    let authenticate = Authenticate {
        callers: Arc::new(ByName { born: Instant::now() }),
        otherwise: bounds.otherwise,
        listed: None,
        owner: Some(OwnerSecret::new("only-mine")),
    };
    stack(Parts {
        metrics: metrics.clone(),
        shed: Shed::new(bounds.places, metrics),
        authenticate: Arc::new(authenticate),
        check: CheckRoles::new(RoleTable::new(&[ROWS]).unwrap(), None),
        tenants: BoundTenants::new(limits.calls, metrics),
        charge: Charge::new(Limiter::Local(Arc::default()), limits, metrics),
        // The echo's messages are none of the contract.
        messages: BoundMessages::within(Room::default())
            .handing_on(["test.v1.Echo"])
            .at_the_door(),
        cut: CutStreams(None),
        route: Route::new(echo(), std::collections::HashMap::new()),
    })
}

/// A connection to a door.
#[derive(Clone)]
pub(crate) struct Caller(hyper::client::conn::http2::SendRequest<Full<Bytes>>);

/// An answer that is over.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    pub(crate) async fn of(response: http::Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Self {
            headers: parts.headers,
            body: collected.to_bytes(),
            trailers,
        }
    }

    /// The status, wherever it stands, and what is said.
    pub(crate) fn status(&self) -> tonic::Status {
        tonic::Status::from_header_map(&self.trailers)
            .or_else(|| tonic::Status::from_header_map(&self.headers))
            .unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A gRPC call with this message, by this key.
pub(crate) fn request(path: &str, key: Option<&str>) -> http::Request<Full<Bytes>> {
    let mut request = http::Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    request
        .body(Full::new(Bytes::from_static(b"\0\0\0\0\x02hi")))
        .unwrap()
}

/// The same as it comes over HTTP/2.
pub(crate) fn come(path: &str, key: Option<&str>) -> Request {
    let mut request = request(path, key).map(Body::new);
    *request.version_mut() = http::Version::HTTP_2;
    request
}

impl Caller {
    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (caller, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        Self(caller)
    }

    /// Whether a call is taken; what comes of it is left.
    pub(crate) async fn is_taken(&mut self) -> bool {
        self.0.send_request(request(SAY, Some("nopic_a"))).await.is_ok()
    }

    pub(crate) async fn send(&mut self, request: http::Request<Full<Bytes>>) -> http::Response<Incoming> {
        self.0.send_request(request).await.unwrap()
    }

    pub(crate) async fn ask(&mut self, request: http::Request<Full<Bytes>>) -> Answer {
        Answer::of(self.send(request).await).await
    }

    pub(crate) async fn call(&mut self, path: &str, key: &str) -> Answer {
        self.ask(request(path, Some(key))).await
    }
}

/// Says what was said, and who said it; or goes on for ever.
fn echo() -> Here {
    BoxCloneSyncService::new(tower::service_fn(|request: Request| async move {
        let mut response = http::Response::builder().header("content-type", "application/grpc");
        if let Some(caller) = request.extensions().get::<Principal>() {
            response = response
                .header("x-tenant", &caller.tenant)
                .header("x-role", caller.role.as_str());
        }
        for header in [PRINCIPAL_KEY, "authorization", "grpc-timeout"] {
            if let Some(value) = request.headers().get(header) {
                response = response.header(format!("x-came-{header}"), value);
            }
        }
        let body = if matches!(request.uri().path(), WATCH | STREAM) {
            let one = futures::stream::iter([Ok::<_, tonic::Status>(Frame::data(Bytes::from_static(
                b"\0\0\0\0\0",
            )))]);
            Body::new(StreamBody::new(futures::StreamExt::chain(
                one,
                futures::stream::pending(),
            )))
        } else {
            let said = match request.into_body().collect().await {
                Ok(said) => said.to_bytes(),
                Err(status) => return Ok(status.into_http()),
            };
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let frames = [
                Ok::<_, tonic::Status>(Frame::data(said)),
                Ok(Frame::trailers(trailers)),
            ];
            Body::new(StreamBody::new(futures::stream::iter(frames)))
        };
        Ok::<Response, Infallible>(response.body(body).unwrap())
    }))
}
