//! What the caller's role may call, by the table that all parts share.

use futures::future::Either;
use nopic_chassis::roles::CheckRoles;
use tower::Layer;

use crate::answer::{Answer, at_once};
use crate::{Request, Response};

/// Asks the table of roles.
#[derive(Debug, Clone)]
pub(crate) struct Authorize(pub(crate) CheckRoles);

impl<S> Layer<S> for Authorize {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized {
            inner,
            check: self.0.clone(),
        }
    }
}

/// Calls behind [`Authorize`].
#[derive(Debug)]
pub(crate) struct Authorized<S> {
    inner: S,
    check: CheckRoles,
}

impl<S: Answer> Answer for Authorized<S> {
    fn answer(&self, mut request: Request) -> impl Future<Output = Response> + Send {
        match self.check.admit(&mut request) {
            Ok(()) => Either::Right(self.inner.answer(request)),
            Err(status) => at_once(status.into_http()),
        }
    }
}
