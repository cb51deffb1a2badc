//! Links from importer-of-record numbers to operations, for lines that name no operation themselves.
//!
//! Most lines need none in the end. So a pre-check waits only a moment for them, and a database that is away takes no
//! verdict from a line that can be judged without it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nopic_cache::breaker::Breaker;
use nopic_chassis::deadline;
use nopic_domain::decision::link_key;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::identifier::NopId;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::time::{Instant, timeout};

use crate::error::Error;
use crate::inquiry::{Inquiry, Purpose};
use crate::store::Store;

/// How long a pre-check waits for the links of its lines.
const PATIENCE: Duration = Duration::from_secs(2);
/// Failures in a row after which pre-checks do not ask the database for links.
const FAILURES_TO_TRIP: u32 = 5;
/// How long it is left alone before one call tries it again.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The links that the lines of a batch may need.
#[derive(Debug)]
pub(crate) enum LinksOfLines {
    /// By [`link_key`].
    Known(FxHashMap<String, NopId>),
    /// The database does not say; whether one was needed.
    Missing(AtomicBool),
}

impl LinksOfLines {
    pub(crate) fn operation(&self, importer_of_record: &str) -> Option<NopId> {
        match self {
            Self::Known(links) if links.is_empty() => None,
            Self::Known(links) => links.get(link_key(importer_of_record).as_ref()).copied(),
            Self::Missing(needed) => {
                needed.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    /// # Errors
    /// A link was needed, and is not known: what was judged without it must not be told.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Missing(needed) if needed.load(Ordering::Relaxed) => Err(Error::Unavailable(
                "a line names no operation as importer, and the database does not say which one its importer of record \
                 is linked to: try again, or give importer_nop_id"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

/// Where links are looked up.
pub(crate) struct LinkTable {
    store: Arc<dyn Store>,
    breaker: Mutex<Breaker>,
}

impl LinkTable {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            breaker: Mutex::new(Breaker::new(FAILURES_TO_TRIP, PROBE_EVERY)),
        }
    }

    /// The links that lines without an importer of their own may need.
    ///
    /// # Errors
    /// The database does not answer to a filing.
    pub(crate) async fn of_lines(
        &self,
        inquiry: &Inquiry,
        lines: &[NormalisedLine],
    ) -> Result<LinksOfLines, Error> {
        let numbers: FxHashSet<String> = lines
            .iter()
            .filter(|line| line.importer_nop_id.is_none())
            .filter_map(|line| line.importer_of_record.as_deref())
            .map(|number| link_key(number).into_owned())
            .collect();
        if numbers.is_empty() {
            return Ok(LinksOfLines::Known(FxHashMap::default()));
        }
        let numbers: Vec<String> = numbers.into_iter().collect();
        let asking = self.store.linked(&inquiry.principal.tenant, &numbers);
        if inquiry.purpose == Purpose::Filing {
            return Ok(LinksOfLines::Known(asking.await?));
        }
        let missing = Ok(LinksOfLines::Missing(AtomicBool::default()));
        let Some(time) = deadline::within(PATIENCE) else {
            return missing;
        };
        if !self.breaker().admits(Instant::now()) {
            return missing;
        }
        match timeout(time, asking).await {
            Ok(Ok(links)) => {
                self.breaker().succeeded();
                return Ok(LinksOfLines::Known(links));
            }
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the links of importers cannot be read"
            ),
            Err(_) => {
                tracing::warn!("the links of importers were not read in time");
                if time < PATIENCE {
                    // It was the caller who had less time.
                    return missing;
                }
            }
        }
        if self.breaker().failed(Instant::now()) {
            tracing::warn!("pre-checks go on without links of importers for a moment");
        }
        missing
    }

    /// A panic elsewhere leaves a state that is still whole: every change of it is one assignment.
    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_that_was_needed_is_missed() {
        let links = LinksOfLines::Missing(AtomicBool::default());
        links.check().unwrap();
        assert_eq!(links.operation("12-3456789"), None);
        assert!(matches!(links.check(), Err(Error::Unavailable(_))));
    }

    #[test]
    fn numbers_are_compared_without_regard_to_case() {
        let operation = NopId::from_number(150_000_001).unwrap();
        let links = LinksOfLines::Known([("12-AB".to_owned(), operation)].into_iter().collect());
        assert_eq!(links.operation("12-ab"), Some(operation));
        assert_eq!(links.operation("12-AC"), None);
        links.check().unwrap();
    }
}
