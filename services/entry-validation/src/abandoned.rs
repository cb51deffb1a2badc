//! Filings that this process began and could not bring to their end, because its database or the ledger went away. Their
//! leases would keep everyone from them for a while, this process too; so it ends them as soon as the database answers,
//! and whoever looks for filings that were left finds them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Filings that are noted at a time; the lease of one that is not ends by itself, only later.
const MOST_NOTED: usize = 10_000;

/// Tenant and request of each.
#[derive(Debug, Default)]
pub(crate) struct Abandoned(Mutex<Vec<(String, String)>>);

impl Abandoned {
    pub(crate) fn note(&self, tenant: &str, request_id: &str) {
        let mut noted = self.lock();
        if noted.len() < MOST_NOTED {
            noted.push((tenant.to_owned(), request_id.to_owned()));
        }
    }

    /// One of them, which stays noted.
    pub(crate) fn last(&self) -> Option<(String, String)> {
        self.lock().last().cloned()
    }

    /// Its lease has ended.
    pub(crate) fn forget(&self, filing: &(String, String)) {
        let mut noted = self.lock();
        // Others may have been noted meanwhile.
        if let Some(at) = noted.iter().position(|one| one == filing) {
            noted.remove(at);
        }
    }

    /// A panic elsewhere leaves a list that is still whole.
    fn lock(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
