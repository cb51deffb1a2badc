//! The stream of an import: files in, what happens out.

use std::sync::Arc;

use nopic_chassis::answers::{AnswerStream, Answers, answer};
use nopic_chassis::requests::given_day;
use nopic_chassis::uploads::{Content, ReceiveError, Upload};
use nopic_proto::registry as wire;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::convert::{reject, snapshot};
use crate::current::Core;
use crate::error::Error;
use crate::import::{Event, Import, Imported, Options, Outcome};
use crate::store::Who;

/// Events under way before the import waits for its caller.
const UNDER_WAY: usize = 64;

/// The answers of an import, which ends when they are dropped: a caller that goes away takes its import with it.
pub(super) fn import(
    core: Arc<Core>,
    requests: Streaming<wire::ImportSnapshotRequest>,
    who: Who,
) -> AnswerStream<wire::ImportSnapshotResponse> {
    answer(UNDER_WAY, |answers| take_and_run(core, requests, who, answers)).ending_with_caller()
}

async fn take_and_run(
    core: Arc<Core>,
    requests: Streaming<wire::ImportSnapshotRequest>,
    who: Who,
    answers: Answers<wire::ImportSnapshotResponse>,
) -> Result<(), Status> {
    let mut upload = Upload::new(requests);
    let options = in_time(&core, upload.options()).await?;
    let mut import = Import::begin(&core, options_of(options, who)?).await?;
    // So that the caller knows that no other import is in its way, before it sends the files.
    answers
        .send(response(part_of(Event::Progress { rows: 0, items: 0 })))
        .await?;
    while let Some(content) = in_time(&core, upload.content()).await? {
        match content {
            Content::File(name) => import.file(name).await?,
            Content::Chunk(chunk) => import.chunk(&chunk).await?,
        }
    }
    let (events, mut received) = mpsc::channel(UNDER_WAY);
    let mut run = std::pin::pin!(import.run(events));
    let imported = loop {
        tokio::select! {
            biased;
            Some(event) = received.recv() => answers.send(response(part_of(event))).await?,
            imported = &mut run => break imported?,
        }
    };
    while let Some(event) = received.recv().await {
        answers.send(response(part_of(event))).await?;
    }
    let result = wire::import_snapshot_response::Part::Result(result_of(imported));
    Ok(answers.send(response(result)).await?)
}

/// The next part of an upload. A caller that has left but holds its requests open looks like one that is silent: it must
/// not keep others from importing.
async fn in_time<T>(core: &Core, part: impl Future<Output = Result<T, ReceiveError>>) -> Result<T, Status> {
    let pause = core.config.upload_pause;
    match tokio::time::timeout(pause, part).await {
        Ok(part) => Ok(part?),
        Err(_) => Err(Error::Stalled(pause).into()),
    }
}

fn options_of(options: wire::ImportOptions, who: Who) -> Result<Options, Error> {
    use wire::import_options::Completeness;
    let published_on = given_day("published_on", options.published_on.trim())?;
    let is_full = match options.completeness() {
        Completeness::Unspecified => None,
        Completeness::Full => Some(true),
        Completeness::Partial => Some(false),
    };
    Ok(Options {
        published_on,
        is_full,
        max_rejects_percent: options.max_rejects_percent,
        source_url: options.source_url,
        entity_tag: options.entity_tag,
        last_modified: options.last_modified,
        imported_by: who,
    })
}

fn response(part: wire::import_snapshot_response::Part) -> wire::ImportSnapshotResponse {
    wire::ImportSnapshotResponse { part: Some(part) }
}

fn part_of(event: Event) -> wire::import_snapshot_response::Part {
    use wire::import_snapshot_response::Part;
    match event {
        Event::Progress { rows, items } => Part::Progress(wire::ImportProgress { rows, items }),
        Event::Reject {
            file,
            reject: refused,
        } => Part::Reject(reject(file, *refused)),
        Event::Duplicate {
            nop_id,
            lost_record,
            won_record,
        } => Part::Duplicate(wire::DuplicateOperation {
            nop_id: nop_id.to_string(),
            lost_record,
            won_record,
        }),
    }
}

fn result_of(imported: Imported) -> wire::ImportResult {
    use wire::import_result::Outcome as Wire;
    let outcome = match imported.outcome {
        Outcome::Imported => Wire::Imported,
        Outcome::Unchanged => Wire::Unchanged,
        Outcome::Held => Wire::Held,
    };
    wire::ImportResult {
        outcome: outcome.into(),
        snapshot: Some(snapshot(&imported.snapshot)),
        held_because: imported.held_because,
        added: imported.added,
        changed: imported.changed,
        unlisted: imported.unlisted,
        duplicates: imported.duplicates,
    }
}
