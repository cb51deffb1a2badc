//! How many calls of one tenant are under way at a time, each until its last message: so that no tenant takes every place.

use std::sync::Arc;
use std::time::Duration;

use nopic_chassis::metrics::{Count, Metrics};
use nopic_chassis::refusal::over_limit;
use nopic_chassis::tenant_places::TenantPlaces;
use nopic_domain::principal::Principal;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

use crate::Request;
use crate::admission::Admit;
use crate::limits::Limit;

/// When to come again: a call ends at any time.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// So many calls of each tenant at a time.
#[derive(Debug, Clone)]
pub(crate) struct BoundTenants {
    places: TenantPlaces,
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
            places: TenantPlaces::new(most),
            refused,
        }
    }

    /// Places that a tenant has left.
    pub(crate) fn left(&self, tenant: &str) -> usize {
        self.places.left(tenant)
    }
}

impl Admit for BoundTenants {
    type Place = OwnedSemaphorePermit;

    fn admit(&self, request: &Request) -> Result<Option<Self::Place>, Status> {
        // Without a caller it is a call that is open to everybody.
        let Some(caller) = request.extensions().get::<Principal>() else {
            return Ok(None);
        };
        self.places.take(&caller.tenant, 1).map(Some).ok_or_else(|| {
            self.refused.add();
            let bound = format_args!("{} calls at a time", self.places.most());
            over_limit(Limit::Calls.name(), &caller.tenant, bound, RETRY_AFTER)
        })
    }
}
