//! Notes how calls end for the access log, where the answer outside is of a form that does not say it: inside it is gRPC.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::access_log::Noted;
use crate::{Request, Response};

/// Calls whose ends are noted there, where anybody logs them.
#[derive(Debug, Clone)]
pub(crate) struct NoteStatus<S> {
    pub(crate) inner: S,
    pub(crate) noted: Option<Noted>,
}

impl<S> Service<Request> for NoteStatus<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let answer = self.inner.call(request);
        let Some(noted) = self.noted.clone() else {
            return Box::pin(answer);
        };
        Box::pin(async move {
            let response = answer.await?;
            noted.status(response.headers());
            Ok(response.map(|body| Body::new(Heard { body, noted })))
        })
    }
}

struct Heard {
    body: Body,
    noted: Noted,
}

impl http_body::Body for Heard {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.noted.status(trailers);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
