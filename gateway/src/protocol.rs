//! The forms in which calls come: gRPC as it is, gRPC-Web and everything else ([`json`]) put into it. What comes back takes
//! the caller's form again.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::Either;
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Translate;

impl<S: Answer + 'static> Layer<S> for Translate {
    type Service = Translated<S>;

    fn layer(&self, inner: S) -> Translated<S> {
        let inner = Arc::new(inner);
        Translated {
            web: GrpcWebLayer::new().layer(AsService(Arc::clone(&inner))),
            inner,
        }
    }
}

/// Calls behind [`Translate`].
pub(crate) struct Translated<S> {
    inner: Arc<S>,
    web: GrpcWebService<AsService<S>>,
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
            Form::Grpc => json::refused(
                &request,
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                Status::unimplemented("gRPC is spoken over HTTP/2; over HTTP/1.1 call by gRPC-Web or JSON"),
            ),
            Form::GrpcWeb(content) => {
                note_method(&request);
                // As it is compared: without parameters.
                let content = HeaderValue::from_static(content);
                request.headers_mut().insert(CONTENT_TYPE, content);
                let Ok(response) = self.web.clone().oneshot(request).await;
                response.map(Body::new)
            }
            Form::Http => {
                let noted = request.extensions().get::<Noted>().cloned();
                let inner = NoteStatus {
                    inner: &*self.inner,
                    noted,
                };
                json::answer(&inner, request).await
            }
        }
    }
}

fn note_method(request: &Request) {
    if let Some(noted) = request.extensions().get::<Noted>() {
        noted.method(request.uri().path());
    }
}
