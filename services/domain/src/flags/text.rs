//! The canonical text of a flag table: what is stored, and what its version is the hash of.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use thiserror::Error;

use super::{DIGITS, Flag, FlagInterval, FlagTable, Layer};
use crate::date::parse_iso;
use crate::hts::HtsCode;

/// First line of the text; its number rises when the form changes.
const HEADER: &str = "nopic flag table 1";
/// Stands where a date is absent.
const NONE: &str = "-";

const REPORTED: &str = "reported";
const CHANGE: &str = "change";
const PLAIN: &str = "plain";
const NAMED: &str = "named";

/// A text is not the canonical text of a flag table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("line {line} of the stored flag table cannot be read")]
pub struct FlagTextError {
    /// The line at fault, from 1.
    pub line: usize,
}

impl FlagTable {
    /// The whole table with its layers as text, the same for equal tables.
    ///
    /// One line each: a header; `report` and the date of the newest report; `reported`, `change` and `plain` with
    /// code, flag, first and last day; `named` with a code that no other line names. `-` is an absent date.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\nreport ");
        push_date(&mut text, self.newest_report);
        text.push('\n');
        let layers = [
            (REPORTED, &self.reported),
            (CHANGE, &self.changes),
            (PLAIN, &self.plain),
        ];
        for (word, layer) in layers {
            for (code, intervals) in layer {
                for FlagInterval { flag, from, to } in intervals {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{word} {code} {flag} {from} ");
                    push_date(&mut text, *to);
                    text.push('\n');
                }
            }
        }
        for code in &self.named {
            if layers.iter().all(|(_, layer)| !layer.contains_key(code)) {
                let _ = writeln!(text, "{NAMED} {code}");
            }
        }
        text
    }

    /// Reads what [`FlagTable::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// Names the first line that is not of that form, is out of order, or says what another line said.
    pub fn from_text(text: &str) -> Result<Self, FlagTextError> {
        let mut lines = (1..).zip(text.lines());
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(FlagTextError { line: 1 });
        }
        let newest_report = lines
            .next()
            .and_then(|(_, line)| date(line.strip_prefix("report ")?))
            .ok_or(FlagTextError { line: 2 })?;
        let [mut reported, mut changes, mut plain] = [Layer::new(), Layer::new(), Layer::new()];
        let mut named = BTreeSet::new();
        let mut count = 2;
        for (line, content) in lines {
            count = line;
            read(content, &mut reported, &mut changes, &mut plain, &mut named)
                .ok_or(FlagTextError { line })?;
        }
        let table = Self::from_layers(reported, newest_report, changes, plain, named);
        // The version is the hash of the text, so a text that says the same in other words must not pass.
        if table.to_text() == text {
            Ok(table)
        } else {
            Err(FlagTextError { line: count })
        }
    }
}

/// Takes one line into the layers; `None` if it cannot be read.
fn read(
    line: &str,
    reported: &mut Layer,
    changes: &mut Layer,
    plain: &mut Layer,
    named: &mut BTreeSet<HtsCode>,
) -> Option<()> {
    let mut words = line.split(' ');
    let layer = match words.next()? {
        REPORTED => reported,
        CHANGE => changes,
        PLAIN => plain,
        NAMED => {
            named.insert(code(words.next()?)?);
            return words.next().is_none().then_some(());
        }
        _ => return None,
    };
    let intervals = layer.entry(code(words.next()?)?).or_default();
    let interval = FlagInterval {
        flag: Flag::parse(words.next()?)?,
        from: parse_iso(words.next()?)?,
        to: date(words.next()?)?,
    };
    let is_after_last = intervals
        .last()
        .is_none_or(|last| last.to.is_some_and(|to| to < interval.from));
    let has_a_day = interval.to.is_none_or(|to| interval.from <= to);
    intervals.push(interval);
    (is_after_last && has_a_day && words.next().is_none()).then_some(())
}

fn code(text: &str) -> Option<HtsCode> {
    text.parse().ok().filter(|code: &HtsCode| code.len() == DIGITS)
}

/// Outer `None`: no date; inner: the sign for an absent one.
fn date(text: &str) -> Option<Option<crate::date::Date>> {
    if text == NONE {
        Some(None)
    } else {
        parse_iso(text).map(Some)
    }
}

fn push_date(text: &mut String, date: Option<crate::date::Date>) {
    match date {
        // Writing to a string cannot fail.
        Some(date) => {
            let _ = write!(text, "{date}");
        }
        None => text.push_str(NONE),
    }
}
