//! The flag table; each module a topic. Words that they share are here.

mod imports;
mod model;
mod properties;
mod questions;
mod shipped;

use super::*;
use crate::date::parse_iso;

fn date(text: &str) -> Date {
    parse_iso(text).unwrap()
}

fn code(text: &str) -> HtsCode {
    text.parse().unwrap()
}

fn interval(flag: Flag, from: &str, to: &str) -> FlagInterval {
    FlagInterval {
        flag,
        from: date(from),
        to: parse_iso(to),
    }
}

fn plain(row: u64, hts: &str, flag: Flag, from: &str, to: &str) -> PlainRow {
    PlainRow {
        row,
        code: code(hts),
        interval: interval(flag, from, to),
    }
}

fn report(hts_date: &str, rows: &[(&str, Option<FlagInterval>)]) -> Report {
    Report {
        hts_date: date(hts_date),
        rows: (4..)
            .zip(rows)
            .map(|(row, (hts, interval))| ReportRow {
                row,
                code: code(hts),
                interval: *interval,
            })
            .collect(),
    }
}
