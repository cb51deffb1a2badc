//! Which tariff codes AMS flags, and when: AM8 (organic data required) and AM7 (may be required).
//!
//! A [`FlagTable`] is built in layers (RULES, "Flags"). From the weakest to the strongest: what CBP's tariff reports
//! say (before the first one, the AM8 table that ships with the product), the dated changes that ship with the
//! product, and what plain CSV files say. The layers are folded once, after each import, into one list of intervals
//! for each code; questions are answered from that without allocating.

mod import;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

pub use import::{FlagImportError, FlagRowError, FlagRowProblem, ImportSummary, PlainRow, Report, ReportRow};
pub use text::FlagTextError;

use crate::date::Date;
use crate::digest::version_of;
use crate::hts::HtsCode;

/// The 178 AM8 codes of CBP's report of 2026-02-21 (DOMAIN §8.2), each from its tariff record's date.
const SHIPPED_AM8: &str = include_str!("../../data/flags-am8.csv");
/// The 21 codes that moved from AM7 to AM8 on 2026-02-13 (DOMAIN §8.2).
const SHIPPED_CHANGES: &str = include_str!("../../data/flags-changes.csv");

/// How many digits a code of a flag table has.
const DIGITS: usize = 10;

words! {
    /// What CBP's tariff says about organic data for a code. Other agencies' flags are not looked at.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    pub enum Flag {
        /// Organic data may be required.
        Am7 = "AM7",
        /// Organic data are required.
        Am8 = "AM8",
    }
}

/// A flag and the days on which it holds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FlagInterval {
    /// The flag.
    pub flag: Flag,
    /// First day.
    pub from: Date,
    /// Last day; absent: no end is known.
    pub to: Option<Date>,
}

impl FlagInterval {
    /// Whether the day is in the interval.
    #[must_use]
    pub fn holds(&self, date: Date) -> bool {
        self.from <= date && self.to.is_none_or(|to| date <= to)
    }
}

/// A code whose flag is another on a day than on the day before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagChange {
    /// The 10-digit code.
    pub code: HtsCode,
    /// The first day of the new state.
    pub on: Date,
    /// The flag of the day before.
    pub before: Option<Flag>,
    /// The flag from `on`.
    pub after: Option<Flag>,
}

/// Intervals of each code: sorted, disjoint, never empty, neighbours with one flag joined.
type Layer = BTreeMap<HtsCode, Vec<FlagInterval>>;

/// The flag of every tariff code on every date. See the module for its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagTable {
    /// What reports say; before the first report, the shipped AM8 table.
    reported: Layer,
    /// The `HTS Date` of the newest report read.
    newest_report: Option<Date>,
    /// The dated changes that the product ships: they win over reports on the days that they cover.
    changes: Layer,
    /// What plain CSV files say: all that holds for the codes that they name.
    plain: Layer,
    /// Every 10-digit code that any table held has named, flagged or not.
    named: BTreeSet<HtsCode>,
    index: Index,
    version: String,
}

/// The layers folded into one answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Index {
    /// Where the intervals of a flagged code stand in `intervals`.
    flagged: FxHashMap<u64, Span>,
    intervals: Vec<FlagInterval>,
    /// All named codes as numbers, rising, for the 6- and 8-digit questions.
    named: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

impl Index {
    fn intervals(&self, number: u64) -> &[FlagInterval] {
        self.flagged
            .get(&number)
            .map_or(&[], |span| &self.intervals[span.start..span.end])
    }

    fn flag_on(&self, number: u64, date: Date) -> Option<Flag> {
        flag_among(self.intervals(number), date)
    }

    /// The named codes that begin with these digits, as numbers.
    fn under(&self, code: &HtsCode) -> &[u64] {
        let width = 10u64.pow(u32::try_from(DIGITS - code.len()).unwrap_or(0));
        let first = code.number() * width;
        let start = self.named.partition_point(|named| *named < first);
        let count = self.named[start..].partition_point(|named| *named < first + width);
        &self.named[start..start + count]
    }
}

impl FlagTable {
    /// The table that the product ships: 178 AM8 codes, and the 21 that moved from AM7 on 2026-02-13.
    #[must_use]
    pub fn shipped() -> Self {
        // Both files are part of the program; the tests below read every row of them.
        let layer = |rows: &str| import::layer_of_plain(&shipped_rows(rows)).unwrap_or_default();
        Self::from_layers(
            layer(SHIPPED_AM8),
            None,
            layer(SHIPPED_CHANGES),
            Layer::new(),
            BTreeSet::new(),
        )
    }

    /// A table that names nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_layers(Layer::new(), None, Layer::new(), Layer::new(), BTreeSet::new())
    }

    fn from_layers(
        reported: Layer,
        newest_report: Option<Date>,
        changes: Layer,
        plain: Layer,
        mut named: BTreeSet<HtsCode>,
    ) -> Self {
        named.extend(reported.keys().chain(changes.keys()).chain(plain.keys()));
        let mut index = Index::default();
        for code in &named {
            let number = code.number();
            index.named.push(number);
            let start = index.intervals.len();
            match plain.get(code) {
                Some(intervals) => index.intervals.extend(intervals),
                None => index.intervals.extend(overlay(
                    reported.get(code).map_or(&[], Vec::as_slice),
                    changes.get(code).map_or(&[], Vec::as_slice),
                )),
            }
            let end = index.intervals.len();
            if start < end {
                index.flagged.insert(number, Span { start, end });
            }
        }
        let mut table = Self {
            reported,
            newest_report,
            changes,
            plain,
            named,
            index,
            version: String::new(),
        };
        table.version = version_of(&table.to_text());
        table
    }

    /// The flag of a code on a date.
    ///
    /// A 10-digit code is looked up whole. One of 6 or 8 digits has a flag only if every 10-digit code under it that
    /// any table held has named has the same one on that date. Allocates nothing.
    #[must_use]
    pub fn flag_on(&self, code: &HtsCode, date: Date) -> Option<Flag> {
        if code.len() == DIGITS {
            return self.index.flag_on(code.number(), date);
        }
        let mut codes = self.index.under(code).iter();
        let first = self.index.flag_on(*codes.next()?, date)?;
        codes
            .all(|number| self.index.flag_on(*number, date) == Some(first))
            .then_some(first)
    }

    /// Whether any table held has ever named the code; one of 6 or 8 digits: any code under it. Allocates nothing.
    #[must_use]
    pub fn names(&self, code: &HtsCode) -> bool {
        !self.index.under(code).is_empty()
    }

    /// All intervals of a code, rising and disjoint; for 6 or 8 digits, those that every code under it shares.
    #[must_use]
    pub fn intervals(&self, code: &HtsCode) -> Vec<FlagInterval> {
        if code.len() == DIGITS {
            return self.index.intervals(code.number()).to_vec();
        }
        let under = self.index.under(code);
        // The flag can change only where an interval of some code begins, or on the day after one ends.
        let days: BTreeSet<Date> = under
            .iter()
            .flat_map(|number| self.index.intervals(*number))
            .flat_map(edges)
            .collect();
        let mut found = Vec::new();
        let mut days = days.into_iter().peekable();
        while let Some(from) = days.next() {
            if let Some(flag) = self.flag_on(code, from) {
                let to = days.peek().and_then(Date::pred_opt);
                found.push(FlagInterval { flag, from, to });
            }
        }
        joined(found)
    }

    /// The 10-digit codes named by any table held that begin with the digits of `code`, rising.
    pub fn named_under<'a>(&'a self, code: &HtsCode) -> impl Iterator<Item = &'a HtsCode> {
        let prefix = *code;
        self.named
            .range(code..)
            .take_while(move |named| named.as_str().starts_with(prefix.as_str()))
    }

    /// Every code that has a flag at some time, rising, with its intervals.
    pub fn flagged(&self) -> impl Iterator<Item = (&HtsCode, &[FlagInterval])> {
        self.named.iter().filter_map(|code| {
            let intervals = self.index.intervals(code.number());
            (!intervals.is_empty()).then_some((code, intervals))
        })
    }

    /// The codes whose flags are not at all times what they are in another table, rising.
    #[must_use]
    pub fn other_than(&self, other: &Self) -> Vec<HtsCode> {
        let codes: BTreeSet<&HtsCode> = self.named.union(&other.named).collect();
        let is_other =
            |code: &&HtsCode| self.index.intervals(code.number()) != other.index.intervals(code.number());
        codes.into_iter().filter(is_other).copied().collect()
    }

    /// The changes on days after `from`, up to and including `to`, by day and code. Ends of intervals are changes.
    #[must_use]
    pub fn changes_between(&self, from: Date, to: Date) -> Vec<FlagChange> {
        let mut found = Vec::new();
        for (code, intervals) in self.flagged() {
            let flag_on = |date| flag_among(intervals, date);
            let days: BTreeSet<Date> = intervals.iter().flat_map(edges).collect();
            for on in days.into_iter().filter(|day| from < *day && *day <= to) {
                let before = on.pred_opt().and_then(flag_on);
                let after = flag_on(on);
                if before != after {
                    found.push(FlagChange {
                        code: *code,
                        on,
                        before,
                        after,
                    });
                }
            }
        }
        found.sort_by_key(|change| (change.on, change.code));
        found
    }

    /// The `HTS Date` of the newest report held; none before the first.
    #[must_use]
    pub const fn newest_report(&self) -> Option<Date> {
        self.newest_report
    }

    /// The first 12 hexadecimal digits of the SHA-256 of [`FlagTable::to_text`]: the `flagsVersion` of a verdict.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn flag_among(intervals: &[FlagInterval], date: Date) -> Option<Flag> {
    let holding = intervals.iter().find(|interval| interval.holds(date));
    holding.map(|interval| interval.flag)
}

/// The first day of an interval, and the first day after it.
fn edges(interval: &FlagInterval) -> impl Iterator<Item = Date> + use<> {
    let after = interval.to.and_then(|to| to.succ_opt());
    std::iter::once(interval.from).chain(after)
}

/// Joins neighbours that have one flag and no day between them. They come rising and disjoint.
fn joined(intervals: Vec<FlagInterval>) -> Vec<FlagInterval> {
    let mut joined: Vec<FlagInterval> = Vec::with_capacity(intervals.len());
    for interval in intervals {
        match joined.last_mut() {
            Some(last)
                if last.flag == interval.flag
                    && last.to.and_then(|to| to.succ_opt()) == Some(interval.from) =>
            {
                last.to = interval.to;
            }
            _ => joined.push(interval),
        }
    }
    joined
}

/// What of the intervals lies before a day.
fn before(intervals: &[FlagInterval], day: Date) -> impl Iterator<Item = FlagInterval> {
    intervals.iter().filter_map(move |interval| {
        let last = day.pred_opt()?;
        let to = interval.to.map_or(last, |to| to.min(last));
        (interval.from <= to).then_some(FlagInterval {
            to: Some(to),
            ..*interval
        })
    })
}

/// What of the intervals lies on a day or after it.
fn from_day_on(intervals: &[FlagInterval], day: Date) -> impl Iterator<Item = FlagInterval> {
    intervals.iter().filter_map(move |interval| {
        let from = interval.from.max(day);
        interval
            .to
            .is_none_or(|to| from <= to)
            .then_some(FlagInterval { from, ..*interval })
    })
}

/// The lower intervals with the days of the upper ones replaced.
fn overlay(lower: &[FlagInterval], upper: &[FlagInterval]) -> Vec<FlagInterval> {
    let mut rest = lower.to_vec();
    for over in upper {
        let mut kept: Vec<_> = before(&rest, over.from).collect();
        if let Some(next) = over.to.and_then(|to| to.succ_opt()) {
            kept.extend(from_day_on(&rest, next));
        }
        rest = kept;
    }
    rest.extend(upper);
    rest.sort_by_key(|interval| interval.from);
    joined(rest)
}

/// Reads a file of the `data` folder: a header, then `hts,flag,from,to` without quotes.
fn shipped_rows(text: &str) -> Vec<PlainRow> {
    (2..)
        .zip(text.lines().skip(1))
        .filter_map(|(row, line)| {
            let mut cells = line.split(',');
            let code = cells.next()?.parse().ok()?;
            let flag = Flag::parse(cells.next()?)?;
            let from = crate::date::parse_iso(cells.next()?)?;
            let to = cells.next().and_then(crate::date::parse_iso);
            let interval = FlagInterval { flag, from, to };
            Some(PlainRow { row, code, interval })
        })
        .collect()
}

#[cfg(test)]
mod tests;
