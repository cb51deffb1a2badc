//! So many places for each tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Tenants that are kept before those are forgotten of which no place is taken.
const KEPT: usize = 10_000;

/// Places by tenant. Clones share them.
#[derive(Debug, Clone)]
pub struct TenantPlaces {
    most: usize,
    tenants: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl TenantPlaces {
    /// So many for each.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            tenants: Arc::default(),
        }
    }

    /// How many each has.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most
    }

    /// How many a tenant has left.
    #[must_use]
    pub fn left(&self, tenant: &str) -> usize {
        // A panic elsewhere leaves a map that is whole; so below.
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants
            .get(tenant)
            .map_or(self.most, |places| places.available_permits())
    }

    /// So many, until they are dropped; `None`: there are not so many.
    #[must_use]
    pub fn take(&self, tenant: &str, places: u32) -> Option<OwnedSemaphorePermit> {
        self.of(tenant).try_acquire_many_owned(places).ok()
    }

    /// Those of a tenant.
    pub(crate) fn of(&self, tenant: &str) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tenants.get(tenant) {
            return Arc::clone(known);
        }
        if tenants.len() >= KEPT {
            // Whoever has just been given a tenant's places holds them, too.
            tenants
                .retain(|_, places| places.available_permits() < self.most || Arc::strong_count(places) > 1);
        }
        let new = Arc::new(Semaphore::new(self.most));
        tenants.insert(tenant.to_owned(), Arc::clone(&new));
        new
    }
}
