//! The section `[limits]` of a configuration.

use nopic_chassis::config::Reader;

use super::Rate;

/// Lines of entries that a tenant sends, as they are named in accounts, quotas and keys.
pub const LINES: &str = "lines";

/// Lines a second and at once, unless the configuration says otherwise: about what one entry-validation service judges.
const USUAL_LINES: (u32, u32) = (200_000, 2_000_000);

/// How many lines a tenant may send: entry validation charges them, and the gateway tells them.
pub fn lines(reader: &mut Reader) -> Rate {
    rate(reader, LINES, USUAL_LINES)
}

/// A rate by the keys `WHAT_per_second` and `WHAT_burst`, or the usual one.
pub fn rate(reader: &mut Reader, what: &str, (per_second, burst): (u32, u32)) -> Rate {
    let mut number = |key: &str, usual: u32| {
        reader
            .number(&format!("limits.{what}_{key}"), 1..=1_000_000_000)
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(usual)
    };
    let (per_second, burst) = (number("per_second", per_second), number("burst", burst));
    // Neither is zero: the reader takes none, nor is one above.
    Rate::new(per_second, burst).unwrap_or_else(|_| unreachable!("at least 1 of each"))
}
