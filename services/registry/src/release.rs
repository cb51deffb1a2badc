//! What an operator decides about a snapshot that is held.

use std::sync::Arc;

use crate::current::{Core, Current};
use crate::error::Error;
use crate::import::{IMPORT_ELSEWHERE, Next, Place, commit};
use crate::store::{Note, SnapshotRow, State, Who};

/// Lets the held snapshot serve, as the next revision.
pub(crate) async fn release(core: &Arc<Core>, who: Who) -> Result<SnapshotRow, Error> {
    decide(core, who, true).await
}

/// Throws the held snapshot away; nothing of it stays.
pub(crate) async fn discard(core: &Arc<Core>, who: Who) -> Result<SnapshotRow, Error> {
    decide(core, who, false).await
}

async fn decide(core: &Arc<Core>, who: Who, serve: bool) -> Result<SnapshotRow, Error> {
    let place = Arc::clone(&core.changing)
        .try_lock_owned()
        .map(Place::new)
        .map_err(|_| Error::NotNow("an import is running: wait until it has ended".to_owned()))?;
    let mut writing = core
        .store
        .begin()
        .await?
        .ok_or_else(|| Error::NotNow(IMPORT_ELSEWHERE.to_owned()))?;
    core.refresh().await?;
    let current = core.current.load_full();
    let Some(mut held) = current.held().cloned() else {
        return Err(Error::NotNow("no snapshot is held".to_owned()));
    };
    let mut snapshots = current.snapshots.clone();
    snapshots.retain(|snapshot| snapshot.revision != held.revision);
    let next = if serve {
        writing.release(held.revision).await?;
        held.state = State::Serving;
        snapshots.push(held.clone());
        Next::Built {
            snapshots,
            indexes: None,
        }
    } else {
        writing.discard(held.revision).await?;
        Next::Ready(Current::new(
            snapshots,
            current.loaded_status().cloned(),
            current.loaded_search().cloned(),
        ))
    };
    let note = Note {
        who,
        at: core.clock.now(),
        action: if serve {
            "SNAPSHOT_RELEASED"
        } else {
            "SNAPSHOT_DISCARDED"
        },
        revision: held.revision,
        detail: "{}".to_owned(),
    };
    commit(Arc::clone(core), writing, next, place, note).await?;
    Ok(held)
}
