//! Calendar dates as the file forms write them.

pub use chrono::NaiveDate as Date;

use crate::identifier::digits;

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
