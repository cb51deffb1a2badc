//! One line, a batch, a stream.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;

use nopic_chassis::answers::{Answers, BYTES_PER_MESSAGE, CallerGone, in_messages};
use nopic_chassis::cut::Ending;
use nopic_chassis::transport::MAX_ANSWER_BYTES;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::principal::Principal;
use nopic_proto::answers::WithVerdicts;
use nopic_proto::common;
use nopic_proto::convert::verdicts::{Detail, Verdicts};
use nopic_proto::entry_validation as wire;
use prost::Message as _;
use tonic::{Status, Streaming};

use super::resuming::{Patience, arrived, next_or_drain};
use super::{VERDICTS_PER_MESSAGE, lines};
use crate::engine::Engine;
use crate::error::Error;
use crate::inquiry::Inquiry;
use crate::runs::Runs;
use crate::scope::EntryScope;

pub(super) async fn one(
    engine: &Engine,
    inquiry: &Inquiry,
    request: wire::ValidateEntryRequest,
) -> Result<WithVerdicts<wire::ValidateEntryResponse>, Error> {
    let detail = request.finding_detail().into();
    let line = request.line.ok_or_else(|| Error::invalid("line", "is missing"))?;
    let verdicts = Runs::new(detail)
        .judge(engine, inquiry, lines(vec![line])?, true)
        .await?;
    Ok(verdicts.into_answer())
}

pub(super) async fn batch(
    engine: &Engine,
    inquiry: &Inquiry,
    request: wire::ValidateEntriesRequest,
) -> Result<WithVerdicts<wire::ValidateEntriesResponse>, Error> {
    let detail = request.finding_detail().into();
    let lines = lines(request.lines)?;
    let mut scope = EntryScope::default();
    for (place, line) in lines.iter().enumerate() {
        scope.line(&line.entry_number).map_err(|refusal| {
            Error::invalid(
                format!("lines[{place}]"),
                format!("entry {}: {refusal}", line.entry_number),
            )
        })?;
    }
    let verdicts = Runs::new(detail).judge(engine, inquiry, lines, true).await?;
    let answer = verdicts.into_answer();
    let bytes = answer.encoded_len();
    if bytes > MAX_ANSWER_BYTES {
        return Err(Error::TooMuch(format!(
            "lines: their verdicts have {bytes} bytes, and clients take {MAX_ANSWER_BYTES}: ask for finding_detail CODES, \
             in parts, or by ValidateStream"
        )));
    }
    Ok(answer)
}

/// Answers message by message; reads on only while the caller takes the answers.
pub(super) async fn stream(
    engine: Arc<Engine>,
    ending: Ending,
    principal: Principal,
    mut requests: Streaming<wire::ValidateStreamRequest>,
    answers: Answers<WithVerdicts<wire::ValidateStreamResponse>>,
) -> Result<(), Status> {
    let mut stream = Stream {
        inquiry: super::inquiry(principal, None),
        engine,
        answers,
        scope: EntryScope::default(),
        runs: Runs::new(Detail::Full),
        read: 0,
        behind: VecDeque::new(),
        reached: 0,
        lines_reached: 0,
    };
    let mut is_first = true;
    loop {
        let Some(message) = next_or_drain(requests.message(), &ending).await else {
            return stream.drain(requests, &ending).await;
        };
        let Some(message) = message? else {
            return stream.finish().await;
        };
        if std::mem::take(&mut is_first) {
            stream.runs = Runs::new(message.finding_detail().into());
            stream.inquiry = super::inquiry(stream.inquiry.principal, message.freshness);
        }
        stream.answer(message.lines, Cut::Never).await?;
    }
}

/// Where a message is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Never,
    /// At the end of the open entry, if that is in it.
    AtEndOfEntry,
}

/// A stream of lines that is being judged.
struct Stream {
    engine: Arc<Engine>,
    inquiry: Inquiry,
    answers: Answers<WithVerdicts<wire::ValidateStreamResponse>>,
    scope: EntryScope,
    runs: Runs,
    /// Lines that came.
    read: u64,
    /// Places of the lines that are taken and stand behind `reached`.
    behind: VecDeque<u64>,
    /// The place up to which entries are answered, and how many lines that are.
    reached: u64,
    lines_reached: u64,
}

impl Stream {
    /// Judges the lines of a message; whether it was cut, for what is behind is not answered.
    async fn answer(&mut self, message: Vec<wire::EntryLine>, cut: Cut) -> Result<bool, Status> {
        self.engine
            .charge
            .wait(&self.inquiry.principal, message.len())
            .await;
        let mut taken = Vec::with_capacity(message.len());
        let mut rejects = Vec::new();
        let mut lines = lines(message)?;
        let end = match cut {
            Cut::Never => None,
            Cut::AtEndOfEntry => self.runs.end_of_entry(&lines),
        };
        lines.truncate(end.unwrap_or(lines.len()));
        for line in lines {
            self.read += 1;
            match self.scope.line(&line.entry_number) {
                Ok(_) => {
                    self.behind.push_back(self.read);
                    taken.push(line);
                }
                Err(refusal) => rejects.push(refused(self.read, &line, refusal)),
            }
        }
        let verdicts = self
            .runs
            .judge(&self.engine, &self.inquiry, taken, end.is_some())
            .await?;
        self.send(verdicts, rejects).await?;
        Ok(end.is_some())
    }

    /// Answers what waits at the end of the requests.
    async fn finish(mut self) -> Result<(), Status> {
        let verdicts = self
            .runs
            .judge(&self.engine, &self.inquiry, Vec::new(), true)
            .await?;
        Ok(self.send(verdicts, Vec::new()).await?)
    }

    /// Ends the stream at an entry's boundary: at the next one where a part of the open entry is answered, at the last one
    /// where nothing of it is, or where the caller does not go on.
    async fn drain(
        mut self,
        mut requests: Streaming<wire::ValidateStreamRequest>,
        ending: &Ending,
    ) -> Result<(), Status> {
        let patience = Patience::begin(ending);
        let mut is_cut = false;
        while self.runs.is_inside_an_entry() {
            let Some(request) = patience.wait(requests.message()).await else {
                break;
            };
            let Some(request) = request? else {
                return self.finish().await;
            };
            is_cut = self.answer(request.lines, Cut::AtEndOfEntry).await?;
        }
        // Where lines were left behind the entry, the end of the requests is not the end of what is answered.
        if !is_cut && let Some(Ok(None)) = arrived(requests.message()) {
            return self.finish().await;
        }
        let resume_after = wire::ResumeAfter {
            records: self.reached,
            lines: self.lines_reached,
            ..wire::ResumeAfter::default()
        };
        let last = wire::ValidateStreamResponse {
            resume_after: Some(resume_after),
            ..wire::ValidateStreamResponse::default()
        };
        Ok(self.answers.send(last.into()).await?)
    }

    /// Sends in messages of bounded size.
    async fn send(&mut self, verdicts: Verdicts, rejects: Vec<common::Reject>) -> Result<(), CallerGone> {
        let answered = self.runs.answered_entries();
        while self.lines_reached < answered {
            self.lines_reached += 1;
            // Each line that is answered was noted.
            self.reached = self.behind.pop_front().unwrap_or(self.reached);
        }
        for message in verdicts.into_answers(VERDICTS_PER_MESSAGE, BYTES_PER_MESSAGE) {
            self.answers.send(message).await?;
        }
        for rejects in in_messages(rejects, VERDICTS_PER_MESSAGE) {
            let message = wire::ValidateStreamResponse {
                rejects,
                ..wire::ValidateStreamResponse::default()
            };
            self.answers.send(message.into()).await?;
        }
        Ok(())
    }
}

/// A line of a stream that is not taken.
pub(super) fn refused(place: u64, line: &NormalisedLine, refusal: impl Display) -> common::Reject {
    common::Reject {
        record: u32::try_from(place).unwrap_or(u32::MAX),
        key: line.entry_number.clone(),
        reason: refusal.to_string(),
        ..common::Reject::default()
    }
}
