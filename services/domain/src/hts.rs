//! Codes of the Harmonized Tariff Schedule.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A tariff code of 6, 8 or 10 digits; dots are not part of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HtsCode {
    digits: [u8; 10],
    length: u8,
}

/// A text is not 6, 8 or 10 digits once its dots are taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a tariff code of 6, 8 or 10 digits")]
pub struct HtsCodeError;

impl HtsCode {
    /// The digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII digits pass the constructor.
        std::str::from_utf8(&self.digits[..usize::from(self.length)]).unwrap_or_default()
    }

    /// How many digits: 6, 8 or 10.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length as usize
    }

    /// Never: a code has at least six digits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The digits as one number: a compact key among codes of one length.
    #[must_use]
    pub fn number(&self) -> u64 {
        // Places behind the last digit hold zero bytes; they are not read.
        self.digits[..self.len()]
            .iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    }

    /// The first two digits.
    #[must_use]
    pub fn chapter(&self) -> &str {
        &self.as_str()[..2]
    }

    /// Whether the first six digits, the internationally agreed part, are the same.
    #[must_use]
    pub fn same_subheading(&self, other: &Self) -> bool {
        self.digits[..6] == other.digits[..6]
    }

    /// Whether a digit that both give differs.
    #[must_use]
    pub fn differs_in_common_digits(&self, other: &Self) -> bool {
        let common = self.len().min(other.len());
        self.digits[..common] != other.digits[..common]
    }
}

impl FromStr for HtsCode {
    type Err = HtsCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digits = [0u8; 10];
        let mut length = 0u8;
        for byte in text.bytes().filter(|byte| *byte != b'.') {
            let place = digits.get_mut(usize::from(length)).ok_or(HtsCodeError)?;
            if !byte.is_ascii_digit() {
                return Err(HtsCodeError);
            }
            *place = byte;
            length += 1;
        }
        match length {
            6 | 8 | 10 => Ok(Self { digits, length }),
            _ => Err(HtsCodeError),
        }
    }
}

impl fmt::Display for HtsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

as_text!(debug HtsCode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_taken_out() {
        let code: HtsCode = "0802.21.0000".parse().unwrap();
        assert_eq!(code.as_str(), "0802210000");
        assert_eq!(code, "0802.21.00.00".parse().unwrap());
        assert_eq!("0802.21".parse::<HtsCode>().unwrap().len(), 6);
        assert_eq!("0802.21".parse::<HtsCode>().unwrap().number(), 80_221);
    }

    #[test]
    fn other_lengths_and_signs_are_no_codes() {
        for text in [
            "",
            "......",
            "08022",
            "0802210",
            "080221000",
            "08022100000",
            "08O221",
            "٠٨٠٢٢١",
        ] {
            assert!(text.parse::<HtsCode>().is_err(), "{text}");
        }
    }
}
