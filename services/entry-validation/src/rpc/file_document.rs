//! Filing a document while it is read.

use std::sync::Arc;

use nopic_chassis::answers::{Answers, CallerGone, in_messages};
use nopic_chassis::cut::Ending;
use nopic_chassis::uploads::{ReceiveError, Upload, UploadError};
use nopic_domain::principal::Principal;
use nopic_formats::Reject;
use nopic_formats::entries::{EntryEvent, EntryReader, Form};
use nopic_proto::entry_validation as wire;
use tonic::{Status, Streaming};

use super::VERDICTS_PER_MESSAGE;
use super::document::{FileName, form_of, wire_form_of};
use super::file_stream::ended_early;
use super::parts::{Deleted, FiledPart, Parts, RefusedEntry};
use super::resuming::{Record, Resumed, arrived, first, next_or_drain};
use super::room::{self, Kept};
use crate::engine::Engine;
use crate::scope::EntryScope;

/// Files a document while it is read.
pub(super) async fn file(
    engine: Arc<Engine>,
    ending: Ending,
    principal: Principal,
    requests: Streaming<wire::FileDocumentRequest>,
    answers: Answers<wire::FileDocumentResponse>,
) -> Result<(), Status> {
    let mut upload = Upload::new(requests);
    let options = first(upload.options(), &ending).await?;
    let form = form_of(options.form());
    let filing = options.filing.unwrap_or_default();
    let from = filing.resume_after;
    let _room = room::document(&principal.tenant).await?;
    let mut kept = Kept::of(&principal.tenant);
    let mut document = Document {
        parts: Parts::new(Arc::clone(&engine), principal.clone(), filing)?,
        ending: ending.clone(),
        resumed: Resumed::at(from),
        scope: EntryScope::default(),
        boundary: from.map_or(0, |from| from.records),
        file: FileName(options.file_name),
        answers,
    };
    let mut reader = EntryReader::new(form);
    let mut events = Vec::new();
    loop {
        let chunk = match next_or_drain(upload.chunk(), &ending).await {
            Some(Err(ReceiveError::Upload(UploadError::BrokenOff))) => return Err(ended_early()),
            Some(chunk) => chunk.map_err(|error| document.file.refused(error))?,
            None if matches!(arrived(upload.chunk()), Some(Ok(None))) => None,
            None => return Ok(document.resume().await?),
        };
        let Some(chunk) = chunk else {
            break;
        };
        reader
            .push(&chunk, &mut events)
            .map_err(|error| document.file.fault(error))?;
        kept.count(reader.form(), chunk.len())?;
        engine.charge.wait(&principal, events.len()).await;
        if !document.take(&mut events, false).await? {
            return Ok(document.resume().await?);
        }
    }
    reader
        .finish(&mut events)
        .map_err(|error| document.file.fault(error))?;
    engine.charge.wait(&principal, events.len()).await;
    // A caller that has finished gets everything.
    document.take(&mut events, true).await?;
    document.finish(reader.form().unwrap_or(form)).await
}

/// A document that is being filed.
struct Document {
    /// Whether the call is to end.
    ending: Ending,
    parts: Parts,
    resumed: Resumed,
    scope: EntryScope,
    /// Records before the first line that is not filed.
    boundary: u64,
    file: FileName,
    answers: Answers<wire::FileDocumentResponse>,
}

impl Document {
    /// Takes what was read; `false`: the server drains, and the rest is left behind a part.
    async fn take(&mut self, events: &mut Vec<EntryEvent>, to_the_end: bool) -> Result<bool, Status> {
        for event in events.drain(..) {
            let record = Record::of(event, &mut self.scope);
            let is_answered = !self.resumed.is_to_be_answered(&record);
            // What is refused or cannot be read may be told already, and its entry still to be filed.
            if let Record::Reject { reject, refusal } = &record {
                let told = reject.record;
                let of_entry = match (refusal, reject.key.as_deref()) {
                    (Some(refusal), key) => self.parts.refuse(*refusal, key.unwrap_or_default(), told),
                    (None, key) => self.parts.cannot_read(key, told)?,
                };
                if let Some(entry) = of_entry.filter(|_| !is_answered) {
                    self.refuse(entry).await?;
                }
            }
            if is_answered {
                if let Record::Line { line, .. } = &record {
                    self.parts.pass(line);
                }
                continue;
            }
            match record {
                Record::Line { line, of_file, place } => {
                    self.parts.push(line, self.resumed.records(), of_file, place);
                    let Some(filed) = self.parts.file_complete().await? else {
                        continue;
                    };
                    // This line waits at least.
                    self.boundary = self.parts.boundary().unwrap_or(self.boundary);
                    self.tell(filed).await?;
                }
                Record::Reject { reject, .. } => {
                    self.send(wire::FileDocumentResponse {
                        rejects: vec![self.file.reject(reject)],
                        ..wire::FileDocumentResponse::default()
                    })
                    .await?;
                    continue;
                }
                Record::Deleted {
                    entry_number,
                    of_file,
                    ..
                } => {
                    // What stands before it in the file is filed before it.
                    let filed = self.parts.file_rest().await?;
                    self.tell(filed).await?;
                    match self.parts.cancel(&entry_number).await? {
                        Deleted::Cancelled(cancellation) => {
                            self.send(wire::FileDocumentResponse {
                                cancelled_entries: vec![cancellation.entry_number.clone()],
                                cancellations: vec![cancellation],
                                ..wire::FileDocumentResponse::default()
                            })
                            .await?;
                        }
                        Deleted::Refused(entry_number, reason) => {
                            self.refuse(RefusedEntry {
                                told: of_file,
                                entry_number,
                                reason: reason.into(),
                            })
                            .await?;
                        }
                    }
                    self.boundary = self.resumed.records();
                }
            }
            if self.ending.has_begun() && !to_the_end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Says where another call goes on.
    async fn resume(&self) -> Result<(), CallerGone> {
        self.send(wire::FileDocumentResponse {
            resume_after: Some(wire::ResumeAfter {
                records: self.boundary,
                lines: self.resumed.from().lines + self.parts.filed(),
                parts: self.parts.number(),
                rejects: self.resumed.rejects(),
            }),
            ..wire::FileDocumentResponse::default()
        })
        .await
    }

    async fn finish(&mut self, form: Form) -> Result<(), Status> {
        let mut summary = self.resumed.finish()?;
        let filed = self.parts.file_rest().await?;
        self.tell(filed).await?;
        summary.set_form(wire_form_of(form));
        let last = wire::FileDocumentResponse {
            summary: Some(summary),
            ..wire::FileDocumentResponse::default()
        };
        Ok(self.send(last).await?)
    }

    async fn tell(&self, filed: FiledPart) -> Result<(), CallerGone> {
        for decisions in in_messages(filed.decisions, VERDICTS_PER_MESSAGE) {
            self.send(wire::FileDocumentResponse {
                decisions,
                ..wire::FileDocumentResponse::default()
            })
            .await?;
        }
        for refused in filed.refused {
            self.refuse(refused).await?;
        }
        Ok(())
    }

    async fn refuse(&self, entry: RefusedEntry) -> Result<(), CallerGone> {
        let reject = Reject {
            key: Some(entry.entry_number),
            ..Reject::new(entry.told, entry.reason)
        };
        self.send(wire::FileDocumentResponse {
            rejects: vec![self.file.reject(reject)],
            ..wire::FileDocumentResponse::default()
        })
        .await
    }

    /// A caller that has left is no reason to file half an entry: between parts it is one to stop.
    async fn send(&self, answer: wire::FileDocumentResponse) -> Result<(), CallerGone> {
        self.answers.send(answer).await
    }
}
