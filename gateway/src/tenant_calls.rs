//! How many calls of one tenant are under way at a time, each until its last message: so that no tenant takes every place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use nopic_chassis::metrics::{Count, Metrics};
use nopic_domain::principal::Principal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service};

use crate::held::holding;
use crate::limits::Limit;
use crate::refusal::over_limit;
use crate::{Request, Response};

/// Tenants that are kept before those are forgotten that have no calls.
const KEPT: usize = 10_000;
/// When to come again: a call ends at any time.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// So many calls of each tenant at a time.
#[derive(Debug, Clone)]
pub(crate) struct BoundTenants {
    most: usize,
    tenants: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    refused: Arc<Count>,
}

impl BoundTenants {
    /// So many.
    pub(crate) fn new(most: usize, metrics: &Metrics) -> Self {
        let refused = Arc::<Count>::default();
        let read = Arc::clone(&refused);
        metrics.add_read(move |reading| {
            reading.counter(
                "gateway_calls_over_concurrency",
                "Calls that were refused because their tenants had too many under way",
                &[(&[], read.get())],
            )
        });
        Self {
            most,
            tenants: Arc::default(),
            refused,
        }
    }

    /// Places that a tenant has left.
    pub(crate) fn left(&self, tenant: &str) -> usize {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants
            .get(tenant)
            .map_or(self.most, |places| places.available_permits())
    }

    /// A place, until it is dropped.
    fn place(&self, tenant: &str) -> Option<OwnedSemaphorePermit> {
        // A panic elsewhere leaves a map that is whole.
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = tenants.get(tenant) {
            return Arc::clone(places).try_acquire_owned().ok();
        }
        if tenants.len() >= KEPT {
            tenants.retain(|_, places| places.available_permits() < self.most);
        }
        let places = Arc::new(Semaphore::new(self.most));
        tenants.insert(tenant.to_owned(), Arc::clone(&places));
        places.try_acquire_owned().ok()
    }
}

impl<S> Layer<S> for BoundTenants {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded {
            inner,
            tenants: self.clone(),
        }
    }
}

/// Calls behind [`BoundTenants`].
#[derive(Debug, Clone)]
pub(crate) struct Bounded<S> {
    inner: S,
    tenants: BoundTenants,
}

impl<S> Service<Request> for Bounded<S>
where
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
        let Some(caller) = request.extensions().get::<Principal>() else {
            return Box::pin(self.inner.call(request));
        };
        let Some(place) = self.tenants.place(&caller.tenant) else {
            self.tenants.refused.add();
            let bound = format_args!("{} calls at a time", self.tenants.most);
            let status = over_limit(Limit::Calls, &caller.tenant, bound, RETRY_AFTER);
            return Box::pin(std::future::ready(Ok(status.into_http())));
        };
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(holding(answer.await?, place)) })
    }
}
