//! Filings that this process began and could not bring to their end, because its database or the ledger went away. Their
//! leases would keep everyone from them for a while, this process too; so it ends them as soon as the database answers,
//! and whoever looks for filings that were left finds them.

use std::sync::{Mutex, PoisonError};

use crate::engine::Engine;
use crate::error::Error;

/// Filings that are noted at a time; the lease of one that is not ends by itself, only later.
const MOST_NOTED: usize = 10_000;

/// Tenant and request of each.
#[derive(Debug, Default)]
pub(crate) struct GivenUp(Mutex<Vec<(String, String)>>);

impl GivenUp {
    /// Notes a filing whose worker ended with this error, if another attempt may end better.
    pub(super) fn note(&self, tenant: &str, request_id: &str, error: &Error) {
        if matches!(error, Error::Unavailable(_) | Error::Store(_) | Error::Busy(_)) {
            let mut given_up = self.lock();
            if given_up.len() < MOST_NOTED {
                given_up.push((tenant.to_owned(), request_id.to_owned()));
            }
        }
    }

    /// A panic elsewhere leaves a list that is still whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the leases of all of them. One that another worker has taken over meanwhile is not touched, and one that was
/// never begun is not there.
pub(super) async fn let_go(engine: &Engine) -> Result<(), Error> {
    loop {
        let Some((tenant, request_id)) = engine.given_up.lock().last().cloned() else {
            return Ok(());
        };
        engine
            .store
            .give_up_filing(&tenant, &request_id, &engine.worker, engine.clock.now())
            .await?;
        let mut given_up = engine.given_up.lock();
        // Others may have been noted meanwhile.
        if let Some(at) = given_up
            .iter()
            .position(|one| *one == (tenant.clone(), request_id.clone()))
        {
            given_up.remove(at);
        }
    }
}
