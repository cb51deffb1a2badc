//! Entry lines in the forms that brokers have them in: ABI transmissions, CSV, XLSX and JSON lines.
//!
//! [`EntryReader`] is fed chunks of bytes as they arrive, finds out which form they are, and gives an
//! [`EntryEvent`] for every line that it read or refused. What it gives does not depend on how the bytes were cut.
//! It keeps one line, of an ABI transmission one entry, and of a workbook all bytes (up to 64 MiB) in memory.

mod abi;
pub(crate) mod detect;
mod fields;
mod jsonl;
pub(crate) mod node;
pub(crate) mod object;
mod table;

pub(crate) use fields::{Field, TreatmentField};
pub(crate) use jsonl::{mistyped, mistyped_part, repeated, unknown, write_line};
pub(crate) use table::Column as EntryColumn;

use nopic_domain::entry::EntryLine;
use thiserror::Error;

pub use self::abi::{AbiTransmission, AbiWriteError, write_abi, write_abi_release};
pub use self::jsonl::write_jsonl;
pub use self::table::{CsvWriteError, XlsxWriteError, write_csv, write_csv_header, write_xlsx};

use self::abi::AbiDecoder;
use self::detect::{Detector, Undetected};
use self::node::Node;
use self::table::EntryTable;
use crate::input::Input;
use crate::kind;
use crate::lines::RawLine;
use crate::reject::Reject;
use crate::table::csv::CsvDecoder;
use crate::table::workbook;
use crate::table::{HeaderError, WorkbookError};

/// A form of entry lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// To be found out from the content.
    #[default]
    Auto,
    /// ABI transmissions of CATAIR records, entry summaries and cargo releases (FORMATS §2).
    Abi,
    /// CSV with a header of field names (FORMATS §3).
    Csv,
    /// One JSON object a line (FORMATS §3).
    Jsonl,
    /// An XLSX workbook with a header of field names (FORMATS §3). It is kept whole: at most 64 MiB.
    Xlsx,
}

/// What a reader gives for what it read.
#[derive(Debug, Clone, PartialEq, Eq)]
// Nearly all events are lines: boxing them would cost an allocation a line to make the few others small.
#[allow(clippy::large_enum_variant)]
pub enum EntryEvent {
    /// An entry line, with its texts as they were filed.
    Line {
        /// Number of the line of the file that it stands in (ABI: of its `PG01`, or of its `40` without one), from 1.
        record: u64,
        /// The line.
        line: EntryLine,
    },
    /// Something that could not be read: a line, a row, or in ABI a whole entry.
    Reject(Reject),
    /// An ABI entry with action `D`: read, and without lines to validate.
    Deleted {
        /// Number of the line of the file that its `10` stands in, from 1.
        record: u64,
        /// Filer code and entry number as filed.
        entry_number: String,
    },
}

/// Why a file as a whole is not read. No event was given before it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EntryFileError {
    /// No byte but white space.
    #[error("the file is empty: expected entry lines as ABI records, CSV, XLSX or JSON lines")]
    Empty,
    /// Something that has a form of its own.
    #[error(
        "the file is {found}, not entry lines of the form that was asked for: give ABI records, CSV or XLSX with a \
         header, or JSON lines"
    )]
    OtherContent {
        /// What it is, with its article.
        found: &'static str,
    },
    /// One JSON array of all lines.
    #[error(
        "the file is one JSON array: write one entry line as one JSON object a line, without the brackets and the \
         commas between the objects"
    )]
    JsonArray,
    /// Content of another kind than entry lines.
    #[error("the file holds {found}, not entry lines: give it to `{command}`")]
    OtherKind {
        /// What it holds.
        found: &'static str,
        /// The command that reads it.
        command: &'static str,
    },
    /// Records or a header, and nothing behind them.
    #[error(
        "nothing was found to judge: the file is {form} without a single {wanted}; give the file that has them"
    )]
    NothingToJudge {
        /// The form in words.
        form: &'static str,
        /// What it lacks.
        wanted: &'static str,
    },
    /// Text that is none of the forms.
    #[error(
        "the file is none of the forms of entry lines: expected ABI records (A, B, 10 or SE10 first), CSV or XLSX with \
         a header that names entryNumber and lineNumber, or one JSON object a line"
    )]
    UnknownForm,
    /// A CSV whose header cannot be used.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// An XLSX workbook that cannot be read.
    #[error(transparent)]
    Workbook(#[from] WorkbookError),
}

impl From<Undetected> for EntryFileError {
    fn from(undetected: Undetected) -> Self {
        match undetected {
            Undetected::Empty => Self::Empty,
            Undetected::Foreign(found) => Self::OtherContent { found },
            Undetected::JsonArray => Self::JsonArray,
            Undetected::Unknown => Self::UnknownForm,
        }
    }
}

/// Reads entry lines from chunks of bytes.
///
/// ```
/// use nopic_formats::entries::{EntryEvent, EntryReader, Form};
///
/// let mut reader = EntryReader::new(Form::Auto);
/// let mut events = Vec::new();
/// reader.push(b"entryNumber,lineNumber\nB76032", &mut events)?;
/// reader.push(b"45278,1\n", &mut events)?;
/// reader.finish(&mut events)?;
/// assert!(matches!(&events[..], [EntryEvent::Line { record: 2, line }] if line.entry_number == "B7603245278"));
/// # Ok::<(), nopic_formats::entries::EntryFileError>(())
/// ```
#[derive(Debug)]
pub struct EntryReader {
    input: Input,
    decoder: Decoder,
    /// Whether any event was given.
    has_given: bool,
}

#[derive(Debug)]
enum Decoder {
    Detecting(Detector),
    Abi(Box<AbiDecoder>),
    Csv(Box<CsvDecoder<EntryTable>>),
    Jsonl {
        /// A line was met.
        is_begun: bool,
    },
    Xlsx,
    Failed(EntryFileError),
}

impl EntryReader {
    /// A reader of that form; [`Form::Auto`] finds out which.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self {
            input: match form {
                Form::Auto | Form::Xlsx => Input::any(),
                Form::Abi | Form::Csv | Form::Jsonl => Input::text(),
            },
            decoder: match form {
                Form::Xlsx => Decoder::Xlsx,
                other => Decoder::Detecting(Detector::new(other)),
            },
            has_given: false,
        }
    }

    /// Reads the next bytes and appends what they complete to `out`.
    ///
    /// # Errors
    /// When the file as a whole cannot be read; every further call gives the same error.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<EntryEvent>) -> Result<(), EntryFileError> {
        if let Decoder::Failed(error) = &self.decoder {
            return Err(error.clone());
        }
        let before = out.len();
        let Self { input, decoder, .. } = self;
        let result = input.push(chunk, |number, line| decoder.line(number, line, out));
        if self.input.is_workbook() {
            self.decoder = Decoder::Xlsx;
        }
        self.has_given |= out.len() > before;
        self.or_failed(result)
    }

    /// Reads what the end of the file completes. To be called once, behind the last chunk.
    ///
    /// # Errors
    /// As for [`EntryReader::push`]; an empty file is found here.
    pub fn finish(&mut self, out: &mut Vec<EntryEvent>) -> Result<(), EntryFileError> {
        if let Decoder::Failed(error) = &self.decoder {
            return Err(error.clone());
        }
        let before = out.len();
        let Self { input, decoder, .. } = self;
        let result = match input.finish(|number, line| decoder.line(number, line, out)) {
            Ok(Some(bytes)) => {
                *decoder = Decoder::Xlsx;
                workbook::read::<EntryTable>(&bytes, out).map_err(EntryFileError::from)
            }
            Ok(None) => decoder.finish(out),
            Err(error) => Err(error),
        };
        self.has_given |= out.len() > before;
        let result = match result {
            Ok(()) if !self.has_given => Err(self.nothing_to_judge()),
            result => result,
        };
        self.or_failed(result)
    }

    /// The form, once it is known.
    #[must_use]
    pub fn form(&self) -> Option<Form> {
        match &self.decoder {
            Decoder::Abi(_) => Some(Form::Abi),
            Decoder::Csv(_) => Some(Form::Csv),
            Decoder::Jsonl { .. } => Some(Form::Jsonl),
            Decoder::Xlsx => Some(Form::Xlsx),
            Decoder::Detecting(_) | Decoder::Failed(_) => None,
        }
    }

    fn nothing_to_judge(&self) -> EntryFileError {
        let (form, wanted) = match self.form() {
            Some(Form::Abi) => ("an ABI transmission", "entry (10 or SE10)"),
            Some(Form::Csv) => ("a CSV header", "row"),
            Some(Form::Xlsx) if self.input.is_workbook() => ("a workbook with a header", "row"),
            _ => return EntryFileError::Empty,
        };
        EntryFileError::NothingToJudge { form, wanted }
    }

    fn or_failed(&mut self, result: Result<(), EntryFileError>) -> Result<(), EntryFileError> {
        if let Err(error) = &result {
            self.decoder = Decoder::Failed(error.clone());
        }
        result
    }
}

impl Decoder {
    fn new(form: Form) -> Self {
        match form {
            Form::Abi => Self::Abi(Box::default()),
            Form::Csv => Self::Csv(Box::default()),
            Form::Jsonl => Self::Jsonl { is_begun: false },
            Form::Xlsx => Self::Xlsx,
            Form::Auto => Self::Detecting(Detector::new(form)),
        }
    }

    fn line(
        &mut self,
        number: u64,
        line: RawLine<'_>,
        out: &mut Vec<EntryEvent>,
    ) -> Result<(), EntryFileError> {
        match self {
            Self::Jsonl { is_begun: true } => jsonl::read_line(number, line, out),
            Self::Jsonl { is_begun } => {
                refuse_other_kind(number, line)?;
                *is_begun = !line.start().trim_ascii().is_empty();
                jsonl::read_line(number, line, out);
            }
            Self::Csv(decoder) => decoder.line(number, line, out)?,
            Self::Abi(decoder) => decoder.line(number, line, out),
            Self::Detecting(detector) => {
                if let Some(form) = detector.line::<EntryTable>(number, line)? {
                    self.begin(form, out)?;
                }
            }
            Self::Xlsx if line.start().trim_ascii().is_empty() => {}
            Self::Xlsx => {
                let found = kind::foreign(line.start(), true).unwrap_or("no XLSX workbook");
                return Err(EntryFileError::OtherContent { found });
            }
            Self::Failed(error) => return Err(error.clone()),
        }
        Ok(())
    }

    /// Turns to the form that was found, and reads what was held back until then.
    fn begin(&mut self, form: Form, out: &mut Vec<EntryEvent>) -> Result<(), EntryFileError> {
        if let Self::Detecting(detector) = std::mem::replace(self, Self::new(form)) {
            for held in detector.into_held() {
                self.line(held.number, held.raw(), out)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<EntryEvent>) -> Result<(), EntryFileError> {
        if let Self::Detecting(detector) = self {
            let form = detector.finish()?;
            self.begin(form, out)?;
        }
        match self {
            Self::Abi(decoder) => decoder.finish(out),
            Self::Csv(decoder) => decoder.finish(out)?,
            Self::Jsonl { .. } | Self::Xlsx | Self::Detecting(_) => {}
            Self::Failed(error) => return Err(error.clone()),
        }
        Ok(())
    }
}

/// Refuses a first object whose names are those of another kind of content.
fn refuse_other_kind(number: u64, line: RawLine<'_>) -> Result<(), EntryFileError> {
    let RawLine::Whole(bytes) = line else {
        return Ok(());
    };
    let Ok(Node::Object(fields)) = Node::read(number, bytes) else {
        return Ok(());
    };
    match kind::of_names(fields.iter().map(|(name, _)| name.as_str())) {
        Some(kind) if kind != kind::ENTRIES => Err(EntryFileError::OtherKind {
            found: kind.found,
            command: kind.command,
        }),
        _ => Ok(()),
    }
}

/// Reads a whole file that is in memory: [`EntryReader`] fed once. For tests and small inputs.
///
/// # Errors
/// When the file as a whole cannot be read.
pub fn read_entries(form: Form, bytes: &[u8]) -> Result<Vec<EntryEvent>, EntryFileError> {
    let mut reader = EntryReader::new(form);
    let mut events = Vec::new();
    reader.push(bytes, &mut events)?;
    reader.finish(&mut events)?;
    Ok(events)
}
