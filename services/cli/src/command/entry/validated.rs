//! What came of a file of entry lines.

use nopic_proto::entry_validation::{DocumentSummary, Verdict};

use super::before::Before;
use crate::context::Done;
use crate::failure::Failure;
use crate::output::printer::Printer;
use crate::output::verdict_record::Tally;

/// What came of a file.
#[derive(Debug, Default)]
pub(crate) struct Validated {
    /// Verdicts and codes, counted.
    pub(crate) tally: Tally,
    /// What could not be read.
    pub(crate) refused: u64,
    /// Entries that were on record and are taken back.
    pub(crate) cancelled: u64,
    /// Of these, by this command: the others were before.
    pub(crate) cancelled_now: u64,
    /// Entries that were on record before.
    pub(super) before: Before,
    /// The server's word on the file.
    pub(crate) summary: DocumentSummary,
}

impl Validated {
    /// Verdicts that came with no file.
    pub(super) fn of(verdicts: &[Verdict]) -> Self {
        let mut validated = Self::default();
        validated.tally.add(verdicts);
        validated
    }

    /// How a command ends that had these verdicts.
    pub(super) fn done(&self) -> Done {
        if self.tally.is_clean() && self.refused == 0 && !self.is_empty() {
            Done::Well
        } else {
            Done::WithFindings
        }
    }

    /// Whether nothing was found to judge, nor to take back: never a success.
    pub(super) fn is_empty(&self) -> bool {
        self.tally.lines() == 0
            && self.refused == 0
            && self.cancelled == 0
            && self.summary.deleted_entries == 0
    }

    /// Counts another file in.
    pub(crate) fn add(&mut self, other: Self) {
        self.tally.merge(other.tally);
        self.refused += other.refused;
        self.cancelled += other.cancelled;
        self.cancelled_now += other.cancelled_now;
        self.summary.lines += other.summary.lines;
        self.summary.rejects += other.summary.rejects;
        self.summary.deleted_entries += other.summary.deleted_entries;
    }
}

/// What came of a file, or why it could not be done, and the printer for the next one.
pub(crate) type OfFile = (Result<Validated, Failure>, Printer);
