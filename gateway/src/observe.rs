//! Span, numbers and deadline of each call, as every server of the house has them.

use std::convert::Infallible;
use std::pin::pin;

use nopic_chassis::rpc::server;
use nopic_chassis::telemetry::decide_here;
use nopic_chassis::transport::{OWNER_KEY, OwnerSecret};
use tower::Layer;

use crate::answer::Answer;
use crate::{Request, Response};

/// Observes calls.
#[derive(Debug, Clone)]
pub(crate) struct Observe {
    pub(crate) observe: server::Observe,
    /// Who shows this owns the process, and says which traces are recorded. Of all others that is decided here.
    pub(crate) owner: Option<OwnerSecret>,
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            observe: self.clone(),
        }
    }
}

/// Calls behind [`Observe`].
#[derive(Debug)]
pub(crate) struct Observed<S> {
    inner: S,
    observe: Observe,
}

impl Observe {
    fn is_of_owner(&self, request: &Request) -> bool {
        let shown = request.headers().get(OWNER_KEY).zip(self.owner.as_ref());
        shown.is_some_and(|(shown, owner)| owner.is(shown.as_bytes()))
    }
}

impl<S: Answer> Answer for Observed<S> {
    async fn answer(&self, mut request: Request) -> Response {
        if !self.observe.is_of_owner(&request) {
            decide_here(request.headers_mut());
        }
        let begun = match self.observe.observe.begin(&request) {
            Ok(begun) => begun,
            Err(status) => return status.into_http(),
        };
        // Lent, not moved: it is long.
        let work = pin!(async { Ok::<_, Infallible>(self.inner.answer(request).await) });
        let Ok(response) = begun.answered(work).await;
        response
    }
}
