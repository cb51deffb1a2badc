//! Reader of flag tables: CBP's tariff report with PGA columns, and the plain CSV `hts,flag,from,to`.
//!
//! [`read`] finds out which of the two it was given. Both are small (a report has some 22,000 rows), so the content
//! comes whole. A half-read flag table would be worse than the old one: what [`FlagFile::rejects`] holds forbids the
//! import, and it holds every row at fault, so that one pass tells all there is to mend.

use nopic_domain::date::{Date, parse_iso};
use nopic_domain::flags::{
    Flag, FlagImportError, FlagInterval, FlagTable, ImportSummary, PlainRow, Report, ReportRow,
};
use nopic_domain::hts::{HtsCode, with_lost_zero};
use thiserror::Error;

use crate::date::parse_us;
use crate::kind;
use crate::reject::{Reject, shown};
use crate::table::csv::separator_line;

/// First cell of the header of CBP's report.
const TARIFF_NUMBER: &str = "Tariff Number";
/// Column of a row's first day.
const EFFECTIVE: &str = "Effective Date";
/// Column of a row's last day.
const EXPIRATION: &str = "Expiration Date";
/// First cell of the preamble's line with the date of the report.
const HTS_DATE: &str = "HTS Date";
/// What the columns with agencies' flags are called, before their number.
const PGA: &str = "PGA ";
/// The header of a plain CSV, in the order of [`PlainColumns`].
const PLAIN_COLUMNS: [&str; 4] = ["hts", "flag", "from", "to"];
/// Header and preamble stand within these first rows of a file, or nowhere.
const HEADER_WITHIN: usize = 100;

/// Why a file could not be read as a flag table at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FlagFileError {
    /// Nothing but white space.
    #[error("the file is empty")]
    Empty,
    /// A page of a web site, as a download that needed a login or has moved leaves behind.
    #[error("the file is a web page, not a table; download the report itself and save it as CSV")]
    WebPage,
    /// Something that has a form of its own.
    #[error("the file is {found}, not a table of flags as text; save the report as CSV first")]
    OtherContent {
        /// What it is, with its article.
        found: &'static str,
    },
    /// Neither header was found.
    #[error(
        "no header found: CBP's report has a row that begins with \"Tariff Number\", a plain table begins with \
         \"hts,flag,from,to\""
    )]
    NoHeader,
    /// The header lacks a column.
    #[error("the header in row {row} has no column {column:?}")]
    MissingColumn {
        /// Row of the header, from 1.
        row: u64,
        /// The column's name.
        column: &'static str,
    },
    /// The header names one column twice.
    #[error("the header in row {row} has the column {column:?} twice")]
    RepeatedColumn {
        /// Row of the header, from 1.
        row: u64,
        /// The column's name.
        column: String,
    },
    /// The header of another kind of content.
    #[error("the columns are those of {found}, not of flags: give the file to `{command}`")]
    OtherKind {
        /// What the file holds.
        found: &'static str,
        /// The command that reads it.
        command: &'static str,
    },
    /// A report does not say of which date it is.
    #[error("the report has no \"HTS Date:\" above its header; without it nobody knows from when it holds")]
    NoHtsDate,
    /// The date of a report cannot be read.
    #[error("the report's HTS Date {value:?} in row {row} is not a date M/D/YYYY")]
    BadHtsDate {
        /// Row of the date, from 1.
        row: u64,
        /// The cell, shortened.
        value: String,
    },
}

/// What a file holds that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagContent {
    /// CBP's tariff report.
    Report(Report),
    /// A plain CSV.
    Plain(Vec<PlainRow>),
}

/// A file that was read, with the rows that could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagFile {
    /// The rows that were read.
    pub content: FlagContent,
    /// The cells that could not be; if there is one, the file must not be imported.
    pub rejects: Vec<Reject>,
}

/// Why a file that was read was not imported.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FlagFileRefusal {
    /// Some cells could not be read; all of them.
    #[error("{} cells could not be read, so nothing was imported; the first: {}", .0.len(),
        .0.first().map(ToString::to_string).unwrap_or_default())]
    Rejects(Vec<Reject>),
    /// The rows cannot stand beside each other or beside what the table holds.
    #[error(transparent)]
    Import(#[from] FlagImportError),
}

impl FlagFile {
    /// Imports the file into a table, whole or not at all.
    ///
    /// # Errors
    ///
    /// Every cell that could not be read, else what the table says against the rows. The table is then unchanged.
    pub fn import(&self, table: &mut FlagTable, replace: bool) -> Result<ImportSummary, FlagFileRefusal> {
        if !self.rejects.is_empty() {
            return Err(FlagFileRefusal::Rejects(self.rejects.clone()));
        }
        Ok(match &self.content {
            FlagContent::Report(report) => table.apply_report(report, replace)?,
            FlagContent::Plain(rows) => table.apply_csv(rows, replace)?,
        })
    }
}

/// Reads a flag table of either form.
///
/// # Errors
///
/// What makes the whole file unreadable. Single cells are in [`FlagFile::rejects`].
pub fn read(content: &[u8]) -> Result<FlagFile, FlagFileError> {
    // Descriptions are not looked at, so an accent in another encoding does no harm; in a cell that counts, what
    // takes its place is refused with the cell.
    let text = crate::text::whole(content);
    let start = text.trim_start();
    if start.is_empty() {
        return Err(FlagFileError::Empty);
    }
    if start.starts_with('<') {
        return Err(FlagFileError::WebPage);
    }
    let binary = text.contains('\0').then_some("binary data");
    if let Some(found) = kind::foreign(content, false).or(binary) {
        return Err(FlagFileError::OtherContent { found });
    }
    let first_line = start.lines().next().unwrap_or_default();
    if let Some(separator) = separator_line(first_line.as_bytes()) {
        return read_separated(&text, separator);
    }
    // What separates the cells shows in the header.
    let mut found = read_separated(&text, b',');
    for separator in [b';', b'\t'] {
        if found == Err(FlagFileError::NoHeader) {
            found = read_separated(&text, separator);
        }
    }
    found
}

fn read_separated(text: &str, separator: u8) -> Result<FlagFile, FlagFileError> {
    let mut rows = Rows::new(text, separator);
    let mut hts_date = None;
    for row in rows.by_ref().take(HEADER_WITHIN) {
        let first = row.cell(0);
        if first.eq_ignore_ascii_case(TARIFF_NUMBER) {
            let columns = ReportColumns::find(&row)?;
            let hts_date = hts_date.ok_or(FlagFileError::NoHtsDate)??;
            return Ok(read_report(&columns, hts_date, rows));
        }
        if starts_like(first, HTS_DATE) {
            hts_date = Some(report_date(&row));
        } else if PLAIN_COLUMNS.iter().all(|name| row.position(name).is_some()) {
            return PlainColumns::find(&row).map(|columns| read_plain(&columns, rows));
        } else if first.eq_ignore_ascii_case(PLAIN_COLUMNS[0]) {
            return Err(missing_column(&row, &PLAIN_COLUMNS));
        } else if let Some(kind) = kind::of_names(row.cells.iter()).filter(|kind| *kind != kind::FLAGS) {
            return Err(FlagFileError::OtherKind {
                found: kind.found,
                command: kind.command,
            });
        }
    }
    Err(FlagFileError::NoHeader)
}

/// One row with its number in the file.
struct Row {
    /// The line on which it begins, from 1.
    number: u64,
    cells: csv::StringRecord,
}

impl Row {
    /// A cell without the white space around it; empty where the row is too short.
    fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default().trim()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.cells
            .iter()
            .position(|cell| cell.trim().eq_ignore_ascii_case(name))
    }

    fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }

    /// The refusal of the cell in `column`, which the header calls `name`.
    fn reject(&self, (column, name): (usize, &str), reason: &str) -> Reject {
        Reject {
            position: Some(column as u64 + 1),
            field: (!name.is_empty()).then(|| name.to_owned()),
            ..Reject::new(self.number, reason).with_value(self.cell(column))
        }
    }

    /// A quote that is never closed makes one cell of all that follows it; no cell of ours has a second line.
    fn reject_unclosed_quote(&self) -> Option<Reject> {
        let column = self.cells.iter().position(|cell| cell.contains('\n'))?;
        Some(self.reject(
            (column, ""),
            "the cell goes on over the end of its line; close its quote (what follows was not read)",
        ))
    }
}

/// The rows of a CSV with the lines on which they begin.
struct Rows<'a> {
    text: &'a str,
    records: csv::StringRecordsIntoIter<&'a [u8]>,
}

impl<'a> Rows<'a> {
    fn new(text: &'a str, separator: u8) -> Self {
        let records = csv::ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes())
            .into_records();
        Self { text, records }
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        // A flexible reader over UTF-8 in memory meets no error.
        let cells = self.records.next()?.ok()?;
        let position = cells.position()?;
        // The reader passes over blank lines after it has taken the position.
        let start = usize::try_from(position.byte()).ok()?;
        let blank = self.text.as_bytes().get(start..)?.iter();
        let passed = blank
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .filter(|byte| **byte == b'\n');
        let number = position.line() + passed.count() as u64;
        Some(Row { number, cells })
    }
}

/// Whether a preamble's cell begins with these words.
fn starts_like(cell: &str, words: &str) -> bool {
    cell.get(..words.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(words))
}

/// The date of a report: behind the colon of the first cell, or in the cell after it.
fn report_date(row: &Row) -> Result<Date, FlagFileError> {
    let rest = row.cell(0)[HTS_DATE.len()..].trim_start_matches(':').trim();
    let value = if rest.is_empty() { row.cell(1) } else { rest };
    parse_us(value).ok_or_else(|| FlagFileError::BadHtsDate {
        row: row.number,
        value: shown(value),
    })
}

fn ten_digits(text: &str) -> Option<HtsCode> {
    text.parse().ok().filter(|code: &HtsCode| code.len() == 10)
}

/// Why a code is refused, with the one that a spreadsheet seems to have taken a zero from. It is never completed.
fn not_ten_digits(text: &str) -> String {
    const REASON: &str = "not a tariff code of 10 digits (dots only after the 4th, 6th and 8th)";
    match with_lost_zero(text).filter(|code| code.len() == 10) {
        Some(code) => format!("{REASON}; the zero in front seems lost: if {code} is meant, write it"),
        None => REASON.to_owned(),
    }
}

/// Whether a report's cell holds several agencies' flags, or one that counts among something else.
fn is_several_flags(cell: &str) -> bool {
    let flags = cell
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| word.len() == 3)
        .count();
    let upper = cell.to_ascii_uppercase();
    flags > 1 || (cell.len() != 3 && (upper.contains("AM7") || upper.contains("AM8")))
}

/// A date of a plain table, also as spreadsheets write it at every save.
fn plain_date(text: &str) -> Option<Date> {
    parse_iso(text).or_else(|| parse_us(text))
}

/// Says of refused cells which code their row is about, where that could be read.
fn name_code(rejects: &mut [Reject], code: Option<HtsCode>) {
    for reject in rejects {
        reject.key = code.map(|code| code.to_string());
    }
}

/// Which of the required columns a header lacks; the first of them where it lacks none.
fn missing_column(header: &Row, names: &[&'static str]) -> FlagFileError {
    let column = names.iter().find(|name| header.position(name).is_none());
    FlagFileError::MissingColumn {
        row: header.number,
        column: column.or(names.first()).copied().unwrap_or_default(),
    }
}

/// Refuses a header that has one of the columns twice: which of the two counts would be a guess.
fn refuse_repeated(header: &Row, is_used: impl Fn(&str) -> bool) -> Result<(), FlagFileError> {
    let mut seen: Vec<&str> = Vec::new();
    for cell in header.cells.iter().map(str::trim).filter(|cell| !cell.is_empty()) {
        if is_used(cell) && seen.iter().any(|name| name.eq_ignore_ascii_case(cell)) {
            return Err(FlagFileError::RepeatedColumn {
                row: header.number,
                column: shown(cell),
            });
        }
        seen.push(cell);
    }
    Ok(())
}

/// Where the columns of a report stand.
struct ReportColumns {
    code: usize,
    effective: usize,
    expiration: usize,
    /// Columns with agencies' flags and their names.
    flags: Vec<(usize, String)>,
}

impl ReportColumns {
    fn find(header: &Row) -> Result<Self, FlagFileError> {
        let is_flag = |cell: &str| {
            starts_like(cell, PGA) && cell[PGA.len()..].bytes().all(|byte| byte.is_ascii_digit())
        };
        let required = [TARIFF_NUMBER, EFFECTIVE, EXPIRATION];
        refuse_repeated(header, |cell| {
            is_flag(cell) || required.iter().any(|name| name.eq_ignore_ascii_case(cell))
        })?;
        let [Some(code), Some(effective), Some(expiration)] = required.map(|name| header.position(name))
        else {
            return Err(missing_column(header, &required));
        };
        let flags: Vec<_> = header
            .cells
            .iter()
            .map(str::trim)
            .enumerate()
            .filter(|(_, cell)| is_flag(cell))
            .map(|(column, cell)| (column, cell.to_owned()))
            .collect();
        if flags.is_empty() {
            // Also what a report that was made without agencies' flags looks like.
            return Err(FlagFileError::MissingColumn {
                row: header.number,
                column: "PGA 1",
            });
        }
        Ok(Self {
            code,
            effective,
            expiration,
            flags,
        })
    }
}

fn read_report(columns: &ReportColumns, hts_date: Date, rows: Rows<'_>) -> FlagFile {
    let mut read = Vec::new();
    let mut rejects = Vec::new();
    for row in rows.filter(|row| !row.is_blank()) {
        let before = rejects.len();
        rejects.extend(row.reject_unclosed_quote());
        let code = ten_digits(row.cell(columns.code));
        if code.is_none() {
            let reason = not_ten_digits(row.cell(columns.code));
            rejects.push(row.reject((columns.code, TARIFF_NUMBER), &reason));
        }
        let mut flag = None;
        for (column, name) in &columns.flags {
            let cell = row.cell(*column);
            if is_several_flags(cell) {
                let reason = "the cell holds more than one flag: write each in a column of its own";
                rejects.push(row.reject((*column, name), reason));
                continue;
            }
            match (Flag::parse(&cell.to_ascii_uppercase()), flag) {
                (None, _) => {}
                (Some(found), None) => flag = Some(found),
                (Some(found), Some(first)) if found == first => {}
                (Some(_), Some(_)) => rejects.push(row.reject(
                    (*column, name),
                    "the row has both AM7 and AM8; a code has one of them or neither",
                )),
            }
        }
        // Nothing depends on the dates of a row without a flag: it only names its code.
        let interval = flag.and_then(|flag| {
            let mut date = |column: usize, name: &str| {
                let date = parse_us(row.cell(column));
                if date.is_none() {
                    rejects.push(row.reject((column, name), "not a date M/D/YYYY"));
                }
                date
            };
            let from = date(columns.effective, EFFECTIVE);
            let to = date(columns.expiration, EXPIRATION);
            let (from, to) = (from?, to?);
            if to < from {
                let reason = "the expiration date is before the effective date";
                rejects.push(row.reject((columns.expiration, EXPIRATION), reason));
            }
            Some(FlagInterval {
                flag,
                from,
                to: Some(to),
            })
        });
        name_code(&mut rejects[before..], code);
        if let Some(code) = code
            && rejects.len() == before
        {
            read.push(ReportRow {
                row: row.number,
                code,
                interval,
            });
        }
    }
    FlagFile {
        content: FlagContent::Report(Report { hts_date, rows: read }),
        rejects,
    }
}

/// Where the columns of a plain CSV stand.
struct PlainColumns {
    hts: usize,
    flag: usize,
    from: usize,
    to: usize,
    /// How many columns the header has.
    width: usize,
}

impl PlainColumns {
    fn find(header: &Row) -> Result<Self, FlagFileError> {
        refuse_repeated(header, |cell| {
            PLAIN_COLUMNS.iter().any(|name| name.eq_ignore_ascii_case(cell))
        })?;
        let [Some(hts), Some(flag), Some(from), Some(to)] = PLAIN_COLUMNS.map(|name| header.position(name))
        else {
            return Err(missing_column(header, &PLAIN_COLUMNS));
        };
        Ok(Self {
            hts,
            flag,
            from,
            to,
            width: header.cells.len(),
        })
    }
}

fn read_plain(columns: &PlainColumns, rows: Rows<'_>) -> FlagFile {
    let mut read = Vec::new();
    let mut rejects = Vec::new();
    for row in rows.filter(|row| !row.is_blank()) {
        let before = rejects.len();
        rejects.extend(row.reject_unclosed_quote());
        let code = ten_digits(row.cell(columns.hts));
        if code.is_none() {
            let reason = not_ten_digits(row.cell(columns.hts));
            rejects.push(row.reject((columns.hts, "hts"), &reason));
        }
        let flag = Flag::parse(&row.cell(columns.flag).to_ascii_uppercase());
        if flag.is_none() {
            rejects.push(row.reject((columns.flag, "flag"), "not AM7 or AM8"));
        }
        let from = plain_date(row.cell(columns.from));
        if from.is_none() {
            rejects.push(row.reject((columns.from, "from"), "not a date YYYY-MM-DD or M/D/YYYY"));
        }
        let to = plain_date(row.cell(columns.to));
        let to_is_wrong = to.is_none() && !row.cell(columns.to).is_empty();
        if to_is_wrong {
            let reason = "not a date YYYY-MM-DD or M/D/YYYY; leave it empty where no end is known";
            rejects.push(row.reject((columns.to, "to"), reason));
        }
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            rejects.push(row.reject((columns.to, "to"), "the last day is before the first"));
        }
        if let Some(column) = (columns.width..row.cells.len()).find(|column| !row.cell(*column).is_empty()) {
            rejects.push(row.reject((column, ""), "the row has more cells than the header has columns"));
        }
        name_code(&mut rejects[before..], code);
        if let (Some(code), Some(flag), Some(from)) = (code, flag, from)
            && rejects.len() == before
        {
            let interval = FlagInterval { flag, from, to };
            read.push(PlainRow {
                row: row.number,
                code,
                interval,
            });
        }
    }
    FlagFile {
        content: FlagContent::Plain(read),
        rejects,
    }
}

#[cfg(test)]
mod tests;
