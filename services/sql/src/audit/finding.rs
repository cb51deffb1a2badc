//! What a walk over the log finds, in words.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

/// What was done to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A record says something else than when it was sealed.
    RecordChanged,
    /// A record is gone.
    RecordRemoved,
    /// A record stands where another stood.
    RecordsReordered,
    /// A record stands where none stood.
    RecordInserted,
    /// A seal is not what it was.
    SealChanged,
    /// A seal is gone.
    SealRemoved,
    /// The log ends before a head that was exported.
    CutOff,
    /// The log holds another seal than a head that was exported.
    Rewritten,
    /// A head is not signed as it must be, or cannot be read.
    HeadWrong,
    /// A row is not as the note that last spoke of it left it.
    RowChanged,
    /// A row that a note left is gone.
    RowRemoved,
    /// No note speaks of a row, or the last that did deleted it.
    RowAdded,
}

impl Kind {
    /// The name on the wire and in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecordChanged => "RECORD_CHANGED",
            Self::RecordRemoved => "RECORD_REMOVED",
            Self::RecordsReordered => "RECORDS_REORDERED",
            Self::RecordInserted => "RECORD_INSERTED",
            Self::SealChanged => "SEAL_CHANGED",
            Self::SealRemoved => "SEAL_REMOVED",
            Self::CutOff => "CUT_OFF",
            Self::Rewritten => "REWRITTEN",
            Self::HeadWrong => "HEAD_WRONG",
            Self::RowChanged => "ROW_CHANGED",
            Self::RowRemoved => "ROW_REMOVED",
            Self::RowAdded => "ROW_ADDED",
        }
    }
}

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was done.
    pub kind: Kind,
    /// Number of the record that it was done to, or behind which it was done.
    pub record: Option<i64>,
    /// Number of the seal that tells.
    pub seal: Option<i64>,
    /// When that seal was made, as far as it is known: what was found happened later.
    pub sealed_at: Option<DateTime<Utc>>,
    /// All of it in a sentence.
    pub sentence: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// A moment in a sentence.
pub(super) fn moment(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// "record 7", or "records 7 to 9".
pub(super) fn numbers(what: &str, first: i64, last: i64) -> String {
    if first == last {
        format!("{what} {first}")
    } else {
        format!("{what}s {first} to {last}")
    }
}
