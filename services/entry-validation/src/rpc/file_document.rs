//! Filing a document while it is read.

use std::collections::VecDeque;
use std::sync::Arc;

use nopic_chassis::uploads::MAX_CHUNK_BYTES;
use nopic_domain::principal::Principal;
use nopic_formats::Reject;
use nopic_formats::entries::{EntryEvent, EntryReader, Form};
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::file_document_request::Part;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::file_stream::{Parts, ended_early};
use super::resuming::{Resumed, arrived, first, next_or_drain};
use super::{MESSAGES_AHEAD, VERDICTS_PER_MESSAGE, document};
use crate::engine::Engine;
use crate::error::Error;

type Answers = mpsc::Sender<Result<wire::FileDocumentResponse, Status>>;

/// Files a document while it is read.
pub(super) fn file(
    engine: Arc<Engine>,
    principal: Principal,
    requests: Streaming<wire::FileDocumentRequest>,
) -> impl Stream<Item = Result<wire::FileDocumentResponse, Status>> + Send + use<> {
    let (answers, receiver) = mpsc::channel(MESSAGES_AHEAD);
    nopic_chassis::deadline::spawn(async move {
        if let Err(status) = file_document(engine, principal, requests, &answers).await {
            // The caller may be gone; then there is nobody to tell.
            let _ = answers.send(Err(status)).await;
        }
    });
    ReceiverStream::new(receiver)
}

async fn file_document(
    engine: Arc<Engine>,
    principal: Principal,
    mut requests: Streaming<wire::FileDocumentRequest>,
    answers: &Answers,
) -> Result<(), Status> {
    let first = first(&mut requests, &engine.draining)
        .await?
        .and_then(|request| request.part);
    let Some(Part::Options(options)) = first else {
        return Err(
            Error::Invalid("the first message of a document must bring its options".to_owned()).into(),
        );
    };
    let form = document::form_of(options.form());
    let named = |problem: String| match options.file_name.as_str() {
        "" => Error::Invalid(problem),
        file => Error::Invalid(format!("{file}: {problem}")),
    };
    let from = options.filing.as_ref().and_then(|filing| filing.resume_after);
    let mut filing = Document {
        parts: Parts::new(
            Arc::clone(&engine),
            principal,
            options.filing.clone().unwrap_or_default(),
        )?,
        engine: Arc::clone(&engine),
        resumed: Resumed::at(from),
        waiting: VecDeque::new(),
        boundary: from.map_or(0, |from| from.records),
        file_name: options.file_name.clone(),
        summary: wire::DocumentSummary::default(),
        answers,
    };
    let mut reader = EntryReader::new(form);
    let mut events = Vec::new();
    loop {
        let message = match next_or_drain(&mut requests, &engine.draining).await {
            Some(message) => message?,
            None => match arrived(&mut requests) {
                Some(Ok(Some(last))) if matches!(last.part, Some(Part::End(_))) => Some(last),
                _ => return filing.resume().await,
            },
        };
        let Some(request) = message else {
            return Err(ended_early());
        };
        match request.part {
            Some(Part::Chunk(chunk)) if chunk.len() > MAX_CHUNK_BYTES => {
                return Err(Error::TooMuch(format!(
                    "chunk: {} bytes, at most {MAX_CHUNK_BYTES} are taken",
                    chunk.len()
                ))
                .into());
            }
            Some(Part::Chunk(chunk)) => {
                reader
                    .push(&chunk, &mut events)
                    .map_err(|error| named(error.to_string()))?;
                if !filing.take(&mut events, false).await? {
                    return filing.resume().await;
                }
            }
            Some(Part::End(_)) => {
                reader
                    .finish(&mut events)
                    .map_err(|error| named(error.to_string()))?;
                // A caller that has finished gets everything.
                filing.take(&mut events, true).await?;
                filing.resumed.check()?;
                filing.finish(reader.form().unwrap_or(form)).await?;
                return Ok(());
            }
            Some(Part::Options(_)) | None => {
                return Err(
                    Error::Invalid("a document is its options, its bytes and `end`".to_owned()).into(),
                );
            }
        }
    }
}

/// A document that is being filed.
struct Document<'a> {
    engine: Arc<Engine>,
    parts: Parts,
    resumed: Resumed,
    /// Of each line that waits for its part: which record it is, from 1.
    waiting: VecDeque<u64>,
    /// Records before the first line that is not filed.
    boundary: u64,
    file_name: String,
    summary: wire::DocumentSummary,
    answers: &'a Answers,
}

impl Document<'_> {
    /// Takes what was read; `false`: the server drains, and the rest is left behind a part.
    async fn take(&mut self, events: &mut Vec<EntryEvent>, to_the_end: bool) -> Result<bool, Status> {
        for event in events.drain(..) {
            match &event {
                EntryEvent::Line { .. } => self.summary.lines += 1,
                EntryEvent::Reject(_) => self.summary.rejects += 1,
                EntryEvent::Deleted { .. } => self.summary.deleted_entries += 1,
            }
            if !self.resumed.is_to_be_answered(&event) {
                continue;
            }
            match event {
                EntryEvent::Line { line, .. } => {
                    self.parts.push([line.normalise()]);
                    self.waiting.push_back(self.resumed.records());
                    let before = self.parts.filed();
                    let Some(decisions) = self.parts.file_complete().await? else {
                        continue;
                    };
                    // This line waits at least.
                    for _ in before..self.parts.filed() {
                        self.waiting.pop_front();
                    }
                    self.boundary = self.waiting.front().map_or(self.boundary, |first| first - 1);
                    self.tell(decisions).await?;
                }
                EntryEvent::Reject(reject) => {
                    self.refuse(reject).await?;
                    continue;
                }
                EntryEvent::Deleted { entry_number, .. } => {
                    // What stands before it in the file is filed before it.
                    let decisions = self.parts.file_rest().await?;
                    self.waiting.clear();
                    self.tell(decisions).await?;
                    if let Some(cancelled) = self.parts.cancel(&entry_number).await? {
                        self.send(wire::FileDocumentResponse {
                            cancelled_entries: vec![cancelled],
                            ..wire::FileDocumentResponse::default()
                        })
                        .await?;
                    }
                    self.boundary = self.resumed.records();
                }
            }
            if self.engine.draining.has_begun() && !to_the_end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Says where another call goes on.
    async fn resume(&self) -> Result<(), Status> {
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

    async fn refuse(&mut self, reject: Reject) -> Result<(), Status> {
        let reject = document::to_wire(&self.file_name, reject);
        self.send(wire::FileDocumentResponse {
            rejects: vec![reject],
            ..wire::FileDocumentResponse::default()
        })
        .await
    }

    async fn finish(&mut self, form: Form) -> Result<(), Status> {
        let decisions = self.parts.file_rest().await?;
        self.tell(decisions).await?;
        self.summary.set_form(document::wire_form_of(form));
        self.send(wire::FileDocumentResponse {
            summary: Some(self.summary),
            ..wire::FileDocumentResponse::default()
        })
        .await
    }

    async fn tell(&self, decisions: Vec<wire::Decision>) -> Result<(), Status> {
        for decisions in decisions.chunks(VERDICTS_PER_MESSAGE) {
            self.send(wire::FileDocumentResponse {
                decisions: decisions.to_vec(),
                ..wire::FileDocumentResponse::default()
            })
            .await?;
        }
        Ok(())
    }

    /// A caller that has left is no reason to file half an entry: between parts it is one to stop.
    async fn send(&self, answer: wire::FileDocumentResponse) -> Result<(), Status> {
        self.answers
            .send(Ok(answer))
            .await
            .map_err(|_| Status::cancelled("the caller has left; what was answered is on record"))
    }
}
