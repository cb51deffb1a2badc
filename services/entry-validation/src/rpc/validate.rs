//! One line, a batch, a stream.

use std::sync::Arc;

use nopic_chassis::answers::{Answers, CallerGone};
use nopic_domain::decision::Verdict;
use nopic_domain::principal::Principal;
use nopic_proto::convert::entry_validation::verdicts as to_wire;
use nopic_proto::entry_validation as wire;
use tonic::{Status, Streaming};

use super::resuming::{Patience, arrived, next_or_drain};
use super::{VERDICTS_PER_MESSAGE, lines};
use crate::engine::Engine;
use crate::error::Error;
use crate::inquiry::Inquiry;
use crate::runs::Runs;

pub(super) async fn one(
    engine: &Engine,
    inquiry: &Inquiry,
    request: wire::ValidateEntryRequest,
) -> Result<wire::ValidateEntryResponse, Error> {
    let line = request.line.ok_or_else(|| Error::invalid("line", "is missing"))?;
    let verdicts = Runs::default()
        .judge(engine, inquiry, lines(vec![line])?, true)
        .await?;
    Ok(wire::ValidateEntryResponse {
        verdict: verdicts.into_iter().next().map(Into::into),
    })
}

pub(super) async fn batch(
    engine: &Engine,
    inquiry: &Inquiry,
    request: wire::ValidateEntriesRequest,
) -> Result<wire::ValidateEntriesResponse, Error> {
    let verdicts = Runs::default()
        .judge(engine, inquiry, lines(request.lines)?, true)
        .await?;
    Ok(wire::ValidateEntriesResponse {
        verdicts: to_wire(verdicts),
    })
}

/// Answers message by message; reads on only while the caller takes the answers.
pub(super) async fn stream(
    engine: Arc<Engine>,
    principal: Principal,
    mut requests: Streaming<wire::ValidateStreamRequest>,
    answers: Answers<wire::ValidateStreamResponse>,
) -> Result<(), Status> {
    let mut inquiry = None;
    let mut runs = Runs::default();
    loop {
        let Some(request) = next_or_drain(requests.message(), &engine.draining).await else {
            return drain(&engine, inquiry, runs, requests, &answers).await;
        };
        let Some(request) = request? else {
            return finish(&engine, inquiry, runs, &answers).await;
        };
        let inquiry = inquiry.get_or_insert_with(|| super::inquiry(principal.clone(), request.freshness));
        let verdicts = runs.judge(&engine, inquiry, lines(request.lines)?, false).await?;
        send(&answers, verdicts).await?;
    }
}

/// Answers what waits at the end of the requests.
async fn finish(
    engine: &Engine,
    inquiry: Option<Inquiry>,
    mut runs: Runs,
    answers: &Answers<wire::ValidateStreamResponse>,
) -> Result<(), Status> {
    if let Some(inquiry) = &inquiry {
        let verdicts = runs.judge(engine, inquiry, Vec::new(), true).await?;
        send(answers, verdicts).await?;
    }
    Ok(())
}

/// Ends the stream at an entry's boundary: at the next one where a part of the open entry is answered, at the last one
/// where nothing of it is, or where the caller does not go on.
async fn drain(
    engine: &Engine,
    inquiry: Option<Inquiry>,
    mut runs: Runs,
    mut requests: Streaming<wire::ValidateStreamRequest>,
    answers: &Answers<wire::ValidateStreamResponse>,
) -> Result<(), Status> {
    let patience = Patience::begin();
    let mut is_cut = false;
    while let Some(inquiry) = inquiry.as_ref().filter(|_| runs.is_inside_an_entry()) {
        let Some(request) = patience.wait(requests.message()).await else {
            break;
        };
        let Some(request) = request? else {
            return finish(engine, Some(inquiry.clone()), runs, answers).await;
        };
        let mut lines = lines(request.lines)?;
        let end = runs.end_of_entry(&lines);
        lines.truncate(end.unwrap_or(lines.len()));
        is_cut = end.is_some();
        let verdicts = runs.judge(engine, inquiry, lines, end.is_some()).await?;
        send(answers, verdicts).await?;
    }
    // Where lines were left behind the entry, the end of the requests is not the end of what is answered.
    if !is_cut && let Some(Ok(None)) = arrived(requests.message()) {
        return finish(engine, inquiry, runs, answers).await;
    }
    let resume_after = wire::ResumeAfter {
        records: runs.answered_entries(),
        lines: runs.answered_entries(),
        ..wire::ResumeAfter::default()
    };
    let last = wire::ValidateStreamResponse {
        resume_after: Some(resume_after),
        ..wire::ValidateStreamResponse::default()
    };
    Ok(answers.send(last).await?)
}

/// Sends verdicts in messages of bounded size.
async fn send(
    answers: &Answers<wire::ValidateStreamResponse>,
    verdicts: Vec<Verdict>,
) -> Result<(), CallerGone> {
    let mut verdicts = verdicts.into_iter();
    while verdicts.len() > 0 {
        let verdicts = to_wire(verdicts.by_ref().take(VERDICTS_PER_MESSAGE));
        answers
            .send(wire::ValidateStreamResponse {
                verdicts,
                resume_after: None,
            })
            .await?;
    }
    Ok(())
}
