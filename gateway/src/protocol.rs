//! The forms in which calls come: gRPC as it is, gRPC-Web and everything else ([`json`]) put into it. What comes back takes
//! the caller's form again.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, Service};

use crate::access_log::Noted;
use crate::note_status::NoteStatus;
use crate::{Request, Response, json};

/// Puts every call into gRPC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Translate;

impl<S: Clone> Layer<S> for Translate {
    type Service = Translated<S>;

    fn layer(&self, inner: S) -> Translated<S> {
        Translated {
            web: GrpcWebLayer::new().layer(inner.clone()),
            inner,
        }
    }
}

/// Calls behind [`Translate`].
#[derive(Debug, Clone)]
pub(crate) struct Translated<S> {
    inner: S,
    web: GrpcWebService<S>,
}

/// How a call comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Grpc,
    GrpcWeb,
    Http,
}

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
        match content {
            "application/grpc" | "application/grpc+proto" => Self::Grpc,
            "application/grpc-web"
            | "application/grpc-web+proto"
            | "application/grpc-web-text"
            | "application/grpc-web-text+proto" => Self::GrpcWeb,
            _ => Self::Http,
        }
    }
}

impl<S> Service<Request> for Translated<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + Into<tower::BoxError> + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let form = Form::of(&request);
        if form != Form::Http
            && let Some(noted) = request.extensions().get::<Noted>()
        {
            noted.method(request.uri().path());
        }
        match form {
            Form::GrpcWeb => {
                let answer = self.web.call(request);
                Box::pin(async move { Ok(answer.await?.map(Body::new)) })
            }
            Form::Grpc => Box::pin(self.inner.call(request)),
            Form::Http => {
                let fresh = self.inner.clone();
                // The one that is ready is called.
                let inner = std::mem::replace(&mut self.inner, fresh);
                let noted = request.extensions().get::<Noted>().cloned();
                Box::pin(json::answer(NoteStatus { inner, noted }, request))
            }
        }
    }
}
