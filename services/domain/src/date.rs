//! Calendar dates as the file forms write them.

pub use chrono::NaiveDate as Date;

/// Reads exactly `YYYY-MM-DD`; `None` for anything else, also for days that do not exist.
#[must_use]
pub fn parse_iso(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0u32, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
        })
    };
    let year = i32::try_from(number(0..4)?).ok()?;
    Date::from_ymd_opt(year, number(5..7)?, number(8..10)?)
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
}
