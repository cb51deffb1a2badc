//! Calls to every address of a service: one connection each, kept and made anew; each call to the endpoint with less to do
//! of two by chance; endpoints that fail in a row left alone for a while; calls made again where that is safe.
//!
//! The decisions stand apart from the work: [`members`] says which endpoint a call goes to, by [`load`] and [`health`], with
//! time and chance from outside. [`addresses`] follows the target's name and certificates, and has a [`keeper`] for each
//! address, which keeps a [`connection`]. A [`call`] asks for an endpoint, keeps its request ([`request_body`]) while it may
//! have to be sent again, and is judged at its answer's end ([`response_body`], [`outcome`]).

mod addresses;
mod call;
mod connection;
mod health;
mod keeper;
mod load;
mod members;
mod metrics;
mod outcome;
mod random;
mod request_body;
mod response_body;
mod shared;
mod target;

#[cfg(test)]
mod tests;

pub use call::Idempotent;
pub(crate) use metrics::BalanceMetrics;
pub use outcome::asked_again_already;
pub(crate) use outcome::{code_of, status_of};
pub use target::{Target, TargetError};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::task::AbortHandle;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::Service;

use addresses::Addresses;
use random::Random;
use shared::Shared;

/// Calls to a target. Clones share its connections, which are kept until the last one is dropped; calls that are under way
/// then come to their ends.
#[derive(Debug, Clone)]
pub struct Balancer {
    shared: Arc<Shared>,
    _following: Arc<Following>,
}

#[derive(Debug)]
struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Balancer {
    /// Calls to every address of the target's name, as it is looked up now and anew while it runs.
    ///
    /// # Errors
    /// Certificates that cannot be used, or an address or a name that is none.
    pub fn new(target: Target) -> Result<Self, TargetError> {
        let authority = target.authority.clone();
        Self::with_lookup(target, move || {
            let authority = authority.clone();
            Box::pin(async move { Ok(tokio::net::lookup_host(authority).await?.collect()) })
        })
    }

    /// Calls to the addresses that `lookup` gives, whenever it is asked, instead of those of the target's name.
    ///
    /// # Errors
    /// As [`Balancer::new`].
    pub fn with_lookup(
        target: Target,
        lookup: impl Fn() -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync + 'static,
    ) -> Result<Self, TargetError> {
        let shared = Arc::new(Shared::new(Random::of_process()));
        let addresses = Addresses::new(Arc::clone(&shared), target, Box::new(lookup))?;
        let following = tokio::spawn(addresses.follow()).abort_handle();
        Ok(Self {
            shared,
            _following: Arc::new(Following(following)),
        })
    }

    /// Counts it under this name.
    pub(crate) fn count_in(&self, metrics: &BalanceMetrics, target: &'static str) {
        metrics.add(target, &self.shared);
    }
}

impl Service<Request<Body>> for Balancer {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Which endpoint is asked, and so whether it is ready, shows with the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Addresses and connections are followed as long as the call lasts.
        let balancer = self.clone();
        Box::pin(async move {
            let balancer = balancer;
            call::call(&balancer.shared, request).await
        })
    }
}
