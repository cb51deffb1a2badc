//! Places for calls: a call that has none is refused before any work, one that has one keeps it until its answer was sent.

use futures::future::Either;
use tonic::Status;
use tower::Layer;

use crate::answer::{Answer, at_once};
use crate::places::Places;
use crate::{Request, Response};

/// Gives places to calls.
pub(crate) trait Admit: Clone + Send + Sync {
    /// Free for others when it is dropped.
    type Place: Send + 'static;

    /// A place for a call; `None`: it needs none.
    fn admit(&self, request: &Request) -> Result<Option<Self::Place>, Status>;
}

/// The layer of what admits.
#[derive(Debug, Clone)]
pub(crate) struct Admission<A>(pub(crate) A);

impl<A: Clone, S> Layer<S> for Admission<A> {
    type Service = Admitted<A, S>;

    fn layer(&self, inner: S) -> Admitted<A, S> {
        Admitted {
            inner,
            admit: self.0.clone(),
        }
    }
}

/// Calls behind [`Admission`].
#[derive(Debug)]
pub(crate) struct Admitted<A, S> {
    inner: S,
    admit: A,
}

impl<A: Admit, S: Answer> Answer for Admitted<A, S> {
    fn answer(&self, mut request: Request) -> impl Future<Output = Response> + Send {
        match self.admit.admit(&request) {
            Err(status) => return at_once(status.into_http()),
            Ok(None) => {}
            Ok(Some(place)) => Places::give(&mut request, place),
        }
        Either::Right(self.inner.answer(request))
    }
}
