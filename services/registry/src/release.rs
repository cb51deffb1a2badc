//! What an operator decides about a snapshot that is held.

use std::sync::Arc;

use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::{Status, StatusOnDate};
use nopic_sql::outbox::NewMessage;

use crate::current::{Core, Current};
use crate::error::Error;
use crate::import::{Change, IMPORT_ELSEWHERE, Next, Place, commit};
use crate::store::events::{self, Counts, StatusChange};
use crate::store::{Change as Said, Note, SnapshotRow, State, Who};

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
    let mut told = Vec::new();
    let next = if serve {
        told = told_of_release(core, &current, &held).await?;
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
    let change = Change { writing, note, told };
    commit(Arc::clone(core), change, next, place).await?;
    Ok(held)
}

/// Operations that are read at once.
const PAGE: u32 = 1_000;

/// What others hear of a held snapshot that is released.
async fn told_of_release(
    core: &Core,
    current: &Current,
    held: &SnapshotRow,
) -> Result<Vec<NewMessage>, Error> {
    let is_newest = current.order.position_of(held.published_on) == current.order.snapshots().len();
    let before = current.status(&*core.store).await?;
    let (mut counts, mut changes, mut after) = (Counts::default(), Vec::new(), None);
    loop {
        let page = core.store.changes(held.revision, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.nop_id);
        // A name that is not stated any more is the one from before.
        let nameless = page.iter().filter(|operation| operation.heading.is_none());
        let nameless: Vec<NopId> = nameless.map(|operation| operation.nop_id).collect();
        let mut headings = core
            .store
            .headings(&nameless, &current.order, current.revision)
            .await?;
        for operation in page {
            let said = match operation.change {
                Said::Nothing => continue,
                Said::Added => &mut counts.added,
                Said::Changed => &mut counts.changed,
                Said::Unlisted => &mut counts.unlisted,
            };
            *said += 1;
            let (status, since) = match operation.statement {
                Some(statement) => (statement.status.status, statement.status.from),
                None if operation.change == Said::Unlisted => (Status::Unlisted, None),
                None => continue,
            };
            let known = before
                .timeline(operation.nop_id)
                .map_or(StatusOnDate::Unknown, |timeline| timeline.status_on(Date::MAX));
            let known = match known {
                StatusOnDate::Known(status) => Some(status.clone()),
                StatusOnDate::Unknown => None,
            };
            if is_newest && current.revision > 0 && known.as_ref() != Some(&status) {
                changes.push(StatusChange {
                    nop_id: operation.nop_id,
                    name: operation
                        .heading
                        .or_else(|| headings.remove(&operation.nop_id))
                        .map(|heading| heading.name)
                        .unwrap_or_default(),
                    before: known,
                    after: status,
                    since: since.unwrap_or(held.published_on),
                });
            }
        }
    }
    Ok(events::published(held, is_newest, counts, &changes))
}
