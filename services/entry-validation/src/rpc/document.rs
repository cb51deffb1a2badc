//! A whole file: its chunks come in, its verdicts go out. One task reads while another judges.

use std::sync::Arc;
use std::time::Duration;

use nopic_domain::entry::NormalisedLine;
use nopic_domain::principal::Principal;
use nopic_formats::Reject;
use nopic_formats::entries::{EntryEvent, EntryReader, Form};
use nopic_proto::common;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::document_options::Form as WireForm;
use nopic_proto::entry_validation::validate_document_request::Part;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Status, Streaming};

use super::{MAX_CHUNK_BYTES, MESSAGES_AHEAD, VERDICTS_PER_MESSAGE};
use crate::engine::{Asker, Engine};
use crate::error::Error;
use crate::runs::Runs;

/// Lines that are judged at once: enough to ask other services seldom.
const LINES_PER_BATCH: usize = 4_096;

/// How long lines wait for more lines to be judged with.
const LINGER: Duration = Duration::from_millis(50);

/// What the reading task hands to the judging one.
#[derive(Default)]
struct Batch {
    lines: Vec<NormalisedLine>,
    rejects: Vec<Reject>,
    deleted_entries: u32,
    /// Set in the last batch.
    form: Option<Form>,
}

impl Batch {
    fn add(&mut self, event: EntryEvent) {
        match event {
            EntryEvent::Line { line, .. } => self.lines.push(line.normalise()),
            EntryEvent::Reject(reject) => self.rejects.push(reject),
            EntryEvent::Deleted { .. } => self.deleted_entries += 1,
        }
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.rejects.is_empty()
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= LINES_PER_BATCH || self.rejects.len() >= LINES_PER_BATCH
    }
}

type Sender = mpsc::Sender<Result<wire::ValidateDocumentResponse, Status>>;

/// Begins with the options, then answers while the file is read; reads on only while the caller takes the answers.
pub(super) async fn validate(
    engine: Arc<Engine>,
    principal: Principal,
    mut requests: Streaming<wire::ValidateDocumentRequest>,
) -> Result<impl Stream<Item = Result<wire::ValidateDocumentResponse, Status>> + Send + use<>, Status> {
    let first = requests.message().await?.and_then(|request| request.part);
    let Some(Part::Options(options)) = first else {
        return Err(
            Error::Invalid("the first message of a document must bring its options".to_owned()).into(),
        );
    };
    let form = match options.form() {
        WireForm::Unspecified => Form::Auto,
        WireForm::Abi => Form::Abi,
        WireForm::Csv => Form::Csv,
        WireForm::Jsonl => Form::Jsonl,
    };
    let asker = Asker::new(principal, options.freshness);
    let file = options.file_name;
    let (batches, mut read) = mpsc::channel(2);
    let reader = tokio::spawn(read_document(form, file.clone(), requests, batches));
    let (answers, receiver) = mpsc::channel(MESSAGES_AHEAD);
    tokio::spawn(async move {
        let judged = judge_document(&engine, &asker, &file, &mut read, &answers).await;
        // Where judging failed, the reader must not wait for anyone to take its batches.
        drop(read);
        let read = reader.await.map_err(Error::from);
        let error = match (judged, read) {
            (Err(error), _) => Some(error),
            (_, Err(error)) => Some(error.into()),
            (_, Ok(Err(status))) => Some(status),
            (Ok(()), Ok(Ok(()))) => None,
        };
        if let Some(status) = error {
            // The caller may be gone; then there is nobody to tell.
            let _ = answers.send(Err(status)).await;
        }
    });
    Ok(ReceiverStream::new(receiver))
}

async fn read_document(
    form: Form,
    file: String,
    mut requests: Streaming<wire::ValidateDocumentRequest>,
    batches: mpsc::Sender<Batch>,
) -> Result<(), Status> {
    let named = |message: String| {
        Error::Invalid(if file.is_empty() {
            message
        } else {
            format!("{file}: {message}")
        })
    };
    let mut reader = EntryReader::new(form);
    let mut events = Vec::new();
    let mut batch = Batch::default();
    loop {
        let next = if batch.is_empty() {
            requests.next().await
        } else if let Ok(next) = tokio::time::timeout(LINGER, requests.next()).await {
            next
        } else {
            // A sender that pauses gets the verdicts on what it has sent.
            if batches.send(std::mem::take(&mut batch)).await.is_err() {
                return Ok(());
            }
            continue;
        };
        let Some(request) = next.transpose()? else {
            break;
        };
        let Some(Part::Chunk(chunk)) = request.part else {
            return Err(named("after the options only chunks may follow".to_owned()).into());
        };
        if chunk.len() > MAX_CHUNK_BYTES {
            let message = format!(
                "a chunk of {} bytes, at most {MAX_CHUNK_BYTES} are taken",
                chunk.len()
            );
            return Err(Error::TooMuch(message).into());
        }
        reader
            .push(&chunk, &mut events)
            .map_err(|error| named(error.to_string()))?;
        for event in events.drain(..) {
            batch.add(event);
            if batch.is_full() && batches.send(std::mem::take(&mut batch)).await.is_err() {
                return Ok(());
            }
        }
    }
    reader
        .finish(&mut events)
        .map_err(|error| named(error.to_string()))?;
    for event in events.drain(..) {
        batch.add(event);
        if batch.is_full() && batches.send(std::mem::take(&mut batch)).await.is_err() {
            return Ok(());
        }
    }
    batch.form = Some(reader.form().unwrap_or(form));
    // Nobody takes it where judging failed; then that is told.
    let _ = batches.send(batch).await;
    Ok(())
}

async fn judge_document(
    engine: &Engine,
    asker: &Asker,
    file: &str,
    batches: &mut mpsc::Receiver<Batch>,
    answers: &Sender,
) -> Result<(), Status> {
    let mut runs = Runs::default();
    let mut summary = wire::DocumentSummary::default();
    while let Some(batch) = batches.recv().await {
        let end = batch.form.is_some();
        summary.lines += count(batch.lines.len());
        summary.rejects += count(batch.rejects.len());
        summary.deleted_entries += batch.deleted_entries;
        let verdicts = runs.judge(engine, asker, batch.lines, end).await?;
        if !send(answers, file, verdicts, batch.rejects).await {
            return Ok(());
        }
        if let Some(form) = batch.form {
            summary.set_form(match form {
                Form::Auto => WireForm::Unspecified,
                Form::Abi => WireForm::Abi,
                Form::Csv => WireForm::Csv,
                Form::Jsonl => WireForm::Jsonl,
            });
            let last = wire::ValidateDocumentResponse {
                summary: Some(summary),
                ..wire::ValidateDocumentResponse::default()
            };
            // The caller may be gone; then there is nobody to tell.
            let _ = answers.send(Ok(last)).await;
            break;
        }
    }
    Ok(())
}

/// Sends in messages of bounded size; `false`: the caller is gone.
async fn send(answers: &Sender, file: &str, verdicts: Vec<wire::Verdict>, rejects: Vec<Reject>) -> bool {
    let mut verdicts = verdicts.into_iter();
    let mut rejects = rejects.into_iter();
    while verdicts.len() > 0 || rejects.len() > 0 {
        let message = wire::ValidateDocumentResponse {
            verdicts: verdicts.by_ref().take(VERDICTS_PER_MESSAGE).collect(),
            rejects: rejects
                .by_ref()
                .take(VERDICTS_PER_MESSAGE)
                .map(|reject| to_wire(file, reject))
                .collect(),
            summary: None,
        };
        if answers.send(Ok(message)).await.is_err() {
            return false;
        }
    }
    true
}

pub(super) fn to_wire(file: &str, reject: Reject) -> common::Reject {
    common::Reject {
        file: file.to_owned(),
        record: u32::try_from(reject.record).unwrap_or(u32::MAX),
        position: reject
            .position
            .map(|position| u32::try_from(position).unwrap_or(u32::MAX)),
        key: reject.key.unwrap_or_default(),
        field: reject.field.unwrap_or_default(),
        value: reject.value,
        reason: reject.reason,
    }
}

/// Counts on the wire stop at 2^32 - 1.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
