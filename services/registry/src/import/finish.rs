//! From what was read to what serves: place, check, write, commit.

use std::sync::Arc;

use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::Observation;
use nopic_formats::oid::OidForm;
use nopic_sql::outbox::NewMessage;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::check::{Compared, reasons};
use super::pack::{Incoming, IncomingSaid, Packer};
use super::plan::{Plan, plan};
use super::{Content, Imported, Place, Run};
use crate::current::{Core, Current};
use crate::error::Error;
use crate::search::SearchIndex;
use crate::status::StatusIndex;
use crate::store::events::{self, Counts};
use crate::store::{Heading, Listed, Note, SnapshotRow, State, WhatIsNew, Writing, statement_from_json};

/// What became of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Imported,
    Unchanged,
    Held,
}

pub(super) async fn finish(run: Run, mut content: Content) -> Result<Imported, Error> {
    let packer = &content.packer;
    refuse_too_many_rejects(&run, packer)?;
    let published_on = run.published_on(content.summary.latest_pub_date)?;
    let current = run.core.current.load_full();
    let states_items = packer.item_rows > 0;
    let content_hash = content_hash(packer, run.is_full);

    let newest_of_the_day = current
        .order
        .snapshots()
        .iter()
        .rfind(|snapshot| snapshot.published_on == published_on);
    if let Some(same) = newest_of_the_day.filter(|snapshot| snapshot.content_hash == content_hash) {
        // Dropped with the transaction: nothing of this import stays.
        return Ok(Imported {
            outcome: Outcome::Unchanged,
            snapshot: same.clone(),
            held_because: Vec::new(),
            added: 0,
            changed: 0,
            unlisted: 0,
            duplicates: packer.duplicates,
        });
    }

    let position = current.order.position_of(published_on);
    let is_newest = position == current.order.snapshots().len();
    let mut certifiers: Vec<String> = packer.certifiers.iter().cloned().collect();
    certifiers.sort_unstable();
    let plan = plan(&run, &mut content, &current, position, states_items, published_on).await?;
    let held_because = reasons(
        &Compared {
            published_on,
            today: run.core.clock.today(),
            is_full: run.is_full,
            rows: content.packer.rows,
            certifiers: &certifiers,
            statuses_changed: plan.statuses_changed,
        },
        current.order.full_before(position),
    );
    let snapshot = SnapshotRow {
        revision: content.revision,
        state: if held_because.is_empty() {
            State::Serving
        } else {
            State::Held
        },
        published_on,
        is_full: run.is_full,
        form: form_name(run.form).to_owned(),
        files: run.names.clone(),
        content_hash,
        rows: content.packer.rows,
        items: content.packer.item_rows,
        rejected_rows: content.packer.rejected_rows,
        states_items,
        certifiers,
        listed: (!run.is_full).then(|| Listed::new(content.packer.incoming.keys().copied())),
        imported_at: run.core.clock.now(),
        imported_by: run.options.imported_by.actor.clone(),
        source_url: run.options.source_url.clone(),
        entity_tag: run.options.entity_tag.clone(),
        last_modified: run.options.last_modified.clone(),
    };
    let imported = Imported {
        outcome: if held_because.is_empty() {
            Outcome::Imported
        } else {
            Outcome::Held
        },
        held_because,
        added: plan.added,
        changed: plan.changed,
        unlisted: plan.unlisted,
        duplicates: content.packer.duplicates,
        snapshot: snapshot.clone(),
    };

    let mut snapshots = current.snapshots.clone();
    snapshots.push(snapshot.clone());
    let plan = Arc::new(plan);
    let Content {
        packer,
        mut writing,
        revision,
        ..
    } = content;
    // The new indexes are built while the database writes; an older snapshot or a held one has them built from the
    // database, when they are needed.
    let builds = is_newest && imported.outcome == Outcome::Imported && run.core.config.search_after_import;
    let indexes = if builds {
        let old_status = current.status(&*run.core.store).await?.clone();
        let plan = Arc::clone(&plan);
        Some(tokio::task::spawn_blocking(move || {
            next_indexes(&plan, packer, &old_status, revision, published_on)
        }))
    } else {
        drop(packer);
        None
    };
    write(&mut *writing, &snapshot, &plan).await?;
    let told = if imported.outcome == Outcome::Held {
        vec![events::held(&snapshot, &imported.held_because)]
    } else {
        let counts = Counts {
            added: plan.added,
            changed: plan.changed,
            unlisted: plan.unlisted,
        };
        events::published(&snapshot, is_newest, counts, &plan.status_changes)
    };
    drop(plan);
    let next = if imported.outcome == Outcome::Held {
        // Nothing changes for readers: they keep the indexes that they have.
        let kept = Current::new(
            snapshots,
            current.loaded_status().cloned(),
            current.loaded_search().cloned(),
        );
        Next::Ready(kept)
    } else {
        Next::Built { snapshots, indexes }
    };
    let note = Note {
        who: run.options.imported_by,
        at: imported.snapshot.imported_at,
        action: if imported.outcome == Outcome::Held {
            "SNAPSHOT_HELD"
        } else {
            "SNAPSHOT_IMPORTED"
        },
        revision,
        detail: serde_json::json!({
            "added": imported.added,
            "changed": imported.changed,
            "unlisted": imported.unlisted,
            "heldBecause": imported.held_because,
        })
        .to_string(),
    };
    let change = Change { writing, note, told };
    commit(Arc::clone(&run.core), change, next, run.place).await?;
    Ok(imported)
}

/// What serves once a change is committed.
pub(crate) enum Next {
    /// This, as it is.
    Ready(Current),
    /// These snapshots, with the indexes that are being built; absent: they are built from the database.
    Built {
        snapshots: Vec<SnapshotRow>,
        indexes: Option<JoinHandle<Result<(StatusIndex, SearchIndex), Error>>>,
    },
}

impl Next {
    /// Built before it serves, so that the old revision answers until the new one answers at once. It is committed
    /// whatever happens here: where building fails, a later call tries again.
    pub(crate) async fn ready(self, core: &Core) -> Current {
        let (snapshots, indexes) = match self {
            Self::Ready(current) => return current,
            Self::Built { snapshots, indexes } => (snapshots, indexes),
        };
        let built = match indexes {
            None => None,
            Some(indexes) => match indexes.await.map_err(Error::from).and_then(|built| built) {
                Ok(built) => Some(built),
                Err(error) => {
                    not_built(&error);
                    None
                }
            },
        };
        if let Some((status, search)) = built {
            return Current::new(snapshots, Some(Arc::new(status)), Some(Arc::new(search)));
        }
        let current = Current::new(snapshots, None, None);
        if core.config.search_after_import
            && current.revision > 0
            && let Err(error) = current.search(&*core.store).await
        {
            not_built(&error);
        }
        current
    }
}

fn not_built(error: &Error) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the indexes of the new revision were not built"
    );
}

/// A change that is written and not committed yet, its note, and what others hear of it.
pub(crate) struct Change {
    pub(crate) writing: Box<dyn Writing>,
    pub(crate) note: Note,
    pub(crate) told: Vec<NewMessage>,
}

/// Commits and lets the new state serve, as one step that a caller who leaves cannot cut in two.
pub(crate) async fn commit(core: Arc<Core>, change: Change, next: Next, place: Place) -> Result<(), Error> {
    tokio::spawn(async move {
        let _place = place;
        // What looks for other processes' changes must not find this one before it serves.
        let _refreshing = core.refreshing.lock().await;
        let Change { writing, note, told } = change;
        writing.commit(&note, told).await?;
        let next = next.ready(&core).await;
        core.publish(next);
        Ok(())
    })
    .await?
}

fn refuse_too_many_rejects(run: &Run, packer: &Packer) -> Result<(), Error> {
    for (refused, read, what) in [
        (packer.rejected_rows, packer.rows, "operations"),
        (packer.rejected_items, packer.item_rows, "items"),
    ] {
        if run.max_rejects.is_passed_by(refused, read) {
            return Err(Error::Content(format!(
                "{refused} of {} {what} were refused, more than {} %: nothing was imported; mend them, or allow more \
                 (`--max-rejects PERCENT`)",
                u64::from(refused) + u64::from(read),
                run.max_rejects
            )));
        }
    }
    if packer.rows == 0 {
        return Err(Error::Content(
            "the content holds no operation: nothing was imported; download it again".to_owned(),
        ));
    }
    Ok(())
}

fn form_name(form: OidForm) -> &'static str {
    match form {
        OidForm::Xlsx => "XLSX",
        OidForm::Xml => "XML",
        OidForm::Json => "JSON",
    }
}

/// The hash of a row as it counts; `None`: refused.
fn hash_of(packer: &Packer, id: NopId, incoming: &Incoming) -> Option<u128> {
    match &incoming.said {
        IncomingSaid::Known => packer.known.operations.get(id).map(|latest| latest.content_hash),
        IncomingSaid::New(new) => Some(new.content_hash),
        IncomingSaid::Refused => None,
    }
}

/// SHA-256 over what the content says, whatever its form and the order of its rows.
fn content_hash(packer: &Packer, is_full: bool) -> String {
    let mut ids: Vec<NopId> = packer
        .incoming
        .keys()
        .chain(packer.items.keys())
        .copied()
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let mut hasher = Sha256::new();
    hasher.update([u8::from(is_full)]);
    for id in ids {
        hasher.update(id.number().to_be_bytes());
        match packer
            .incoming
            .get(&id)
            .map(|incoming| hash_of(packer, id, incoming))
        {
            None => hasher.update([0]),
            Some(None) => hasher.update([1]),
            Some(Some(hash)) => {
                hasher.update([2]);
                hasher.update(hash.to_be_bytes());
            }
        }
        let items = packer.items.get(&id).map_or(0, |items| items.content_hash);
        hasher.update(items.to_be_bytes());
    }
    hex::encode(hasher.finalize())
}

async fn write(writing: &mut dyn Writing, snapshot: &SnapshotRow, plan: &Plan) -> Result<(), Error> {
    writing.snapshot(snapshot).await?;
    writing
        .observations(snapshot.revision, &plan.observations)
        .await?;
    writing.items(snapshot.revision, &plan.items).await?;
    Ok(())
}

/// The indexes of the new revision, from what is at hand.
fn next_indexes(
    plan: &Plan,
    packer: Packer,
    old: &StatusIndex,
    revision: u32,
    published_on: Date,
) -> Result<(StatusIndex, SearchIndex), Error> {
    drop(packer.incoming);
    // The newest snapshot has nothing to repeat, so each of these is what it says itself.
    let observations = &plan.observations;
    let status =
        old.after(
            published_on,
            observations.iter().map(|new| new.nop_id),
            |place| match &observations[place].what {
                WhatIsNew::Listed(new) => Ok(Observation::Listed(statement_from_json(&new.statement)?)),
                WhatIsNew::Refused => Ok(Observation::Refused),
                WhatIsNew::Absent => Ok(Observation::Absent),
                WhatIsNew::SameAs(revision) => Err(Error::Internal(format!(
                    "the newest snapshot repeats revision {revision}"
                ))),
            },
        )?;
    let known = packer.known.operations;
    let mut builder = SearchIndex::builder(revision, published_on);
    status.for_each(|id, timeline| {
        // By rising id, as planned.
        let new = observations
            .binary_search_by_key(&id, |new| new.nop_id)
            .ok()
            .and_then(|place| match &observations[place].what {
                WhatIsNew::Listed(new) => Some(&*new.heading),
                _ => None,
            });
        let heading = new
            .or_else(|| known.get(id).map(|latest| &*latest.heading))
            .unwrap_or_default();
        if !heading.is_empty() {
            builder.push(id, &Heading::from_json(heading)?, &timeline);
        }
        Ok::<_, Error>(())
    })?;
    drop(known);
    Ok((status, builder.finish()))
}
