//! What the store of the ledger is asked and answers.

use chrono::{DateTime, Utc};
use nopic_domain::certificate::DrawnBy;
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_domain::ledger::{EntryDraws, LineOutcome};
use nopic_domain::weight::Weight;

use super::Visibility;

/// What versions of entries are to draw.
#[derive(Debug)]
pub(crate) struct DrawsChange {
    pub(crate) request_id: String,
    /// Of all that was asked.
    pub(crate) request_hash: [u8; 32],
    pub(crate) visibility: Visibility,
    pub(crate) actor: String,
    pub(crate) role: &'static str,
    pub(crate) at: DateTime<Utc>,
    /// Each once.
    pub(crate) judged: Vec<JudgedCertificate>,
    /// Each entry once, and only with certificates that were judged.
    pub(crate) entries: Vec<FiledEntry>,
}

/// A certificate at the version that lines were judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JudgedCertificate {
    pub(crate) number: CertificateNumber,
    pub(crate) version: u32,
    pub(crate) tolerance: Weight,
}

/// What one version of an entry is to draw.
#[derive(Debug, Clone)]
pub(crate) struct FiledEntry {
    pub(crate) version: u32,
    /// Without what it drew before: the store knows that.
    pub(crate) draws: EntryDraws,
}

/// What became of a change.
#[derive(Debug)]
pub(crate) enum DrawSet {
    /// Certificates have another version than the lines were judged by, 0 where they are not known: nothing changed.
    Changed(Vec<(CertificateNumber, u32)>),
    /// One for each entry.
    Drawn(Vec<EntryDrawn>),
}

/// What became of an entry.
#[derive(Debug)]
pub(crate) struct EntryDrawn {
    /// One for each line.
    pub(crate) lines: Vec<LineOutcome>,
    /// Each certificate that it names, before it.
    pub(crate) states: Vec<StateBefore>,
}

/// A certificate's ledger before an entry.
#[derive(Debug)]
pub(crate) struct StateBefore {
    pub(crate) number: CertificateNumber,
    pub(crate) drawn: Weight,
    /// As far as the caller may know.
    pub(crate) drawn_by: DrawnBy,
    /// Line, PGA line and weight of what the entry drew.
    pub(crate) own: Vec<(u32, u32, Weight)>,
}

/// What was drawn from a certificate at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) version: u32,
    pub(crate) total: Weight,
    pub(crate) drawn: Weight,
    /// Those that the caller may see, and what they took together.
    pub(crate) draw_count: u32,
    pub(crate) own_drawn: Weight,
}

/// Which draws are asked for.
#[derive(Debug)]
pub(crate) struct HistoryQuestion {
    pub(crate) number: CertificateNumber,
    pub(crate) visibility: Visibility,
    /// Those that stood at this moment; absent: all.
    pub(crate) at: Option<DateTime<Utc>>,
    /// Those after this one, by its id.
    pub(crate) after: i64,
    pub(crate) limit: u32,
}

/// A draw, and for how long it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedDraw {
    pub(crate) id: i64,
    pub(crate) entry_number: EntryNumber,
    pub(crate) line_number: u32,
    pub(crate) pga_line_number: u32,
    pub(crate) weight: Weight,
    pub(crate) excess: Weight,
    pub(crate) source: String,
    /// Absent on what an import brought.
    pub(crate) entry_version: Option<u32>,
    pub(crate) recorded_by: String,
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// Whose entry it is.
    pub(crate) tenant: String,
}
