//! Dates as spreadsheets and CBP write them.

use nopic_domain::date::Date;

/// Reads `M/D/YYYY`.
pub(crate) fn parse_us(text: &str) -> Option<Date> {
    let mut parts = text.split('/');
    let mut number = |lengths: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?;
        let is_number = lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (month, day, year) = (number(1..=2)?, number(1..=2)?, number(4..=4)?);
    if parts.next().is_some() {
        return None;
    }
    Date::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day))
}
