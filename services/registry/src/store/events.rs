//! What others hear of the registry: the one codec of events of this service.

use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::Status;
use nopic_proto::events as wire;
use nopic_sql::outbox::NewMessage;

use super::SnapshotRow;

/// That an operation has another status than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusChange {
    pub(crate) nop_id: NopId,
    pub(crate) name: String,
    /// Absent: it was never heard of, or nothing that could be read.
    pub(crate) before: Option<Status>,
    pub(crate) after: Status,
    pub(crate) since: Date,
}

/// How many operations a revision changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) added: u32,
    pub(crate) changed: u32,
    pub(crate) unlisted: u32,
}

/// Tells of a revision that serves from now on.
pub(crate) fn published<'a>(
    snapshot: &SnapshotRow,
    is_newest: bool,
    counts: Counts,
    changes: impl IntoIterator<Item = &'a StatusChange>,
) -> Vec<NewMessage> {
    let revision = snapshot.revision;
    let what = wire::event::What::RevisionPublished(wire::RevisionPublished {
        revision,
        published_on: snapshot.published_on.to_string(),
        is_full: snapshot.is_full,
        is_newest,
        added: counts.added,
        changed: counts.changed,
        unlisted: counts.unlisted,
    });
    let told = message(&revision.to_string(), what);
    let changes = changes.into_iter().map(|change| {
        let nop_id = change.nop_id.to_string();
        let what = wire::event::What::OperationStatusChanged(wire::OperationStatusChanged {
            nop_id: nop_id.clone(),
            name: change.name.clone(),
            before: change.before.as_ref().map_or("", Status::as_str).to_owned(),
            after: change.after.as_str().to_owned(),
            since: change.since.to_string(),
            revision,
        });
        message(&nop_id, what)
    });
    std::iter::once(told).chain(changes).collect()
}

/// Tells of a snapshot that waits for an operator.
pub(crate) fn held(snapshot: &SnapshotRow, because: &[String]) -> NewMessage {
    let what = wire::event::What::SnapshotHeld(wire::SnapshotHeld {
        revision: snapshot.revision,
        published_on: snapshot.published_on.to_string(),
        because: because.to_vec(),
    });
    message(&snapshot.revision.to_string(), what)
}

/// The registry is everybody's.
fn message(subject: &str, what: wire::event::What) -> NewMessage {
    NewMessage {
        tenant: String::new(),
        topic: what.topic(),
        subject: subject.to_owned(),
        content: what.into_content(),
    }
}
