//! A whole file: its chunks come in, its verdicts go out. One task reads while another judges.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use nopic_domain::decision::Verdict;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::principal::Principal;
use nopic_formats::Reject;
use nopic_formats::entries::{EntryEvent, EntryReader, Form};
use nopic_proto::common;
use nopic_proto::convert::entry_validation::verdicts as verdicts_to_wire;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::document_options::Form as WireForm;
use nopic_proto::entry_validation::validate_document_request::Part;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Status, Streaming};

use super::resuming::{Patience, Resumed, first};
use super::{MAX_CHUNK_BYTES, MESSAGES_AHEAD, VERDICTS_PER_MESSAGE};
use crate::engine::Engine;
use crate::error::Error;
use crate::inquiry::Inquiry;
use crate::runs::Runs;

/// Lines that are judged at once: enough to ask other services seldom.
const LINES_PER_BATCH: usize = 4_096;

/// How long lines wait for more lines to be judged with.
const LINGER: Duration = Duration::from_millis(50);

/// What the reading task hands to the judging one.
#[derive(Default)]
struct Batch {
    lines: Vec<NormalisedLine>,
    /// Of each line: which record it is, from 1.
    records: Vec<u64>,
    rejects: Vec<Reject>,
    /// Of the whole document; set in the last batch.
    summary: Option<wire::DocumentSummary>,
}

impl Batch {
    fn add(&mut self, event: EntryEvent, record: u64) {
        match event {
            EntryEvent::Line { line, .. } => {
                self.lines.push(line.normalise());
                self.records.push(record);
            }
            EntryEvent::Reject(reject) => self.rejects.push(reject),
            // Nothing to judge.
            EntryEvent::Deleted { .. } => {}
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

/// The form that a document is said to have.
pub(super) fn form_of(said: WireForm) -> Form {
    match said {
        WireForm::Unspecified => Form::Auto,
        WireForm::Abi => Form::Abi,
        WireForm::Csv => Form::Csv,
        WireForm::Jsonl => Form::Jsonl,
    }
}

/// The same on the wire.
pub(super) fn wire_form_of(form: Form) -> WireForm {
    match form {
        // The wire has no name for a workbook yet; it is found out from the content.
        Form::Auto | Form::Xlsx => WireForm::Unspecified,
        Form::Abi => WireForm::Abi,
        Form::Csv => WireForm::Csv,
        Form::Jsonl => WireForm::Jsonl,
    }
}

/// Begins with the options, then answers while the file is read; reads on only while the caller takes the answers.
pub(super) async fn validate(
    engine: Arc<Engine>,
    principal: Principal,
    mut requests: Streaming<wire::ValidateDocumentRequest>,
) -> Result<impl Stream<Item = Result<wire::ValidateDocumentResponse, Status>> + Send + use<>, Status> {
    let first = first(&mut requests, &engine.draining)
        .await?
        .and_then(|request| request.part);
    let Some(Part::Options(options)) = first else {
        return Err(
            Error::Invalid("the first message of a document must bring its options".to_owned()).into(),
        );
    };
    let form = form_of(options.form());
    let inquiry = super::inquiry(principal, options.freshness);
    let file = options.file_name;
    let from = options.resume_after.unwrap_or_default();
    let (batches, mut read) = mpsc::channel(2);
    let reader = nopic_chassis::deadline::spawn(read_document(
        form,
        file.clone(),
        Resumed::at(options.resume_after),
        requests,
        batches,
    ));
    let (answers, receiver) = mpsc::channel(MESSAGES_AHEAD);
    nopic_chassis::deadline::spawn(async move {
        let judged = Judging::new(&engine, inquiry, file, from, &answers)
            .judge_document(&mut read)
            .await;
        if let Ok(Ended::Drained(resume_after)) = judged {
            // It may wait for a caller that is silent.
            reader.abort();
            let last = wire::ValidateDocumentResponse {
                resume_after: Some(resume_after),
                ..wire::ValidateDocumentResponse::default()
            };
            // The caller may be gone; then there is nobody to tell.
            let _ = answers.send(Ok(last)).await;
            return;
        }
        // Where judging failed, the reader must not wait for anyone to take its batches.
        drop(read);
        let read = reader.await.map_err(Error::from);
        let error = match (judged, read) {
            (Err(error), _) => Some(error),
            (_, Err(error)) => Some(error.into()),
            (_, Ok(Err(status))) => Some(status),
            (Ok(_), Ok(Ok(()))) => None,
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
    mut resumed: Resumed,
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
    let mut summary = wire::DocumentSummary::default();
    // The events of a chunk, or of the end; `false`: nobody takes them any more.
    let mut take = async |events: &mut Vec<EntryEvent>, batch: &mut Batch| {
        for event in events.drain(..) {
            match &event {
                EntryEvent::Line { .. } => summary.lines += 1,
                EntryEvent::Reject(_) => summary.rejects += 1,
                EntryEvent::Deleted { .. } => summary.deleted_entries += 1,
            }
            if resumed.is_to_be_answered(&event) {
                batch.add(event, resumed.records());
                if batch.is_full() && batches.send(std::mem::take(batch)).await.is_err() {
                    return false;
                }
            }
        }
        true
    };
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
        if matches!(request.part, Some(Part::End(_))) {
            break;
        }
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
        if !take(&mut events, &mut batch).await {
            return Ok(());
        }
    }
    reader
        .finish(&mut events)
        .map_err(|error| named(error.to_string()))?;
    if !take(&mut events, &mut batch).await {
        return Ok(());
    }
    resumed.check()?;
    summary.set_form(wire_form_of(reader.form().unwrap_or(form)));
    batch.summary = Some(summary);
    // Nobody takes it where judging failed; then that is told.
    let _ = batches.send(batch).await;
    Ok(())
}

/// How the judging of a document ended.
enum Ended {
    /// All of it is answered, or the caller is gone.
    Over,
    /// The server drains.
    Drained(wire::ResumeAfter),
}

/// A document that is being judged.
struct Judging<'a> {
    engine: &'a Engine,
    inquiry: Inquiry,
    file: String,
    answers: &'a Sender,
    runs: Runs,
    /// Where another call would go on.
    reached: wire::ResumeAfter,
    /// Lines up to there, of this call.
    lines: u64,
    /// Which records the lines behind it are.
    behind: VecDeque<u64>,
}

impl<'a> Judging<'a> {
    fn new(
        engine: &'a Engine,
        inquiry: Inquiry,
        file: String,
        from: wire::ResumeAfter,
        answers: &'a Sender,
    ) -> Self {
        Self {
            engine,
            inquiry,
            file,
            answers,
            runs: Runs::default(),
            reached: from,
            lines: 0,
            behind: VecDeque::new(),
        }
    }

    async fn judge_document(mut self, batches: &mut mpsc::Receiver<Batch>) -> Result<Ended, Status> {
        loop {
            let batch = tokio::select! {
                // A caller that sends without a pause must not keep the drain waiting.
                biased;
                () = self.engine.draining.begun() => return self.drain(batches).await,
                batch = batches.recv() => batch,
            };
            let Some(batch) = batch else {
                return Ok(Ended::Over);
            };
            if !self.answer(batch, false).await? {
                return Ok(Ended::Over);
            }
        }
    }

    /// Ends at an entry's boundary, as a stream does: at the next one where a part of the open entry is answered, else at
    /// the last one.
    async fn drain(mut self, batches: &mut mpsc::Receiver<Batch>) -> Result<Ended, Status> {
        let patience = Patience::begin();
        let mut is_cut = false;
        while self.runs.is_inside_an_entry() {
            let Some(batch) = patience.wait(batches.recv()).await else {
                break;
            };
            let Some(mut batch) = batch else {
                return Ok(Ended::Over);
            };
            let end = self.runs.end_of_entry(&batch.lines);
            // The last batch is answered to its end, for nothing comes behind it.
            let end = end.filter(|_| batch.summary.is_none());
            batch.lines.truncate(end.unwrap_or(batch.lines.len()));
            batch.records.truncate(batch.lines.len());
            is_cut = end.is_some();
            if !self.answer(batch, end.is_some()).await? {
                return Ok(Ended::Over);
            }
        }
        // Where lines were left behind the entry, the last batch is not the rest of what is to be answered.
        if !is_cut
            && let Ok(last) = batches.try_recv()
            && last.summary.is_some()
        {
            self.answer(last, false).await?;
            return Ok(Ended::Over);
        }
        Ok(Ended::Drained(self.reached))
    }

    /// Judges and answers a batch; whether another may follow.
    async fn answer(&mut self, batch: Batch, ends_entry: bool) -> Result<bool, Status> {
        let is_last = batch.summary.is_some();
        self.behind.extend(batch.records);
        self.reached.rejects += batch.rejects.len() as u64;
        let verdicts = self
            .runs
            .judge(self.engine, &self.inquiry, batch.lines, is_last || ends_entry)
            .await?;
        while self.lines < self.runs.answered_entries() {
            self.lines += 1;
            self.reached.lines += 1;
            // Each answered line was noted above.
            self.reached.records = self.behind.pop_front().unwrap_or(self.reached.records);
        }
        if !send(self.answers, &self.file, verdicts, batch.rejects).await {
            return Ok(false);
        }
        if batch.summary.is_some() {
            let last = wire::ValidateDocumentResponse {
                summary: batch.summary,
                ..wire::ValidateDocumentResponse::default()
            };
            // The caller may be gone; then there is nobody to tell.
            let _ = self.answers.send(Ok(last)).await;
        }
        Ok(!is_last)
    }
}

/// Sends in messages of bounded size; `false`: the caller is gone.
async fn send(answers: &Sender, file: &str, verdicts: Vec<Verdict>, rejects: Vec<Reject>) -> bool {
    let mut verdicts = verdicts.into_iter();
    let mut rejects = rejects.into_iter();
    while verdicts.len() > 0 || rejects.len() > 0 {
        let message = wire::ValidateDocumentResponse {
            verdicts: verdicts_to_wire(verdicts.by_ref().take(VERDICTS_PER_MESSAGE)),
            rejects: rejects
                .by_ref()
                .take(VERDICTS_PER_MESSAGE)
                .map(|reject| to_wire(file, reject))
                .collect(),
            ..wire::ValidateDocumentResponse::default()
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
