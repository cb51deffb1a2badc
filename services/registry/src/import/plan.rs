//! What must be written for a new snapshot.

use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::Status;

use super::pack::{IncomingItems, IncomingSaid, Packer};
use super::place::{LaterSnapshot, Said, place, repeat_items};
use super::{Content, Run};
use crate::current::Current;
use crate::error::Error;
use crate::store::events::StatusChange;
use crate::store::{
    Change, Heading, Kind, Latest, NewContent, NewItems, NewObservation, Seen, WhatIsNew,
    statement_from_json, status_of_json,
};

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) observations: Vec<NewObservation>,
    pub(super) items: Vec<NewItems>,
    pub(super) added: u32,
    pub(super) changed: u32,
    pub(super) unlisted: u32,
    /// Operations whose status is another than the snapshots before this one said. Of one that later snapshots
    /// change, only the later status is at hand: it says nothing.
    pub(super) statuses_changed: u32,
    /// What others hear of: where the snapshot is the newest, and not the first.
    pub(super) status_changes: Vec<StatusChange>,
}

/// What must be written for the new snapshot at this place.
pub(super) async fn plan(
    run: &Run,
    content: &mut Content,
    current: &Current,
    position: usize,
    states_items: bool,
    published_on: Date,
) -> Result<Plan, Error> {
    let later: Vec<LaterSnapshot> = current
        .order
        .snapshots()
        .iter()
        .enumerate()
        .skip(position)
        .map(|(rank, snapshot)| LaterSnapshot {
            rank,
            revision: snapshot.revision,
            is_full: snapshot.is_full,
            listed: snapshot.listed.clone(),
            states_items: snapshot.states_items,
        })
        .collect();
    // At the end of the order the last observation says all; elsewhere the whole history is asked.
    let history = if later.is_empty() {
        None
    } else {
        Some(run.core.store.seen(&current.order).await?)
    };
    let revision = content.revision;
    let mut plan = Plan::default();
    let packer = &mut content.packer;
    let mut ids: Vec<NopId> = packer.incoming.keys().copied().collect();
    if run.is_full {
        let not_listed = packer.known.operations.iter().map(|(id, _)| id);
        ids.extend(not_listed.filter(|id| !packer.incoming.contains_key(id)));
    }
    ids.sort_unstable();
    for id in ids {
        let latest = packer.known.operations.get(id);
        let last = latest.map(|latest| Seen {
            // Before the end of the order, which is all that its place is asked for.
            rank: 0,
            revision: latest.revision,
            kind: latest.kind,
            content_hash: latest.content_hash,
        });
        let seen = match &history {
            Some(history) => history.get(&id).map(Vec::as_slice).unwrap_or_default(),
            None => last.as_slice(),
        };
        let rank = if later.is_empty() { 1 } else { position };
        let is_last_said_before = seen.last().is_some_and(|seen| seen.rank < rank);
        let before = latest.filter(|latest| is_last_said_before && latest.kind == Kind::Listed);
        // What is written is moved out of the packer, which needs it no more.
        let incoming = packer
            .incoming
            .get_mut(&id)
            .map(|incoming| std::mem::replace(&mut incoming.said, IncomingSaid::Known));
        let (said, what) = match incoming {
            None => {
                if let Some(before) = before {
                    // Unlisted is a status, too.
                    plan.statuses_changed += 1;
                    if later.is_empty() {
                        plan.status_changes.push(StatusChange {
                            nop_id: id,
                            name: name_in(&before.heading)?,
                            before: before.status.clone(),
                            after: Status::Unlisted,
                            since: published_on,
                        });
                    }
                }
                (Said::Absent, WhatIsNew::Absent)
            }
            Some(IncomingSaid::Refused) => (Said::Refused, WhatIsNew::Refused),
            Some(IncomingSaid::Known) => {
                // Known only where there is a last one, see `Packer::row`.
                let Some(latest) = latest else { continue };
                (
                    Said::Listed(latest.content_hash),
                    WhatIsNew::SameAs(latest.revision),
                )
            }
            Some(IncomingSaid::New(new)) => {
                if let Some(before) = before
                    && before.status != Some(status_of_json(&new.statement)?)
                {
                    plan.statuses_changed += 1;
                }
                if later.is_empty() && current.revision > 0 {
                    plan.status_changes
                        .extend(status_change(id, latest, &new, published_on)?);
                }
                (Said::Listed(new.content_hash), WhatIsNew::Listed(new))
            }
        };
        let placed = place(id, &said, seen, rank, &later);
        let Some(change) = placed.change else { continue };
        match change {
            Change::Added => plan.added += 1,
            Change::Changed => plan.changed += 1,
            Change::Unlisted => plan.unlisted += 1,
            Change::Nothing => {}
        }
        plan.observations.extend(placed.repeat);
        plan.observations.push(NewObservation {
            nop_id: id,
            revision,
            change,
            what,
        });
    }
    if states_items {
        plan.items = plan_items(run, packer, revision, position, &later).await?;
    }
    Ok(plan)
}

/// That the newest row of an operation says another status than was said of it last.
fn status_change(
    nop_id: NopId,
    latest: Option<&Latest>,
    new: &NewContent,
    published_on: Date,
) -> Result<Option<StatusChange>, Error> {
    let before = latest.and_then(|latest| match latest.kind {
        Kind::Listed => latest.status.clone(),
        Kind::Absent => Some(Status::Unlisted),
        Kind::Refused => None,
    });
    let said = statement_from_json(&new.statement)?.status;
    if before.as_ref() == Some(&said.status) {
        return Ok(None);
    }
    Ok(Some(StatusChange {
        nop_id,
        name: name_in(&new.heading)?,
        before,
        after: said.status,
        since: said.from.unwrap_or(published_on),
    }))
}

fn name_in(heading: &str) -> Result<String, Error> {
    Ok(if heading.is_empty() {
        String::new()
    } else {
        Heading::from_json(heading)?.name
    })
}

async fn plan_items(
    run: &Run,
    packer: &mut Packer,
    revision: u32,
    position: usize,
    later: &[LaterSnapshot],
) -> Result<Vec<NewItems>, Error> {
    let mut ids: Vec<NopId> = packer.items.keys().copied().collect();
    // An operation without items, in a snapshot that states them, has none.
    ids.extend(
        packer
            .known
            .items
            .keys()
            .filter(|id| packer.incoming.contains_key(id) && !packer.items.contains_key(id)),
    );
    ids.sort_unstable();
    let mut plan = Vec::new();
    for id in ids {
        let IncomingItems {
            content_hash,
            mut runs,
            begins_with_known,
        } = packer.items.remove(&id).unwrap_or_default();
        let lists = packer.known.items.get(&id).map(Vec::as_slice).unwrap_or_default();
        let split = lists.partition_point(|list| list.rank < position);
        let before = split.checked_sub(1).map(|index| lists[index]);
        if before.map_or(0, |before| before.content_hash) == content_hash {
            continue;
        }
        plan.extend(repeat_items(
            id,
            before.map(|before| before.revision),
            lists.get(split).map(|list| list.rank),
            later,
        ));
        let known = lists
            .last()
            .filter(|_| begins_with_known)
            .map(|list| list.revision);
        let same_as = match known {
            // The whole list is the known one.
            Some(revision) if runs.is_empty() => Some(revision),
            // It begins so and goes on.
            Some(revision) => {
                let mut whole = run.core.store.item_runs(id, revision).await?;
                whole.append(&mut runs);
                runs = whole;
                None
            }
            None => None,
        };
        plan.push(NewItems {
            nop_id: id,
            revision,
            content_hash,
            runs,
            same_as,
        });
    }
    Ok(plan)
}
