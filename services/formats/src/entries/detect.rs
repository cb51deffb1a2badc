//! Finds out the form of a text from its first lines.
//!
//! Nothing of a line is ever put into a message here: an ABI transmission begins with a password.

use super::Form;
use super::abi::looks_like_a_record;
use crate::kind::{self, foreign};
use crate::lines::RawLine;
use crate::table::Table;
use crate::table::csv::{names, separator_line};

/// How many lines without a clear form are held back before the search ends.
const MOST_HELD_LINES: usize = 64;
/// How many bytes of them.
const MOST_HELD_BYTES: usize = 1 << 16;
/// What may stand between the names of columns.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A line that was read before the form was known.
#[derive(Debug)]
pub(crate) struct HeldLine {
    pub(crate) number: u64,
    bytes: Vec<u8>,
    too_long: Option<u64>,
}

impl HeldLine {
    fn new(number: u64, line: RawLine<'_>) -> Self {
        Self {
            number,
            bytes: line.start().to_vec(),
            too_long: match line {
                RawLine::Whole(_) => None,
                RawLine::TooLong { length, .. } => Some(length),
            },
        }
    }

    pub(crate) fn raw(&self) -> RawLine<'_> {
        match self.too_long {
            None => RawLine::Whole(&self.bytes),
            Some(length) => RawLine::TooLong {
                start: &self.bytes,
                length,
            },
        }
    }
}

/// Why no form was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undetected {
    /// No line but blank ones.
    Empty,
    /// Something that has a form of its own, with its article.
    Foreign(&'static str),
    /// A JSON array of objects.
    JsonArray,
    /// None of the forms.
    Unknown,
}

/// The search for the form.
#[derive(Debug)]
pub(crate) struct Detector {
    wanted: Form,
    held: Vec<HeldLine>,
    held_bytes: usize,
    /// A line that may be an ABI record without being one for certain was met.
    perhaps_abi: bool,
    /// The first line is cut into cells.
    perhaps_csv: bool,
}

impl Detector {
    pub(crate) fn new(wanted: Form) -> Self {
        Self {
            wanted,
            held: Vec::new(),
            held_bytes: 0,
            perhaps_abi: false,
            perhaps_csv: false,
        }
    }

    /// The lines that were held back, the last one last.
    pub(crate) fn into_held(self) -> Vec<HeldLine> {
        self.held
    }

    /// Looks at one more line; the form if it is now known. `T` is the table that a CSV would hold.
    pub(crate) fn line<T: Table>(
        &mut self,
        number: u64,
        line: RawLine<'_>,
    ) -> Result<Option<Form>, Undetected> {
        let start = line.start();
        if start.trim_ascii().is_empty() && matches!(line, RawLine::Whole(_)) {
            return Ok(None);
        }
        let is_first = self.held.is_empty();
        // With a form that was asked for, only what is beyond doubt is something else.
        if is_first && let Some(found) = foreign(start, self.wanted == Form::Auto) {
            return Err(Undetected::Foreign(found));
        }
        if is_first && matches!(self.wanted, Form::Auto | Form::Jsonl) && begins_array(start) {
            return Err(Undetected::JsonArray);
        }
        self.held.push(HeldLine::new(number, line));
        self.held_bytes += start.len();
        if self.wanted != Form::Auto {
            return Ok(Some(self.wanted));
        }
        if start.trim_ascii_start().starts_with(b"{") {
            return Ok(Some(Form::Jsonl));
        }
        if is_header::<T>(start, is_first) || (is_first && separator_line(start).is_some()) {
            return Ok(Some(Form::Csv));
        }
        match looks_like_a_record(start) {
            Some(true) => return Ok(Some(Form::Abi)),
            Some(false) => self.perhaps_abi = true,
            None => {}
        }
        let is_binary = |byte: &u8| *byte < 0x20 && !byte.is_ascii_whitespace();
        if is_first && start.iter().any(is_binary) {
            return Err(Undetected::Foreign("binary data"));
        }
        if is_first {
            self.perhaps_csv = start.iter().any(|byte| SEPARATORS[..3].contains(byte));
        }
        if self.held.len() >= MOST_HELD_LINES || self.held_bytes >= MOST_HELD_BYTES {
            return self.finish().map(Some);
        }
        Ok(None)
    }

    /// The form where no line made it certain.
    pub(crate) fn finish(&self) -> Result<Form, Undetected> {
        if self.held.is_empty() {
            Err(Undetected::Empty)
        } else if self.perhaps_abi {
            Ok(Form::Abi)
        } else if self.perhaps_csv {
            // Its reader says what is wrong with the header.
            Ok(Form::Csv)
        } else {
            Err(Undetected::Unknown)
        }
    }
}

/// Whether a line begins a JSON array of objects, the first of which may stand on the next line.
fn begins_array(line: &[u8]) -> bool {
    let behind = line.trim_ascii().strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(b"{"))
}

/// Whether a line is the header of a table of any kind. Behind the first line one name may be a word of a text.
fn is_header<T: Table>(line: &[u8], is_first: bool) -> bool {
    let enough = if is_first { 1 } else { 2 };
    SEPARATORS.iter().any(|separator| {
        if names::<T>(line, *separator) >= enough {
            return true;
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return false;
        };
        let cells = text.split(char::from(*separator));
        kind::of_names(cells.map(|cell| cell.trim().trim_matches('"'))).is_some()
    })
}

#[cfg(test)]
mod tests {
    use crate::entries::{EntryFileError, EntryReader, Form, read_entries};

    fn form_of(bytes: &[u8]) -> Result<Option<Form>, EntryFileError> {
        let mut reader = EntryReader::new(Form::Auto);
        let mut events = Vec::new();
        reader.push(bytes, &mut events)?;
        reader.finish(&mut events)?;
        Ok(reader.form())
    }

    #[test]
    fn each_form_is_known_by_its_first_lines() {
        assert_eq!(form_of(b"\xef\xbb\xbf\r\n  {\"a\":1}"), Ok(Some(Form::Jsonl)));
        assert_eq!(form_of(b"[]\n{\"a\":1}\n"), Ok(Some(Form::Jsonl)));
        assert_eq!(
            form_of(b"line_number,\"entry_number\"\n1,x\n"),
            Ok(Some(Form::Csv))
        );
        assert_eq!(
            form_of(b"A2704ABCSECRET112124     AE\n10AB76  03245278\n"),
            Ok(Some(Form::Abi))
        );
        assert_eq!(form_of(b"B  2704ABCAE\n10AB76  03245278\n"), Ok(Some(Form::Abi)));
        assert_eq!(form_of(b"10AB76  03245278 0901"), Ok(Some(Form::Abi)));
        assert_eq!(form_of(b"SE10AB76  03245278 01"), Ok(Some(Form::Abi)));
        assert_eq!(form_of(b"10XB76  03245278 0901"), Ok(Some(Form::Abi)));
        assert_eq!(form_of(b"garbage\n10AB76  03245278 0901"), Ok(Some(Form::Abi)));
        assert_eq!(
            form_of(b"Hello, see below\n10AB76  03245278 0901"),
            Ok(Some(Form::Abi))
        );
        assert_eq!(form_of(b"40  001 ECEC060225"), Ok(Some(Form::Abi)));
        // Two bytes a character are no other form.
        assert_eq!(form_of(b"\xff\xfe{\0}\0"), Ok(Some(Form::Jsonl)));
        assert_eq!(form_of(b"\0{\0}"), Ok(Some(Form::Jsonl)));
    }

    #[test]
    fn what_is_something_else_is_refused_whole() {
        assert_eq!(form_of(b""), Err(EntryFileError::Empty));
        assert_eq!(form_of(b" \r\n\n"), Err(EntryFileError::Empty));
        assert_eq!(form_of(b"\x1a"), Err(EntryFileError::Empty));
        assert_eq!(form_of(b"hello"), Err(EntryFileError::UnknownForm));
        for array in [
            &b"[{\"entryNumber\":\"B7603245278\",\"lineNumber\":1}]"[..],
            b"\n [\n  {\"entryNumber\":\"B7603245278\"",
            b"[ { \"a\" : 1 },\n{ \"a\" : 2 } ]",
        ] {
            assert_eq!(form_of(array), Err(EntryFileError::JsonArray));
            assert_eq!(
                read_entries(Form::Jsonl, array).unwrap_err(),
                EntryFileError::JsonArray
            );
        }
        // A workbook of the old form, and one with a password, which is kept in the same container.
        let container = form_of(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\n\0").unwrap_err();
        let said = container.to_string();
        for word in ["old Excel workbook (.xls)", "password", ".xlsx or CSV"] {
            assert!(said.contains(word), "{said}");
        }
        for other in [
            b"<!DOCTYPE html>".as_slice(),
            b"\x1f\x8b\x08",
            b"%PDF-1.7",
            b"\x7fELF\x02\x01",
            b"<entries>",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00",
        ] {
            assert!(
                matches!(form_of(other), Err(EntryFileError::OtherContent { .. })),
                "{other:?}"
            );
        }
        assert!(read_entries(Form::Abi, b"<html>").is_err());
        assert!(read_entries(Form::Csv, b"PK\x03\x04rest").is_err());
        assert!(matches!(
            form_of(b"PK\x03\x04rest"),
            Err(EntryFileError::Workbook(_))
        ));
    }
}
