//! NOP Import Certificates as JSON lines, CSV or XLSX (FORMATS §4).
//!
//! Certificates are few beside entry lines, so each is read by way of a tree that knows what was repeated and where,
//! and every refusal names its field.

mod fields;

use std::borrow::Cow;

use nopic_domain::certificate::{Certificate, Draw};
use serde::Serialize;
use thiserror::Error;

pub use self::fields::CertificateRecord;

use self::fields::{NAMES, certificate};
use crate::entries::Form;
use crate::entries::detect::{Detector, Undetected};
use crate::entries::node::Node;
use crate::entries::write_line;
use crate::input::Input;
use crate::kind::{self, Kind};
use crate::lines::RawLine;
use crate::lines::too_long;
use crate::reject::{Reject, shown};
use crate::table::csv::CsvDecoder;
use crate::table::header::find;
use crate::table::{HeaderError, Table, WorkbookError, workbook};

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
    /// One JSON array of all certificates.
    #[error(
        "the file is one JSON array: write one certificate as one JSON object a line, without the brackets and the \
         commas between the objects"
    )]
    JsonArray,
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
            Err(Undetected::JsonArray) => return Err(CertificateFileError::JsonArray),
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

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
