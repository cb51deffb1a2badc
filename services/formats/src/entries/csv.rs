//! Entry lines as CSV with the field names as its header (FORMATS §3).
//!
//! Cells may be quoted and then hold commas, quotes (doubled) and line breaks. A quote that is never closed would
//! swallow its neighbours: past a limit only the line that opens it is refused, and those behind it are read again.

use std::borrow::Cow;
use std::collections::VecDeque;

use memchr::{memchr, memchr_iter};
use nopic_domain::entry::{EntryLine, Treatment};
use thiserror::Error;

use super::detect::names_a_column;
use super::fields::{Field, TreatmentField, nearest};
use super::jsonl::stated;
use super::lines::{LONGEST_LINE, RawLine, without_carriage_return};
use super::{EntryEvent, EntryFileError, too_long};
use crate::reject::{Reject, shown};

/// The most lines of text that one row may span. Bounds how much is read again behind an unclosed quote.
const MOST_LINES_OF_A_ROW: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Line(Field),
    Treatment(TreatmentField),
}

impl Column {
    fn of(name: &str) -> Option<Self> {
        let name = name.as_bytes();
        TreatmentField::of(name)
            .map(Self::Treatment)
            // The treatment has four columns of its own instead of one.
            .or_else(|| {
                Field::of(name)
                    .filter(|field| *field != Field::Treatment)
                    .map(Self::Line)
            })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Line(field) => field.name(),
            Self::Treatment(field) => field.name(),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        Field::ALL
            .into_iter()
            .filter(|field| *field != Field::Treatment)
            .map(Self::Line)
            .chain(TreatmentField::ALL.into_iter().map(Self::Treatment))
    }
}

/// The state between two lines of text.
#[derive(Debug, Default)]
pub(super) struct CsvDecoder {
    columns: Vec<Column>,
    cells: Cells,
    /// The lines of text of a row whose quoted cell is still open.
    open: VecDeque<(u64, Vec<u8>)>,
    open_bytes: usize,
}

/// The cells of one row: their text without quotes, and where each ends.
#[derive(Debug, Default)]
struct Cells {
    text: Vec<u8>,
    ends: Vec<usize>,
    state: CellState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum CellState {
    #[default]
    Start,
    Plain,
    Quoted,
    /// A quote within a quoted cell: it ends the cell, or doubles to one quote.
    QuoteInQuoted,
}

impl Cells {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.state = CellState::Start;
    }

    /// Adds one line of text; true when the row is complete with it.
    fn add(&mut self, line: &[u8]) -> bool {
        if self.state == CellState::Quoted {
            // The line break that the quoted cell holds.
            self.text.push(b'\n');
        }
        for &byte in line {
            self.state = match (self.state, byte) {
                (CellState::Quoted, b'"') => CellState::QuoteInQuoted,
                (CellState::Quoted, _) => {
                    self.text.push(byte);
                    CellState::Quoted
                }
                (CellState::Start, b'"') => CellState::Quoted,
                (CellState::QuoteInQuoted, b'"') => {
                    self.text.push(b'"');
                    CellState::Quoted
                }
                (_, b',') => {
                    self.ends.push(self.text.len());
                    CellState::Start
                }
                (_, _) => {
                    self.text.push(byte);
                    CellState::Plain
                }
            };
        }
        if self.state == CellState::Quoted {
            return false;
        }
        // The carriage return of the line end, which no quotes held.
        if self.state == CellState::Plain && line.ends_with(b"\r") {
            self.text.pop();
        }
        self.ends.push(self.text.len());
        true
    }
}

impl CsvDecoder {
    pub(super) fn line(
        &mut self,
        number: u64,
        line: RawLine<'_>,
        out: &mut Vec<EntryEvent>,
    ) -> Result<(), EntryFileError> {
        match line {
            RawLine::Whole(bytes) => self.text_line(number, bytes, out),
            RawLine::TooLong { length, .. } => {
                // It cannot belong to a row either: the two would be longer still.
                self.finish(out)?;
                if self.columns.is_empty() {
                    return Err(EntryFileError::CsvNoHeader);
                }
                out.push(EntryEvent::Reject(too_long(number, length)));
                Ok(())
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<EntryEvent>) -> Result<(), EntryFileError> {
        while !self.open.is_empty() {
            self.give_up(out)?;
        }
        Ok(())
    }

    fn text_line(
        &mut self,
        number: u64,
        bytes: &[u8],
        out: &mut Vec<EntryEvent>,
    ) -> Result<(), EntryFileError> {
        if self.open.is_empty() {
            if bytes.trim_ascii().is_empty() {
                return Ok(());
            }
            self.cells.clear();
            if memchr(b'"', bytes).is_none() {
                let bytes = without_carriage_return(bytes);
                self.cells.ends.extend(memchr_iter(b',', bytes));
                self.cells.ends.push(bytes.len());
                return self.row(number, bytes, 1, out);
            }
        }
        if self.cells.add(bytes) {
            let first = self.open.front().map_or(number, |(first, _)| *first);
            self.open.clear();
            self.open_bytes = 0;
            let text = std::mem::take(&mut self.cells.text);
            let result = self.row(first, &text, 0, out);
            self.cells.text = text;
            return result;
        }
        self.open_bytes += bytes.len();
        self.open.push_back((number, bytes.to_vec()));
        if self.open.len() >= MOST_LINES_OF_A_ROW || self.open_bytes > LONGEST_LINE {
            self.give_up(out)?;
        }
        Ok(())
    }

    /// Refuses the line that opened a quote in vain, and reads those behind it as lines of their own.
    fn give_up(&mut self, out: &mut Vec<EntryEvent>) -> Result<(), EntryFileError> {
        let mut lines = std::mem::take(&mut self.open);
        self.open_bytes = 0;
        if let Some((first, _)) = lines.pop_front() {
            if self.columns.is_empty() {
                return Err(EntryFileError::CsvNoHeader);
            }
            out.push(EntryEvent::Reject(Reject::new(
                first,
                format!(
                    "a quoted cell is opened and not closed within {MOST_LINES_OF_A_ROW} lines, a mebibyte or the \
                     file: close the quote, or double a quote that belongs to the text"
                ),
            )));
        }
        for (number, line) in lines {
            self.text_line(number, &line, out)?;
        }
        Ok(())
    }

    /// Reads a row whose cells end at `ends` and are `gap` bytes apart.
    fn row(
        &mut self,
        record: u64,
        text: &[u8],
        gap: usize,
        out: &mut Vec<EntryEvent>,
    ) -> Result<(), EntryFileError> {
        if self.columns.is_empty() {
            self.columns = header(text, &self.cells.ends, gap)?;
            return Ok(());
        }
        let event = match read_row(record, &self.columns, text, &self.cells.ends, gap) {
            Ok(line) => EntryEvent::Line { record, line },
            Err(reject) => EntryEvent::Reject(*reject),
        };
        out.push(event);
        Ok(())
    }
}

/// The cells of a row. Commas and quotes are ASCII, so each cell of UTF-8 text is UTF-8.
fn cells<'a>(text: &'a str, ends: &'a [usize], gap: usize) -> impl Iterator<Item = &'a str> {
    let mut start = 0;
    ends.iter().map(move |end| {
        let cell = text.get(start..*end).unwrap_or_default();
        start = end + gap;
        cell
    })
}

fn header(text: &[u8], ends: &[usize], gap: usize) -> Result<Vec<Column>, EntryFileError> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(EntryFileError::CsvNoHeader);
    };
    let mut columns = Vec::with_capacity(ends.len());
    // Nothing of a line that names no column is shown: it may be an ABI batch header with its password.
    if !cells(text, ends, gap).any(|cell| Column::of(cell.trim()).is_some()) {
        if names_a_column(text.as_bytes()) {
            let separator = if text.contains(';') {
                "semicolons"
            } else if text.contains('\t') {
                "tabs"
            } else {
                "another sign than a comma"
            };
            return Err(EntryFileError::CsvSeparator { separator });
        }
        return Err(EntryFileError::CsvNoHeader);
    }
    for cell in cells(text, ends, gap) {
        let name = cell.trim();
        let Some(column) = Column::of(name) else {
            return Err(EntryFileError::CsvUnknownColumn {
                name: shown(name),
                nearest: nearest(name, Column::all().map(Column::name)).map(str::to_owned),
            });
        };
        if columns.contains(&column) {
            return Err(EntryFileError::CsvRepeatedColumn { name: column.name() });
        }
        columns.push(column);
    }
    for needed in [Field::EntryNumber, Field::LineNumber] {
        if !columns.contains(&Column::Line(needed)) {
            return Err(EntryFileError::CsvMissingColumn { name: needed.name() });
        }
    }
    Ok(columns)
}

fn read_row(
    record: u64,
    columns: &[Column],
    text: &[u8],
    ends: &[usize],
    gap: usize,
) -> Result<EntryLine, Box<Reject>> {
    let text = std::str::from_utf8(text).map_err(|_| {
        Box::new(Reject::new(
            record,
            "the row is not UTF-8: save the file as UTF-8",
        ))
    })?;
    // Found first, so that every refusal of the row can name its entry.
    let key = columns
        .iter()
        .zip(cells(text, ends, gap))
        .find(|(column, _)| **column == Column::Line(Field::EntryNumber))
        .map(|(_, cell)| shown(cell.trim()))
        .filter(|key| !key.is_empty());
    let refused = |column: Option<Column>, cell: &str, reason: String| {
        Box::new(
            Reject {
                key: key.clone(),
                field: column.map(|column| column.name().to_owned()),
                ..Reject::new(record, reason)
            }
            .with_value(cell),
        )
    };
    if ends.len() != columns.len() {
        let reason = format!(
            "the row has {} cells and the header {}: quote cells that hold commas",
            ends.len(),
            columns.len()
        );
        return Err(refused(None, "", reason));
    }
    let mut line = EntryLine::default();
    let mut treatment = Treatment::default();
    for (&column, cell) in columns.iter().zip(cells(text, ends, gap)) {
        let trimmed = cell.trim();
        if trimmed.is_empty() {
            if matches!(column, Column::Line(Field::EntryNumber | Field::LineNumber)) {
                let reason = "the cell is empty: every line needs its entry number and line number";
                return Err(refused(Some(column), "", reason.to_owned()));
            }
            continue;
        }
        let integer = || {
            let digits = trimmed.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits
                .then(|| trimmed.parse().ok())
                .flatten()
                .filter(|number: &u32| *number > 0);
            number.ok_or_else(|| {
                refused(
                    Some(column),
                    cell,
                    "not an integer from 1 to 4294967295".to_owned(),
                )
            })
        };
        let boolean = || {
            if trimmed.eq_ignore_ascii_case("true") {
                Ok(Some(true))
            } else if trimmed.eq_ignore_ascii_case("false") {
                Ok(Some(false))
            } else {
                Err(refused(
                    Some(column),
                    cell,
                    "neither true nor false: write one of them, or leave the cell empty".to_owned(),
                ))
            }
        };
        match column {
            Column::Treatment(field) => *field.of_treatment(&mut treatment) = boolean()?,
            Column::Line(field) => match field {
                Field::EntryNumber => line.entry_number = cell.to_owned(),
                Field::LineNumber => line.line_number = integer()?,
                Field::PgaLineNumber => line.pga_line_number = Some(integer()?),
                Field::OrganicClaim => line.organic_claim = boolean()?,
                Field::Lots => line.lots = cell.split(';').map(str::to_owned).collect(),
                Field::FurtherCertificateNumbers => {
                    line.further_certificate_numbers = cell.split(';').map(str::to_owned).collect();
                }
                // The treatment is no column: `Column::of` leaves it out.
                text => {
                    if let Some(place) = text.text_in(&mut line) {
                        *place = Some(cell.to_owned());
                    }
                }
            },
        }
    }
    line.treatment = stated(treatment);
    Ok(line)
}

/// What CSV cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the lot {lot:?} of entry {entry_number} holds a semicolon, which separates lots in CSV: write JSON lines"
)]
pub struct CsvWriteError {
    /// The entry.
    pub entry_number: String,
    /// The lot.
    pub lot: String,
}

/// Appends the header: every column in the order of FORMATS §3.
pub fn write_csv_header(out: &mut Vec<u8>) {
    for (index, column) in Column::all().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(column.name().as_bytes());
    }
    out.push(b'\n');
}

/// Appends one row under the header of [`write_csv_header`].
///
/// # Errors
/// When a lot holds the `;` that separates lots; nothing is appended then.
pub fn write_csv(out: &mut Vec<u8>, line: &EntryLine) -> Result<(), CsvWriteError> {
    if let Some(lot) = line.lots.iter().find(|lot| lot.contains(';')) {
        return Err(CsvWriteError {
            entry_number: line.entry_number.clone(),
            lot: lot.clone(),
        });
    }
    let boolean = |value: Option<bool>| value.map_or("", |value| if value { "true" } else { "false" });
    let mut treatment = line.treatment.unwrap_or_default();
    for (index, column) in Column::all().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let cell = match column {
            Column::Treatment(field) => boolean(*field.of_treatment(&mut treatment)).into(),
            Column::Line(field) => match field {
                Field::EntryNumber => line.entry_number.as_str().into(),
                Field::LineNumber => line.line_number.to_string().into(),
                Field::PgaLineNumber => line
                    .pga_line_number
                    .map(|n| n.to_string())
                    .unwrap_or_default()
                    .into(),
                Field::OrganicClaim => boolean(line.organic_claim).into(),
                Field::Lots => line.lots.join(";").into(),
                Field::FurtherCertificateNumbers => line.further_certificate_numbers.join(";").into(),
                text => Cow::from(text.text_of(line).unwrap_or_default()),
            },
        };
        write_cell(out, &cell);
    }
    out.push(b'\n');
    Ok(())
}

/// Appends one cell, in quotes where it needs them.
pub(crate) fn write_cell(out: &mut Vec<u8>, cell: &str) {
    if !cell
        .bytes()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
    {
        out.extend_from_slice(cell.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in cell.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
