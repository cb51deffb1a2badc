//! The forms in which calls come: gRPC as it is, gRPC-Web and everything else ([`json`]) put into it. What comes back takes
//! the caller's form again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;
use futures::future::Either;
use nopic_chassis::metrics::{Count, Metrics};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{HeaderValue, StatusCode, Version};
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, ServiceExt as _};

use crate::access_log::Noted;
use crate::answer::{Answer, AsService};
use crate::note_status::NoteStatus;
use crate::{Request, Response, json};

/// Puts every call into gRPC.
#[derive(Debug, Clone)]
pub(crate) struct Translate {
    refused: Arc<Refused>,
}

impl Translate {
    /// Shows there how many are refused that never were a call of a method.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let refused = Arc::<Refused>::default();
        let read = Arc::clone(&refused);
        metrics.add_read(move |reading| {
            let labels = STATUSES.map(|status| [("status", status)]);
            let values: Vec<_> = std::iter::zip(&labels, &read.0)
                .map(|(labels, count)| (&labels[..], count.get()))
                .collect();
            reading.counter(
                "gateway_requests_refused",
                "Requests that were refused before they were a call of a method, by their status",
                &values,
            )
        });
        Self { refused }
    }
}

/// Statuses of what is no call: nothing is there, not by this verb, not in this form, not over this version of HTTP.
const STATUSES: [&str; 5] = ["404", "405", "415", "505", "other"];

/// How often each was.
#[derive(Debug, Default)]
struct Refused([Count; STATUSES.len()]);

impl Refused {
    fn add(&self, status: StatusCode) {
        let found = STATUSES.iter().position(|known| *known == status.as_str());
        self.0[found.unwrap_or(STATUSES.len() - 1)].add();
    }
}

/// Notes whether a request became a call.
struct Asked<'a, S> {
    inner: &'a S,
    is_asked: AtomicBool,
}

impl<S: Answer> Answer for Asked<'_, S> {
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send {
        self.is_asked.store(true, Ordering::Relaxed);
        self.inner.answer(request)
    }
}

impl<S: Answer + 'static> Layer<S> for Translate {
    type Service = Translated<S>;

    fn layer(&self, inner: S) -> Translated<S> {
        let inner = Arc::new(inner);
        let noting = Arc::new(NoteStatus(Arc::clone(&inner)));
        Translated {
            web: GrpcWebLayer::new().layer(AsService(Arc::clone(&noting))),
            noting,
            refused: Arc::clone(&self.refused),
            inner,
        }
    }
}

/// Calls behind [`Translate`].
pub(crate) struct Translated<S> {
    inner: Arc<S>,
    /// The same for forms in which the answer does not say how it ends.
    noting: Arc<NoteStatus<S>>,
    refused: Arc<Refused>,
    web: GrpcWebService<AsService<NoteStatus<S>>>,
}

/// How a call comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Grpc,
    /// With its content type.
    GrpcWeb(&'static str),
    Http,
}

const WEB: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

impl Form {
    fn of(request: &Request) -> Self {
        let content = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let content = content
            .and_then(|text| text.split(';').next())
            .unwrap_or_default()
            .trim();
        if matches!(content, "application/grpc" | "application/grpc+proto") {
            return Self::Grpc;
        }
        let web = WEB.into_iter().find(|web| content.eq_ignore_ascii_case(web));
        web.map_or(Self::Http, Self::GrpcWeb)
    }
}

impl<S: Answer + 'static> Answer for Translated<S> {
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send {
        match Form::of(&request) {
            Form::Grpc if request.version() >= Version::HTTP_2 => {
                note_method(&request);
                Either::Left(self.inner.answer(request))
            }
            // These are rare, or wait for what they read.
            form => Either::Right(self.translated(form, request).boxed()),
        }
    }
}

impl<S: Answer + 'static> Translated<S> {
    async fn translated(&self, form: Form, mut request: Request) -> Response {
        match form {
            // Its status stands behind the body, where HTTP/1.1 has no place that every client reads.
            Form::Grpc => {
                let http = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
                self.refused.add(http);
                let status = Status::unimplemented(
                    "gRPC is spoken over HTTP/2; over HTTP/1.1 call by gRPC-Web or JSON",
                );
                json::refused(&request, http, status)
            }
            Form::GrpcWeb(content) => {
                note_method(&request);
                // As it is compared: without parameters.
                let content = HeaderValue::from_static(content);
                request.headers_mut().insert(CONTENT_TYPE, content);
                let Ok(response) = self.web.clone().oneshot(request).await;
                response.map(Body::new)
            }
            Form::Http => {
                let asked = Asked {
                    inner: &*self.noting,
                    is_asked: AtomicBool::new(false),
                };
                let response = json::answer(&asked, request).await;
                if !asked.is_asked.into_inner() && !response.status().is_success() {
                    self.refused.add(response.status());
                }
                response
            }
        }
    }
}

fn note_method(request: &Request) {
    if let Some(noted) = request.extensions().get::<Noted>() {
        noted.method(request.uri().path());
    }
}
