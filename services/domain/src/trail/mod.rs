//! The trail of an entry: where the goods came from, what and how much, who handled, moved and owned them, by which
//! documents, and what the importer verified (7 CFR 205.103, 7 CFR 205.273(d)).
//!
//! What is recorded for a trail is only added to; a wrong record is withdrawn by a later one. [`gaps::find`] says what
//! a trail lacks and where it contradicts itself.

mod chain;
mod check;
pub mod gaps;
mod organic_word;
mod time;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::date::Date;
use crate::entry::Treatment;
use crate::identifier::{CertificateNumber, CertifierId, NopId};
use crate::weight::Weight;

pub use organic_word::says_organic;
pub use time::Point;

/// Characters of a name, a place, a reference.
pub const LONGEST_TEXT: usize = 200;
/// Characters of what a person states.
pub const LONGEST_STATEMENT: usize = 2_000;
/// Lines or lots that one record may name.
pub const MOST_NAMED: usize = 1_000;

words! {
    /// What a party did with the goods.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Role {
        /// Grew or gathered them.
        Producer = "PRODUCER",
        /// Processed, packed or labelled them.
        Handler = "HANDLER",
        /// Sent them to the United States.
        Exporter = "EXPORTER",
        /// Moved them.
        Carrier = "CARRIER",
        /// Stored them.
        Warehouse = "WAREHOUSE",
        /// Accepted them in the United States.
        Importer = "IMPORTER",
        /// Something else.
        Other = "OTHER",
    }
}

/// A company or person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Party {
    /// What it is called.
    pub name: String,
    /// Its number in the registry, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nop_id: Option<NopId>,
}

/// A step of custody: who held the goods where, from when to when, and who owned them meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// What the party did with them.
    pub role: Role,
    /// Who held them.
    pub party: Party,
    /// Where; for a carrier from where to where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Point>,
    /// Until when; absent: still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Point>,
    /// Who owned them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Party>,
    /// Lines of the entry whose goods they are; empty: of all lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u32>,
    /// Their lots; empty: all lots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<String>,
}

words! {
    /// What a document is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum DocumentKind {
        /// What was ordered.
        PurchaseOrder = "PURCHASE_ORDER",
        /// What was shipped.
        BillOfLading = "BILL_OF_LADING",
        /// What was charged.
        Invoice = "INVOICE",
        /// What was packed.
        PackingList = "PACKING_LIST",
        /// Something else.
        Other = "OTHER",
    }
}

impl DocumentKind {
    /// In a sentence.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PurchaseOrder => "purchase order",
            Self::BillOfLading => "bill of lading",
            Self::Invoice => "invoice",
            Self::PackingList => "packing list",
            Self::Other => "document",
        }
    }
}

words! {
    /// How it is known whether a document says "organic".
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum CheckedBy {
        /// By the word in its text.
        Text = "TEXT",
        /// A person read it.
        Person = "PERSON",
    }
}

/// The check that a document says "organic".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrganicCheck {
    /// Whether it does.
    pub says_organic: bool,
    /// How that is known.
    pub how: CheckedBy,
    /// Who checked.
    pub checked_by: String,
    /// When.
    pub checked_at: Point,
}

/// A document, by what tells it from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// Its number or name, as those who wrote it call it.
    pub reference: String,
    /// The day that it bears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dated: Option<Date>,
    /// SHA-256 of its content, 64 hexadecimal digits in lower case.
    pub sha256: String,
    /// The check that it says "organic"; absent: nobody has looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organic: Option<OrganicCheck>,
}

/// What is stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
pub enum Claim {
    /// The importer verified what happened to the goods since export.
    Verification {
        /// Whether they came into contact with a prohibited substance.
        prohibited_substance: bool,
        /// Whether they were treated with ionizing radiation.
        ionizing_radiation: bool,
    },
    /// An Emergency Action Notice was issued.
    EmergencyActionNotice {
        /// Number of the notice.
        reference: String,
    },
    /// A certifier was told of an Emergency Action Notice.
    CertifierTold {
        /// Who was told.
        certifier_id: CertifierId,
    },
}

impl Claim {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Verification { .. } => "VERIFICATION",
            Self::EmergencyActionNotice { .. } => "EMERGENCY_ACTION_NOTICE",
            Self::CertifierTold { .. } => "CERTIFIER_TOLD",
        }
    }
}

/// A statement about the goods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// What is stated.
    #[serde(flatten)]
    pub claim: Claim,
    /// Who states it.
    pub stated_by: String,
    /// The day of it.
    pub stated_on: Date,
    /// How it is known: the control system, the inspection, the letter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub basis: String,
    /// Lines of the entry that it is about; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u32>,
}

/// That a record does not count any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The record.
    pub record_id: u64,
    /// Why.
    pub reason: String,
}

/// What one record of a trail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A step of custody.
    Step(Step),
    /// A document.
    Document(Document),
    /// A statement.
    Statement(Statement),
    /// An earlier record does not count any more.
    Withdrawal(Withdrawal),
}

/// Why a record does not count any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawn {
    /// The record that withdrew it.
    pub record_id: u64,
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

/// Something that was recorded for a trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded<T> {
    /// Names the record.
    pub record_id: u64,
    /// What was recorded.
    #[serde(flatten)]
    pub content: T,
    /// Who recorded it.
    pub recorded_by: String,
    /// When.
    pub recorded_at: DateTime<Utc>,
    /// Absent: it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawn>,
}

/// A version of the entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// From 1.
    pub version: u32,
    /// `FILED`, `AMENDED`, `CANCELLED` or `IMPORTED`.
    pub kind: String,
    /// Who filed it.
    pub actor: String,
    /// Why, where a reason was given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The day of filing.
    pub filed_on: Date,
    /// When it was put on record.
    pub recorded_at: DateTime<Utc>,
}

/// A line of the entry as it stands on record: texts as they were filed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// From 1.
    pub line_number: u32,
    /// From 1.
    pub pga_line_number: u32,
    /// The decision on it.
    pub decision_id: u64,
    /// `ACCEPT`, `WARN`, `REJECT` or `INDETERMINATE`.
    pub outcome: String,
    /// Codes of its findings.
    pub codes: Vec<String>,
    /// Whether it declares organic goods, or must.
    pub is_organic: bool,
    /// What the goods are called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The tariff code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hts_code: Option<String>,
    /// ISO 3166 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_of_origin: Option<String>,
    /// ISO 3166 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_of_export: Option<String>,
    /// CBP's code of the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_of_entry: Option<String>,
    /// `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_date: Option<String>,
    /// `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_date: Option<String>,
    /// Kilograms as filed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_weight_kg: Option<String>,
    /// What it drew on the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn_kg: Option<Weight>,
    /// The certificate that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_number: Option<CertificateNumber>,
    /// Lot numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<String>,
    /// CBP's number of the importer of record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importer_of_record: Option<String>,
    /// The importer: of the line, else the one that its importer of record is linked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importer_nop_id: Option<NopId>,
    /// The exporter that the line names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exporter_nop_id: Option<NopId>,
    /// What the line itself states of treatments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub treatment: Option<Treatment>,
}

/// A certificate as it was read when a line that names it was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRead {
    /// Its version then.
    pub version: u32,
    /// What it stated.
    #[serde(flatten)]
    pub certificate: Certificate,
}

/// The trail of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trail {
    /// Without dashes.
    pub entry_number: String,
    /// The moment as of which it is; absent: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<DateTime<Utc>>,
    /// By rising version.
    pub versions: Vec<Version>,
    /// Those that stand, by line and PGA line; none where the entry was taken back.
    pub lines: Vec<Line>,
    /// By rising number, each once.
    pub certificates: Vec<CertificateRead>,
    /// In the order in which they were recorded, as the two that follow; withdrawn ones are among them.
    pub steps: Vec<Recorded<Step>>,
    /// By reference and hash.
    pub documents: Vec<Recorded<Document>>,
    /// The importer's verification, and notices.
    pub statements: Vec<Recorded<Statement>>,
}

impl Trail {
    /// The certificate that a line names, as it was read for it.
    #[must_use]
    pub fn certificate_of(&self, line: &Line) -> Option<&Certificate> {
        let number = line.certificate_number?;
        let place = self
            .certificates
            .binary_search_by_key(&number, |read| read.certificate.number)
            .ok()?;
        Some(&self.certificates.get(place)?.certificate)
    }

    /// The importer: of the line, else of its certificate.
    pub(crate) fn importer_of(&self, line: &Line) -> Option<NopId> {
        let of_certificate = || Some(self.certificate_of(line)?.importer_nop_id);
        line.importer_nop_id.or_else(of_certificate)
    }

    /// The exporter: of the line, else of its certificate.
    pub(crate) fn exporter_of(&self, line: &Line) -> Option<NopId> {
        let of_certificate = || Some(self.certificate_of(line)?.exporter_nop_id);
        line.exporter_nop_id.or_else(of_certificate)
    }
}
