//! NOP Import Certificates as JSON lines, CSV or XLSX (FORMATS §4).
//!
//! Certificates are few beside entry lines, so each is read by way of a tree that knows what was repeated and where,
//! and every refusal names its field.

use std::borrow::Cow;
use std::str::FromStr;

use nopic_domain::certificate::{Certificate, CertificateKind, CertificateStatus, Draw};
use nopic_domain::hts::with_lost_zero;
use nopic_domain::identifier::{EntryNumber, country_code};
use nopic_domain::weight::Weight;
use serde::Serialize;
use thiserror::Error;

use crate::entries::Form;
use crate::entries::detect::{Detector, Undetected};
use crate::entries::node::Node;
use crate::entries::object::Fields;
use crate::entries::{mistyped, write_line};
use crate::input::Input;
use crate::kind::{self, Kind};
use crate::lines::RawLine;
use crate::lines::too_long;
use crate::reject::{Reject, shown};
use crate::table::csv::CsvDecoder;
use crate::table::header::find;
use crate::table::{HeaderError, Table, WorkbookError, workbook};

/// The names of a certificate's fields.
const NAMES: [&str; 17] = [
    "number",
    "status",
    "supersededBy",
    "certifierId",
    "exporterNopId",
    "importerNopId",
    "finalHandlerNopId",
    "product",
    "htsCode",
    "kind",
    "issuedOn",
    "validFrom",
    "validTo",
    "totalWeightKg",
    "countriesOfOrigin",
    "lots",
    "draws",
];

/// The columns of a table of certificates: every field but the draws.
pub(crate) const COLUMNS: [&str; 16] = {
    let mut columns = [""; 16];
    let mut index = 0;
    while index < columns.len() {
        columns[index] = NAMES[index];
        index += 1;
    }
    columns
};

/// Those without which no certificate is whole.
pub(crate) const NEEDED: [&str; 9] = [
    "number",
    "status",
    "certifierId",
    "exporterNopId",
    "importerNopId",
    "product",
    "htsCode",
    "kind",
    "totalWeightKg",
];

/// The names of a draw's fields.
const DRAW_NAMES: [&str; 4] = ["entryNumber", "lineNumber", "pgaLineNumber", "weightKg"];

/// A certificate that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRecord {
    /// Number of its line in the file, from 1.
    pub record: u64,
    /// The certificate, normalised.
    pub certificate: Certificate,
    /// Its draws; absent where the file says nothing about them (an empty list says that there are none).
    pub draws: Option<Vec<Draw>>,
}

/// What a reader of certificates gives.
#[derive(Debug, Clone, PartialEq, Eq)]
// Nearly all events are certificates.
#[allow(clippy::large_enum_variant)]
pub enum CertificateEvent {
    /// A certificate.
    Certificate(CertificateRecord),
    /// A line that could not be read.
    Reject(Reject),
}

/// Why a file as a whole is not read. No event was given before it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateFileError {
    /// No byte but white space.
    #[error("the file is empty: expected certificates as JSON lines, CSV or XLSX")]
    Empty,
    /// Something that has a form of its own.
    #[error("the file is {found}, not certificates: give JSON lines, or CSV or XLSX with a header")]
    OtherContent {
        /// What it is, with its article.
        found: &'static str,
    },
    /// Content of another kind than certificates.
    #[error("the file holds {found}, not certificates: give it to `{command}`")]
    OtherKind {
        /// What it holds.
        found: &'static str,
        /// The command that reads it.
        command: &'static str,
    },
    /// A header, and nothing behind it.
    #[error("the file has a header and no certificate under it: give the file that has them")]
    NoCertificate,
    /// A CSV whose header cannot be used.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// An XLSX workbook that cannot be read.
    #[error(transparent)]
    Workbook(#[from] WorkbookError),
}

impl From<Kind> for CertificateFileError {
    fn from(kind: Kind) -> Self {
        Self::OtherKind {
            found: kind.found,
            command: kind.command,
        }
    }
}

/// Reads certificates from chunks of bytes; the result does not depend on how they were cut. The form (JSON lines, CSV
/// or XLSX) is found out from the content.
#[derive(Debug)]
pub struct CertificateReader {
    input: Input,
    decoder: Decoder,
    /// Whether any event was given.
    has_given: bool,
}

#[derive(Debug)]
enum Decoder {
    Detecting(Detector),
    Jsonl {
        /// A line was met.
        is_begun: bool,
    },
    Csv(Box<CsvDecoder<CertificateTable>>),
    Failed(CertificateFileError),
}

impl Default for CertificateReader {
    fn default() -> Self {
        Self {
            input: Input::any(),
            decoder: Decoder::Detecting(Detector::new(Form::Auto)),
            has_given: false,
        }
    }
}

impl CertificateReader {
    /// A reader at the start of a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next bytes and appends what they complete to `out`.
    ///
    /// # Errors
    /// When the file as a whole cannot be read; every further call gives the same error.
    pub fn push(
        &mut self,
        chunk: &[u8],
        out: &mut Vec<CertificateEvent>,
    ) -> Result<(), CertificateFileError> {
        let Self { input, decoder, .. } = self;
        if let Decoder::Failed(error) = decoder {
            return Err(error.clone());
        }
        let before = out.len();
        let result = input.push(chunk, |number, line| decoder.line(number, line, out));
        self.has_given |= out.len() > before;
        self.or_failed(result)
    }

    /// Reads what the end of the file completes. To be called once, behind the last chunk.
    ///
    /// # Errors
    /// As for [`CertificateReader::push`]; an empty file is found here.
    pub fn finish(&mut self, out: &mut Vec<CertificateEvent>) -> Result<(), CertificateFileError> {
        let Self { input, decoder, .. } = self;
        if let Decoder::Failed(error) = decoder {
            return Err(error.clone());
        }
        let before = out.len();
        let result = match input.finish(|number, line| decoder.line(number, line, out)) {
            Ok(Some(bytes)) => {
                workbook::read::<CertificateTable>(&bytes, out).map_err(CertificateFileError::from)
            }
            Ok(None) => decoder.finish(out),
            Err(error) => Err(error),
        };
        self.has_given |= out.len() > before;
        let result = match result {
            Ok(()) if !self.has_given => Err(CertificateFileError::NoCertificate),
            result => result,
        };
        self.or_failed(result)
    }

    fn or_failed(&mut self, result: Result<(), CertificateFileError>) -> Result<(), CertificateFileError> {
        if let Err(error) = &result {
            self.decoder = Decoder::Failed(error.clone());
        }
        result
    }
}

impl Decoder {
    fn line(
        &mut self,
        number: u64,
        line: RawLine<'_>,
        out: &mut Vec<CertificateEvent>,
    ) -> Result<(), CertificateFileError> {
        match self {
            Self::Jsonl { is_begun } => read_line(is_begun, number, line, out),
            Self::Csv(decoder) => Ok(decoder.line(number, line, out)?),
            Self::Detecting(detector) => {
                let found = detector.line::<CertificateTable>(number, line);
                self.begin(found, out)
            }
            Self::Failed(error) => Err(error.clone()),
        }
    }

    /// Turns to the form that was found, if it was, and reads what was held back until then.
    fn begin(
        &mut self,
        found: Result<Option<Form>, Undetected>,
        out: &mut Vec<CertificateEvent>,
    ) -> Result<(), CertificateFileError> {
        let next = match found {
            Ok(None) => return Ok(()),
            Ok(Some(Form::Abi)) => return Err(kind::ENTRIES.into()),
            Ok(Some(Form::Csv)) => Self::Csv(Box::default()),
            // Each line that is none is refused by its number.
            Ok(Some(Form::Jsonl | Form::Xlsx | Form::Auto)) | Err(Undetected::Unknown) => {
                Self::Jsonl { is_begun: false }
            }
            Err(Undetected::Empty) => return Err(CertificateFileError::Empty),
            Err(Undetected::Foreign(found)) => return Err(CertificateFileError::OtherContent { found }),
        };
        if let Self::Detecting(detector) = std::mem::replace(self, next) {
            for held in detector.into_held() {
                self.line(held.number, held.raw(), out)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<CertificateEvent>) -> Result<(), CertificateFileError> {
        if let Self::Detecting(detector) = self {
            let found = detector.finish().map(Some);
            self.begin(found, out)?;
        }
        match self {
            Self::Csv(decoder) => Ok(decoder.finish(out)?),
            Self::Jsonl { .. } | Self::Detecting(_) => Ok(()),
            Self::Failed(error) => Err(error.clone()),
        }
    }
}

/// Reads a whole file that is in memory.
///
/// # Errors
/// When the file as a whole cannot be read.
pub fn read_certificates(bytes: &[u8]) -> Result<Vec<CertificateEvent>, CertificateFileError> {
    let mut reader = CertificateReader::new();
    let mut events = Vec::new();
    reader.push(bytes, &mut events)?;
    reader.finish(&mut events)?;
    Ok(events)
}

/// Appends one line of JSON that reads back as the same certificate and draws.
pub fn write_certificate(out: &mut Vec<u8>, certificate: &Certificate, draws: Option<&[Draw]>) {
    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(flatten)]
        certificate: &'a Certificate,
        #[serde(skip_serializing_if = "Option::is_none")]
        draws: Option<&'a [Draw]>,
    }
    write_line(out, &Written { certificate, draws });
}

/// Appends a line for each certificate.
pub fn write_certificates<'a>(
    out: &mut Vec<u8>,
    certificates: impl IntoIterator<Item = (&'a Certificate, Option<&'a [Draw]>)>,
) {
    for (certificate, draws) in certificates {
        write_certificate(out, certificate, draws);
    }
}

fn read_line(
    is_begun: &mut bool,
    number: u64,
    line: RawLine<'_>,
    out: &mut Vec<CertificateEvent>,
) -> Result<(), CertificateFileError> {
    let bytes = match line {
        RawLine::Whole(bytes) => bytes.trim_ascii(),
        RawLine::TooLong { length, .. } => {
            *is_begun = true;
            out.push(CertificateEvent::Reject(too_long(number, length)));
            return Ok(());
        }
    };
    if bytes.is_empty() {
        return Ok(());
    }
    if !*is_begun
        && let Ok(Node::Object(fields)) = Node::read(number, bytes)
        && let Some(kind) = kind::of_names(fields.iter().map(|(name, _)| name.as_str()))
        && kind != kind::CERTIFICATES
    {
        return Err(kind.into());
    }
    *is_begun = true;
    out.push(match read_certificate(number, bytes) {
        Ok(certificate) => CertificateEvent::Certificate(certificate),
        Err(reject) => CertificateEvent::Reject(reject),
    });
    Ok(())
}

/// Tables of certificates. Draws have no column.
struct CertificateTable;

impl Table for CertificateTable {
    type Column = &'static str;
    type Event = CertificateEvent;

    const KIND: Kind = kind::CERTIFICATES;

    fn column(name: &str) -> Option<&'static str> {
        find(name, COLUMNS.into_iter().map(|column| (column, column)))
    }

    fn name(column: &'static str) -> &'static str {
        column
    }

    fn columns() -> Vec<&'static str> {
        COLUMNS.to_vec()
    }

    fn needed() -> &'static [&'static str] {
        &NEEDED
    }

    fn is_date(column: &'static str) -> bool {
        matches!(column, "issuedOn" | "validFrom" | "validTo")
    }

    fn read<'a>(
        record: u64,
        cells: impl Iterator<Item = (&'static str, Cow<'a, str>)>,
    ) -> Result<CertificateEvent, Box<Reject>> {
        let pairs = cells
            .map(|(column, cell)| {
                let node = if matches!(column, "countriesOfOrigin" | "lots") {
                    Node::List(cell.split(';').map(|part| Node::Text(part.to_owned())).collect())
                } else {
                    Node::Text(cell.into_owned())
                };
                (column.to_owned(), node)
            })
            .collect();
        certificate(record, pairs)
            .map(CertificateEvent::Certificate)
            .map_err(Box::new)
    }

    fn refused(reject: Reject) -> CertificateEvent {
        CertificateEvent::Reject(reject)
    }
}

/// Names the code that a spreadsheet seems to have taken a zero from. It is never completed.
fn name_lost_zero(reject: Reject) -> Reject {
    if reject.field.as_deref() != Some("htsCode") {
        return reject;
    }
    match with_lost_zero(&reject.value) {
        Some(code) => Reject {
            reason: format!(
                "{}; the zero in front seems lost: if {code} is meant, write it (in a spreadsheet, into a cell of \
                 text)",
                reject.reason
            ),
            ..reject
        },
        None => reject,
    }
}

fn read_certificate(record: u64, bytes: &[u8]) -> Result<CertificateRecord, Reject> {
    let Node::Object(pairs) = Node::read(record, bytes)? else {
        return Err(Reject::new(
            record,
            "the line is not an object: write one certificate as one JSON object",
        ));
    };
    let key = pairs.iter().find_map(|(name, value)| match value {
        Node::Text(text) if name == "number" => Some(shown(text.trim())).filter(|key| !key.is_empty()),
        _ => None,
    });
    certificate(record, pairs).map_err(|reject| Reject { key, ..reject })
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn certificate(record: u64, pairs: Vec<(String, Node)>) -> Result<CertificateRecord, Reject> {
    read_fields(record, pairs).map_err(name_lost_zero)
}

fn read_fields(record: u64, pairs: Vec<(String, Node)>) -> Result<CertificateRecord, Reject> {
    let mut fields = Fields::new(record, "", "a certificate", &NAMES, pairs)?;
    let certificate_number = "a certificate number NNN-NNNNNNNNNN-NNNNNN";
    let operation = "a NOP operation ID of 10 digits";
    let certificate = Certificate {
        number: fields.needed("number", certificate_number, parse)?,
        status: fields.needed(
            "status",
            "DRAFT, REQUESTED, UNDER_REVIEW, REJECTED, ISSUED, VOIDED or SUPERSEDED",
            CertificateStatus::parse,
        )?,
        superseded_by: fields.parsed("supersededBy", certificate_number, parse)?,
        certifier_id: fields.needed("certifierId", "a certifier number of 3 digits", parse)?,
        exporter_nop_id: fields.needed("exporterNopId", operation, parse)?,
        importer_nop_id: fields.needed("importerNopId", operation, parse)?,
        final_handler_nop_id: fields.parsed("finalHandlerNopId", operation, parse)?,
        product: Some(fields.needed("product", "the product as a text", |text| Some(text.to_owned()))?),
        hts_code: fields.needed("htsCode", "a tariff code of 6, 8 or 10 digits", parse)?,
        kind: fields.needed(
            "kind",
            "SINGLE_SHIPMENT, MULTIPLE_SHIPMENTS or TIME_FRAME",
            CertificateKind::parse,
        )?,
        issued_on: fields.date("issuedOn")?,
        valid_from: fields.date("validFrom")?,
        valid_to: fields.date("validTo")?,
        total_weight_kg: fields.needed(
            "totalWeightKg",
            "kilograms above zero, at most 1000000000000, as a decimal text with at most four decimals",
            |text| parse(text).filter(|weight| *weight > Weight::ZERO),
        )?,
        countries_of_origin: fields.texts("countriesOfOrigin")?,
        lots: fields.texts("lots")?,
    }
    .normalise();
    check_life(&fields, &certificate)?;
    if let Some(country) = certificate
        .countries_of_origin
        .iter()
        .find(|country| country_code(country).is_none())
    {
        return fields.refuse("countriesOfOrigin", country, "expected countries of two letters");
    }
    let draws = match fields.take("draws") {
        None => None,
        Some(Node::List(items)) => Some(read_draws(record, items)?),
        Some(other) => return fields.mistyped("draws", "a list of draws", &other),
    };
    Ok(CertificateRecord {
        record,
        certificate,
        draws,
    })
}

/// What the status allows and asks for.
fn check_life(fields: &Fields<'_>, certificate: &Certificate) -> Result<(), Reject> {
    let status = certificate.status.as_str();
    if let (Some(successor), false) = (
        certificate.superseded_by,
        certificate.status == CertificateStatus::Superseded,
    ) {
        let reason =
            format!("a certificate that is {status} has no successor: take it out, or say SUPERSEDED");
        return fields.refuse("supersededBy", &successor.to_string(), reason);
    }
    if certificate.status.is_before_issue() {
        if let Some(date) = certificate.issued_on {
            let reason = format!("a certificate that is {status} is not issued yet: take the date out");
            return fields.refuse("issuedOn", &date.to_string(), reason);
        }
    } else {
        for (name, date) in [
            ("issuedOn", certificate.issued_on),
            ("validFrom", certificate.valid_from),
            ("validTo", certificate.valid_to),
        ] {
            if date.is_none() {
                let reason = format!("{name} is absent, and a certificate that is {status} has one");
                return fields.refuse(name, "", reason);
            }
        }
    }
    if let (Some(from), Some(to)) = (certificate.valid_from, certificate.valid_to)
        && from > to
    {
        return fields.refuse(
            "validTo",
            &to.to_string(),
            format!("it is before validFrom, {from}"),
        );
    }
    Ok(())
}

fn read_draws(record: u64, items: Vec<Node>) -> Result<Vec<Draw>, Reject> {
    let mut draws: Vec<Draw> = Vec::with_capacity(items.len());
    let mut keys = rustc_hash::FxHashSet::default();
    for (index, item) in items.into_iter().enumerate() {
        let prefix = format!("draws[{index}].");
        let pairs = match item {
            Node::Object(pairs) => pairs,
            other => {
                let name = prefix.trim_end_matches('.');
                return Err(mistyped(record, name, "a draw as an object", &other));
            }
        };
        let mut fields = Fields::new(record, &prefix, "a draw", &DRAW_NAMES, pairs)?;
        let entry_number = "an entry number: filer code, 7 digits, right check digit";
        let draw = Draw {
            entry_number: fields.needed("entryNumber", entry_number, |text| {
                EntryNumber::parse(&text.replace('-', "").to_ascii_uppercase())
            })?,
            line_number: match fields.line_number("lineNumber")? {
                Some(number) => number,
                None => return fields.refuse("lineNumber", "", "it is absent: give the line that drew"),
            },
            pga_line_number: fields.line_number("pgaLineNumber")?.unwrap_or(1),
            weight_kg: fields.needed("weightKg", "kilograms as a decimal text", parse)?,
        };
        if !keys.insert((draw.entry_number, draw.line_number, draw.pga_line_number)) {
            let reason = format!(
                "the draw of line {} (PGA line {}) stands twice: add the two up",
                draw.line_number, draw.pga_line_number
            );
            return fields.refuse("entryNumber", draw.entry_number.as_str(), reason);
        }
        draws.push(draw);
    }
    Ok(draws)
}

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
