//! How many calls are under way at a time: what is more is refused at once, long calls before short ones.

use std::sync::Arc;

use nopic_chassis::metrics::{Count, Metrics};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::Request;
use crate::admission::Admit;
use crate::refusal::too_busy;

/// Of a hundred places so many are for long calls; the others are kept for short ones.
const FOR_LONG_CALLS: usize = 75;

/// Methods that may take long: streams, documents and batches.
const LONG: &[&str] = &["Stream", "Document", "Import", "Entries", "Watch", "Verify"];

/// Takes so many calls at a time.
#[derive(Debug, Clone)]
pub(crate) struct Shed {
    all: Arc<Semaphore>,
    long: Arc<Semaphore>,
    refused: Arc<Count>,
}

impl Shed {
    /// So many at a time.
    pub(crate) fn new(places: usize, metrics: &Metrics) -> Self {
        let shed = Self {
            all: Arc::new(Semaphore::new(places)),
            long: Arc::new(Semaphore::new((places * FOR_LONG_CALLS / 100).max(1))),
            refused: Arc::default(),
        };
        let refused = Arc::clone(&shed.refused);
        metrics.add_read(move |reading| {
            reading.counter(
                "gateway_calls_shed",
                "Calls that were refused because too many were under way",
                &[(&[], refused.get())],
            )
        });
        shed
    }

    /// A place, until it is dropped; absent: there is none.
    fn place(&self, path: &str) -> Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)> {
        let long = if is_long(path) {
            Some(Arc::clone(&self.long).try_acquire_owned().ok()?)
        } else {
            None
        };
        Some((Arc::clone(&self.all).try_acquire_owned().ok()?, long))
    }
}

fn is_long(path: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|method| LONG.iter().any(|word| method.contains(word)))
}

impl Admit for Shed {
    type Place = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

    fn admit(&self, request: &Request) -> Result<Option<Self::Place>, Status> {
        let place = self.place(request.uri().path());
        place.map(Some).ok_or_else(|| {
            self.refused.add();
            too_busy()
        })
    }
}
