//! Entry lines as tables with the field names as their header (FORMATS §3): CSV and XLSX, read and written.

use std::borrow::Cow;

use nopic_domain::entry::{EntryLine, Treatment};
use rust_xlsxwriter::{Workbook, XlsxError};
use thiserror::Error;

use super::EntryEvent;
use super::fields::{Field, TreatmentField};
use super::jsonl::stated;
use crate::kind::{ENTRIES, Kind};
use crate::reject::Reject;
use crate::table::Table;
use crate::table::csv::write_row;
use crate::table::header::find;

/// A column of a table of entry lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// A field.
    Line(Field),
    /// One of the four that stand for the treatment.
    Treatment(TreatmentField),
}

impl Column {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Line(field) => field.name(),
            Self::Treatment(field) => field.name(),
        }
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Field::ALL
            .into_iter()
            // The treatment has four columns of its own instead of one.
            .filter(|field| *field != Field::Treatment)
            .map(Self::Line)
            .chain(TreatmentField::ALL.into_iter().map(Self::Treatment))
    }
}

/// Tables of entry lines.
pub(crate) struct EntryTable;

impl Table for EntryTable {
    type Column = Column;
    type Event = EntryEvent;

    const KIND: Kind = ENTRIES;

    fn column(name: &str) -> Option<Column> {
        find(name, Column::all().map(|column| (column, column.name())))
    }

    fn name(column: Column) -> &'static str {
        column.name()
    }

    fn columns() -> Vec<Column> {
        Column::all().collect()
    }

    fn needed() -> &'static [Column] {
        &[Column::Line(Field::EntryNumber), Column::Line(Field::LineNumber)]
    }

    fn is_date(column: Column) -> bool {
        matches!(column, Column::Line(field) if field.is_date())
    }

    fn read<'a>(
        record: u64,
        cells: impl Iterator<Item = (Column, Cow<'a, str>)>,
    ) -> Result<EntryEvent, Box<Reject>> {
        read_line(record, cells).map(|line| EntryEvent::Line { record, line })
    }

    fn refused(reject: Reject) -> EntryEvent {
        EntryEvent::Reject(reject)
    }
}

fn refused(record: u64, column: Column, cell: &str, reason: &str) -> Box<Reject> {
    Box::new(
        Reject {
            field: Some(column.name().to_owned()),
            ..Reject::new(record, reason)
        }
        .with_value(cell),
    )
}

fn parts(cell: &str) -> Vec<String> {
    cell.split(';').map(str::to_owned).collect()
}

fn read_line<'a>(
    record: u64,
    cells: impl Iterator<Item = (Column, Cow<'a, str>)>,
) -> Result<EntryLine, Box<Reject>> {
    let mut line = EntryLine::default();
    let mut treatment = Treatment::default();
    for (column, cell) in cells {
        let trimmed = cell.trim();
        let integer = || {
            let digits = trimmed.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits
                .then(|| trimmed.parse().ok())
                .flatten()
                .filter(|number: &u32| *number > 0);
            number.ok_or_else(|| refused(record, column, &cell, "not an integer from 1 to 4294967295"))
        };
        let boolean = || {
            if trimmed.eq_ignore_ascii_case("true") {
                Ok(Some(true))
            } else if trimmed.eq_ignore_ascii_case("false") {
                Ok(Some(false))
            } else {
                let reason = "neither true nor false: write one of them, or leave the cell empty";
                Err(refused(record, column, &cell, reason))
            }
        };
        match column {
            Column::Treatment(field) => *field.of_treatment(&mut treatment) = boolean()?,
            Column::Line(field) => match field {
                Field::EntryNumber => line.entry_number = cell.into_owned(),
                Field::LineNumber => line.line_number = integer()?,
                Field::PgaLineNumber => line.pga_line_number = Some(integer()?),
                Field::OrganicClaim => line.organic_claim = boolean()?,
                Field::Lots => line.lots = parts(&cell),
                Field::FurtherCertificateNumbers => line.further_certificate_numbers = parts(&cell),
                // The treatment is no column: `Column::all` leaves it out.
                text => {
                    if let Some(place) = text.text_in(&mut line) {
                        *place = Some(cell.into_owned());
                    }
                }
            },
        }
    }
    for (field, is_empty) in [
        (Field::EntryNumber, line.entry_number.is_empty()),
        (Field::LineNumber, line.line_number == 0),
    ] {
        if is_empty {
            let reason = "the cell is empty: every line needs its entry number and line number";
            return Err(refused(record, Column::Line(field), "", reason));
        }
    }
    line.treatment = stated(treatment);
    Ok(line)
}

/// What a table cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{value:?} of {field} of entry {entry_number} holds a semicolon, which separates the parts of a list in a table: \
     write JSON lines"
)]
pub struct CsvWriteError {
    /// The entry.
    pub entry_number: String,
    /// The field with a list.
    pub field: &'static str,
    /// The part of it.
    pub value: String,
}

/// Why a workbook of entry lines could not be written.
#[derive(Debug, Error)]
pub enum XlsxWriteError {
    /// A line that a table cannot carry.
    #[error(transparent)]
    Line(#[from] CsvWriteError),
    /// More rows or longer texts than a worksheet holds.
    #[error("the workbook cannot be written: {0}; write CSV or JSON lines")]
    Workbook(#[from] XlsxError),
}

/// Appends the header: every column in the order of FORMATS §3.
pub fn write_csv_header(out: &mut Vec<u8>) {
    write_row(out, Column::all().map(Column::name));
}

/// Appends one row under the header of [`write_csv_header`].
///
/// # Errors
/// When a part of a list holds the `;` that separates them; nothing is appended then.
pub fn write_csv(out: &mut Vec<u8>, line: &EntryLine) -> Result<(), CsvWriteError> {
    check_lists(line)?;
    for (index, column) in Column::all().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        crate::table::csv::write_cell(out, &cell_of(line, column));
    }
    out.push(b'\n');
    Ok(())
}

/// Writes a workbook with one sheet: the header and a row for each line, every cell but the line numbers as text.
///
/// # Errors
/// When a part of a list holds the `;` that separates them, or a worksheet is too small.
pub fn write_xlsx(lines: &[EntryLine]) -> Result<Vec<u8>, XlsxWriteError> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name("Entry lines")?;
    for (place, column) in (0u16..).zip(Column::all()) {
        sheet.write_string(0, place, column.name())?;
    }
    for (row, line) in (1u32..).zip(lines) {
        check_lists(line)?;
        for (place, column) in (0u16..).zip(Column::all()) {
            let number = match column {
                Column::Line(Field::LineNumber) => Some(line.line_number),
                Column::Line(Field::PgaLineNumber) => line.pga_line_number,
                _ => None,
            };
            if let Some(number) = number {
                sheet.write_number(row, place, number)?;
                continue;
            }
            let cell = cell_of(line, column);
            if !cell.is_empty() {
                sheet.write_string(row, place, &*cell)?;
            }
        }
    }
    Ok(workbook.save_to_buffer()?)
}

fn check_lists(line: &EntryLine) -> Result<(), CsvWriteError> {
    for (field, parts) in [
        (Field::Lots, &line.lots),
        (
            Field::FurtherCertificateNumbers,
            &line.further_certificate_numbers,
        ),
    ] {
        if let Some(value) = parts.iter().find(|part| part.contains(';')) {
            return Err(CsvWriteError {
                entry_number: line.entry_number.clone(),
                field: field.name(),
                value: value.clone(),
            });
        }
    }
    Ok(())
}

fn cell_of(line: &EntryLine, column: Column) -> Cow<'_, str> {
    let boolean = |value: Option<bool>| value.map_or("", |value| if value { "true" } else { "false" });
    match column {
        Column::Treatment(field) => {
            let mut treatment = line.treatment.unwrap_or_default();
            boolean(*field.of_treatment(&mut treatment)).into()
        }
        Column::Line(field) => match field {
            Field::EntryNumber => line.entry_number.as_str().into(),
            Field::LineNumber => line.line_number.to_string().into(),
            Field::PgaLineNumber => line
                .pga_line_number
                .map(|number| number.to_string())
                .unwrap_or_default()
                .into(),
            Field::OrganicClaim => boolean(line.organic_claim).into(),
            Field::Lots => line.lots.join(";").into(),
            Field::FurtherCertificateNumbers => line.further_certificate_numbers.join(";").into(),
            text => text.text_of(line).unwrap_or_default().into(),
        },
    }
}
