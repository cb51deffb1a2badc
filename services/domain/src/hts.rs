//! Codes of the Harmonized Tariff Schedule.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A tariff code of 6, 8 or 10 digits. As a text one dot may stand between digits, after the 4th, 6th and 8th; dots are not
/// part of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HtsCode {
    digits: [u8; 10],
    length: u8,
}

/// A text is not 6, 8 or 10 digits with dots only where they may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a tariff code of 6, 8 or 10 digits (dots only after the 4th, 6th and 8th)")]
pub struct HtsCodeError;

/// The code that a spreadsheet made this text of, where it took it for a number: the zero in front is lost, `.0` may have
/// come behind. Something to offer, never to go by.
#[must_use]
pub fn with_lost_zero(text: &str) -> Option<HtsCode> {
    let text = text.trim();
    let digits: String = text
        .strip_suffix(".0")
        .filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
        .unwrap_or(text)
        .chars()
        .filter(|character| *character != '.')
        .collect();
    if matches!(digits.len(), 7 | 9) {
        format!("0{digits}").parse().ok()
    } else {
        None
    }
}

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
        let mut dot_before = false;
        for byte in text.bytes() {
            if byte == b'.' {
                if dot_before || !matches!(length, 4 | 6 | 8) {
                    return Err(HtsCodeError);
                }
                dot_before = true;
                continue;
            }
            let place = digits.get_mut(usize::from(length)).ok_or(HtsCodeError)?;
            if !byte.is_ascii_digit() {
                return Err(HtsCodeError);
            }
            *place = byte;
            length += 1;
            dot_before = false;
        }
        match length {
            6 | 8 | 10 if !dot_before => Ok(Self { digits, length }),
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
    fn dots_may_stand_after_the_4th_6th_and_8th_digit() {
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
            "804400020.0",
            "080.221",
            ".080221",
            "0802.21.",
            "0802..21",
            "08022.1",
            "0802210000.0",
            "٠٨٠٢٢١",
        ] {
            assert!(text.parse::<HtsCode>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_zero_that_a_spreadsheet_lost_is_offered() {
        for (text, code) in [
            ("804400020.0", Some("0804400020")),
            ("804400020", Some("0804400020")),
            ("8044000", Some("08044000")),
            ("804.40.0020", Some("0804400020")),
            ("0804400020", None),
            ("0804400020.0", None),
            ("80440002X", None),
            ("", None),
        ] {
            let offered = with_lost_zero(text);
            assert_eq!(offered.as_ref().map(HtsCode::as_str), code, "{text}");
        }
    }
}
