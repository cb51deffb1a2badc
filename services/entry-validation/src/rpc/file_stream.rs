//! Filing a stream of lines, in parts.

use std::sync::Arc;

use nopic_chassis::answers::{Answers, CallerGone, in_messages};
use nopic_chassis::cut::Ending;
use nopic_domain::principal::Principal;
use nopic_proto::common;
use nopic_proto::entry_validation as wire;
use tonic::{Status, Streaming};

use super::parts::{FiledPart, Parts, RefusedEntry};
use super::resuming::{arrived, first, next_or_drain};
use super::validate::refused;
use super::{VERDICTS_PER_MESSAGE, lines as normalised};
use crate::engine::Engine;
use crate::error::Error;
use crate::scope::EntryScope;

/// Files the lines of a stream; reads on only while the caller takes the answers.
pub(super) async fn lines(
    engine: Arc<Engine>,
    ending: Ending,
    principal: Principal,
    mut requests: Streaming<wire::FileStreamRequest>,
    answers: Answers<wire::FileStreamResponse>,
) -> Result<(), Status> {
    let mut message = first(requests.message(), &ending).await?;
    let mut parts = match &mut message {
        None => return Err(ended_early()),
        Some(request) => {
            let options = request
                .options
                .take()
                .ok_or_else(|| Error::invalid("options", "the first message of a filing must bring them"))?;
            Parts::new(Arc::clone(&engine), principal.clone(), options)?
        }
    };
    let mut scope = EntryScope::default();
    // The lines before are not sent again.
    parts.complete_entries(&mut scope).await?;
    let mut read = 0;
    while let Some(request) = message {
        engine.charge.wait(&principal, request.lines.len()).await;
        let mut rejects = Vec::new();
        for line in normalised(request.lines)? {
            read += 1;
            match scope.line(&line.entry_number) {
                Ok(place) => parts.push(line, read, read, place),
                Err(refusal) => {
                    let of_entry = parts.refuse(refusal, &line.entry_number, read);
                    rejects.extend(of_entry.map(RefusedEntry::reject));
                    rejects.push(refused(read, &line, refusal));
                }
            }
            // Line by line, so that nothing is known of what comes later, however it comes.
            while let Some(filed) = parts.file_complete().await? {
                send_rejects(&answers, std::mem::take(&mut rejects)).await?;
                send(&answers, filed).await?;
                // What a caller that has finished sent is filed to its end.
                if ending.has_begun() && !request.end {
                    return Ok(resume(&answers, &parts, read).await?);
                }
            }
        }
        send_rejects(&answers, rejects).await?;
        if request.end {
            return Ok(send(&answers, parts.file_rest().await?).await?);
        }
        message = match next_or_drain(requests.message(), &ending).await {
            Some(message) => message?,
            None => match arrived(requests.message()) {
                Some(Ok(Some(last))) if last.end => Some(last),
                _ => return Ok(resume(&answers, &parts, read).await?),
            },
        };
    }
    Err(ended_early())
}

/// Sends decisions in messages of bounded size, and what was refused.
async fn send(answers: &Answers<wire::FileStreamResponse>, filed: FiledPart) -> Result<(), CallerGone> {
    for decisions in in_messages(filed.decisions, VERDICTS_PER_MESSAGE) {
        answers
            .send(wire::FileStreamResponse {
                decisions,
                ..wire::FileStreamResponse::default()
            })
            .await?;
    }
    let rejects = filed.refused.into_iter().map(RefusedEntry::reject);
    send_rejects(answers, rejects.collect()).await
}

async fn send_rejects(
    answers: &Answers<wire::FileStreamResponse>,
    rejects: Vec<common::Reject>,
) -> Result<(), CallerGone> {
    for rejects in rejects.chunks(VERDICTS_PER_MESSAGE) {
        answers
            .send(wire::FileStreamResponse {
                rejects: rejects.to_vec(),
                ..wire::FileStreamResponse::default()
            })
            .await?;
    }
    Ok(())
}

/// Ends the stream behind the last part.
async fn resume(
    answers: &Answers<wire::FileStreamResponse>,
    parts: &Parts,
    read: u64,
) -> Result<(), CallerGone> {
    let resume_after = wire::ResumeAfter {
        records: parts.boundary().unwrap_or(read),
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
