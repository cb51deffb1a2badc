//! Tables as CSV.
//!
//! Cells may be quoted and then hold separators, quotes (doubled) and line breaks. A quote that is never closed would
//! swallow its neighbours: past a limit only the line that opens it is refused, and those behind it are read again.

use std::collections::VecDeque;

use memchr::{memchr, memchr_iter};

use super::header::HeaderError;
use super::{RawRow, Table, TableReader};
use crate::lines::too_long;
use crate::lines::{LONGEST_LINE, RawLine, without_carriage_return};
use crate::reject::Reject;

/// The most lines of text that one row may span. Bounds how much is read again behind an unclosed quote.
const MOST_LINES_OF_A_ROW: usize = 64;

/// What may separate cells without being named.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// The state between two lines of text.
pub(crate) struct CsvDecoder<T: Table> {
    table: TableReader<T>,
    /// What separates cells, once it is known.
    separator: Option<u8>,
    cells: Cells,
    /// The lines of text of a row whose quoted cell is still open.
    open: VecDeque<(u64, Vec<u8>)>,
    open_bytes: usize,
}

impl<T: Table> std::fmt::Debug for CsvDecoder<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvDecoder")
            .field("table", &self.table)
            .field("separator", &self.separator)
            .finish_non_exhaustive()
    }
}

impl<T: Table> Default for CsvDecoder<T> {
    fn default() -> Self {
        Self {
            table: TableReader::default(),
            separator: None,
            cells: Cells::default(),
            open: VecDeque::new(),
            open_bytes: 0,
        }
    }
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
    fn add(&mut self, line: &[u8], separator: u8) -> bool {
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
                (_, byte) if byte == separator => {
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

/// The separator that a line such as `sep=;` names. Spreadsheets write it above the header, perhaps in quotes.
pub(crate) fn separator_line(line: &[u8]) -> Option<u8> {
    let line = without_carriage_return(line);
    let start = line.iter().take_while(|byte| **byte == b'"').count();
    let line = &line[start..];
    let named = line.get(..4).filter(|word| word.eq_ignore_ascii_case(b"sep="))?;
    let separator = *line.get(named.len())?;
    // Behind it only the quote, or the separators of a row with one cell.
    let rest = &line[named.len() + 1..];
    let is_alone = rest.iter().all(|byte| *byte == b'"' || *byte == separator);
    (is_alone && separator.is_ascii() && !separator.is_ascii_alphanumeric() && separator != b'"')
        .then_some(separator)
}

/// How many cells of a line are names of columns if that separates them.
pub(crate) fn names<T: Table>(line: &[u8], separator: u8) -> usize {
    line.split(|byte| *byte == separator)
        .filter_map(|cell| std::str::from_utf8(cell).ok())
        .map(|cell| cell.trim().trim_matches('"').trim())
        .filter(|cell| T::column(cell).is_some())
        .count()
}

impl<T: Table> CsvDecoder<T> {
    pub(crate) fn line(
        &mut self,
        number: u64,
        line: RawLine<'_>,
        out: &mut Vec<T::Event>,
    ) -> Result<(), HeaderError> {
        match line {
            RawLine::Whole(bytes) => self.text_line(number, bytes, out),
            RawLine::TooLong { length, .. } => {
                // It cannot belong to a row either: the two would be longer still.
                self.give_all_up(out)?;
                if !self.table.has_header() {
                    return self.table.finish();
                }
                out.push(T::refused(too_long(number, length)));
                Ok(())
            }
        }
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<T::Event>) -> Result<(), HeaderError> {
        self.give_all_up(out)?;
        self.table.finish()
    }

    fn give_all_up(&mut self, out: &mut Vec<T::Event>) -> Result<(), HeaderError> {
        while !self.open.is_empty() {
            self.give_up(out)?;
        }
        Ok(())
    }

    /// What separates the cells: named above the header, or the sign between the most names.
    fn separator(&mut self, line: &[u8]) -> u8 {
        if self.separator.is_none() && self.table.has_header() {
            self.separator = Some(b',');
        }
        if let Some(separator) = self.separator {
            return separator;
        }
        let found = SEPARATORS
            .into_iter()
            .map(|separator| (names::<T>(line, separator), separator))
            .filter(|(count, _)| *count > 1)
            // Of equals the first.
            .rev()
            .max_by_key(|(count, _)| *count)
            .map(|(_, separator)| separator);
        if let Some(separator) = found {
            self.separator = Some(separator);
        }
        found.unwrap_or(b',')
    }

    fn text_line(&mut self, number: u64, bytes: &[u8], out: &mut Vec<T::Event>) -> Result<(), HeaderError> {
        if self.open.is_empty() {
            if bytes.trim_ascii().is_empty() {
                return Ok(());
            }
            if self.separator.is_none()
                && !self.table.has_header()
                && let Some(separator) = separator_line(bytes)
            {
                self.separator = Some(separator);
                return Ok(());
            }
            self.cells.clear();
        }
        let separator = self.separator(bytes);
        if self.open.is_empty() && memchr(b'"', bytes).is_none() {
            let bytes = without_carriage_return(bytes);
            self.cells.ends.extend(memchr_iter(separator, bytes));
            self.cells.ends.push(bytes.len());
            let row = RawRow {
                text: bytes,
                ends: &self.cells.ends,
                gap: 1,
                may_be_short: false,
            };
            return self.table.row(number, row, out);
        }
        if self.cells.add(bytes, separator) {
            let first = self.open.front().map_or(number, |(first, _)| *first);
            self.open.clear();
            self.open_bytes = 0;
            let row = RawRow {
                text: &self.cells.text,
                ends: &self.cells.ends,
                gap: 0,
                may_be_short: false,
            };
            return self.table.row(first, row, out);
        }
        self.open_bytes += bytes.len();
        self.open.push_back((number, bytes.to_vec()));
        if self.open.len() >= MOST_LINES_OF_A_ROW || self.open_bytes > LONGEST_LINE {
            self.give_up(out)?;
        }
        Ok(())
    }

    /// Refuses the line that opened a quote in vain, and reads those behind it as lines of their own.
    fn give_up(&mut self, out: &mut Vec<T::Event>) -> Result<(), HeaderError> {
        let mut lines = std::mem::take(&mut self.open);
        self.open_bytes = 0;
        if let Some((first, _)) = lines.pop_front() {
            if !self.table.has_header() {
                return self.table.finish();
            }
            out.push(T::refused(Reject::new(
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

/// Appends one row.
pub(crate) fn write_row<'a>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = &'a str>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_cell(out, cell);
    }
    out.push(b'\n');
}
