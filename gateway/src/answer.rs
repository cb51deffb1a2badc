//! What answers calls. A layer answers by what it holds, without being cloned for a call: its answers borrow it, and all
//! layers together make one future, which is short, for it is moved as it is built: a layer that waits for nothing does its
//! work when it is called, and adds nothing to it. `tower` puts the layers in order; where others want one of its services,
//! [`AsService`] is it.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either, Ready, ready};
use tower::Service;

use crate::{Request, Response};

/// Something that answers calls: a layer's inside. A call that fails is an answer, too: one with a status.
pub(crate) trait Answer: Send + Sync {
    /// The answer to a call.
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// The answer is there already.
pub(crate) fn at_once<F>(response: Response) -> Either<Ready<Response>, F> {
    Either::Left(ready(response))
}

/// All layers as one.
#[derive(Clone)]
pub(crate) struct Calls(Arc<dyn Erased>);

trait Erased: Send + Sync {
    fn answer(self: Arc<Self>, request: Request) -> BoxFuture<'static, Response>;
}

impl<A: Answer + 'static> Erased for A {
    fn answer(self: Arc<Self>, request: Request) -> BoxFuture<'static, Response> {
        Box::pin(async move { Answer::answer(&*self, request).await })
    }
}

impl Calls {
    /// These.
    pub(crate) fn new(layers: impl Answer + 'static) -> Self {
        Self(Arc::new(layers))
    }

    /// The answer to a call, which works as long as it is asked for.
    pub(crate) fn answer(&self, request: Request) -> BoxFuture<'static, Response> {
        Arc::clone(&self.0).answer(request)
    }
}

/// What answers, as a service of `tower`.
pub(crate) struct AsService<A>(pub(crate) Arc<A>);

impl<A> Clone for AsService<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Answer + 'static> Service<Request> for AsService<A> {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let answers = Arc::clone(&self.0);
        Box::pin(async move { Ok(answers.answer(request).await) })
    }
}
