//! Filing many lines: in parts of about a thousand, cut where an entry ends, so that how they came changes nothing.

use std::sync::Arc;

use nopic_domain::date::Date;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::principal::Principal;
use nopic_domain::rules::MAX_LINES_PER_ENTRY;
use nopic_formats::Reject;
use nopic_formats::entries::{EntryEvent, EntryReader, Form};
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::document_options::Form as WireForm;
use nopic_proto::entry_validation::file_document_request::Part;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::record::{decision, filed_on, hash, kind, request_id};
use super::{MAX_CHUNK_BYTES, MESSAGES_AHEAD, VERDICTS_PER_MESSAGE, document, lines as normalised};
use crate::engine::{Asker, Engine};
use crate::error::Error;
use crate::filing::{Kind, Request, file};
use crate::store::Deletion;

/// A part ends with the entry that reaches so many lines.
const LINES_PER_PART: usize = 1_000;

/// Lines on their way to be filed.
struct Parts {
    engine: Arc<Engine>,
    asker: Asker,
    request_id: String,
    filed_on: Option<Date>,
    /// Parts that were filed.
    number: u32,
    waiting: Vec<NormalisedLine>,
    /// How far an end of the part was looked for: lines that wait are looked at once, however they come.
    searched: usize,
}

impl Parts {
    fn new(engine: Arc<Engine>, principal: Principal, options: wire::FileOptions) -> Result<Self, Error> {
        let freshness = wire::Freshness {
            at_least_revision: options.at_least_revision,
            latest_certificates: true,
        };
        let filed_on = filed_on(&options.filed_on, engine.clock.today())?;
        Ok(Self {
            engine,
            asker: Asker::new(principal, Some(freshness)),
            request_id: request_id(&options.request_id)?,
            filed_on,
            number: 0,
            waiting: Vec::new(),
            searched: LINES_PER_PART,
        })
    }

    fn push(&mut self, lines: impl IntoIterator<Item = NormalisedLine>) {
        self.waiting.extend(lines);
    }

    /// Files the next part if it is complete: where a line of another entry has come behind it.
    async fn file_complete(&mut self) -> Result<Option<Vec<wire::Decision>>, Error> {
        let ends_at =
            |place: &usize| self.waiting[*place].entry_number != self.waiting[*place - 1].entry_number;
        let end = (self.searched..self.waiting.len()).find(ends_at);
        self.searched = self.searched.max(self.waiting.len());
        match end {
            Some(end) => self.file_first(end).await.map(Some),
            None if self.waiting.len() >= LINES_PER_PART + MAX_LINES_PER_ENTRY => {
                Err(Error::TooMuch(format!(
                    "entry {} has more than {MAX_LINES_PER_ENTRY} lines",
                    self.waiting[LINES_PER_PART].entry_number
                )))
            }
            None => Ok(None),
        }
    }

    /// Files what is left.
    async fn file_rest(&mut self) -> Result<Vec<wire::Decision>, Error> {
        if self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        self.file_first(self.waiting.len()).await
    }

    async fn file_first(&mut self, count: usize) -> Result<Vec<wire::Decision>, Error> {
        let rest = self.waiting.split_off(count);
        let lines = std::mem::replace(&mut self.waiting, rest);
        self.searched = LINES_PER_PART;
        let asked = wire::FileEntriesRequest {
            lines: lines.iter().map(|line| (**line).clone().into()).collect(),
            filed_on: self.filed_on.map(|date| date.to_string()).unwrap_or_default(),
            ..wire::FileEntriesRequest::default()
        };
        let request = Request {
            id: self.next_id(),
            hash: hash("FileEntries", &asked),
            kind: kind(self.filed_on),
            filed_on: self.filed_on,
            reason: String::new(),
            lines,
            of_entry: None,
        };
        let decisions = file(&self.engine, &self.asker, request).await?;
        Ok(decisions.into_iter().map(decision).collect())
    }

    /// Takes an entry back that the file deletes; `false`: it is not on record.
    async fn cancel(&mut self, entry_number: String) -> Result<bool, Error> {
        let tenant = self.asker.principal.tenant.clone();
        let asked = wire::CancelEntryRequest {
            entry_number: entry_number.clone(),
            ..wire::CancelEntryRequest::default()
        };
        let (id, request_hash) = (self.next_id(), hash("DeleteEntry", &asked));
        let deletion = Deletion {
            tenant: &tenant,
            request_id: &id,
            request_hash,
            entry_number: &entry_number,
            at: self.engine.clock.now(),
        };
        // Sent again, the file finds the entry that it filed behind the deletion.
        if self.engine.store.finds_nothing_to_delete(deletion).await? {
            return Ok(false);
        }
        let (versions, _) = self.engine.store.entry(&tenant, &entry_number, None).await?;
        let newest = versions
            .last()
            .ok_or_else(|| Error::Internal(format!("entry {entry_number} has no versions")))?;
        let request = Request {
            id,
            hash: request_hash,
            kind: Kind::Cancelled,
            filed_on: self.filed_on,
            reason: "deleted by the file".to_owned(),
            lines: Vec::new(),
            of_entry: Some((entry_number, newest.version)),
        };
        file(&self.engine, &self.asker, request).await?;
        Ok(true)
    }

    fn next_id(&mut self) -> String {
        self.number += 1;
        format!("{}/{}", self.request_id, self.number)
    }
}

/// Files the lines of a stream; reads on only while the caller takes the answers.
pub(super) fn lines(
    engine: Arc<Engine>,
    principal: Principal,
    requests: Streaming<wire::FileStreamRequest>,
) -> impl Stream<Item = Result<wire::FileStreamResponse, Status>> + Send + use<> {
    let (answers, receiver) = mpsc::channel(MESSAGES_AHEAD);
    tokio::spawn(async move {
        if let Err(status) = file_lines(engine, principal, requests, &answers).await {
            // The caller may be gone; then there is nobody to tell.
            let _ = answers.send(Err(status)).await;
        }
    });
    ReceiverStream::new(receiver)
}

async fn file_lines(
    engine: Arc<Engine>,
    principal: Principal,
    mut requests: Streaming<wire::FileStreamRequest>,
    answers: &mpsc::Sender<Result<wire::FileStreamResponse, Status>>,
) -> Result<(), Status> {
    let mut parts = None;
    let answer = async |decisions: Vec<wire::Decision>| {
        for decisions in decisions.chunks(VERDICTS_PER_MESSAGE) {
            let decisions = decisions.to_vec();
            if answers
                .send(Ok(wire::FileStreamResponse { decisions }))
                .await
                .is_err()
            {
                return false;
            }
        }
        true
    };
    while let Some(request) = requests.message().await? {
        let parts = match &mut parts {
            Some(parts) => parts,
            None => {
                let options = request.options.ok_or_else(|| {
                    Error::Invalid("options: the first message of a filing must bring them".to_owned())
                })?;
                parts.insert(Parts::new(Arc::clone(&engine), principal.clone(), options)?)
            }
        };
        parts.push(normalised(request.lines)?);
        while let Some(decisions) = parts.file_complete().await? {
            if !answer(decisions).await {
                return Ok(());
            }
        }
        if request.end {
            answer(parts.file_rest().await?).await;
            return Ok(());
        }
    }
    Err(ended_early())
}

fn ended_early() -> Status {
    Error::Invalid(
        "the stream ended before the message `end`: what was answered is on record, the rest is not filed; send it again \
         with the same request_id"
            .to_owned(),
    )
    .into()
}

type DocumentAnswers = mpsc::Sender<Result<wire::FileDocumentResponse, Status>>;

/// Files a document while it is read.
pub(super) fn document(
    engine: Arc<Engine>,
    principal: Principal,
    requests: Streaming<wire::FileDocumentRequest>,
) -> impl Stream<Item = Result<wire::FileDocumentResponse, Status>> + Send + use<> {
    let (answers, receiver) = mpsc::channel(MESSAGES_AHEAD);
    tokio::spawn(async move {
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
    answers: &DocumentAnswers,
) -> Result<(), Status> {
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
    let named = |problem: String| match options.file_name.as_str() {
        "" => Error::Invalid(problem),
        file => Error::Invalid(format!("{file}: {problem}")),
    };
    let mut filing = Document {
        parts: Parts::new(engine, principal, options.filing.clone().unwrap_or_default())?,
        file_name: options.file_name.clone(),
        summary: wire::DocumentSummary::default(),
        answers,
    };
    let mut reader = EntryReader::new(form);
    let mut events = Vec::new();
    while let Some(request) = requests.message().await? {
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
                filing.take(&mut events).await?;
            }
            Some(Part::End(_)) => {
                reader
                    .finish(&mut events)
                    .map_err(|error| named(error.to_string()))?;
                filing.take(&mut events).await?;
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
    Err(ended_early())
}

/// A document that is being filed.
struct Document<'a> {
    parts: Parts,
    file_name: String,
    summary: wire::DocumentSummary,
    answers: &'a DocumentAnswers,
}

impl Document<'_> {
    async fn take(&mut self, events: &mut Vec<EntryEvent>) -> Result<(), Status> {
        for event in events.drain(..) {
            match event {
                EntryEvent::Line { line, .. } => {
                    self.summary.lines += 1;
                    self.parts.push([line.normalise()]);
                    if let Some(decisions) = self.parts.file_complete().await? {
                        self.tell(decisions).await?;
                    }
                }
                EntryEvent::Reject(reject) => self.refuse(reject).await?,
                EntryEvent::Deleted { entry_number, .. } => {
                    // What stands before it in the file is filed before it.
                    let decisions = self.parts.file_rest().await?;
                    self.tell(decisions).await?;
                    self.summary.deleted_entries += 1;
                    if self.parts.cancel(entry_number.clone()).await? {
                        self.send(wire::FileDocumentResponse {
                            cancelled_entries: vec![entry_number],
                            ..wire::FileDocumentResponse::default()
                        })
                        .await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn refuse(&mut self, reject: Reject) -> Result<(), Status> {
        self.summary.rejects += 1;
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
        self.summary.set_form(match form {
            Form::Auto => WireForm::Unspecified,
            Form::Abi => WireForm::Abi,
            Form::Csv => WireForm::Csv,
            Form::Jsonl => WireForm::Jsonl,
        });
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
