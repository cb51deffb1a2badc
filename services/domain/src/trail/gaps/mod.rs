//! What a trail lacks and where it contradicts itself, each with what to do and the source of the duty.

mod custody;
mod documents;
mod goods;
mod treatment;

use serde::Serialize;

use super::{Line, Recorded, Trail};
use crate::identifier::CertifierId;

/// Records of certified operations.
const RECORDS: &str = "7 CFR 205.103";
/// What the exporter asks for.
const EXPORTER: &str = "7 CFR 205.273(a)";
/// What ties a shipment to its certificate.
const CERTIFICATE: &str = "7 CFR 205.273(c)";
/// What the importer verifies.
const IMPORTER: &str = "7 CFR 205.273(d)";
/// What a certificate states.
const STATUTE: &str = "7 USC 6502";
/// No text of law is known for it.
const TRADE: &str = "practice of the trade";
const NOTICE: &str = "rule TREATMENT_EMERGENCY_ACTION";

words! {
    /// How much a gap weighs.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Level {
        /// The entry itself is in question.
        Finding = "FINDING",
        /// Two records cannot both be right.
        Contradiction = "CONTRADICTION",
        /// Something must be there and is not.
        Missing = "MISSING",
        /// It would help.
        Advice = "ADVICE",
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $word:literal, $level:ident, $source:expr;)+) => {
        words! {
            /// What is wrong. Stable; in the order in which they are listed.
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
            #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
            pub enum GapCode {
                $($(#[doc = $doc])* $variant = $word,)+
            }
        }

        impl GapCode {
            /// How much it weighs.
            #[must_use]
            pub const fn level(self) -> Level {
                match self {
                    $(Self::$variant => Level::$level,)+
                }
            }

            /// Where the duty stands.
            #[must_use]
            pub const fn source(self) -> &'static str {
                match self {
                    $(Self::$variant => $source,)+
                }
            }
        }
    };
}
codes! {
    /// An Emergency Action Notice was issued.
    EmergencyActionNotice = "EMERGENCY_ACTION_NOTICE", Finding, NOTICE;
    /// The goods came into contact with what makes them not organic.
    TreatmentProhibited = "TREATMENT_PROHIBITED", Finding, IMPORTER;
    /// The line may not be filed as organic, or it is not known whether it may.
    LineNotAccepted = "LINE_NOT_ACCEPTED", Finding, CERTIFICATE;
    /// A line states one thing of the treatment, a statement another.
    VerificationContradicted = "VERIFICATION_CONTRADICTED", Contradiction, IMPORTER;
    /// Two parties held the goods at one time.
    CustodyContradicted = "CUSTODY_CONTRADICTED", Contradiction, RECORDS;
    /// Two parties owned the goods at one time.
    OwnershipContradicted = "OWNERSHIP_CONTRADICTED", Contradiction, RECORDS;
    /// A record names a line or lot that the entry does not have.
    RecordOfNothing = "RECORD_OF_NOTHING", Contradiction, RECORDS;
    /// A document does not say "organic".
    DocumentNotOrganic = "DOCUMENT_NOT_ORGANIC", Contradiction, TRADE;
    /// The importer has not verified the treatment of the goods.
    VerificationMissing = "VERIFICATION_MISSING", Missing, IMPORTER;
    /// A line names no certificate, or none that was known.
    CertificateMissing = "CERTIFICATE_MISSING", Missing, CERTIFICATE;
    /// Nothing says where the goods come from.
    OriginMissing = "ORIGIN_MISSING", Missing, STATUTE;
    /// Nothing says what the goods are.
    ProductMissing = "PRODUCT_MISSING", Missing, RECORDS;
    /// A line states no weight.
    WeightMissing = "WEIGHT_MISSING", Missing, STATUTE;
    /// Nothing says who exported.
    ExporterMissing = "EXPORTER_MISSING", Missing, EXPORTER;
    /// Nothing says who imports.
    ImporterMissing = "IMPORTER_MISSING", Missing, IMPORTER;
    /// No step of custody is on record.
    CustodyMissing = "CUSTODY_MISSING", Missing, RECORDS;
    /// Nobody held the goods for a time.
    CustodyGap = "CUSTODY_GAP", Missing, RECORDS;
    /// No producer is among the steps.
    ProducerMissing = "PRODUCER_MISSING", Missing, RECORDS;
    /// The final handler of the certificate is not among the steps.
    FinalHandlerMissing = "FINAL_HANDLER_MISSING", Missing, RECORDS;
    /// The goods never reach the importer.
    ImporterNotReached = "IMPORTER_NOT_REACHED", Missing, RECORDS;
    /// A step does not say who owned the goods.
    OwnerMissing = "OWNER_MISSING", Missing, RECORDS;
    /// A step does not say since or until when.
    TimeMissing = "TIME_MISSING", Missing, RECORDS;
    /// A step does not say where.
    PlaceMissing = "PLACE_MISSING", Missing, RECORDS;
    /// A document is not on record.
    DocumentMissing = "DOCUMENT_MISSING", Missing, RECORDS;
    /// Nobody has looked whether a document says "organic".
    DocumentNotChecked = "DOCUMENT_NOT_CHECKED", Missing, TRADE;
    /// Nothing names the lots.
    LotsMissing = "LOTS_MISSING", Advice, TRADE;
}

/// A certifier that must be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tell {
    /// Its number.
    pub certifier_id: CertifierId,
    /// Why it is this one.
    pub because: String,
    /// Whether it is on record that it was told.
    pub was_told: bool,
}

/// Something that is missing or contradictory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// What.
    pub code: GapCode,
    /// How much it weighs.
    pub level: Level,
    /// What it is about: `line 1`, `record 7`; empty: the entry.
    pub about: String,
    /// What is wrong, a sentence.
    pub message: String,
    /// What to do, a sentence.
    pub what_to_do: String,
    /// Where the duty stands.
    pub source: String,
    /// Certifiers that must be told; only with an Emergency Action Notice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tell: Vec<Tell>,
}

/// Every gap of a trail: findings first, then contradictions, then what is missing. An entry without organic lines
/// needs no trail.
#[must_use]
pub fn find(trail: &Trail) -> Vec<Gap> {
    let lines: Vec<&Line> = trail.lines.iter().filter(|line| line.is_organic).collect();
    let mut gaps = Gaps { found: Vec::new() };
    if !lines.is_empty() {
        goods::look(trail, &lines, &mut gaps);
        custody::look(trail, &lines, &mut gaps);
        documents::look(trail, &mut gaps);
        treatment::look(trail, &lines, &mut gaps);
    }
    gaps.found.sort_by_key(|gap| gap.code);
    gaps.found
}

struct Gaps {
    found: Vec<Gap>,
}

impl Gaps {
    fn add(&mut self, code: GapCode, about: String, message: impl Into<String>, what_to_do: &str) {
        self.found.push(Gap {
            code,
            level: code.level(),
            about,
            message: message.into(),
            what_to_do: what_to_do.to_owned(),
            source: code.source().to_owned(),
            tell: Vec::new(),
        });
    }

    /// The same about lines, where there are any.
    fn add_about(&mut self, code: GapCode, lines: &[&Line], message: &str, what_to_do: &str) {
        if !lines.is_empty() {
            self.add(code, of_lines(lines), message, what_to_do);
        }
    }
}

/// Those that were not withdrawn.
fn standing<T>(records: &[Recorded<T>]) -> impl Iterator<Item = &Recorded<T>> {
    records.iter().filter(|record| record.withdrawn.is_none())
}

/// Lines that are named one by one; further ones are counted.
const NAMED: usize = 5;

/// `line 1`, `lines 1, 2 and 3`, `lines 1, 2, 3, 4, 5 and 17 more`; a PGA line past the first as `1.2`.
fn of_lines(lines: &[&Line]) -> String {
    let name = |line: &&Line| match line.pga_line_number {
        1 => line.line_number.to_string(),
        pga => format!("{}.{pga}", line.line_number),
    };
    let names: Vec<String> = lines.iter().take(NAMED).map(name).collect();
    match (names.as_slice(), lines.len().saturating_sub(NAMED)) {
        ([], _) => String::new(),
        ([one], _) => format!("line {one}"),
        ([first @ .., last], 0) => format!("lines {} and {last}", first.join(", ")),
        (all, more) => format!("lines {} and {more} more", all.join(", ")),
    }
}

/// Whether a record about these lines is about this one.
fn is_about(named: &[u32], line: &Line) -> bool {
    named.is_empty() || named.contains(&line.line_number)
}
