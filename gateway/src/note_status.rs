//! Notes how calls end for the access log, where the answer outside is of a form that does not say it: inside it is gRPC.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use crate::access_log::Noted;
use crate::answer::Answer;
use crate::{Request, Response};

/// Calls whose ends are noted there, where anybody logs them.
#[derive(Debug)]
pub(crate) struct NoteStatus<S>(pub(crate) Arc<S>);

impl<S: Answer> Answer for NoteStatus<S> {
    async fn answer(&self, request: Request) -> Response {
        let noted = request.extensions().get::<Noted>().cloned();
        let response = self.0.answer(request).await;
        let Some(noted) = noted else {
            return response;
        };
        noted.status(response.headers());
        response.map(|body| Body::new(Heard { body, noted }))
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
