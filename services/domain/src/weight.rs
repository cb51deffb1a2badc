//! Weights as whole units of 0.0001 kg. Never a float.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A net weight or a sum of weights, in units of 0.0001 kg (a tenth of a gram).
///
/// May be negative where a balance is (more was drawn than a certificate holds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weight(i64);

/// Why a text is not a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WeightError {
    /// Not `[0-9]+(.[0-9]{1,4})?`.
    #[error("not a decimal number of kilograms with at most four decimals")]
    Malformed,
    /// More than a million million kilograms.
    #[error("above 1000000000000 kg")]
    TooLarge,
}

impl Weight {
    /// No weight.
    pub const ZERO: Self = Self(0);
    /// The largest weight that a line or a certificate may state: 10^12 kg.
    pub const MAX: Self = Self(1_000_000_000_000 * Self::UNITS_PER_KILOGRAM);
    const UNITS_PER_KILOGRAM: i64 = 10_000;

    /// A weight of so many units of 0.0001 kg.
    #[must_use]
    pub const fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// The number of units of 0.0001 kg.
    #[must_use]
    pub const fn units(self) -> i64 {
        self.0
    }

    /// The sum; `None` past what 64 bits hold.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The sum, held at the bounds of 64 bits (only absurd data come near).
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, held at the bounds of 64 bits.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl FromStr for Weight {
    type Err = WeightError;

    /// Reads `[0-9]+(.[0-9]{1,4})?` kilograms, at most 10^12. Zero is a weight here; who forbids it says so.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, decimals) = match text.bytes().rposition(|byte| byte == b'.') {
            // A second point is no digit and is refused below.
            Some(point) => (&text[..point], &text[point + 1..]),
            None => (text, ""),
        };
        if decimals.len() > 4 || (decimals.is_empty() && whole.len() != text.len()) {
            return Err(WeightError::Malformed);
        }
        if whole.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(WeightError::Malformed);
        }
        // Below 10^14 nothing can overflow, and no weight that is allowed has more digits; zeros may stand before.
        let whole = whole.trim_start_matches('0');
        if whole.len() > 13 {
            return Err(WeightError::TooLarge);
        }
        let number = |digits: &str| {
            digits
                .bytes()
                .fold(0i64, |number, byte| number * 10 + i64::from(byte - b'0'))
        };
        let scale = [Self::UNITS_PER_KILOGRAM, 1_000, 100, 10, 1][decimals.len()];
        let units = number(whole) * Self::UNITS_PER_KILOGRAM + number(decimals) * scale;
        if units > Self::MAX.0 {
            return Err(WeightError::TooLarge);
        }
        Ok(Self(units))
    }
}

impl fmt::Display for Weight {
    /// Kilograms in decimal, without trailing zeros: `5053`, `3172.3687`, `0.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let units = self.0.unsigned_abs();
        let (whole, rest) = (units / 10_000, units % 10_000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let decimals = format!("{rest:04}");
        write!(f, "{sign}{whole}.{}", decimals.trim_end_matches('0'))
    }
}

as_text!(Weight);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weights_are_read_exactly() {
        assert_eq!("5053".parse(), Ok(Weight(50_530_000)));
        assert_eq!("3172.3687".parse(), Ok(Weight(31_723_687)));
        assert_eq!("0.5".parse(), Ok(Weight(5_000)));
        assert_eq!("0".parse(), Ok(Weight::ZERO));
        assert_eq!("1000000000000".parse(), Ok(Weight::MAX));
        assert_eq!("00000000000000000000001".parse(), Ok(Weight(10_000)));
    }

    #[test]
    fn what_is_no_weight_is_refused() {
        for text in [
            "", ".", ".5", "5.", "-1", "+1", "1e3", "1,000", "1.00000", " 1", "１",
        ] {
            assert_eq!(text.parse::<Weight>(), Err(WeightError::Malformed), "{text}");
        }
        for text in ["1000000000000.0001", "99999999999999999999999"] {
            assert_eq!(text.parse::<Weight>(), Err(WeightError::TooLarge), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_weight_reads_back(units in 0..=Weight::MAX.0) {
            let weight = Weight(units);
            prop_assert_eq!(weight.to_string().parse(), Ok(weight));
        }
    }
}
