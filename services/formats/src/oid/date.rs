//! Dates as the Organic INTEGRITY Database writes them, and the date in a file's name.

use nopic_domain::date::{Date, parse_iso};

/// Days from 1899-12-31 (serial 0 of the 1900 system) and from 1904-01-01 (serial 0 of the 1904 system).
const EPOCH_1900: (i32, u32, u32) = (1899, 12, 31);
const EPOCH_1904: (i32, u32, u32) = (1904, 1, 1);
/// 29 February 1900, a day that Excel has and the calendar has not.
const LEAP_YEAR_BUG: i64 = 60;
/// 9999-12-31 in the 1900 system.
const LAST_SERIAL: f64 = 2_958_465.0;

/// The date of an Excel serial number; a part of a day is dropped. `None` for what is no day.
#[must_use]
pub fn from_serial(serial: f64, is_1904: bool) -> Option<Date> {
    let first = if is_1904 { 0.0 } else { 1.0 };
    if !(first..LAST_SERIAL + 1.0).contains(&serial) {
        return None;
    }
    // Between 0 and 2,958,466.
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    let days = serial.floor() as i64;
    let ((year, month, day), days) = if is_1904 {
        (EPOCH_1904, days)
    } else {
        match days.cmp(&LEAP_YEAR_BUG) {
            std::cmp::Ordering::Less => (EPOCH_1900, days),
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => (EPOCH_1900, days - 1),
        }
    };
    Date::from_ymd_opt(year, month, day)?.checked_add_signed(chrono::TimeDelta::try_days(days)?)
}

/// Reads the text of a date column: `M/D/YYYY`, `YYYY-MM-DD`, either with a time of day behind it, or an Excel
/// serial of five digits. The time and its zone are dropped: the date counts as it is written.
#[must_use]
pub fn from_text(text: &str, is_1904: bool) -> Option<Date> {
    let text = text.trim();
    if text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return from_serial(text.parse().ok()?, is_1904);
    }
    if let Some(date) = parse_iso(text) {
        return Some(date);
    }
    // `get`, because what is no date may have any characters.
    if text.as_bytes().get(4) == Some(&b'-') {
        let date = parse_iso(text.get(..10)?)?;
        let time = text[10..].strip_prefix(['T', 't', ' '])?;
        return is_time(time).then_some(date);
    }
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('/');
    let month = short_number(parts.next()?)?;
    let day = short_number(parts.next()?)?;
    let year = parts.next()?;
    if parts.next().is_some() || year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let date = Date::from_ymd_opt(year.parse().ok()?, month, day)?;
    time.is_none_or(is_time).then_some(date)
}

/// One or two digits.
fn short_number(text: &str) -> Option<u32> {
    if matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// `h:mm`, `h:mm:ss`, `h:mm:ss.fff`, then `AM` or `PM`, `Z`, or a zone such as `-05:00`.
fn is_time(text: &str) -> bool {
    let text = text.trim();
    let upper = text.to_ascii_uppercase();
    let (clock, last_hour) = if let Some(clock) = upper.strip_suffix("AM").or(upper.strip_suffix("PM")) {
        (clock.trim_end(), 12)
    } else if let Some(clock) = upper.strip_suffix('Z') {
        (clock, 24)
    } else if let Some(sign) = upper.rfind(['+', '-']) {
        let zone = &upper[sign + 1..];
        let zone_is_valid = match zone.split_once(':') {
            Some((hours, minutes)) => {
                short_number(hours).is_some_and(|hours| hours <= 14)
                    && short_number(minutes).is_some_and(|minutes| minutes < 60)
            }
            None => zone.len() == 4 && zone.bytes().all(|byte| byte.is_ascii_digit()),
        };
        if !zone_is_valid {
            return false;
        }
        (&upper[..sign], 24)
    } else {
        (upper.as_str(), 24)
    };
    let mut parts = clock.splitn(3, ':');
    let hour = parts.next().and_then(short_number);
    let minute = parts.next().and_then(short_number);
    let second_is_valid = parts.next().is_none_or(|second| {
        let (whole, fraction) = second.split_once('.').unwrap_or((second, "0"));
        short_number(whole).is_some_and(|second| second <= 60)
            && !fraction.is_empty()
            && fraction.bytes().all(|byte| byte.is_ascii_digit())
    });
    hour.is_some_and(|hour| hour <= last_hour) && minute.is_some_and(|minute| minute < 60) && second_is_valid
}

/// The date in the name of a file: the last run of exactly eight digits that is one (`INTEGRITY_Export_20240301.xlsx`),
/// else the last `YYYY-MM-DD` (`operations-2026-03-01.json`). Only the part behind the last `/` or `\` counts.
#[must_use]
pub fn date_from_file_name(name: &str) -> Option<Date> {
    let name = name.rsplit(['/', '\\']).next()?;
    let compact = name
        .split(|character: char| !character.is_ascii_digit())
        .filter(|run| run.len() == 8)
        .filter_map(|run| parse_iso(&format!("{}-{}-{}", &run[..4], &run[4..6], &run[6..])))
        .next_back();
    let bytes = name.as_bytes();
    compact.or_else(|| {
        (0..bytes.len().saturating_sub(9))
            .rev()
            .filter(|start| {
                let is_digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
                (*start == 0 || !is_digit(start - 1)) && !is_digit(start + 10)
            })
            .find_map(|start| parse_iso(name.get(start..start + 10)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso(text: &str) -> Option<Date> {
        Some(parse_iso(text).unwrap())
    }

    #[test]
    fn serials_of_both_systems() {
        assert_eq!(from_serial(1.0, false), iso("1900-01-01"));
        assert_eq!(from_serial(59.0, false), iso("1900-02-28"));
        assert_eq!(from_serial(60.0, false), None);
        assert_eq!(from_serial(61.0, false), iso("1900-03-01"));
        assert_eq!(from_serial(42571.0, false), iso("2016-07-20"));
        assert_eq!(from_serial(42571.75, false), iso("2016-07-20"));
        assert_eq!(from_serial(41109.0, true), iso("2016-07-20"));
        assert_eq!(from_serial(0.0, true), iso("1904-01-01"));
        assert_eq!(from_serial(2_958_465.0, false), iso("9999-12-31"));
        for serial in [0.0, 0.5, -1.0, 2_958_466.0, f64::NAN, f64::INFINITY] {
            assert_eq!(from_serial(serial, false), None, "{serial}");
        }
    }

    #[test]
    fn texts_that_are_dates() {
        for text in [
            "2/14/2020",
            "02/14/2020",
            " 2/14/2020 ",
            "2/14/2020 12:00:00 AM",
            "2/14/2020 13:05",
            "2020-02-14",
            "2020-02-14T00:00:00",
            "2020-02-14T23:59:59.997",
            "2020-02-14 00:00",
            "2020-02-14T00:00:00Z",
            "2020-02-14T00:00:00-05:00",
            "43875",
        ] {
            assert_eq!(from_text(text, false), iso("2020-02-14"), "{text}");
        }
    }

    #[test]
    fn texts_that_are_none() {
        for text in [
            "",
            "n/a",
            "#N/A",
            "2/30/2020",
            "14/2/2020",
            "2/14/20",
            "2-14-2020",
            "20200214",
            "2020-02-14T",
            "2020-02-14T25:00",
            "2020-02-14x",
            "2020-02-14é",
            "éé2020-02-14",
            "2/14/2020 noon",
            "2/14/2020/1",
            "2020",
            "٢/14/2020",
        ] {
            assert_eq!(from_text(text, false), None, "{text}");
        }
    }

    #[test]
    fn dates_in_file_names() {
        assert_eq!(
            date_from_file_name("INTEGRITY_Export_20240301.xlsx"),
            iso("2024-03-01")
        );
        assert_eq!(
            date_from_file_name("/20200101/operations-2026-03-01.json"),
            iso("2026-03-01")
        );
        assert_eq!(
            date_from_file_name("12345678_20240301 (2).zip"),
            iso("2024-03-01")
        );
        for name in [
            "operations.zip",
            "export_20241301.xlsx",
            "a-120240301.xlsx",
            "12026-03-012",
            "é",
        ] {
            assert_eq!(date_from_file_name(name), None, "{name}");
        }
    }
}
