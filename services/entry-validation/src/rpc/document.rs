//! A whole file: its chunks come in, its verdicts go out. One task reads while another judges.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use nopic_chassis::answers::{AnswerStream, Answers, BYTES_PER_MESSAGE, CallerGone, answer, in_messages};
use nopic_chassis::cut::Ending;
use nopic_chassis::uploads::{ReceiveError, Upload};
use nopic_domain::entry::NormalisedLine;
use nopic_domain::principal::Principal;
use nopic_formats::Reject;
use nopic_formats::entries::{EntryEvent, EntryReader, Form};
use nopic_proto::answers::WithVerdicts;
use nopic_proto::common;
use nopic_proto::convert::verdicts::Verdicts;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::document_options::Form as WireForm;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::fields::entry_number;
use super::resuming::{Patience, Record, Resumed, first};
use super::room::{self, Kept};
use super::{MESSAGES_AHEAD, VERDICTS_PER_MESSAGE};
use crate::engine::Engine;
use crate::error::Error;
use crate::inquiry::Inquiry;
use crate::runs::Runs;
use crate::scope::EntryScope;

/// Lines that are judged at once: enough to ask other services seldom.
const LINES_PER_BATCH: usize = 2_048;

/// How long lines wait for more lines to be judged with.
const LINGER: Duration = Duration::from_millis(50);

/// What the reading task hands to the judging one.
#[derive(Default)]
struct Batch {
    /// Entries that are taken back before these lines.
    deleted: Vec<String>,
    lines: Vec<NormalisedLine>,
    /// Of each line: which record it is, from 1.
    records: Vec<u64>,
    rejects: Vec<Reject>,
    /// Whether nothing behind the lines belongs to their last entry.
    ends_entry: bool,
    /// Of the whole document; set in the last batch.
    summary: Option<wire::DocumentSummary>,
}

impl Batch {
    fn add(&mut self, record: Record, place: u64) {
        match record {
            Record::Line { line, .. } => {
                self.lines.push(line);
                self.records.push(place);
            }
            Record::Reject { reject, .. } => self.rejects.push(reject),
            Record::Deleted { entry_number, .. } => self.deleted.push(self::entry_number(&entry_number)),
        }
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.rejects.is_empty() && self.deleted.is_empty()
    }

    fn is_full(&self) -> bool {
        [self.lines.len(), self.rejects.len(), self.deleted.len()]
            .iter()
            .any(|count| *count >= LINES_PER_BATCH)
    }
}

/// What a caller calls a file, in front of what is told of it; empty: nothing.
#[derive(Debug, Clone)]
pub(super) struct FileName(pub(super) String);

impl FileName {
    /// What is wrong with the file.
    pub(super) fn fault(&self, problem: impl Display) -> Error {
        Error::Invalid(match self.0.as_str() {
            "" => problem.to_string(),
            file => format!("{file}: {problem}"),
        })
    }

    /// Why no more of it comes.
    pub(super) fn refused(&self, error: ReceiveError) -> Status {
        match error {
            ReceiveError::Upload(error) => self.fault(error).into(),
            ReceiveError::Broken(status) => status,
        }
    }

    /// What of it cannot be read.
    pub(super) fn reject(&self, reject: Reject) -> common::Reject {
        common::Reject {
            file: self.0.clone(),
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
}

/// The form that a document is said to have.
pub(super) fn form_of(said: WireForm) -> Form {
    match said {
        WireForm::Unspecified => Form::Auto,
        WireForm::Abi => Form::Abi,
        WireForm::Csv => Form::Csv,
        WireForm::Jsonl => Form::Jsonl,
        WireForm::Xlsx => Form::Xlsx,
    }
}

/// The same on the wire.
pub(super) fn wire_form_of(form: Form) -> WireForm {
    match form {
        // The wire has no name for a workbook yet; it is found out from the content.
        Form::Auto => WireForm::Unspecified,
        Form::Abi => WireForm::Abi,
        Form::Csv => WireForm::Csv,
        Form::Jsonl => WireForm::Jsonl,
        Form::Xlsx => WireForm::Xlsx,
    }
}

/// Begins with the options, then answers while the file is read; reads on only while the caller takes the answers.
pub(super) async fn validate(
    engine: Arc<Engine>,
    ending: Ending,
    principal: Principal,
    requests: Streaming<wire::ValidateDocumentRequest>,
) -> Result<AnswerStream<WithVerdicts<wire::ValidateDocumentResponse>>, Status> {
    let mut upload = Upload::new(requests).ending_with_body();
    let options = first(upload.options(), &ending).await?;
    let room = room::document(&principal.tenant).await?;
    let answers = answer(MESSAGES_AHEAD, |answers| async move {
        let _room = room;
        let form = form_of(options.form());
        let resumed = Resumed::at(options.resume_after);
        let (batches, mut read) = mpsc::channel(1);
        let kept = Kept::of(&principal.tenant);
        let judging = Judging {
            engine,
            ending,
            inquiry: super::inquiry(principal, options.freshness),
            runs: Runs::new(options.finding_detail().into()),
            file: FileName(options.file_name),
            answers,
            reached: *resumed.from(),
            lines: 0,
            behind: VecDeque::new(),
        };
        let reading = read_document(form, judging.file.clone(), kept, resumed, upload, batches);
        let reader = nopic_chassis::deadline::spawn(reading);
        let judged = judging.judge_document(&mut read).await;
        if !matches!(judged, Ok(Ended::Read)) {
            // It may wait for a caller that is silent, or for anyone to take its batches.
            reader.abort();
        }
        match judged? {
            Ended::Read => reader.await.map_err(Error::from)?,
            Ended::Drained => Ok(()),
        }
    });
    // A pre-check that nobody hears is not worth its end.
    Ok(answers.ending_with_caller())
}

async fn read_document(
    form: Form,
    file: FileName,
    mut kept: Kept,
    mut resumed: Resumed,
    mut upload: Upload<wire::ValidateDocumentRequest>,
    batches: mpsc::Sender<Batch>,
) -> Result<(), Status> {
    let mut reader = EntryReader::new(form);
    let mut scope = EntryScope::default();
    let mut events = Vec::new();
    let mut batch = Batch::default();
    // The events of a chunk, or of the end; `false`: nobody takes them any more.
    let mut take = async |events: &mut Vec<EntryEvent>, batch: &mut Batch| {
        for event in events.drain(..) {
            let record = Record::of(event, &mut scope);
            if let Record::Deleted {
                stood_before: true, ..
            } = &record
            {
                // What stands before it is judged without it.
                batch.ends_entry = true;
                if batches.send(std::mem::take(batch)).await.is_err() {
                    return false;
                }
            }
            // What is taken back before the lines that are to be answered counts for them.
            if resumed.is_to_be_answered(&record) || matches!(record, Record::Deleted { .. }) {
                batch.add(record, resumed.records());
                if batch.is_full() && batches.send(std::mem::take(batch)).await.is_err() {
                    return false;
                }
            }
        }
        true
    };
    loop {
        let next = if batch.is_empty() {
            upload.chunk().await
        } else if let Ok(next) = tokio::time::timeout(LINGER, upload.chunk()).await {
            next
        } else {
            // A sender that pauses gets the verdicts on what it has sent.
            if batches.send(std::mem::take(&mut batch)).await.is_err() {
                return Ok(());
            }
            continue;
        };
        let Some(chunk) = next.map_err(|error| file.refused(error))? else {
            break;
        };
        reader
            .push(&chunk, &mut events)
            .map_err(|error| file.fault(error))?;
        kept.count(reader.form(), chunk.len())?;
        if !take(&mut events, &mut batch).await {
            return Ok(());
        }
    }
    reader.finish(&mut events).map_err(|error| file.fault(error))?;
    if !take(&mut events, &mut batch).await {
        return Ok(());
    }
    let mut summary = resumed.finish()?;
    summary.set_form(wire_form_of(reader.form().unwrap_or(form)));
    batch.summary = Some(summary);
    // Nobody takes it where judging failed; then that is told.
    let _ = batches.send(batch).await;
    Ok(())
}

/// How the judging of a document ended.
enum Ended {
    /// With the reading: all of it is answered, or what follows cannot be read.
    Read,
    /// The server drains, and the caller knows where another call goes on.
    Drained,
}

/// A document that is being judged.
struct Judging {
    engine: Arc<Engine>,
    /// Whether the call is to end.
    ending: Ending,
    inquiry: Inquiry,
    file: FileName,
    answers: Answers<WithVerdicts<wire::ValidateDocumentResponse>>,
    runs: Runs,
    /// Where another call would go on.
    reached: wire::ResumeAfter,
    /// Lines up to there, of this call.
    lines: u64,
    /// Which records the lines behind it are.
    behind: VecDeque<u64>,
}

impl Judging {
    async fn judge_document(mut self, batches: &mut mpsc::Receiver<Batch>) -> Result<Ended, Status> {
        loop {
            let batch = tokio::select! {
                // A caller that sends without a pause must not keep the drain waiting.
                biased;
                () = self.ending.begun() => return self.drain(batches).await,
                batch = batches.recv() => batch,
            };
            let Some(batch) = batch else {
                return Ok(Ended::Read);
            };
            if !self.answer(batch).await? {
                return Ok(Ended::Read);
            }
        }
    }

    /// Ends at an entry's boundary, as a stream does: at the next one where a part of the open entry is answered, else at
    /// the last one.
    async fn drain(mut self, batches: &mut mpsc::Receiver<Batch>) -> Result<Ended, Status> {
        let patience = Patience::begin(&self.ending);
        let mut is_cut = false;
        while self.runs.is_inside_an_entry() {
            let Some(batch) = patience.wait(batches.recv()).await else {
                break;
            };
            let Some(mut batch) = batch else {
                return Ok(Ended::Read);
            };
            let end = self.runs.end_of_entry(&batch.lines);
            // The last batch is answered to its end, for nothing comes behind it.
            let end = end.filter(|_| batch.summary.is_none());
            batch.ends_entry |= end.is_some();
            batch.lines.truncate(end.unwrap_or(batch.lines.len()));
            batch.records.truncate(batch.lines.len());
            is_cut = end.is_some();
            if !self.answer(batch).await? {
                return Ok(Ended::Read);
            }
        }
        // Where lines were left behind the entry, the last batch is not the rest of what is to be answered.
        if !is_cut
            && let Ok(last) = batches.try_recv()
            && last.summary.is_some()
        {
            self.answer(last).await?;
            return Ok(Ended::Read);
        }
        let last = wire::ValidateDocumentResponse {
            resume_after: Some(self.reached),
            ..wire::ValidateDocumentResponse::default()
        };
        self.answers.send(last.into()).await?;
        Ok(Ended::Drained)
    }

    /// Judges and answers a batch; whether another may follow.
    async fn answer(&mut self, batch: Batch) -> Result<bool, Status> {
        let is_last = batch.summary.is_some();
        self.engine
            .charge
            .wait(&self.inquiry.principal, batch.lines.len())
            .await;
        for entry_number in batch.deleted {
            self.runs.delete(entry_number);
        }
        self.behind.extend(batch.records);
        self.reached.rejects += batch.rejects.len() as u64;
        let verdicts = self
            .runs
            .judge(
                &self.engine,
                &self.inquiry,
                batch.lines,
                is_last || batch.ends_entry,
            )
            .await?;
        while self.lines < self.runs.answered_entries() {
            self.lines += 1;
            self.reached.lines += 1;
            // Each answered line was noted above.
            self.reached.records = self.behind.pop_front().unwrap_or(self.reached.records);
        }
        self.send(verdicts, batch.rejects).await?;
        if batch.summary.is_some() {
            let last = wire::ValidateDocumentResponse {
                summary: batch.summary,
                ..wire::ValidateDocumentResponse::default()
            };
            self.answers.send(last.into()).await?;
        }
        Ok(!is_last)
    }

    /// Sends in messages of bounded size.
    async fn send(&self, verdicts: Verdicts, rejects: Vec<Reject>) -> Result<(), CallerGone> {
        for message in verdicts.into_answers(VERDICTS_PER_MESSAGE, BYTES_PER_MESSAGE) {
            self.answers.send(message).await?;
        }
        let rejects = rejects.into_iter().map(|reject| self.file.reject(reject));
        for rejects in in_messages(rejects, VERDICTS_PER_MESSAGE) {
            let message = wire::ValidateDocumentResponse {
                rejects,
                ..wire::ValidateDocumentResponse::default()
            };
            self.answers.send(message.into()).await?;
        }
        Ok(())
    }
}
