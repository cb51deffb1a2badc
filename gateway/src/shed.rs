//! How many calls are under way at a time: what is more is refused at once, long calls before short ones.

use std::sync::Arc;

use nopic_chassis::metrics::{Count, Metrics};
use nopic_chassis::roles::is_open;
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
        let path = request.uri().path();
        if is_open(path) {
            // What everybody may call has places of its own: it takes none here, and is answered when there are none.
            return Ok(None);
        }
        let place = self.place(path);
        place.map(Some).ok_or_else(|| {
            self.refused.add();
            too_busy()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_call_without_a_name_takes_no_place_and_needs_none() {
        let shed = Shed::new(2, &Metrics::default());
        let admit = |path: &str| {
            let mut request = Request::default();
            *request.uri_mut() = path.parse().unwrap();
            shed.admit(&request)
        };
        let open: Vec<_> = (0..9).map(|_| admit("/grpc.health.v1.Health/Check")).collect();
        assert!(open.iter().all(|place| matches!(place, Ok(None))));
        let known = [(); 2].map(|()| admit("/test.v1.Echo/Say"));
        assert!(known.iter().all(|place| matches!(place, Ok(Some(_)))));
        assert!(admit("/test.v1.Echo/Say").is_err());
        assert!(admit("/grpc.health.v1.Health/Check").is_ok());
    }
}
