//! Which filed lines count for the ladder.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::date::{Date, day_of};
use crate::finding::{Code, Severity};
use crate::identifier::NopId;
use crate::policy::Policy;

/// The codes that open or continue a case (RULES, "Enforcement ladder"), in the order of the rules.
pub const COUNTED_CODES: [Code; 7] = [
    Code::PgaDataMissing,
    Code::CertificateNumberMissing,
    Code::TemporaryCode,
    Code::CertificateNotFound,
    Code::CertificateVoided,
    Code::ImporterNotListed,
    Code::ImporterNotCertified,
];

/// How a line came to be on record, and on which day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was filed.
    Filed {
        /// On this day in New York.
        on: Date,
    },
    /// It was brought in with the history of the tenant.
    Imported {
        /// The day that it was given.
        on: Date,
    },
}

impl Recorded {
    /// Filed at a moment: on its day in New York.
    #[must_use]
    pub fn filed_at(moment: DateTime<Utc>) -> Self {
        Self::Filed { on: day_of(moment) }
    }
}

/// A line on record, as far as the ladder asks.
#[derive(Debug, Clone, Copy)]
pub struct FiledLine<'a> {
    /// Line of the entry, from 1.
    pub line_number: u32,
    /// PGA line of it, from 1.
    pub pga_line_number: u32,
    /// The importer as the rules found it; `None` where it is unknown.
    pub importer: Option<NopId>,
    /// Name of the phase in which the line was judged.
    pub phase: &'a str,
    /// How and when it came to be on record.
    pub recorded: Recorded,
    /// What was found, of any code and severity, in the order of the rules.
    pub findings: &'a [CountedFinding],
}

/// A finding in the words of the policy that it was found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountedFinding {
    /// What.
    #[serde(serialize_with = "write_code", deserialize_with = "read_code")]
    pub code: Code,
    /// How bad, in the phase of the line.
    #[serde(serialize_with = "write_severity", deserialize_with = "read_severity")]
    pub severity: Severity,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// What to do, in a sentence; empty: nothing that the policy knows.
    pub remedy: String,
}

impl CountedFinding {
    fn counts(&self) -> bool {
        COUNTED_CODES.contains(&self.code) && matches!(self.severity, Severity::Warning | Severity::Reject)
    }
}

words! {
    /// Where a line came from.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Origin {
        /// It was filed.
        Filed = "FILED",
        /// It was brought in with the history of the tenant.
        Imported = "IMPORTED",
    }
}

words! {
    /// How far up the ladder a line leads. Ordered.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Reach {
        /// To the warning letters: its phase is not the strict one.
        WarningLetters = "WARNING_LETTERS",
        /// To every step in its turn.
        WholeLadder = "WHOLE_LADDER",
        /// To the cease-and-desist notice at once.
        AtOnce = "AT_ONCE",
    }
}

/// A line that counts for the case of its importer. Made by [`count`]; what is kept of it is read back as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountedLine {
    line_number: u32,
    pga_line_number: u32,
    recorded_on: Date,
    origin: Origin,
    reach: Reach,
    findings: Vec<CountedFinding>,
}

impl CountedLine {
    /// Line of the entry, from 1.
    #[must_use]
    pub const fn line_number(&self) -> u32 {
        self.line_number
    }

    /// PGA line of it, from 1.
    #[must_use]
    pub const fn pga_line_number(&self) -> u32 {
        self.pga_line_number
    }

    /// The day on which it counts.
    #[must_use]
    pub const fn recorded_on(&self) -> Date {
        self.recorded_on
    }

    /// Where it came from.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// How far up the ladder it leads.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        self.reach
    }

    /// Those of its findings that count, at least one.
    #[must_use]
    pub fn findings(&self) -> &[CountedFinding] {
        &self.findings
    }
}

/// What of a line counts, and for which importer: `None` where that is unknown or nothing counts. `STRICT` is the last
/// phase of the policy.
#[must_use]
pub fn count(line: &FiledLine<'_>, policy: &Policy) -> Option<(NopId, CountedLine)> {
    let importer = line.importer?;
    let findings: Vec<CountedFinding> = line
        .findings
        .iter()
        .filter(|finding| finding.counts())
        .cloned()
        .collect();
    if findings.is_empty() {
        return None;
    }
    let has = |code| findings.iter().any(|finding| finding.code == code);
    let reach = if line.phase != policy.phase(policy.last_phase()).name {
        Reach::WarningLetters
    } else if has(Code::TemporaryCode) || has(Code::ImporterNotCertified) && has(Code::CertificateVoided) {
        Reach::AtOnce
    } else {
        Reach::WholeLadder
    };
    let (origin, recorded_on) = match line.recorded {
        Recorded::Filed { on } => (Origin::Filed, on),
        Recorded::Imported { on } => (Origin::Imported, on),
    };
    let counted = CountedLine {
        line_number: line.line_number,
        pga_line_number: line.pga_line_number,
        recorded_on,
        origin,
        reach,
        findings,
    };
    Some((importer, counted))
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn write_code<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

fn read_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
    read_word(deserializer, Code::parse)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn write_severity<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(severity.as_str())
}

fn read_severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
    read_word(deserializer, Severity::parse)
}

fn read_word<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let word = String::deserialize(deserializer)?;
    parse(&word).ok_or_else(|| serde::de::Error::custom(format!("unknown word {word:?}")))
}
