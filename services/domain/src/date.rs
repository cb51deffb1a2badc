//! Calendar dates as the file forms write them, spans of them, and the day of a moment.

use std::fmt;

pub use chrono::NaiveDate as Date;
use chrono::{DateTime, Utc};
use chrono_tz::America::New_York;

use crate::identifier::digits;

/// The day of a moment in New York: the day by which the trade and customs count.
#[must_use]
pub fn day_of(moment: DateTime<Utc>) -> Date {
    moment.with_timezone(&New_York).date_naive()
}

/// Reads exactly `YYYY-MM-DD`; `None` for anything else, also for days that do not exist.
#[must_use]
pub fn parse_iso(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits::<4>(&bytes[..4])?;
    let month = digits::<2>(&bytes[5..7])?;
    let day = digits::<2>(&bytes[8..])?;
    Date::from_ymd_opt(
        i32::try_from(year).ok()?,
        u32::try_from(month).ok()?,
        u32::try_from(day).ok()?,
    )
}

/// A span of days, both ends included; an absent end is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    /// First day.
    pub from: Option<Date>,
    /// Last day.
    pub to: Option<Date>,
}

impl Period {
    /// Whether the day is in the span.
    #[must_use]
    pub fn contains(&self, date: Date) -> bool {
        self.from.is_none_or(|from| date >= from) && self.to.is_none_or(|to| date <= to)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.to) {
            (Some(from), Some(to)) => write!(f, "from {from} to {to}"),
            (Some(from), None) => write!(f, "from {from}"),
            (None, Some(to)) => write!(f, "until {to}"),
            (None, None) => f.write_str("at any time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_days_in_iso_form_are_dates() {
        assert_eq!(parse_iso("2024-02-29"), Date::from_ymd_opt(2024, 2, 29));
        for text in [
            "2023-02-29",
            "2024-2-29",
            "2024-13-01",
            "20240229",
            "2024-02-29T00",
            "٢٠٢٤-02-29",
            "",
        ] {
            assert_eq!(parse_iso(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_ends_at_midnight_in_new_york() {
        let day_at = |moment: &str| day_of(moment.parse().expect("a moment")).to_string();
        // In winter five hours behind UTC, in summer four.
        assert_eq!(day_at("2028-02-29T04:59:59Z"), "2028-02-28");
        assert_eq!(day_at("2028-02-29T05:00:00Z"), "2028-02-29");
        assert_eq!(day_at("2028-03-01T04:59:59.999999Z"), "2028-02-29");
        assert_eq!(day_at("2026-07-04T03:59:59Z"), "2026-07-03");
        assert_eq!(day_at("2026-07-04T04:00:00Z"), "2026-07-04");
        // On the days on which the clocks change.
        assert_eq!(day_at("2026-03-08T04:59:59Z"), "2026-03-07");
        assert_eq!(day_at("2026-03-09T03:59:59Z"), "2026-03-08");
        assert_eq!(day_at("2026-11-02T04:59:59Z"), "2026-11-01");
    }
}
