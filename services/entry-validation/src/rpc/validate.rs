//! One line, a batch, a stream.

use std::sync::Arc;

use nopic_domain::principal::Principal;
use nopic_proto::entry_validation as wire;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{MESSAGES_AHEAD, VERDICTS_PER_MESSAGE, lines};
use crate::engine::{Asker, Engine};
use crate::error::Error;
use crate::runs::Runs;

pub(super) async fn one(
    engine: &Engine,
    asker: &Asker,
    request: wire::ValidateEntryRequest,
) -> Result<wire::ValidateEntryResponse, Error> {
    let line = request
        .line
        .ok_or_else(|| Error::Invalid("line: is missing".to_owned()))?;
    let verdicts = Runs::default()
        .judge(engine, asker, lines(vec![line])?, true)
        .await?;
    Ok(wire::ValidateEntryResponse {
        verdict: verdicts.into_iter().next(),
    })
}

pub(super) async fn batch(
    engine: &Engine,
    asker: &Asker,
    request: wire::ValidateEntriesRequest,
) -> Result<wire::ValidateEntriesResponse, Error> {
    let verdicts = Runs::default()
        .judge(engine, asker, lines(request.lines)?, true)
        .await?;
    Ok(wire::ValidateEntriesResponse { verdicts })
}

/// Answers message by message; reads on only while the caller takes the answers.
pub(super) fn stream(
    engine: Arc<Engine>,
    principal: Principal,
    requests: Streaming<wire::ValidateStreamRequest>,
) -> impl Stream<Item = Result<wire::ValidateStreamResponse, Status>> + Send + use<> {
    let (answers, receiver) = mpsc::channel(MESSAGES_AHEAD);
    tokio::spawn(async move {
        if let Err(status) = answer(&engine, principal, requests, &answers).await {
            // The caller may be gone; then there is nobody to tell.
            let _ = answers.send(Err(status)).await;
        }
    });
    ReceiverStream::new(receiver)
}

async fn answer(
    engine: &Engine,
    principal: Principal,
    mut requests: Streaming<wire::ValidateStreamRequest>,
    answers: &mpsc::Sender<Result<wire::ValidateStreamResponse, Status>>,
) -> Result<(), Status> {
    let mut asker = None;
    let mut runs = Runs::default();
    while let Some(request) = requests.message().await? {
        let asker = asker.get_or_insert_with(|| Asker::new(principal.clone(), request.freshness));
        let verdicts = runs.judge(engine, asker, lines(request.lines)?, false).await?;
        if !send(answers, verdicts).await {
            return Ok(());
        }
    }
    if let Some(asker) = &asker {
        let verdicts = runs.judge(engine, asker, Vec::new(), true).await?;
        send(answers, verdicts).await;
    }
    Ok(())
}

/// Sends verdicts in messages of bounded size; `false`: the caller is gone.
async fn send(
    answers: &mpsc::Sender<Result<wire::ValidateStreamResponse, Status>>,
    verdicts: Vec<wire::Verdict>,
) -> bool {
    let mut verdicts = verdicts.into_iter();
    while verdicts.len() > 0 {
        let verdicts = verdicts.by_ref().take(VERDICTS_PER_MESSAGE).collect();
        if answers
            .send(Ok(wire::ValidateStreamResponse { verdicts }))
            .await
            .is_err()
        {
            return false;
        }
    }
    true
}
