//! One 80-character record: its tag, its fields, and what makes it unreadable.

/// Length of a record in characters.
pub(super) const RECORD_LENGTH: usize = 80;

/// The kinds of records that an entry is read from; all others that exist are `Passed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    BatchHeader,
    BlockHeader,
    BlockTrailer,
    BatchTrailer,
    EntryHeader,
    HeaderContent,
    CargoReference,
    LineItem,
    Description,
    Tariff,
    Totals,
    /// Any other record of an entry summary.
    SummaryOther,
    /// `SE10`.
    ReleaseHeader,
    /// `SE11`.
    ReleaseDate,
    /// `SE16`.
    ReleaseArrival,
    /// `SE40`.
    ReleaseLine,
    /// `SE60`.
    ReleaseTariff,
    /// Any other record of a cargo release.
    ReleaseOther,
    PgaItem,
    Pg01,
    Pg10,
    Pg14,
    Pg19,
    Pg22,
    Pg25,
    Pg26,
    Pg29,
    /// Any other record of the PGA message set.
    PgOther,
    /// A record that may stand anywhere and says nothing about lines.
    Passed,
}

/// How a field's characters are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Digits; leading spaces stand for zeros.
    Number,
    /// Six or eight digits; spaces among them make it wrong.
    Date,
}

impl Tag {
    /// The tag at the start of a record; `None` if there is no such record.
    pub(super) fn of(record: &[u8]) -> Option<Self> {
        let pair = [record.first().copied()?, record.get(1).copied().unwrap_or(b' ')];
        Some(match &pair {
            b"OI" => Self::PgaItem,
            b"SE" | b"SF" => match (pair, record.get(2..4)?) {
                ([_, b'E'], b"10") => Self::ReleaseHeader,
                ([_, b'E'], b"11") => Self::ReleaseDate,
                ([_, b'E'], b"16") => Self::ReleaseArrival,
                ([_, b'E'], b"40") => Self::ReleaseLine,
                ([_, b'E'], b"60") => Self::ReleaseTariff,
                (_, number) if number.iter().all(u8::is_ascii_digit) => Self::ReleaseOther,
                _ => return None,
            },
            b"CW" if record.starts_with(b"CW02") => Self::Passed,
            b"PG" => match record.get(2..4)? {
                b"01" => Self::Pg01,
                b"10" => Self::Pg10,
                b"14" => Self::Pg14,
                b"19" => Self::Pg19,
                b"22" => Self::Pg22,
                b"25" => Self::Pg25,
                b"26" => Self::Pg26,
                b"29" => Self::Pg29,
                [tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit() => Self::PgOther,
                _ => return None,
            },
            // One letter is little for a tag: a digit of the port or a space follows it. Otherwise any word that
            // begins with one of these letters would end the entry in which it stands.
            [b'A', b'0'..=b'9' | b' '] => Self::BatchHeader,
            [b'B', b'0'..=b'9' | b' '] => Self::BlockHeader,
            [b'Y', b'0'..=b'9' | b' '] => Self::BlockTrailer,
            [b'Z', b'0'..=b'9' | b' '] => Self::BatchTrailer,
            [tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit() => {
                match (tens - b'0') * 10 + (ones - b'0') {
                    10 => Self::EntryHeader,
                    11 => Self::HeaderContent,
                    20 => Self::CargoReference,
                    40 => Self::LineItem,
                    44 => Self::Description,
                    50 => Self::Tariff,
                    90 => Self::Totals,
                    21..=36 | 41..=43 | 47 | 51..=63 | 88 | 89 => Self::SummaryOther,
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    /// Whether the record stands outside entries, and so ends the one before it.
    pub(super) const fn is_envelope(self) -> bool {
        matches!(
            self,
            Self::BatchHeader | Self::BlockHeader | Self::BlockTrailer | Self::BatchTrailer
        )
    }

    /// Whether the record belongs to a `PG01` (or is one).
    pub(super) const fn is_pga(self) -> bool {
        matches!(
            self,
            Self::Pg01
                | Self::Pg10
                | Self::Pg14
                | Self::Pg19
                | Self::Pg22
                | Self::Pg25
                | Self::Pg26
                | Self::Pg29
                | Self::PgOther
        )
    }

    /// Whether only an entry summary has such a record.
    pub(super) const fn is_of_summary(self) -> bool {
        matches!(
            self,
            Self::EntryHeader
                | Self::HeaderContent
                | Self::CargoReference
                | Self::LineItem
                | Self::Description
                | Self::Tariff
                | Self::Totals
                | Self::SummaryOther
        )
    }

    /// Whether it is a record of a cargo release; an entry summary passes over those that it carries.
    pub(super) const fn is_of_release(self) -> bool {
        matches!(
            self,
            Self::ReleaseHeader
                | Self::ReleaseDate
                | Self::ReleaseArrival
                | Self::ReleaseLine
                | Self::ReleaseTariff
                | Self::ReleaseOther
        )
    }

    /// The numeric and date fields of FORMATS §2: first and last position, and name.
    const fn checked_fields(self) -> &'static [(usize, usize, Class, &'static str)] {
        use Class::{Date, Number};
        match self {
            Self::BatchHeader => &[(15, 20, Date, "date")],
            Self::HeaderContent => &[
                (42, 47, Date, "estimated entry date"),
                (48, 53, Date, "date of importation"),
            ],
            Self::CargoReference => &[(11, 16, Date, "estimated arrival")],
            Self::LineItem => &[
                (5, 7, Number, "line"),
                (13, 18, Date, "export date"),
                (42, 51, Number, "gross kilograms"),
            ],
            Self::Tariff => &[(25, 34, Number, "value"), (36, 47, Number, "quantity")],
            Self::ReleaseDate => &[(6, 11, Date, "elected entry date")],
            Self::ReleaseArrival => &[(14, 19, Date, "arrival")],
            Self::ReleaseLine => &[(5, 7, Number, "line")],
            Self::Pg01 => &[(5, 7, Number, "PGA line")],
            Self::Pg14 => &[(43, 50, Date, "date"), (51, 66, Number, "quantity")],
            Self::Pg22 => &[(26, 33, Date, "date")],
            Self::Pg26 => &[(6, 17, Number, "quantity")],
            Self::Pg29 => &[
                (8, 19, Number, "net quantity"),
                (23, 34, Number, "gross quantity"),
            ],
            _ => &[],
        }
    }
}

/// Why a record cannot be read: where, in which field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1; absent where the whole record is at fault.
    pub(super) position: Option<u64>,
    pub(super) field: Option<&'static str>,
    /// Empty where it must not be shown.
    pub(super) value: String,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn new(position: usize, reason: impl Into<String>) -> Self {
        Self {
            position: Some(position as u64),
            field: None,
            value: String::new(),
            reason: reason.into(),
        }
    }
}

/// A record padded to its 80 characters, all of them printable ASCII.
pub(super) struct Record {
    pub(super) tag: Tag,
    characters: [u8; RECORD_LENGTH],
}

impl Record {
    /// Checks the characters and the tag.
    pub(super) fn read(line: &[u8]) -> Result<Self, Fault> {
        // Without a branch in the loop, so that all bytes are looked at together.
        let printable = line
            .iter()
            .fold(true, |good, byte| good & (0x20..=0x7e).contains(byte));
        if !printable && let Some(index) = line.iter().position(|byte| !(0x20..=0x7e).contains(byte)) {
            return Err(Fault::new(
                index + 1,
                format!(
                    "the byte 0x{:02X} is not printable ASCII: write the record in characters 0x20 to 0x7E",
                    line[index]
                ),
            ));
        }
        if line.len() > RECORD_LENGTH {
            return Err(Fault::new(
                RECORD_LENGTH + 1,
                format!(
                    "the record has {} characters, and 80 are the most: shorten it",
                    line.len()
                ),
            ));
        }
        let Some(tag) = Tag::of(line) else {
            return Err(Fault {
                field: Some("tag"),
                // No more than a tag: what follows may be anything.
                value: String::from_utf8_lossy(&line[..line.len().min(4)]).into_owned(),
                ..Fault::new(
                    1,
                    "unknown record: expected one of the entry summary (10 to 90), cargo release (SE10 to SE61) or PGA records (OI, PG01 to PG..)",
                )
            });
        };
        let mut characters = [b' '; RECORD_LENGTH];
        characters[..line.len()].copy_from_slice(line);
        Ok(Self { tag, characters })
    }

    /// Checks that numeric and date fields hold digits or nothing.
    pub(super) fn check_fields(&self) -> Result<(), Fault> {
        self.tag
            .checked_fields()
            .iter()
            .try_for_each(|(from, to, class, name)| self.check_digits(*from, *to, *class, name))
    }

    fn check_digits(&self, from: usize, to: usize, class: Class, name: &'static str) -> Result<(), Fault> {
        let bytes = &self.characters[from - 1..to];
        if bytes.iter().all(|byte| *byte == b' ') {
            return Ok(());
        }
        let spaces = match class {
            Class::Number => bytes.iter().take_while(|byte| **byte == b' ').count(),
            Class::Date => 0,
        };
        let fault = bytes[spaces..].iter().position(|byte| !byte.is_ascii_digit());
        match fault.map(|index| spaces + index) {
            None => Ok(()),
            Some(index) => Err(Fault {
                field: Some(name),
                // A batch header that is out of place may have its password here.
                value: if self.tag == Tag::BatchHeader {
                    String::new()
                } else {
                    self.raw(from, to).to_owned()
                },
                ..Fault::new(
                    from + index,
                    format!(
                        "the {name} (positions {from}-{to}) holds a non-digit: fill it with digits or leave it blank"
                    ),
                )
            }),
        }
    }

    /// The characters of a field as they stand.
    pub(super) fn raw(&self, from: usize, to: usize) -> &str {
        // Printable ASCII: `read` lets nothing else pass.
        std::str::from_utf8(&self.characters[from - 1..to]).unwrap_or_default()
    }

    /// A field without the spaces around it.
    pub(super) fn text(&self, from: usize, to: usize) -> &str {
        let bytes = self.characters[from - 1..to].trim_ascii();
        // Printable ASCII: `read` lets nothing else pass, and of white space only spaces.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The same as a value of its own; absent if blank.
    pub(super) fn value(&self, from: usize, to: usize) -> Option<String> {
        Some(self.text(from, to))
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    /// A line number: `None` if blank, a fault if zero.
    pub(super) fn line_number(
        &self,
        from: usize,
        to: usize,
        name: &'static str,
    ) -> Result<Option<u32>, Fault> {
        match self.text(from, to).parse() {
            Ok(0) => Err(Fault {
                field: Some(name),
                value: self.raw(from, to).to_owned(),
                ..Fault::new(from, format!("the {name} is zero: number lines from 1"))
            }),
            Ok(number) => Ok(Some(number)),
            // Blank: anything else is digits, as `check_fields` made sure.
            Err(_) => Ok(None),
        }
    }

    /// A date MMDDYY as `20YY-MM-DD`; six digits that are no date stay as they are, for the rules to find.
    pub(super) fn date(&self, from: usize, to: usize) -> Option<String> {
        let text = self.value(from, to)?;
        let iso = format!("20{}-{}-{}", &text[4..6], &text[..2], &text[2..4]);
        Some(if nopic_domain::date::parse_iso(&iso).is_some() {
            iso
        } else {
            text
        })
    }

    /// A quantity with implied decimals, as decimal text without superfluous zeros; only in kilograms.
    pub(super) fn kilograms(
        &self,
        (from, to): (usize, usize),
        decimals: usize,
        (unit_from, unit_to): (usize, usize),
    ) -> Option<String> {
        if self.text(unit_from, unit_to) != "KG" {
            return None;
        }
        if self.text(from, to).is_empty() {
            return None;
        }
        // Leading spaces stand for zeros.
        let digits = self.raw(from, to).replace(' ', "0");
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        Some(if fraction.is_empty() {
            whole.to_owned()
        } else {
            format!("{whole}.{fraction}")
        })
    }
}

/// Whether a line is a record of an ABI transmission: `Some(true)` for one that begins a transmission, a block or an
/// entry and has the shape of one, `Some(false)` for one that only has a known tag.
pub(in crate::entries) fn looks_like_a_record(line: &[u8]) -> Option<bool> {
    // A row of another form may begin like a record (entry number B7675618741); what separates its cells stands early.
    if line[..line.len().min(16)]
        .iter()
        .any(|byte| b",;\t|\"".contains(byte))
    {
        return None;
    }
    let is_code = |range: std::ops::Range<usize>| {
        line.get(range)
            .is_some_and(|bytes| bytes.iter().all(u8::is_ascii_alphanumeric))
    };
    let certain = match Tag::of(line)? {
        Tag::EntryHeader => line.get(2).is_some_and(u8::is_ascii_alphabetic) && is_code(3..6),
        Tag::BatchHeader => {
            is_code(1..8)
                && line
                    .get(14..20)
                    .is_some_and(|date| date.iter().all(u8::is_ascii_digit))
        }
        Tag::BlockHeader => is_code(3..10) && line.get(1..3) == Some(b"  "),
        Tag::ReleaseHeader => line.get(4).is_some_and(u8::is_ascii_alphabetic) && is_code(5..8),
        _ => false,
    };
    Some(certain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_characters_are_checked_before_anything_else() {
        assert_eq!(
            Record::read(&[b'9'; 81]).err().and_then(|fault| fault.position),
            Some(81)
        );
        assert_eq!(
            Record::read(b"10A\xc3").err().and_then(|fault| fault.position),
            Some(4)
        );
        assert_eq!(
            Record::read(b"10A\t").err().and_then(|fault| fault.position),
            Some(4)
        );
        assert!(Record::read(b"10A").is_ok());
    }

    #[test]
    fn tags_are_those_of_the_chapter() {
        for tag in [
            "10", "21", "36", "43", "63", "88", "89", "90", "PG99", "SE10", "SE61", "SF10", "CW02", "A2704",
            "Z",
        ] {
            assert!(Tag::of(tag.as_bytes()).is_some(), "{tag}");
        }
        for tag in [
            "SE1", "SELL", "00", "12", "37", "45", "64", "87", "91", "PGX1", "PG", "CW01", "pg01", "X",
            " 10", "BAD", "ZZ", "BAD", "ZZ",
        ] {
            assert!(Tag::of(tag.as_bytes()).is_none(), "{tag}");
        }
    }

    #[test]
    fn numeric_fields_hold_digits_or_nothing() {
        let checked = |record: &[u8]| Record::read(record).and_then(|record| record.check_fields());
        let fault = checked(b"40  0O1").unwrap_err();
        assert_eq!((fault.position, fault.field), (Some(6), Some("line")));
        assert!(checked(b"40  ").is_ok());
        // Leading spaces of a number are zeros, those behind it are not, and a date is no number.
        assert!(checked(b"40    1").is_ok());
        assert_eq!(checked(b"40  1  ").unwrap_err().position, Some(6));
        assert_eq!(checked(b"SE11  61025").unwrap_err().position, Some(6));
        // What may be the password is not shown.
        let fault = checked(b"A2704ABC      SECRET").unwrap_err();
        assert!(fault.value.is_empty() && !fault.reason.contains("SECRET"));
    }

    #[test]
    fn dates_and_quantities_are_read_as_they_are_meant() {
        let record = Record::read(b"1112-345678900                           023024022924")
            .ok()
            .unwrap();
        assert_eq!(record.date(42, 47).as_deref(), Some("023024"));
        assert_eq!(record.date(48, 53).as_deref(), Some("2024-02-29"));
        let quantity = |text: &[u8]| Record::read(text).ok().unwrap().kilograms((8, 19), 2, (5, 7));
        assert_eq!(quantity(b"PG29KG 000000878612").as_deref(), Some("8786.12"));
        assert_eq!(quantity(b"PG29KG 000000000000").as_deref(), Some("0"));
        assert_eq!(quantity(b"PG29KG 000000000050").as_deref(), Some("0.5"));
        assert_eq!(quantity(b"PG29KG            5").as_deref(), Some("0.05"));
        assert_eq!(quantity(b"PG29KG      1313800").as_deref(), Some("13138"));
        assert_eq!(quantity(b"PG29KG"), None);
        assert_eq!(quantity(b"PG29LB 000000000050"), None);
    }
}
