//! The values that a finding's sentence names. Each becomes text only where the sentence is written, which costs more than
//! the rules: most answers need none.

use std::fmt;
use std::sync::Arc;

use crate::certificate::Certificate;
use crate::date::{Date, Period};
use crate::hts::{HtsCode, with_lost_zero};
use crate::identifier::{CertificateNumber, CertifierId, NopId};
use crate::text::write_shortened;
use crate::weight::Weight;

/// Values for the placeholders of a sentence.
pub type Details = Vec<(&'static str, Detail)>;

/// A value that a sentence names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Words that are always the same.
    Words(&'static str),
    /// A text as it stands.
    Text(Box<str>),
    /// A value as it was filed.
    Filed(Filed),
    /// Several of them.
    FiledList(Box<FiledList>),
    /// Why a field cannot be what it says.
    Problem(Box<Problem>),
    /// What a number that is none may have been meant to be.
    Suggestion(Box<Suggestion>),
    /// Why agency data are needed: the flag of a tariff line on a day.
    Am8(HtsCode, Date),
    /// Why an importer may not donate.
    NotCertified(NopId),
    /// The countries of origin that a certificate lists.
    CountriesOf(Arc<Certificate>),
    /// A certificate.
    Certificate(CertificateNumber),
    /// An operation.
    Operation(NopId),
    /// A certifier.
    Certifier(CertifierId),
    /// A tariff code.
    Tariff(HtsCode),
    /// A day.
    Date(Date),
    /// Days when something holds.
    Period(Period),
    /// Kilograms.
    Weight(Weight),
    /// A count.
    Count(u32),
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => f.write_str(words),
            Self::Text(text) => f.write_str(text),
            Self::Filed(value) => value.fmt(f),
            Self::FiledList(values) => values.fmt(f),
            Self::Problem(problem) => problem.fmt(f),
            Self::Suggestion(suggestion) => suggestion.fmt(f),
            Self::Am8(code, date) => write!(f, "tariff line {code} is flagged AM8 on {date}"),
            Self::NotCertified(importer) => write!(f, "the importer {importer} was not certified"),
            Self::CountriesOf(certificate) => joined(&certificate.countries_of_origin, f),
            Self::Certificate(number) => number.fmt(f),
            Self::Operation(id) => id.fmt(f),
            Self::Certifier(id) => id.fmt(f),
            Self::Tariff(code) => code.fmt(f),
            Self::Date(date) => fmt::Display::fmt(date, f),
            Self::Period(period) => period.fmt(f),
            Self::Weight(weight) => weight.fmt(f),
            Self::Count(count) => count.fmt(f),
        }
    }
}

macro_rules! details_from {
    ($($variant:ident($type:ty),)*) => {
        $(impl From<$type> for Detail {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

details_from! {
    Words(&'static str),
    Filed(Filed),
    FiledList(FiledList),
    Problem(Problem),
    Suggestion(Suggestion),
    CountriesOf(Arc<Certificate>),
    Certificate(CertificateNumber),
    Operation(NopId),
    Certifier(CertifierId),
    Tariff(HtsCode),
    Date(Date),
    Period(Period),
    Weight(Weight),
    Count(u32),
}

/// A value as it was filed, of which a sentence shows so much: quoted, shortened, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed(Box<str>);

impl Filed {
    /// The most characters that are shown.
    const SHOWN: usize = 60;

    /// Keeps what is shown, and whether more follows.
    #[must_use]
    pub fn new(value: &str) -> Self {
        if value.len() <= Self::SHOWN {
            return Self(value.into());
        }
        let end = value.char_indices().nth(Self::SHOWN + 1);
        Self(value[..end.map_or(value.len(), |(end, _)| end)].into())
    }
}

impl fmt::Display for Filed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        write_shortened(&self.0, Self::SHOWN, f)?;
        f.write_str("\"")
    }
}

/// Values as they were filed, of which a sentence shows the first few and how many more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiledList {
    shown: Vec<Filed>,
    more: usize,
}

impl FiledList {
    /// The most values that are shown.
    const SHOWN: usize = 10;

    /// Absent where there are none.
    #[must_use]
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut values = values.into_iter();
        let shown: Vec<Filed> = values.by_ref().take(Self::SHOWN).map(Filed::new).collect();
        let more = values.count();
        (!shown.is_empty()).then_some(Self { shown, more })
    }
}

impl fmt::Display for FiledList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(&self.shown, f)?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Why a field cannot be what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A line or PGA line has the number zero.
    NumberZero,
    /// The same line and PGA line of the entry stood before.
    StoodBefore {
        /// The line.
        line: u32,
        /// Its PGA line.
        pga_line: u32,
    },
    /// The line has no date that the rules could go by.
    NoDate,
    /// It was exported after it was entered.
    ExportedLater {
        /// The date of export.
        exported: Date,
        /// The field that the entry date stands in.
        field: &'static str,
        /// What stands there.
        entered: Date,
    },
    /// The line has no tariff code.
    NoTariffCode,
    /// The tariff code is none; what a spreadsheet may have made it of.
    TariffCode(Filed, Option<HtsCode>),
    /// The weight is none, by these words.
    Weight(Filed, &'static str),
    /// A field is not of its form.
    Form {
        /// The field.
        field: &'static str,
        /// What stands there.
        found: Filed,
        /// What should.
        expected: &'static str,
    },
}

impl Problem {
    /// A tariff code that cannot be read.
    #[must_use]
    pub fn of_tariff_code(text: &str) -> Self {
        Self::TariffCode(Filed::new(text), with_lost_zero(text))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NumberZero => f.write_str("Line numbers and PGA line numbers count from 1."),
            Self::StoodBefore { line, pga_line } => write!(
                f,
                "Line {line}, PGA line {pga_line}, of this entry stood before in the request."
            ),
            Self::NoDate => f.write_str(
                "The line has no entryDate, and no importationDate or arrivalDate that could stand for it.",
            ),
            Self::ExportedLater {
                exported,
                field,
                entered,
            } => write!(f, "The exportDate {exported} is after the {field} {entered}."),
            Self::NoTariffCode => f.write_str("The line has no htsCode."),
            Self::TariffCode(found, lost) => {
                write!(
                    f,
                    "The field htsCode is {found}, not 6, 8 or 10 digits (dots only after the 4th, 6th and 8th)."
                )?;
                match lost {
                    Some(code) => write!(
                        f,
                        " A spreadsheet may have made it of {code}: file the code as text."
                    ),
                    None => Ok(()),
                }
            }
            Self::Weight(found, problem) => write!(f, "The netWeightKg {found} {problem}."),
            Self::Form {
                field,
                found,
                expected,
            } => write!(f, "The field {field} is {found}, not {expected}."),
        }
    }
}

/// What a number that is none may have been meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suggestion {
    /// The dashes were left out.
    Dashed(CertificateNumber),
    /// A character that nobody sees, or that looks like another, is found by no eye.
    Odd {
        /// Its place, from 1.
        place: usize,
        /// Which one.
        character: char,
        /// The number without any such.
        without: Filed,
    },
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dashed(number) => write!(f, " Did you mean {number}?"),
            Self::Odd {
                place,
                character,
                without,
            } => write!(
                f,
                " Its character {place} is U+{:04X}{}; without such characters it is {without}.",
                u32::from(*character),
                if is_invisible(*character) {
                    ", which nobody sees"
                } else {
                    ""
                },
            ),
        }
    }
}

/// Characters that take no place where a number is read.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
    )
}

/// Values with commas between them.
fn joined<T: fmt::Display>(values: &[T], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            f.write_str(", ")?;
        }
        value.fmt(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_filed_value_so_much_is_kept_as_is_shown() {
        for (value, shown) in [
            (String::new(), "\"\"".to_owned()),
            ("a\u{7}b".to_owned(), "\"a\u{fffd}b\"".to_owned()),
            ("é".repeat(60), format!("\"{}\"", "é".repeat(60))),
            ("é".repeat(61), format!("\"{}…\"", "é".repeat(60))),
            ("x".repeat(1 << 18), format!("\"{}…\"", "x".repeat(60))),
        ] {
            let filed = Filed::new(&value);
            assert!(filed.0.chars().count() <= 61);
            assert_eq!(filed.to_string(), shown);
        }
    }

    #[test]
    fn of_many_values_the_first_are_shown() {
        let list = |count: usize| FiledList::of(std::iter::repeat_n("L", count)).map(|list| list.to_string());
        assert_eq!(list(0), None);
        assert_eq!(list(2).as_deref(), Some(r#""L", "L""#));
        let ten = [r#""L""#; 10].join(", ");
        assert_eq!(list(10), Some(ten.clone()));
        assert_eq!(list(12), Some(format!("{ten} and 2 more")));
    }

    #[test]
    fn a_detail_is_no_larger_than_a_text() {
        // A finding is made for many lines: what it holds is small.
        assert_eq!(size_of::<Detail>(), size_of::<String>());
    }
}
