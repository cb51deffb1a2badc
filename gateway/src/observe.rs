//! Span, numbers and deadline of each call, as every server of the house has them.

use std::convert::Infallible;
use std::pin::pin;

use nopic_chassis::rpc::server;
use tower::Layer;

use crate::answer::Answer;
use crate::{Request, Response};

/// Observes calls.
#[derive(Debug, Clone)]
pub(crate) struct Observe(pub(crate) server::Observe);

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            observe: self.0.clone(),
        }
    }
}

/// Calls behind [`Observe`].
#[derive(Debug)]
pub(crate) struct Observed<S> {
    inner: S,
    observe: server::Observe,
}

impl<S: Answer> Answer for Observed<S> {
    async fn answer(&self, request: Request) -> Response {
        let begun = match self.observe.begin(&request) {
            Ok(begun) => begun,
            Err(status) => return status.into_http(),
        };
        // Lent, not moved: it is long.
        let work = pin!(async { Ok::<_, Infallible>(self.inner.answer(request).await) });
        let Ok(response) = begun.answered(work).await;
        response
    }
}
