//! A model that keeps the imports and scans them for every question.

use std::sync::LazyLock;

use super::*;

#[derive(Debug, Clone)]
pub(super) enum Import {
    Report(Report),
    Plain(Vec<PlainRow>),
}

/// Codes under common prefixes; some are shipped, some changed on 2026-02-13, some are in no table.
pub(super) const CODES: [&str; 7] = [
    "0709510110",
    "0709510190",
    "0807113020",
    "0807113040",
    "0807113099",
    "0807114020",
    "0802210000",
];
pub(super) const QUESTIONS: [&str; 5] = ["070951", "07095101", "080711", "08071130", "080221"];
/// The window of the test: from 2026-01-20 on.
pub(super) const DAYS: u8 = 40;

pub(super) fn day(number: u8) -> Date {
    date("2026-01-20") + chrono::Days::new(u64::from(number))
}

/// The imports since the last `--replace`, that one included, and whether there was one.
fn held(imports: &[(Import, bool)]) -> (&[(Import, bool)], bool) {
    let start = imports.iter().rposition(|(_, replace)| *replace);
    (&imports[start.unwrap_or(0)..], start.is_some())
}

/// The shipped rows of the codes that the model is asked about.
pub(super) static SHIPPED: LazyLock<[Vec<PlainRow>; 2]> = LazyLock::new(|| {
    [SHIPPED_AM8, SHIPPED_CHANGES].map(|rows| {
        let mut rows = shipped_rows(rows);
        rows.retain(|row| {
            QUESTIONS
                .iter()
                .any(|question| row.code.as_str().starts_with(question))
        });
        rows
    })
});

fn scan(mut intervals: impl Iterator<Item = FlagInterval>, date: Date) -> Option<Flag> {
    intervals
        .find(|interval| interval.holds(date))
        .map(|found| found.flag)
}

pub(super) fn model_flag(imports: &[(Import, bool)], code: &HtsCode, date: Date) -> Option<Flag> {
    let (imports, replaced) = held(imports);
    let of_plain = |rows: &[PlainRow]| -> Option<Option<Flag>> {
        let mut named = rows.iter().filter(|row| row.code == *code).peekable();
        named.peek()?;
        Some(scan(named.map(|row| row.interval), date))
    };
    for (import, _) in imports.iter().rev() {
        if let Import::Plain(rows) = import
            && let Some(answer) = of_plain(rows)
        {
            return answer;
        }
    }
    if !replaced && let Some(Some(flag)) = of_plain(&SHIPPED[1]) {
        return Some(flag);
    }
    let reports: Vec<&Report> = imports
        .iter()
        .filter_map(|(import, _)| match import {
            Import::Report(report) => Some(report),
            Import::Plain(_) => None,
        })
        .collect();
    let Some(first) = reports.first() else {
        return if replaced {
            None
        } else {
            of_plain(&SHIPPED[0]).flatten()
        };
    };
    let speaks = reports[1..]
        .iter()
        .rev()
        .find(|report| report.hts_date <= date)
        .unwrap_or(first);
    scan(
        speaks
            .rows
            .iter()
            .filter(|row| row.code == *code)
            .filter_map(|row| row.interval),
        date,
    )
}

pub(super) fn model_names(imports: &[(Import, bool)], code: &HtsCode) -> bool {
    let (imports, replaced) = held(imports);
    (!replaced && SHIPPED.iter().flatten().any(|row| row.code == *code))
        || imports.iter().any(|(import, _)| match import {
            Import::Report(report) => report.rows.iter().any(|row| row.code == *code),
            Import::Plain(rows) => rows.iter().any(|row| row.code == *code),
        })
}

pub(super) fn is_refused(imports: &[(Import, bool)], import: &Import, replace: bool) -> bool {
    let rows: Vec<(HtsCode, FlagInterval)> = match import {
        Import::Plain(rows) => rows.iter().map(|row| (row.code, row.interval)).collect(),
        Import::Report(report) => report
            .rows
            .iter()
            .filter_map(|row| Some((row.code, row.interval?)))
            .collect(),
    };
    let contradict = rows.iter().any(|(code, one)| {
        rows.iter().any(|(other_code, other)| {
            code == other_code
                && one.flag != other.flag
                && (0..=u8::MAX).any(|number| one.holds(day(number)) && other.holds(day(number)))
        })
    });
    let backwards = rows
        .iter()
        .any(|(_, interval)| interval.to.is_some_and(|to| to < interval.from));
    let older = match import {
        Import::Report(report) if !replace => held(imports)
            .0
            .iter()
            .any(|(held, _)| matches!(held, Import::Report(held) if report.hts_date < held.hts_date)),
        _ => false,
    };
    contradict || backwards || older
}
