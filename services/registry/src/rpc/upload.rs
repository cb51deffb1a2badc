//! The stream of an import: files in, what happens out.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use nopic_domain::date::parse_iso;
use nopic_proto::registry as wire;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
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
) -> impl Stream<Item = Result<wire::ImportSnapshotResponse, Status>> + Send {
    let (events, received) = mpsc::channel(UNDER_WAY);
    let task = nopic_chassis::deadline::spawn(async move { take_and_run(core, requests, who, events).await });
    ImportAnswers {
        events: received,
        task: Some(task),
    }
}

struct ImportAnswers {
    events: mpsc::Receiver<Event>,
    task: Option<JoinHandle<Result<Imported, Status>>>,
}

impl Drop for ImportAnswers {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Stream for ImportAnswers {
    type Item = Result<wire::ImportSnapshotResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(event) = std::task::ready!(self.events.poll_recv(context)) {
            return Poll::Ready(Some(Ok(answer(part_of(event)))));
        }
        // The import has dropped its end, so it is about to be over.
        let Some(task) = &mut self.task else {
            return Poll::Ready(None);
        };
        let ended = std::task::ready!(Pin::new(task).poll(context));
        self.task = None;
        let result = match ended {
            Ok(Ok(imported)) => Ok(answer(wire::import_snapshot_response::Part::Result(result_of(
                imported,
            )))),
            Ok(Err(status)) => Err(status),
            Err(error) => Err(Error::from(error).into()),
        };
        Poll::Ready(Some(result))
    }
}

async fn take_and_run(
    core: Arc<Core>,
    mut requests: Streaming<wire::ImportSnapshotRequest>,
    who: Who,
    events: mpsc::Sender<Event>,
) -> Result<Imported, Status> {
    let mut import: Option<Import> = None;
    let mut ended = false;
    while let Some(request) = next(&core, &mut requests).await? {
        use wire::import_snapshot_request::Part;
        match (request.part, &mut import) {
            (Some(Part::Options(options)), None) => {
                import = Some(Import::begin(&core, options_of(options, who.clone())?).await?);
                // So that the caller knows that no other import is in its way, before it sends the files.
                events
                    .send(Event::Progress { rows: 0, items: 0 })
                    .await
                    .map_err(|_| Error::Closing)?;
            }
            (Some(Part::Options(_)), Some(_)) => {
                return Err(Error::Invalid("options come once, before the first file".to_owned()).into());
            }
            (Some(Part::File(file)), Some(import)) => import.file(file.name).await?,
            (Some(Part::Chunk(chunk)), Some(import)) => import.chunk(&chunk).await?,
            (Some(Part::End(_)), Some(_)) => {
                ended = true;
                break;
            }
            (Some(_), None) => {
                return Err(Error::Invalid("options come before the first file".to_owned()).into());
            }
            (None, _) => {
                return Err(
                    Error::Invalid("an empty message: send options, a file or a chunk".to_owned()).into(),
                );
            }
        }
    }
    let import =
        import.ok_or_else(|| Error::Invalid("the upload is empty: send options, then files".to_owned()))?;
    if !ended {
        // Also what a cancelled call looks like.
        return Err(Error::Invalid("the upload broke off: its end was not announced".to_owned()).into());
    }
    Ok(import.run(events).await?)
}

/// The next message of an upload. A caller that has left but holds its requests open looks like one that is silent: it
/// must not keep others from importing.
async fn next(
    core: &Core,
    requests: &mut Streaming<wire::ImportSnapshotRequest>,
) -> Result<Option<wire::ImportSnapshotRequest>, Status> {
    let pause = core.config.upload_pause;
    tokio::time::timeout(pause, requests.message())
        .await
        .unwrap_or_else(|_| Err(Error::Stalled(pause).into()))
}

fn options_of(options: wire::ImportOptions, who: Who) -> Result<Options, Error> {
    use wire::import_options::Completeness;
    let published_on = match options.published_on.trim() {
        "" => None,
        text => Some(parse_iso(text).ok_or_else(|| {
            Error::Invalid(format!("published_on is {text:?}: it must be a date, YYYY-MM-DD"))
        })?),
    };
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

fn answer(part: wire::import_snapshot_response::Part) -> wire::ImportSnapshotResponse {
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
