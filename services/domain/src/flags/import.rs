//! What an import does to a flag table: whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use thiserror::Error;

use super::{DIGITS, Flag, FlagInterval, FlagTable, Layer, before, from_day_on, joined};
use crate::date::Date;
use crate::hts::HtsCode;

/// One of CBP's tariff reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The `HTS Date` of its preamble.
    pub hts_date: Date,
    /// All its rows, also those of codes without a flag.
    pub rows: Vec<ReportRow>,
}

/// One row of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportRow {
    /// Number of the row in its file, from 1, for messages.
    pub row: u64,
    /// The 10-digit code.
    pub code: HtsCode,
    /// The flag from the row's effective to its expiration date; absent: the row has neither AM7 nor AM8.
    pub interval: Option<FlagInterval>,
}

/// One row of a plain CSV `hts,flag,from,to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainRow {
    /// Number of the row in its file, from 1, for messages.
    pub row: u64,
    /// The 10-digit code.
    pub code: HtsCode,
    /// The flag and its days.
    pub interval: FlagInterval,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSummary {
    /// Rows read.
    pub rows: usize,
    /// Different codes that they name.
    pub codes: usize,
    /// Of these, how many have an AM7 interval in the file.
    pub am7: usize,
    /// Of these, how many have an AM8 interval in the file.
    pub am8: usize,
    /// Codes whose intervals are others than before the import.
    pub changed: usize,
    /// Whether the table (its version) is another than before; a file read twice changes nothing.
    pub is_new_version: bool,
}

/// Why an import was refused. The table stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FlagImportError {
    /// The file names no code; a table without codes would accept every line.
    #[error("the file names no tariff code")]
    Empty,
    /// Reports tell the present of their date; an older one would only undo what a newer one said.
    #[error(
        "the report's HTS Date {given} is before {held}, that of a report already read; an older report has nothing \
         to add (--replace makes it the whole table)"
    )]
    OlderReport {
        /// The date of the refused report.
        given: Date,
        /// The date of the newest report held.
        held: Date,
    },
    /// Rows that cannot stand; all of them.
    #[error("{} of the rows cannot stand: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Rows(Vec<FlagRowError>),
}

/// A row that cannot stand in a flag table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("row {row}: {code}: {problem}")]
pub struct FlagRowError {
    /// Number of the row in its file.
    pub row: u64,
    /// Its code.
    pub code: HtsCode,
    /// What is wrong.
    pub problem: FlagRowProblem,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagRowProblem {
    /// A flag table holds codes of 10 digits.
    NotTenDigits,
    /// The first day is after the last.
    FromAfterTo,
    /// Another row gives the code another flag on the same day.
    Contradicts {
        /// Number of the other row.
        other: u64,
    },
}

impl fmt::Display for FlagRowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTenDigits => f.write_str("give the tariff code with all its 10 digits"),
            Self::FromAfterTo => f.write_str("the first day is after the last"),
            Self::Contradicts { other } => write!(
                f,
                "row {other} gives the same code the other flag on the same day; end the one before the other begins"
            ),
        }
    }
}

/// The layer that the rows of a plain CSV make.
pub(super) fn layer_of_plain(rows: &[PlainRow]) -> Result<Layer, FlagImportError> {
    layer(rows.iter().map(|row| (row.row, row.code, Some(row.interval))))
}

/// Groups rows by code, sorts and joins their intervals, and finds the rows that cannot stand.
fn layer(rows: impl Iterator<Item = (u64, HtsCode, Option<FlagInterval>)>) -> Result<Layer, FlagImportError> {
    let mut problems = Vec::new();
    let mut by_code: BTreeMap<HtsCode, Vec<(u64, FlagInterval)>> = BTreeMap::new();
    let mut any = false;
    for (row, code, interval) in rows {
        any = true;
        let problem = if code.len() != DIGITS {
            FlagRowProblem::NotTenDigits
        } else if interval.is_some_and(|interval| interval.to.is_some_and(|to| to < interval.from)) {
            FlagRowProblem::FromAfterTo
        } else {
            if let Some(interval) = interval {
                by_code.entry(code).or_default().push((row, interval));
            }
            continue;
        };
        problems.push(FlagRowError { row, code, problem });
    }
    if !any {
        return Err(FlagImportError::Empty);
    }
    let mut layer = Layer::new();
    for (code, mut rows) in by_code {
        rows.sort_by_key(|(row, interval)| (interval.from, *row));
        problems.extend(contradictions(code, &rows));
        layer.insert(
            code,
            united(rows.into_iter().map(|(_, interval)| interval).collect()),
        );
    }
    if problems.is_empty() {
        Ok(layer)
    } else {
        problems.sort_by_key(|problem| problem.row);
        Err(FlagImportError::Rows(problems))
    }
}

/// Rows of one code, by first day, that begin before a row with the other flag has ended.
fn contradictions(code: HtsCode, rows: &[(u64, FlagInterval)]) -> Vec<FlagRowError> {
    let end = |interval: &FlagInterval| interval.to.unwrap_or(Date::MAX);
    // For each flag the row that ends last so far: it alone can still reach a later first day.
    let mut last: [Option<(u64, Date)>; 2] = [None, None];
    let mut found = Vec::new();
    for (row, interval) in rows {
        let (same, other) = match interval.flag {
            Flag::Am7 => (0, 1),
            Flag::Am8 => (1, 0),
        };
        if let Some((other, to)) = last[other]
            && interval.from <= to
        {
            // Named at the row that stands later in the file.
            let (row, other) = (other.max(*row), other.min(*row));
            let problem = FlagRowProblem::Contradicts { other };
            found.push(FlagRowError { row, code, problem });
        }
        if last[same].is_none_or(|(_, to)| to < end(interval)) {
            last[same] = Some((*row, end(interval)));
        }
    }
    found
}

/// Unites overlapping and adjacent intervals of one flag. They come by first day, and different flags never overlap.
fn united(intervals: Vec<FlagInterval>) -> Vec<FlagInterval> {
    let mut united: Vec<FlagInterval> = Vec::with_capacity(intervals.len());
    for interval in intervals {
        match united.last_mut() {
            Some(last) if last.flag == interval.flag && last.to.is_none_or(|to| interval.from <= to) => {
                last.to = match (last.to, interval.to) {
                    (Some(one), Some(other)) => Some(one.max(other)),
                    _ => None,
                };
            }
            _ => united.push(interval),
        }
    }
    joined(united)
}

impl FlagTable {
    /// Takes a tariff report of CBP into the table.
    ///
    /// The first report holds from each row's effective to its expiration date and takes the place of the shipped
    /// AM8 table. A later one holds from its own date on; a code that it no longer flags loses its flag that day.
    /// With `replace` the report is the whole table: shipped changes, plain rows and the codes that were named before
    /// are gone.
    ///
    /// # Errors
    ///
    /// Names every row that cannot stand, or says why the whole report is refused; the table is then unchanged.
    pub fn apply_report(&mut self, report: &Report, replace: bool) -> Result<ImportSummary, FlagImportError> {
        let given = layer(report.rows.iter().map(|row| (row.row, row.code, row.interval)))?;
        let base = if replace { Self::empty() } else { self.clone() };
        let reported = match base.newest_report {
            Some(held) if report.hts_date < held => {
                return Err(FlagImportError::OlderReport {
                    given: report.hts_date,
                    held,
                });
            }
            Some(_) => succeed(&base.reported, &given, report.hts_date),
            None => given.clone(),
        };
        let codes: BTreeSet<HtsCode> = report.rows.iter().map(|row| row.code).collect();
        let mut named = base.named;
        named.extend(&codes);
        let table = Self::from_layers(reported, Some(report.hts_date), base.changes, base.plain, named);
        Ok(self.adopt(table, report.rows.len(), codes.len(), &given))
    }

    /// Takes a plain CSV into the table: its rows are all that holds for the codes that they name, whatever reports,
    /// read before or after it, or the shipped changes say. With `replace` the file is the whole table.
    ///
    /// # Errors
    ///
    /// Names every row that cannot stand (two rows that give one code different flags on a day, both); the table is
    /// then unchanged.
    pub fn apply_csv(&mut self, rows: &[PlainRow], replace: bool) -> Result<ImportSummary, FlagImportError> {
        let given = layer_of_plain(rows)?;
        let base = if replace { Self::empty() } else { self.clone() };
        let mut plain = base.plain;
        plain.extend(given.clone());
        let table = Self::from_layers(base.reported, base.newest_report, base.changes, plain, base.named);
        Ok(self.adopt(table, rows.len(), given.len(), &given))
    }

    /// Becomes the new table, and says what that changed.
    fn adopt(&mut self, table: Self, rows: usize, codes: usize, given: &Layer) -> ImportSummary {
        let with = |flag: Flag| {
            given
                .values()
                .filter(|intervals| intervals.iter().any(|interval| interval.flag == flag))
                .count()
        };
        let summary = ImportSummary {
            rows,
            codes,
            am7: with(Flag::Am7),
            am8: with(Flag::Am8),
            changed: self
                .named
                .union(&table.named)
                .filter(|code| self.intervals(code) != table.intervals(code))
                .count(),
            is_new_version: self.version != table.version,
        };
        *self = table;
        summary
    }
}

/// What reports say once a later one was read: the old until the day before its date, the new from that date on.
fn succeed(old: &Layer, new: &Layer, date: Date) -> Layer {
    let codes: BTreeSet<&HtsCode> = old.keys().chain(new.keys()).collect();
    codes
        .into_iter()
        .filter_map(|code| {
            let of = |layer: &'_ Layer| layer.get(code).cloned().unwrap_or_default();
            let mut intervals: Vec<_> = before(&of(old), date).collect();
            intervals.extend(from_day_on(&of(new), date));
            (!intervals.is_empty()).then(|| (*code, joined(intervals)))
        })
        .collect()
}
