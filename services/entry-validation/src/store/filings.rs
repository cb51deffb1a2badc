//! What the store says about filings.

use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_domain::decision::{Decision, EntryAnswer, Inputs, Kind, Verdict};
use nopic_domain::entry::EntryLine;
use nopic_domain::identifier::CertificateNumber;
use nopic_sql::audit::Rows;
use rustc_hash::FxHashMap;

use super::audited::{self, DECISION};
use super::codec;
use super::refusals::Refused;

/// A request to file, with what is left out of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRequest<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) request_hash: [u8; 32],
    pub(crate) refused: &'a [Refused],
}

/// What is on record of a request to file.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestOnRecord {
    /// Number of the filing that it made, hash of the request, and how far the filing is.
    pub(crate) filing: Option<(i64, Vec<u8>, FilingState)>,
    /// Hash of the request, and what was refused of it; absent where nothing was.
    pub(crate) refused: Option<(Vec<u8>, Vec<Refused>)>,
}

/// A filing that is to begin.
#[derive(Debug, Clone)]
pub(crate) struct NewFiling<'a> {
    pub(crate) request: NewRequest<'a>,
    /// Without the versions of its entries, which come of beginning.
    pub(crate) inputs: Inputs,
    /// The version that an entry must have; for amending and taking back.
    pub(crate) current_version: Option<u32>,
    /// The versions that entries must still have: it was looked at what stands of them.
    pub(crate) looked_at: &'a FxHashMap<String, u32>,
    pub(crate) lease: Lease<'a>,
}

/// A request that deletes an entry if there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deletion<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) request_hash: [u8; 32],
    pub(crate) entry_number: &'a str,
    pub(crate) at: DateTime<Utc>,
}

/// Who works on a filing, and until when nobody else does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease<'a> {
    pub(crate) holder: &'a str,
    pub(crate) now: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
}

/// A filing under way.
#[derive(Debug, Clone)]
pub(crate) struct OpenFiling {
    pub(crate) filing_id: i64,
    pub(crate) tenant: String,
    /// Rises when the inputs are frozen anew.
    pub(crate) attempt: u32,
    /// An entry of it was in a filing that was set aside: what that drew may still stand.
    pub(crate) must_ask_ledger: bool,
    pub(crate) inputs: Inputs,
}

/// A filing that was left, taken over.
#[derive(Debug)]
pub(crate) struct TakenFiling {
    pub(crate) filing_id: i64,
    pub(crate) tenant: String,
    pub(crate) request_id: String,
    /// What is stored of it, if it can be read.
    pub(crate) read: Result<OpenFiling, nopic_sql::Error>,
}

/// How far a filing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FilingState {
    Open,
    Done,
    SetAside { at: DateTime<Utc>, because: String },
}

/// A filing that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetAsideFiling {
    pub(crate) filing_id: i64,
    pub(crate) request_id: String,
    /// Empty where what is stored of it cannot be read.
    pub(crate) entry_numbers: Vec<String>,
    pub(crate) set_aside_at: DateTime<Utc>,
    pub(crate) because: String,
    pub(crate) tries: u32,
}

/// How a filing began.
#[derive(Debug, Clone)]
pub(crate) enum Begun {
    /// It is ours to finish.
    Open(Box<OpenFiling>),
    /// Another task works or has worked on the same request, or on this entry.
    Busy {
        entry_number: Option<String>,
        /// As they were given.
        inputs: Box<Inputs>,
    },
    /// The entry has another version than the caller takes it to have; 0: it is not on record.
    Outdated { entry_number: String, current: u32 },
}

/// A decision on record.
#[derive(Debug, Clone)]
pub(crate) struct StoredDecision {
    pub(crate) decision_id: i64,
    pub(crate) filing_id: i64,
    pub(crate) place: u32,
    pub(crate) version: u32,
    pub(crate) verdict: Verdict,
    pub(crate) line: EntryLine,
    pub(crate) drawn_units: Option<i64>,
    pub(crate) excess_units: Option<i64>,
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// The newest version of an entry.
#[derive(Debug, Clone)]
pub(crate) struct LatestVersion {
    /// 0 while the first one is being filed.
    pub(crate) version: u32,
    /// How it came, and on which day of filing; absent while the first one is being filed.
    pub(crate) made: Option<(Kind, Date)>,
    /// Whether a filing works on the next one.
    pub(crate) is_claimed: bool,
}

/// An entry that a request took back.
#[derive(Debug, Clone)]
pub(crate) struct Cancellation {
    /// The version by which it was.
    pub(crate) version: u32,
    pub(crate) recorded_at: DateTime<Utc>,
    /// The newest version of the entry.
    pub(crate) current_version: u32,
}

/// A version of an entry on record.
#[derive(Debug, Clone)]
pub(crate) struct StoredVersion {
    pub(crate) version: u32,
    pub(crate) kind: Kind,
    pub(crate) actor: String,
    pub(crate) reason: String,
    pub(crate) filed_on: Date,
    pub(crate) recorded_at: DateTime<Utc>,
}

/// Which decisions are listed; absent: any.
#[derive(Debug, Clone, Default)]
pub(crate) struct DecisionFilter {
    pub(crate) entry_number: Option<String>,
    /// Key of the certificate.
    pub(crate) certificate: Option<i64>,
    pub(crate) importer: Option<i64>,
    pub(crate) outcome: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) from: Option<Date>,
    pub(crate) to: Option<Date>,
    pub(crate) with_ended: bool,
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// Only decisions before this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

/// By what decisions are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grouping {
    Day,
    Importer,
    Reason,
    Total,
}

/// Counts of decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statistic {
    /// Of the group.
    pub(crate) key: String,
    pub(crate) lines: u64,
    pub(crate) organic_lines: u64,
    pub(crate) with_valid_certificate: u64,
    pub(crate) declared_organic: u64,
    pub(crate) disclaimed: u64,
    pub(crate) undeclared: u64,
    pub(crate) accepted: u64,
    pub(crate) warned: u64,
    pub(crate) rejected: u64,
    pub(crate) indeterminate: u64,
}

/// What a filing rested on.
#[derive(Debug, Clone)]
pub(crate) struct StoredFiling {
    pub(crate) inputs: Inputs,
    /// What the ledger answered about each entry that it was asked about.
    pub(crate) ledger: Vec<EntryAnswer>,
}

/// The decisions of a filing, to be put on record.
#[derive(Debug, Clone)]
pub(crate) struct DecisionRows<'a> {
    pub(crate) filing_id: i64,
    pub(crate) tenant: &'a str,
    pub(crate) filed_on: Date,
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) rows: Vec<DecisionRow>,
}

/// What of a decision is its own.
#[derive(Debug, Clone)]
pub(crate) struct DecisionRow {
    pub(crate) place: i64,
    pub(crate) entry_id: i64,
    pub(crate) version: i64,
    pub(crate) line_number: i64,
    pub(crate) pga_line_number: i64,
    pub(crate) verdict: Vec<u8>,
    pub(crate) line: Vec<u8>,
    pub(crate) outcome: &'static str,
    pub(crate) codes: String,
    pub(crate) importer: Option<i64>,
    pub(crate) certificate: Option<i64>,
    pub(crate) is_organic: bool,
    pub(crate) declaration: &'static str,
    pub(crate) has_valid_certificate: bool,
    pub(crate) drawn_units: Option<i64>,
    pub(crate) excess_units: Option<i64>,
    /// If not, it ended when it was recorded.
    pub(crate) stands: bool,
}

impl DecisionRows<'_> {
    /// What the rows are, for the audit log.
    pub(crate) fn leave(&self, left: &mut Rows) {
        for row in &self.rows {
            left.row(&DECISION)
                .number(self.filing_id)
                .number(row.place)
                .number(row.entry_id)
                .number(row.version)
                .text(self.tenant)
                .number(row.line_number)
                .number(row.pga_line_number)
                .bytes(row.verdict.as_slice())
                .bytes(row.line.as_slice())
                .text(row.outcome)
                .text(row.codes.as_str())
                .number(row.importer)
                .number(row.certificate)
                .flag(row.is_organic)
                .text(row.declaration)
                .flag(row.has_valid_certificate)
                .date(self.filed_on)
                .number(row.drawn_units)
                .number(row.excess_units)
                .moment(self.recorded_at)
                .end();
            if !row.stands {
                audited::ends(left, [(self.filing_id, row.place)], self.recorded_at);
            }
        }
    }
}

impl DecisionRow {
    pub(crate) fn new(place: u32, entry: (i64, u32), line: &EntryLine, decided: &Decision) -> Self {
        let mut codes = String::new();
        for code in &decided.codes {
            codes.push(',');
            codes.push_str(code.as_str());
        }
        if !codes.is_empty() {
            codes.push(',');
        }
        Self {
            place: place.into(),
            entry_id: entry.0,
            version: entry.1.into(),
            line_number: decided.verdict.line_number.into(),
            pga_line_number: decided.verdict.pga_line_number.into(),
            verdict: codec::write_verdict(&decided.verdict),
            line: codec::write_line(line),
            outcome: decided.verdict.outcome.as_str(),
            codes,
            // A NOP ID has 10 digits, so it never wraps.
            importer: decided.importer.map(|id| id.number().cast_signed()),
            certificate: decided.certificate.map(CertificateNumber::key),
            is_organic: decided.is_organic,
            declaration: decided.verdict.declaration.as_str(),
            has_valid_certificate: decided.has_valid_certificate,
            drawn_units: decided.drawn.map(|(weight, _)| weight.units()),
            excess_units: decided.drawn.map(|(_, excess)| excess.units()),
            stands: decided.stands,
        }
    }
}
