//! Changes since a revision, then as they come.

use std::sync::Arc;

use futures::Stream;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::Status as OperationStatus;
use nopic_proto::registry as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::convert::date;
use crate::current::Core;
use crate::error::Error;
use crate::store::{Change, ChangedOperation, Order};

/// Changes read from the database at once.
const PAGE: u32 = 1_000;
/// Messages under way before the stream waits for its caller.
const UNDER_WAY: usize = 256;

type Answer = Result<wire::WatchChangesResponse, Status>;

/// The changes after a revision.
pub(super) async fn watch(
    core: Arc<Core>,
    since: u32,
) -> Result<impl Stream<Item = Answer> + Send + 'static, Error> {
    if since > core.current.load().revision {
        // Another process may have brought it.
        core.refresh().await?;
    }
    let current = core.current.load().revision;
    if since > current {
        return Err(Error::NotNow(format!(
            "changes after revision {since} were asked for, the registry is at revision {current}: ask from that one"
        )));
    }
    let (answers, received) = mpsc::channel(UNDER_WAY);
    nopic_chassis::deadline::spawn(async move {
        if let Err(Ended::Failed(error)) = send_all(&core, since, &answers).await {
            // The caller may have gone too; then nobody need know.
            let _ = answers.send(Err(error.into())).await;
        }
    });
    Ok(ReceiverStream::new(received))
}

enum Ended {
    /// The caller has gone.
    Gone,
    Failed(Error),
}

impl From<nopic_sql::Error> for Ended {
    fn from(error: nopic_sql::Error) -> Self {
        Self::Failed(error.into())
    }
}

async fn send(
    answers: &mpsc::Sender<Answer>,
    event: wire::watch_changes_response::Event,
) -> Result<(), Ended> {
    answers
        .send(Ok(wire::WatchChangesResponse { event: Some(event) }))
        .await
        .map_err(|_| Ended::Gone)
}

/// Goes on until the caller leaves or the server drains: then the stream ends with OK, and the caller asks again
/// from the last revision that it reached.
async fn send_all(core: &Core, since: u32, answers: &mpsc::Sender<Answer>) -> Result<(), Ended> {
    use wire::watch_changes_response::Event;
    let mut revisions = core.revision.subscribe();
    let mut reached = since;
    let mut is_first = true;
    loop {
        let newest = *revisions.borrow_and_update();
        if reached == newest && is_first {
            // So that a caller knows at once that it has missed nothing.
            send(answers, Event::Heartbeat(revision_at(core, reached))).await?;
        }
        is_first = false;
        while reached < newest {
            reached += 1;
            send_revision(core, reached, answers).await?;
            send(answers, Event::Reached(revision_at(core, reached))).await?;
        }
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { return Ok(()) },
            () = core.config.draining.begun() => return Ok(()),
            () = answers.closed() => return Ok(()),
            () = tokio::time::sleep(core.config.heartbeat) => {
                send(answers, Event::Heartbeat(revision_at(core, reached))).await?;
            }
        }
    }
}

fn revision_at(core: &Core, revision: u32) -> wire::Revision {
    let order = Order::at(&core.current.load().snapshots, revision);
    wire::Revision {
        revision,
        published_on: date(order.newest_full().map(|snapshot| snapshot.published_on)),
    }
}

async fn send_revision(core: &Core, revision: u32, answers: &mpsc::Sender<Answer>) -> Result<(), Ended> {
    let order = Order::at(&core.current.load_full().snapshots, revision);
    let published_on = order
        .rank(revision)
        .map(|rank| order.snapshots()[rank].published_on);
    let mut after = None;
    loop {
        let changes = core.store.changes(revision, after, PAGE).await?;
        let Some(last) = changes.last() else { return Ok(()) };
        after = Some(last.nop_id);
        let unlisted: Vec<NopId> = changes
            .iter()
            .filter(|change| change.heading.is_none())
            .map(|change| change.nop_id)
            .collect();
        let mut headings = core.store.headings(&unlisted, &order, revision).await?;
        for change in changes {
            let ChangedOperation {
                nop_id,
                change,
                statement,
                heading,
            } = change;
            let kind = match change {
                Change::Added => wire::operation_change::Kind::Added,
                Change::Changed => wire::operation_change::Kind::Changed,
                Change::Unlisted => wire::operation_change::Kind::Unlisted,
                Change::Nothing => continue,
            };
            let (status, from) = statement.map_or((OperationStatus::Unlisted, None), |statement| {
                (statement.status.status, statement.status.from)
            });
            let event = wire::watch_changes_response::Event::Change(wire::OperationChange {
                revision,
                nop_id: nop_id.to_string(),
                name: heading
                    .or_else(|| headings.remove(&nop_id))
                    .map(|heading| heading.name)
                    .unwrap_or_default(),
                kind: kind.into(),
                status: status.as_str().to_owned(),
                from: date(from.or(published_on)),
            });
            send(answers, event).await?;
        }
    }
}
