//! How streams end while the server drains, and how another call goes on where one ended.

use std::pin::pin;
use std::time::Duration;

use futures::FutureExt as _;
use nopic_chassis::cut::Ending;
use nopic_domain::entry::NormalisedLine;
use nopic_formats::Reject;
use nopic_formats::entries::EntryEvent;
use nopic_proto::entry_validation as wire;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Status;

use crate::error::Error;
use crate::scope::{EntryScope, Place, Refusal};

/// How long a caller may be silent in the middle of an entry, or before its first message, while the server drains.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a caller may take to complete an entry, however busily it sends: less than a drain.
const PATIENCE: Duration = Duration::from_secs(6);

/// What comes next, unless the server drains: then `None`, and nothing is lost of what was awaited.
pub(super) async fn next_or_drain<T>(next: impl Future<Output = T>, ending: &Ending) -> Option<T> {
    tokio::select! {
        // A caller that sends without a pause must not keep the drain waiting.
        biased;
        () = ending.begun() => None,
        next = next => Some(next),
    }
}

/// What is there already, if anything is. What a caller sends behind the place where it resumes need not be read; but one
/// that has finished gets its answers to the end.
pub(super) fn arrived<T>(next: impl Future<Output = T>) -> Option<T> {
    next.now_or_never()
}

/// What comes first, which says for what a filing or a document is. Without it a caller cannot be told where to resume.
pub(super) async fn first<T, E: Into<Status>>(
    next: impl Future<Output = Result<T, E>>,
    ending: &Ending,
) -> Result<T, Status> {
    let mut next = pin!(next);
    let first = match next_or_drain(next.as_mut(), ending).await {
        Some(first) => first,
        None => timeout(SILENCE, next).await.map_err(|_| {
            Status::unavailable(
                "the server stops, and the call has not said what it is about: nothing was done; call again",
            )
        })?,
    };
    first.map_err(Into::into)
}

/// Until when the rest of an entry is awaited.
pub(super) struct Patience(Instant);

impl Patience {
    /// None where nothing more can come.
    pub(super) fn begin(ending: &Ending) -> Self {
        let patience = if ending.is_cut() { Duration::ZERO } else { PATIENCE };
        Self(Instant::now() + patience)
    }

    /// What comes next; `None`: the caller is silent, or has taken too long.
    pub(super) async fn wait<T>(&self, next: impl Future<Output = T>) -> Option<T> {
        let until = self.0.min(Instant::now() + SILENCE);
        timeout_at(until, next).await.ok()
    }
}

/// A record of a document: what was read, by the scope of its entries.
#[allow(clippy::large_enum_variant, reason = "nearly every record is a line")]
#[derive(Debug)]
pub(super) enum Record {
    /// A line that is taken.
    Line {
        line: NormalisedLine,
        /// Number of the line of the file.
        of_file: u64,
        place: Place,
    },
    /// Something that is not taken, or could not be read.
    Reject {
        reject: Reject,
        /// Why a line that was read is not taken.
        refusal: Option<Refusal>,
    },
    /// An entry that is taken back.
    Deleted {
        /// As filed.
        entry_number: String,
        /// Number of the line of the file.
        of_file: u64,
        /// Whether lines of it stood before.
        stood_before: bool,
    },
}

impl Record {
    pub(super) fn of(event: EntryEvent, scope: &mut EntryScope) -> Self {
        match event {
            EntryEvent::Line { record, line } => {
                let line = line.normalise();
                match scope.line(&line.entry_number) {
                    Ok(place) => Self::Line {
                        line,
                        of_file: record,
                        place,
                    },
                    Err(refusal) => Self::Reject {
                        reject: Reject {
                            key: Some(line.into_inner().entry_number),
                            ..Reject::new(record, refusal.to_string())
                        },
                        refusal: Some(refusal),
                    },
                }
            }
            EntryEvent::Reject(reject) => Self::Reject {
                reject,
                refusal: None,
            },
            EntryEvent::Deleted { record, entry_number } => {
                let stood_before = scope.deleted(&super::fields::entry_number(&entry_number));
                Self::Deleted {
                    entry_number,
                    of_file: record,
                    stood_before,
                }
            }
        }
    }
}

/// Where a document goes on that another call has begun.
#[derive(Debug, Default)]
pub(super) struct Resumed {
    from: wire::ResumeAfter,
    /// What was read.
    read: wire::DocumentSummary,
}

impl Resumed {
    pub(super) fn at(from: Option<wire::ResumeAfter>) -> Self {
        Self {
            from: from.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Counts a record; whether it is still to be answered.
    pub(super) fn is_to_be_answered(&mut self, record: &Record) -> bool {
        match record {
            Record::Reject { .. } => {
                self.read.rejects += 1;
                return u64::from(self.read.rejects) > self.from.rejects;
            }
            Record::Line { .. } => self.read.lines += 1,
            Record::Deleted { .. } => self.read.deleted_entries += 1,
        }
        self.records() > self.from.records
    }

    /// Where the other call ended.
    pub(super) const fn from(&self) -> &wire::ResumeAfter {
        &self.from
    }

    /// Records that were read, with the last one.
    pub(super) fn records(&self) -> u64 {
        [self.read.lines, self.read.rejects, self.read.deleted_entries]
            .map(u64::from)
            .iter()
            .sum()
    }

    /// Rejects that are told once all are told that were read.
    pub(super) fn rejects(&self) -> u64 {
        u64::from(self.read.rejects).max(self.from.rejects)
    }

    /// What the document was, at its end: what was answered must be in it.
    pub(super) fn finish(&self) -> Result<wire::DocumentSummary, Error> {
        let (records, rejects) = (self.records(), u64::from(self.read.rejects));
        if self.from.records > records || self.from.rejects > rejects {
            return Err(Error::invalid(
                "resume_after",
                format!(
                    "{} records with {} rejects are answered, but the document has {records} with {rejects}; send the \
                     same document again",
                    self.from.records, self.from.rejects
                ),
            ));
        }
        Ok(wire::DocumentSummary {
            nothing_to_judge: self.read.lines == 0 && self.read.deleted_entries == 0,
            ..self.read
        })
    }
}
