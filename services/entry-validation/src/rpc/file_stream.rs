//! Filing many lines: in parts of about a thousand, cut where an entry ends, so that how they came changes nothing.
//!
//! A part ends with the entry that reaches a thousand lines; where that entry would make it longer than the ledger takes,
//! before it.

use std::sync::Arc;

use nopic_chassis::answers::{Answers, CallerGone};
use nopic_domain::date::Date;
use nopic_domain::decision::Kind;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::principal::Principal;
use nopic_domain::rules::MAX_LINES_PER_ENTRY;
use nopic_proto::entry_validation as wire;
use tonic::{Status, Streaming};

use super::fields::{decision, entry_number, filed_on, hash, hash_of_lines, kind, request_id};
use super::resuming::{arrived, first, next_or_drain};
use super::{VERDICTS_PER_MESSAGE, lines as normalised};
use crate::engine::Engine;
use crate::error::Error;
use crate::filing::{Request, file};
use crate::inquiry::Inquiry;
use crate::store::Deletion;

/// A part ends with the entry that reaches so many lines.
const LINES_PER_PART: usize = 1_000;
/// Lines of a part at most: a part that is one entry has as many as an entry may have, and the ledger takes no more.
const MAX_LINES_PER_PART: usize = MAX_LINES_PER_ENTRY;

/// Lines on their way to be filed.
pub(super) struct Parts {
    engine: Arc<Engine>,
    inquiry: Inquiry,
    request_id: String,
    filed_on: Option<Date>,
    /// Parts that were filed, with those of the calls that this one resumes.
    number: u32,
    waiting: Vec<NormalisedLine>,
    /// Lines that this call has filed.
    filed: u64,
    /// How far an end of the part was looked for: lines that wait are looked at once, however they come.
    searched: usize,
}

impl Parts {
    pub(super) fn new(
        engine: Arc<Engine>,
        principal: Principal,
        options: wire::FileOptions,
    ) -> Result<Self, Error> {
        let filed_on = filed_on(&options.filed_on, engine.clock.today())?;
        Ok(Self {
            engine,
            inquiry: Inquiry::to_file(principal, options.at_least_revision),
            request_id: request_id(options.request_id)?,
            filed_on,
            number: options.resume_after.map_or(0, |after| after.parts),
            waiting: Vec::new(),
            filed: 0,
            searched: LINES_PER_PART,
        })
    }

    pub(super) fn push(&mut self, lines: impl IntoIterator<Item = NormalisedLine>) {
        self.waiting.extend(lines);
    }

    /// Files the next part if it is complete: where a line of another entry has come behind it.
    pub(super) async fn file_complete(&mut self) -> Result<Option<Vec<wire::Decision>>, Error> {
        match self.end_of_part()? {
            Some(end) => self.file_first(end).await.map(Some),
            None => Ok(None),
        }
    }

    /// Where the next part ends, by the lines alone; `None`: not among those that came.
    fn end_of_part(&mut self) -> Result<Option<usize>, Error> {
        let ends_at =
            |place: &usize| self.waiting[*place].entry_number != self.waiting[*place - 1].entry_number;
        // One line behind the longest part says whether it ends there.
        let looked_at = self.waiting.len().min(MAX_LINES_PER_PART + 1);
        let end = (self.searched..looked_at).find(ends_at);
        self.searched = self.searched.max(looked_at);
        if end.is_some() || self.waiting.len() <= MAX_LINES_PER_PART {
            return Ok(end);
        }
        let before = (1..LINES_PER_PART).rev().find(ends_at);
        before.map(Some).ok_or_else(|| {
            Error::TooMuch(format!(
                "entry {} has more than {MAX_LINES_PER_ENTRY} lines: an entry is filed as a whole, so it cannot be taken",
                self.waiting[0].entry_number
            ))
        })
    }

    /// Files what is left when [`Self::file_complete`] finds nothing more.
    pub(super) async fn file_rest(&mut self) -> Result<Vec<wire::Decision>, Error> {
        if self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        self.file_first(self.waiting.len()).await
    }

    async fn file_first(&mut self, count: usize) -> Result<Vec<wire::Decision>, Error> {
        let rest = self.waiting.split_off(count);
        let lines = std::mem::replace(&mut self.waiting, rest);
        self.searched = LINES_PER_PART;
        let request = Request {
            id: self.next_id(),
            hash: hash_of_lines(&lines, self.filed_on),
            kind: kind(self.filed_on),
            filed_on: self.filed_on,
            reason: String::new(),
            lines,
            of_entry: None,
        };
        let decisions = file(&self.engine, &self.inquiry, request).await?;
        self.filed += count as u64;
        Ok(decisions.into_iter().map(decision).collect())
    }

    /// Parts that are on record.
    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    /// Lines that this call has filed.
    pub(super) const fn filed(&self) -> u64 {
        self.filed
    }

    /// Takes an entry back that the file deletes. Its number as it is kept; absent: it is not on record.
    pub(super) async fn cancel(&mut self, as_filed: &str) -> Result<Option<String>, Error> {
        // A line of the entry has it kept in this form, however the file writes it.
        let entry_number = entry_number(as_filed);
        let tenant = self.inquiry.principal.tenant.clone();
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
        let Some(version) = self.engine.store.version_to_delete(deletion).await? else {
            return Ok(None);
        };
        let request = Request {
            id,
            hash: request_hash,
            kind: Kind::Cancelled,
            filed_on: self.filed_on,
            reason: "deleted by the file".to_owned(),
            lines: Vec::new(),
            of_entry: Some((entry_number.clone(), version)),
        };
        // Where the version is still being filed, this waits for it as for any other claim.
        file(&self.engine, &self.inquiry, request).await?;
        Ok(Some(entry_number))
    }

    fn next_id(&mut self) -> String {
        self.number += 1;
        format!("{}/{}", self.request_id, self.number)
    }
}

/// Files the lines of a stream; reads on only while the caller takes the answers.
pub(super) async fn lines(
    engine: Arc<Engine>,
    principal: Principal,
    mut requests: Streaming<wire::FileStreamRequest>,
    answers: Answers<wire::FileStreamResponse>,
) -> Result<(), Status> {
    let mut message = first(requests.message(), &engine.draining).await?;
    let mut parts = match &mut message {
        None => return Err(ended_early()),
        Some(request) => {
            let options = request
                .options
                .take()
                .ok_or_else(|| Error::invalid("options", "the first message of a filing must bring them"))?;
            Parts::new(Arc::clone(&engine), principal, options)?
        }
    };
    while let Some(request) = message {
        parts.push(normalised(request.lines)?);
        while let Some(decisions) = parts.file_complete().await? {
            send(&answers, decisions).await?;
            // What a caller that has finished sent is filed to its end.
            if engine.draining.has_begun() && !request.end {
                return Ok(resume(&answers, &parts).await?);
            }
        }
        if request.end {
            return Ok(send(&answers, parts.file_rest().await?).await?);
        }
        message = match next_or_drain(requests.message(), &engine.draining).await {
            Some(message) => message?,
            None => match arrived(requests.message()) {
                Some(Ok(Some(last))) if last.end => Some(last),
                _ => return Ok(resume(&answers, &parts).await?),
            },
        };
    }
    Err(ended_early())
}

/// Sends decisions in messages of bounded size.
async fn send(
    answers: &Answers<wire::FileStreamResponse>,
    decisions: Vec<wire::Decision>,
) -> Result<(), CallerGone> {
    let mut decisions = decisions.into_iter();
    while decisions.len() > 0 {
        answers
            .send(wire::FileStreamResponse {
                decisions: decisions.by_ref().take(VERDICTS_PER_MESSAGE).collect(),
                resume_after: None,
            })
            .await?;
    }
    Ok(())
}

/// Ends the stream behind the last part.
async fn resume(answers: &Answers<wire::FileStreamResponse>, parts: &Parts) -> Result<(), CallerGone> {
    let resume_after = wire::ResumeAfter {
        records: parts.filed,
        lines: parts.filed,
        parts: parts.number,
        ..wire::ResumeAfter::default()
    };
    answers
        .send(wire::FileStreamResponse {
            resume_after: Some(resume_after),
            ..wire::FileStreamResponse::default()
        })
        .await
}

pub(super) fn ended_early() -> Status {
    Error::Invalid(
        "the stream ended before the message `end`: what was answered is on record, the rest is not filed; send it again \
         with the same request_id"
            .to_owned(),
    )
    .into()
}
