//! How streams end while the server drains, and how another call goes on where one ended.

use std::time::Duration;

use futures::FutureExt as _;
use nopic_chassis::draining::Draining;
use nopic_formats::entries::EntryEvent;
use nopic_proto::entry_validation as wire;
use tokio::time::Instant;
use tonic::{Status, Streaming};

use crate::error::Error;

/// How long a caller may be silent in the middle of an entry, or before its first message, while the server drains.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a caller may take to complete an entry, however busily it sends: less than a drain.
const PATIENCE: Duration = Duration::from_secs(6);

/// The next message, unless the server drains: then `None`.
pub(super) async fn next_or_drain<T>(
    requests: &mut Streaming<T>,
    draining: &Draining,
) -> Option<Result<Option<T>, Status>> {
    tokio::select! {
        // A caller that sends without a pause must not keep the drain waiting.
        biased;
        () = draining.begun() => None,
        message = requests.message() => Some(message),
    }
}

/// The message that is there already, if one is. What a caller sends behind the place where it resumes need not be
/// read; but one that has finished gets its answers to the end.
pub(super) fn arrived<T>(requests: &mut Streaming<T>) -> Option<Result<Option<T>, Status>> {
    requests.message().now_or_never()
}

/// The first message, which says for what a filing or a document is. Without it a caller cannot be told where to resume.
pub(super) async fn first<T>(requests: &mut Streaming<T>, draining: &Draining) -> Result<Option<T>, Status> {
    if let Some(message) = next_or_drain(requests, draining).await {
        return message;
    }
    match tokio::time::timeout(SILENCE, requests.message()).await {
        Ok(message) => message,
        Err(_) => Err(Status::unavailable(
            "the server stops, and the call has not said what it is about: nothing was done; call again",
        )),
    }
}

/// Until when the rest of an entry is awaited.
pub(super) struct Patience(Instant);

impl Patience {
    pub(super) fn begin() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    /// What comes next; `None`: the caller is silent, or has taken too long.
    pub(super) async fn wait<T>(&self, next: impl Future<Output = T>) -> Option<T> {
        let until = self.0.min(Instant::now() + SILENCE);
        tokio::time::timeout_at(until, next).await.ok()
    }
}

/// Where a document goes on that another call has begun.
#[derive(Debug, Default)]
pub(super) struct Resumed {
    from: wire::ResumeAfter,
    /// Records that were read.
    records: u64,
    /// Of these, rejects.
    rejects: u64,
}

impl Resumed {
    pub(super) fn at(from: Option<wire::ResumeAfter>) -> Self {
        Self {
            from: from.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Counts a record; whether it is still to be answered.
    pub(super) fn is_to_be_answered(&mut self, event: &EntryEvent) -> bool {
        self.records += 1;
        match event {
            EntryEvent::Reject(_) => {
                self.rejects += 1;
                self.rejects > self.from.rejects
            }
            EntryEvent::Line { .. } | EntryEvent::Deleted { .. } => self.records > self.from.records,
        }
    }

    /// Where the other call ended.
    pub(super) const fn from(&self) -> &wire::ResumeAfter {
        &self.from
    }

    /// Records that were read, with the last one.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// Rejects that are told once all are told that were read.
    pub(super) fn rejects(&self) -> u64 {
        self.rejects.max(self.from.rejects)
    }

    /// At the end of the document: what was answered must be in it.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.from.records > self.records || self.from.rejects > self.rejects {
            return Err(Error::Invalid(format!(
                "resume_after: {} records with {} rejects are answered, but the document has {} with {}; send the same \
                 document again",
                self.from.records, self.from.rejects, self.records, self.rejects
            )));
        }
        Ok(())
    }
}
