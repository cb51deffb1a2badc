//! The identifiers of the trade: operations, certifiers, entries and certificates.
//!
//! Each is a small `Copy` value, so that the rules compare numbers and never texts.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is not the identifier that it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{value:?} is not {expected}")]
pub struct IdentifierError {
    /// The text as it was given.
    pub value: String,
    /// What was expected, in words that fit after "is not".
    pub expected: &'static str,
}

impl IdentifierError {
    fn new(value: &str, expected: &'static str) -> Self {
        Self {
            value: value.to_owned(),
            expected,
        }
    }
}

/// Reads exactly so many ASCII digits. At most 19, so that every value fits.
pub(crate) fn digits<const LENGTH: usize>(text: &[u8]) -> Option<u64> {
    const { assert!(LENGTH <= 19) };
    let text: &[u8; LENGTH] = text.try_into().ok()?;
    // Without a branch for each digit: every field of every line is read here.
    let mut value = 0u64;
    let mut all_are_digits = true;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        all_are_digits &= digit <= 9;
        // What is no digit may wrap; the value is then thrown away.
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    all_are_digits.then_some(value)
}

/// A NOP operation ID of the Organic INTEGRITY Database: 10 digits, the first three name the certifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NopId(u64);

impl NopId {
    /// The ID with this numeric value, if it has at most 10 digits.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        if number < 10_000_000_000 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Reads exactly 10 digits; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        digits::<10>(text.as_bytes()).map(Self)
    }

    /// The ID as a number; leading zeros are not part of it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The certifier that the first three digits name.
    #[must_use]
    pub fn certifier(self) -> CertifierId {
        // Below 1000, because the whole is below 10^10.
        CertifierId(u16::try_from(self.0 / 10_000_000).unwrap_or(u16::MAX))
    }
}

impl FromStr for NopId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| IdentifierError::new(text, "a NOP operation ID of 10 digits"))
    }
}

impl fmt::Display for NopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}", self.0)
    }
}

as_text!(debug NopId);

/// A certifier's number: the first three digits of the operation IDs that it assigns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertifierId(u16);

impl CertifierId {
    /// The certifier with this number, if it has at most 3 digits.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        if number < 1_000 { Some(Self(number)) } else { None }
    }

    /// The three digits as a number; leading zeros are not part of it.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl FromStr for CertifierId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        digits::<3>(text.as_bytes())
            .and_then(|number| u16::try_from(number).ok())
            .map(Self)
            .ok_or_else(|| IdentifierError::new(text, "a certifier number of 3 digits"))
    }
}

impl fmt::Display for CertifierId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

as_text!(debug CertifierId);

/// What is taken from a certificate number for its key.
const KEY_OFFSET: u64 = 5_000_000_000_000_000_000;

/// The number of an electronic NOP Import Certificate: `NNN-NNNNNNNNNN-NNNNNN`, 21 characters.
///
/// That its parts are certifier, operation and serial is inferred; only warnings rest on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateNumber(u64);

impl CertificateNumber {
    /// The number made of these parts; `serial` has at most 6 digits.
    #[must_use]
    pub fn from_parts(certifier: CertifierId, operation: NopId, serial: u32) -> Option<Self> {
        (serial < 1_000_000).then(|| {
            Self(
                u64::from(certifier.0) * 10_000_000_000_000_000 + operation.0 * 1_000_000 + u64::from(serial),
            )
        })
    }

    /// Reads the exact shape; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 21 || bytes[3] != b'-' || bytes[14] != b'-' {
            return None;
        }
        let certifier = digits::<3>(&bytes[..3])?;
        let operation = digits::<10>(&bytes[4..14])?;
        let serial = digits::<6>(&bytes[15..])?;
        Some(Self(
            certifier * 10_000_000_000_000_000 + operation * 1_000_000 + serial,
        ))
    }

    /// The certificate number whose 19 digits are this number, if it has at most 19.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        if number < 10_000_000_000_000_000_000 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The 19 digits as one number: a compact key.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The number as databases keep it: up to 19 digits are more than a signed number of 64 bits holds; less
    /// 5 000 000 000 000 000 000 they fit, and keep their order.
    #[must_use]
    pub const fn key(self) -> i64 {
        self.0.wrapping_sub(KEY_OFFSET).cast_signed()
    }

    /// The number of a [`CertificateNumber::key`].
    #[must_use]
    pub const fn from_key(key: i64) -> Option<Self> {
        Self::from_number(key.cast_unsigned().wrapping_add(KEY_OFFSET))
    }

    /// The first three digits.
    #[must_use]
    pub fn certifier(self) -> CertifierId {
        // 19 digits: what stands before the last 16 has at most four, and `parse` lets only three pass.
        CertifierId(u16::try_from(self.0 / 10_000_000_000_000_000).unwrap_or(u16::MAX))
    }

    /// The middle ten digits.
    #[must_use]
    pub const fn operation(self) -> NopId {
        NopId(self.0 / 1_000_000 % 10_000_000_000)
    }

    /// The last six digits.
    #[must_use]
    pub fn serial(self) -> u32 {
        // Below 10^6.
        u32::try_from(self.0 % 1_000_000).unwrap_or(u32::MAX)
    }
}

impl FromStr for CertificateNumber {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| {
            IdentifierError::new(text, "a certificate number of the form NNN-NNNNNNNNNN-NNNNNN")
        })
    }
}

impl fmt::Display for CertificateNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}-{:06}",
            self.certifier(),
            self.operation(),
            self.serial()
        )
    }
}

as_text!(debug CertificateNumber);

/// A CBP entry number: filer code (3 letters or digits), 7 digits, check digit; upper case, no dashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryNumber([u8; 11]);

impl EntryNumber {
    /// Reads a normalised entry number (see [`crate::entry::EntryLine::normalise`]) and checks its check digit.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 11] = text.as_bytes().try_into().ok()?;
        let filer_is_valid = bytes[..3]
            .iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        let digits_are_valid = bytes[3..].iter().all(u8::is_ascii_digit);
        (filer_is_valid && digits_are_valid && check_digit(&bytes) == bytes[10]).then_some(Self(bytes))
    }

    /// The number with the right check digit behind filer code and 7 digits.
    #[must_use]
    pub fn from_parts(filer: &str, number: u32) -> Option<Self> {
        let text = format!("{filer}{number:07}0");
        let mut bytes: [u8; 11] = text.as_bytes().try_into().ok()?;
        let filer_is_valid = bytes[..3]
            .iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        if !filer_is_valid {
            return None;
        }
        bytes[10] = check_digit(&bytes);
        Some(Self(bytes))
    }

    /// The eleven characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII letters and digits pass the constructors.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The filer code: the first three characters.
    #[must_use]
    pub fn filer(&self) -> &str {
        &self.as_str()[..3]
    }
}

/// CATAIR Appendix E: letters become digits, then the Luhn check digit over the first ten.
fn check_digit(entry_number: &[u8; 11]) -> u8 {
    /// A digit counted twice, its own digits added up.
    const DOUBLED: [u8; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let mut sum = 0u8;
    for (index, byte) in entry_number[..10].iter().enumerate() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'I' => byte - b'A' + 1,
            b'J'..=b'R' => byte - b'J' + 1,
            b'S'..=b'Z' => byte - b'S' + 2,
            // The constructors let nothing else through.
            _ => 0,
        };
        // The tenth digit, nearest the check digit, is doubled; so is every other before it.
        sum += if index % 2 == 1 {
            DOUBLED[usize::from(digit)]
        } else {
            digit
        };
    }
    // At most 90.
    b'0' + (10 - sum % 10) % 10
}

impl FromStr for EntryNumber {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| {
            IdentifierError::new(text, "an entry number: filer code, 7 digits, right check digit")
        })
    }
}

impl fmt::Display for EntryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

as_text!(debug EntryNumber);

/// A country's code of two letters (ISO 3166 alpha-2), in upper case.
#[must_use]
pub fn country_code(text: &str) -> Option<[u8; 2]> {
    let code: [u8; 2] = text.as_bytes().try_into().ok()?;
    code.iter().all(u8::is_ascii_uppercase).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_number_keeps_its_parts() {
        let number = CertificateNumber::parse("012-0123456789-000042").unwrap();
        assert_eq!(number.certifier().to_string(), "012");
        assert_eq!(number.operation().to_string(), "0123456789");
        assert_eq!(number.serial(), 42);
        assert_eq!(number.to_string(), "012-0123456789-000042");
        let largest = CertificateNumber::parse("999-9999999999-999999").unwrap();
        assert_eq!(largest.to_string(), "999-9999999999-999999");
        assert_eq!(
            CertificateNumber::from_parts(largest.certifier(), largest.operation(), largest.serial()),
            Some(largest)
        );
        assert_eq!(CertificateNumber::from_number(largest.number()), Some(largest));
        assert_eq!(CertificateNumber::from_number(largest.number() + 1), None);
        assert_eq!(CertifierId::from_number(12), Some(number.certifier()));
        assert_eq!(CertifierId::from_number(1_000), None);
    }

    #[test]
    fn keys_keep_the_order_of_the_numbers() {
        let numbers = [
            0,
            1,
            4_999_999_999_999_999_999,
            5_000_000_000_000_000_000,
            9_223_372_036_854_775_808,
            9_999_999_999_999_999_999,
        ]
        .map(|number| CertificateNumber::from_number(number).unwrap());
        assert!(numbers.is_sorted_by_key(|number| number.key()));
        for number in numbers {
            assert_eq!(CertificateNumber::from_key(number.key()), Some(number));
        }
        assert_eq!(CertificateNumber::from_key(i64::MAX), None);
    }

    #[test]
    fn only_the_exact_shape_is_a_certificate_number() {
        for text in [
            "",
            "123-1234567890-00001",
            "123-123456789-0000001",
            "12A-1234567890-000001",
            "1231234567890000001",
            "١٢٣-1234567890-000001",
            "123-1234567890-000001 ",
        ] {
            assert_eq!(CertificateNumber::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_check_digit_follows_catair_appendix_e() {
        assert!(EntryNumber::parse("B7603245278").is_some());
        assert!(EntryNumber::parse("B7603245279").is_none());
        assert!(EntryNumber::parse("b7603245278").is_none());
        assert!(EntryNumber::parse("B76-0324527-8").is_none());
        assert_eq!(
            EntryNumber::from_parts("B76", 324_527).map(|number| number.to_string()),
            Some("B7603245278".to_owned())
        );
        // The last third of the alphabet starts at 2.
        assert_eq!(check_digit(b"S00000000000"[..11].try_into().unwrap()), b'8');
    }

    #[test]
    fn an_operation_names_its_certifier() {
        let operation: NopId = "0150000001".parse().unwrap();
        assert_eq!(operation.certifier(), "015".parse().unwrap());
        assert_eq!(operation.to_string(), "0150000001");
        assert!("150000001".parse::<NopId>().is_err());
    }
}
