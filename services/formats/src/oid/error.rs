//! Why a whole file of the Organic INTEGRITY Database could not be read.

use std::io;

use thiserror::Error;

/// What a sink hands back to end a read: the reason comes out again as [`OidProblem::Stopped`].
pub type Stopped = Box<dyn std::error::Error + Send + Sync>;

/// A file that could not be read as a whole. Single rows that cannot be read are no error: they are
/// [`OidReject`](super::OidReject)s.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct OidError {
    /// The file as its caller named it.
    pub file: String,
    /// What is wrong with it.
    #[source]
    pub problem: Box<OidProblem>,
}

impl OidError {
    pub(crate) fn new(file: impl Into<String>, problem: OidProblem) -> Self {
        Self {
            file: file.into(),
            problem: Box::new(problem),
        }
    }
}

/// What was found, what was expected, and what to do.
#[derive(Debug, Error)]
pub enum OidProblem {
    /// The file cannot be opened or read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// No bytes, or nothing but white space.
    #[error(
        "the file is empty; a snapshot (XLSX), a bulk download (ZIP) or pages (JSON) were expected; download it again"
    )]
    Empty,
    /// HTML: an error or log-in page that was saved under the name of a download.
    #[error(
        "the download is a web page, not a ZIP, XLSX or JSON file; open its address in a browser to see the page's message"
    )]
    WebPage,
    /// A ZIP without its end.
    #[error("the ZIP or XLSX file is cut off or damaged ({reason}); download it again")]
    DamagedZip {
        /// What the ZIP reader found.
        reason: String,
    },
    /// An entry of a ZIP, or a part of a workbook, that needs a password.
    #[error(
        "{entry} in the ZIP needs a password, and none can be given here; unpack it with the password and import what comes out"
    )]
    Encrypted {
        /// Name of the entry.
        entry: String,
    },
    /// An entry of a ZIP, or a part of a workbook, that is packed by a method that is not read.
    #[error(
        "{entry} in the ZIP is packed with {method}, which is not read (Deflate and no packing are); unpack it and import what comes out, or pack it again with Deflate"
    )]
    PackingNotRead {
        /// Name of the entry.
        entry: String,
        /// The method's name, or its number.
        method: String,
    },
    /// Neither of the forms.
    #[error(
        "found {found}; expected an XLSX snapshot, a ZIP with one XML file named `stream`, or JSON pages"
    )]
    UnknownForm {
        /// What it is, as far as can be told.
        found: String,
    },
    /// Only JSON pages may be spread over several files.
    #[error(
        "several files make one content only if all are JSON pages, and this one is {found}; import it alone"
    )]
    MixedForms {
        /// The form of this file.
        found: &'static str,
    },
    /// No sheet has a row of technical names.
    #[error(
        "no header row: none of the first {rows} rows of any sheet ({sheets}) holds the technical name `op_nopOpID`; take the file as downloaded, with its row of technical names"
    )]
    NoHeaderRow {
        /// How many rows were looked at.
        rows: usize,
        /// The names of the sheets.
        sheets: String,
    },
    /// A header row that lacks a column without which no row can be read.
    #[error(
        "sheet {sheet:?}, row {row}: the column `{column}` is missing among the technical names {found}; give the column its technical name back"
    )]
    MissingColumn {
        /// Name of the sheet.
        sheet: String,
        /// Number of the row, from 1.
        row: u64,
        /// The technical name that was not found.
        column: &'static str,
        /// The names that were found, separated by commas.
        found: String,
    },
    /// Two columns with one name.
    #[error(
        "sheet {sheet:?}, row {row}: two columns are named `{column}` ({first} and {second}); remove or rename one"
    )]
    DuplicateColumn {
        /// Name of the sheet.
        sheet: String,
        /// Number of the row, from 1.
        row: u64,
        /// The technical name.
        column: String,
        /// Letters of the first column.
        first: String,
        /// Letters of the second column.
        second: String,
    },
    /// A workbook whose parts do not fit together.
    #[error(
        "the workbook is damaged: {part}: {reason}; open and save it in a spreadsheet program, or download it again"
    )]
    Workbook {
        /// The part of the workbook, or sheet and cell.
        part: String,
        /// What is wrong there.
        reason: String,
    },
    /// XML that is not well formed, or is cut off.
    #[error("{part}, byte {position}: {reason}")]
    Xml {
        /// Which XML: a part of a workbook, or the stream.
        part: String,
        /// Offset in the unpacked XML, in bytes from 0.
        position: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Well-formed XML without a list of operations.
    #[error(
        "the XML holds no <Operation> elements; its root is <{root}>; expected the bulk download of operations"
    )]
    NoOperations {
        /// Name of the root element.
        root: String,
    },
    /// No record has the key, so all of them are somebody else's.
    #[error(
        "no {record} has the field `{key}`; the fields that are there: {found}; names of an older or another service are not read: fetch the records again with the technical names (`{key}`, …), or take the bulk download"
    )]
    NoKey {
        /// What one record is called.
        record: &'static str,
        /// The technical name of the key.
        key: &'static str,
        /// The names that are there, separated by commas.
        found: String,
    },
    /// JSON that is cut off, or not of the expected shape.
    #[error("JSON value {value}, line {line}, column {column}: {reason}")]
    Json {
        /// Which of the concatenated values, from 1.
        value: u64,
        /// Line in that value, from 1.
        line: usize,
        /// Column in that line, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// `{"success": false}`.
    #[error("the page is an error message of the service, not data: {message:?}; ask the service again")]
    ServiceError {
        /// The `errorMessage` of the page, shortened.
        message: String,
    },
    /// A tag or a text that is longer than any is read.
    #[error("{place}: a tag or a text is longer than {limit} bytes, which is more than is read; shorten it")]
    LongText {
        /// Where: a cell, or as near as is known.
        place: String,
        /// The bound in bytes.
        limit: usize,
    },
    /// A bound that keeps memory and time in hand was passed.
    #[error("{what} is larger than {limit} bytes; this is no file of the Organic INTEGRITY Database")]
    TooLarge {
        /// What was too large.
        what: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// The sink ended the read.
    #[error("{0}")]
    Stopped(#[source] Stopped),
}

impl OidProblem {
    /// Errors of reading inside an unpacked ZIP entry: a failed decompression and a wrong checksum come as I/O errors.
    pub(crate) fn from_unpacking(error: io::Error) -> Self {
        match error.downcast::<TooLarge>() {
            Ok(TooLarge { what, limit }) => Self::TooLarge {
                what: what.to_owned(),
                limit,
            },
            Err(error) => match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                    Self::DamagedZip {
                        reason: error.to_string(),
                    }
                }
                // zip reports a wrong checksum without a kind of its own, and as unsupported what it cannot unpack:
                // both are of the file, not of the reading.
                io::ErrorKind::Other | io::ErrorKind::Unsupported => Self::DamagedZip {
                    reason: error.to_string(),
                },
                _ => Self::Io(error),
            },
        }
    }
}

impl From<zip::result::ZipError> for OidProblem {
    fn from(error: zip::result::ZipError) -> Self {
        match error {
            zip::result::ZipError::Io(error) => Self::from_unpacking(error),
            other => Self::DamagedZip {
                reason: other.to_string(),
            },
        }
    }
}

/// Travels inside an [`io::Error`] from a bounded reader to the one who reports it.
#[derive(Debug, Error)]
#[error("{what} is larger than {limit} bytes")]
pub(crate) struct TooLarge {
    pub(crate) what: &'static str,
    pub(crate) limit: u64,
}

/// The most bytes that the unpacked parts of one file may have together: four times the largest that is known
/// (the products of all operations), and a bound for files that were made to exhaust the reader.
pub(crate) const UNPACKED_LIMIT: u64 = 4 << 30;

/// A reader that fails when more than its budget passes through it.
pub(crate) struct Bounded<'b, R> {
    inner: R,
    budget: &'b mut u64,
}

impl<'b, R> Bounded<'b, R> {
    /// `budget`: what is left of [`UNPACKED_LIMIT`], in bytes.
    pub(crate) fn new(inner: R, budget: &'b mut u64) -> Self {
        Self { inner, budget }
    }
}

impl<R: io::Read> io::Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        match self.budget.checked_sub(length as u64) {
            Some(left) => {
                *self.budget = left;
                Ok(length)
            }
            None => Err(io::Error::other(TooLarge {
                what: "the unpacked content",
                limit: UNPACKED_LIMIT,
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn more_than_the_budget_is_refused_by_name() {
        let mut budget = 10;
        let mut out = Vec::new();
        Bounded::new(&[0; 10][..], &mut budget)
            .read_to_end(&mut out)
            .unwrap();
        let error = Bounded::new(&[0; 1][..], &mut budget)
            .read_to_end(&mut out)
            .unwrap_err();
        let problem = OidProblem::from_unpacking(error);
        assert!(matches!(problem, OidProblem::TooLarge { .. }), "{problem}");
    }
}
