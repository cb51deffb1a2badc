//! Places for calls: a call that has none is refused before any work, one that has one keeps it until its answer is over.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use nopic_chassis::held::holding;
use tonic::Status;
use tower::{Layer, Service};

use crate::{Request, Response};

/// Gives places to calls.
pub(crate) trait Admit: Clone {
    /// Free for others when it is dropped.
    type Place: Send + Unpin + 'static;

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
#[derive(Debug, Clone)]
pub(crate) struct Admitted<A, S> {
    inner: S,
    admit: A,
}

impl<A, S> Service<Request> for Admitted<A, S>
where
    A: Admit,
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.admit.admit(&request) {
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
            Ok(None) => Box::pin(self.inner.call(request)),
            Ok(Some(place)) => {
                let answer = self.inner.call(request);
                Box::pin(async move { Ok(holding(answer.await?, place)) })
            }
        }
    }
}
