//! Tables with a header of column names, from CSV or an XLSX workbook: one way to find the header and to hold rows to it.

pub(crate) mod csv;
pub(crate) mod header;
pub(crate) mod number;
pub(crate) mod workbook;

pub use self::header::HeaderError;
pub use self::workbook::WorkbookError;

use std::borrow::Cow;

use nopic_domain::date::parse_iso;

use self::header::HeaderSearch;
use crate::kind::Kind;
use crate::reject::{Reject, shown};

/// What the rows of a table are read as.
pub(crate) trait Table {
    /// A column by its meaning.
    type Column: Copy + PartialEq + std::fmt::Debug + 'static;
    /// What a row comes to.
    type Event;

    /// What the table is to hold.
    const KIND: Kind;

    /// The column of that name, in either spelling and any case.
    fn column(name: &str) -> Option<Self::Column>;
    fn name(column: Self::Column) -> &'static str;
    /// Every column.
    fn columns() -> Vec<Self::Column>;
    /// Those without which no row is whole; the first names what a row is about.
    fn needed() -> &'static [Self::Column];
    fn is_date(column: Self::Column) -> bool;
    /// Reads a row: its cells that are not blank, as they stand, with their columns. A refusal says all but the record
    /// and what the row is about.
    fn read<'a>(
        record: u64,
        cells: impl Iterator<Item = (Self::Column, Cow<'a, str>)>,
    ) -> Result<Self::Event, Box<Reject>>;
    fn refused(reject: Reject) -> Self::Event;
}

/// The cells of one row: each ends in the text where `ends` says, and `gap` bytes lie between two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawRow<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) ends: &'a [usize],
    pub(crate) gap: usize,
    /// A cell may be missing at the end of a row of a workbook, where an empty cell is none.
    pub(crate) may_be_short: bool,
}

impl<'a> RawRow<'a> {
    fn cells(self, text: &'a str) -> impl Iterator<Item = &'a str> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            // What separates cells is ASCII, so each cell of UTF-8 text is UTF-8.
            let cell = text.get(start..*end).unwrap_or_default();
            start = end + self.gap;
            cell
        })
    }

    /// Whether nothing but separators and white space stands in it.
    fn is_blank(self) -> bool {
        let mut start = 0;
        self.ends.iter().all(|end| {
            let is_blank = *end == start
                || self
                    .text
                    .get(start..*end)
                    .unwrap_or_default()
                    .trim_ascii()
                    .is_empty();
            start = end + self.gap;
            is_blank
        })
    }
}

/// Reads the rows of one table.
pub(crate) struct TableReader<T: Table> {
    search: HeaderSearch,
    header: Option<Header<T::Column>>,
}

/// The columns of a table.
#[derive(Debug)]
struct Header<C> {
    /// In their order; one without a name has none.
    columns: Vec<Option<C>>,
    /// How many cells a row needs to have one for each name.
    needed_cells: usize,
    has_unnamed: bool,
}

impl<C> Header<C> {
    fn new(columns: Vec<Option<C>>) -> Self {
        Self {
            needed_cells: columns
                .iter()
                .rposition(Option::is_some)
                .map_or(0, |last| last + 1),
            has_unnamed: columns.iter().any(Option::is_none),
            columns,
        }
    }
}

impl<T: Table> std::fmt::Debug for TableReader<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableReader")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl<T: Table> Default for TableReader<T> {
    fn default() -> Self {
        Self {
            search: HeaderSearch::default(),
            header: None,
        }
    }
}

impl<T: Table> TableReader<T> {
    pub(crate) const fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// Reads the header, or a row under it.
    pub(crate) fn row(
        &mut self,
        record: u64,
        row: RawRow<'_>,
        out: &mut Vec<T::Event>,
    ) -> Result<(), HeaderError> {
        if row.is_blank() {
            return Ok(());
        }
        let Some(header) = &self.header else {
            // What is no UTF-8 names no column.
            let text = std::str::from_utf8(row.text).unwrap_or_default();
            let cells: Vec<&str> = row.cells(text).map(str::trim).collect();
            self.header = self.search.row::<T>(record, &cells)?.map(Header::new);
            return Ok(());
        };
        out.push(match read_row::<T>(record, header, row) {
            Ok(event) => event,
            Err(reject) => T::refused(*reject),
        });
        Ok(())
    }

    /// At the end: a table without a header is an error.
    pub(crate) fn finish(&mut self) -> Result<(), HeaderError> {
        if self.has_header() {
            return Ok(());
        }
        Err(self.search.not_found::<T>())
    }
}

fn read_row<T: Table>(
    record: u64,
    header: &Header<T::Column>,
    row: RawRow<'_>,
) -> Result<T::Event, Box<Reject>> {
    let columns = &header.columns;
    let text = std::str::from_utf8(row.text).map_err(|_| {
        Box::new(Reject::new(
            record,
            "the row is not UTF-8: save the file as UTF-8",
        ))
    })?;
    // Found where a row is refused, so that every refusal can name what the row is about.
    let named = |reject: Reject| {
        let key = columns
            .iter()
            .zip(row.cells(text))
            .find(|(column, _)| column.is_some_and(|column| T::needed().first() == Some(&column)))
            .map(|(_, cell)| shown(cell.trim()))
            .filter(|key| !key.is_empty());
        Box::new(Reject { key, ..reject })
    };
    let count = row.ends.len();
    let behind = row.cells(text).skip(columns.len());
    let has_too_many = count > columns.len() && behind.clone().any(|cell| !cell.trim().is_empty());
    let has_too_few = count < header.needed_cells && !row.may_be_short;
    if has_too_many || has_too_few {
        let reason = format!(
            "the row has {count} cells and the header {}: quote cells that hold separators",
            columns.len()
        );
        return Err(named(Reject::new(record, reason)));
    }
    let unnamed = header.has_unnamed.then(|| {
        columns
            .iter()
            .zip(row.cells(text))
            .position(|(column, cell)| column.is_none() && !cell.trim().is_empty())
    });
    if let Some(Some(column)) = unnamed {
        let cell = row.cells(text).nth(column).unwrap_or_default();
        return Err(named(
            Reject {
                position: Some(column as u64 + 1),
                ..Reject::new(
                    record,
                    "the value stands in a column without a name: name the column or take the value out",
                )
            }
            .with_value(cell),
        ));
    }
    let cells = columns.iter().zip(row.cells(text)).filter_map(|(column, cell)| {
        let column = (*column)?;
        let trimmed = cell.trim();
        if trimmed.is_empty() {
            return None;
        }
        let date = if T::is_date(column) {
            iso_date(trimmed)
        } else {
            None
        };
        Some((column, date.map_or(Cow::Borrowed(cell), Cow::Owned)))
    });
    T::read(record, cells).map_err(|reject| named(*reject))
}

/// A date as spreadsheets write it, as `YYYY-MM-DD`; `None` for what is none, or is that already.
fn iso_date(text: &str) -> Option<String> {
    if let Some(date) = crate::date::parse_us(text) {
        return Some(date.to_string());
    }
    // A date cell of a workbook in ISO form carries a time of day.
    let date = text.get(..10).filter(|date| parse_iso(date).is_some())?;
    let time = text.get(10..)?.strip_prefix('T')?;
    let is_midnight = !time.is_empty() && time.bytes().all(|byte| matches!(byte, b'0' | b':' | b'.' | b'Z'));
    is_midnight.then(|| date.to_owned())
}
