//! Moments, and days where the hour is not known.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};

use crate::date::{Date, parse_iso};

/// A moment, or a whole day of UTC where the hour is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Some time of that day.
    Day(Date),
    /// Exactly then.
    Moment(DateTime<Utc>),
}

impl Point {
    /// The first moment that it can mean.
    #[must_use]
    pub fn earliest(self) -> DateTime<Utc> {
        match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN).and_utc(),
            Self::Moment(moment) => moment,
        }
    }

    /// The last moment that it can mean: of a day its end, which is the begin of the next.
    #[must_use]
    pub fn latest(self) -> DateTime<Utc> {
        match self {
            Self::Day(_) => self
                .earliest()
                .checked_add_signed(TimeDelta::days(1))
                .unwrap_or(DateTime::<Utc>::MAX_UTC),
            Self::Moment(moment) => moment,
        }
    }
}

impl FromStr for Point {
    type Err = String;

    /// Reads `2026-03-01` or `2026-03-01T12:00:00Z`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(day) = parse_iso(text) {
            return Ok(Self::Day(day));
        }
        DateTime::parse_from_rfc3339(text)
            .map(|moment| Self::Moment(moment.to_utc()))
            .map_err(|_| {
                format!("{text:?} is neither a day (2026-03-01) nor a moment (2026-03-01T12:00:00Z)")
            })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::Moment(moment) => f.write_str(&moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

as_text!(Point);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_read_and_written_alike() {
        for text in [
            "2024-02-29",
            "2026-03-01T23:59:59Z",
            "2026-03-01T23:59:59.250Z",
            "0000-01-01",
            "9999-12-31",
        ] {
            let point: Point = text.parse().unwrap();
            assert_eq!(point.to_string(), text);
            assert!(point.earliest() <= point.latest());
        }
        let abroad: Point = "2026-03-01T01:30:00+02:00".parse().unwrap();
        assert_eq!(abroad.to_string(), "2026-02-28T23:30:00Z");
        for text in ["", "2023-02-29", "2026-03-01T12:00", "1 March", "2026-03-01 "] {
            assert!(text.parse::<Point>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let day = |text: &str| text.parse::<Point>().unwrap();
        assert_eq!(day("2024-02-28").latest(), day("2024-02-29").earliest());
        assert_eq!(day("2024-02-29").latest(), day("2024-03-01").earliest());
        assert_eq!(day("2023-12-31").latest(), day("2024-01-01").earliest());
    }
}
