//! Finds out the form of a file from its first lines.
//!
//! Nothing of a line is ever put into a message here: an ABI transmission begins with a password.

use memchr::memchr;

use super::abi::looks_like_a_record;
use super::fields::{Field, TreatmentField};
use super::lines::RawLine;
use super::{EntryFileError, Form};

/// How many lines without a clear form are held back before the search ends.
const MOST_HELD_LINES: usize = 64;
/// How many bytes of them.
const MOST_HELD_BYTES: usize = 1 << 16;

/// A line that was read before the form was known.
#[derive(Debug)]
pub(super) struct HeldLine {
    pub(super) number: u64,
    bytes: Vec<u8>,
    too_long: Option<u64>,
}

impl HeldLine {
    fn new(number: u64, line: RawLine<'_>, skip: usize) -> Self {
        Self {
            number,
            bytes: line.start()[skip..].to_vec(),
            too_long: match line {
                RawLine::Whole(_) => None,
                RawLine::TooLong { length, .. } => Some(length),
            },
        }
    }

    pub(super) fn raw(&self) -> RawLine<'_> {
        match self.too_long {
            None => RawLine::Whole(&self.bytes),
            Some(length) => RawLine::TooLong {
                start: &self.bytes,
                length,
            },
        }
    }
}

/// The search for the form.
#[derive(Debug)]
pub(super) struct Detector {
    wanted: Form,
    held: Vec<HeldLine>,
    held_bytes: usize,
    /// A line that may be an ABI record without being one for certain was met.
    perhaps_abi: bool,
}

impl Detector {
    pub(super) fn new(wanted: Form) -> Self {
        Self {
            wanted,
            held: Vec::new(),
            held_bytes: 0,
            perhaps_abi: false,
        }
    }

    /// The lines that were held back, the last one last.
    pub(super) fn into_held(self) -> Vec<HeldLine> {
        self.held
    }

    /// Looks at one more line; the form if it is now known.
    pub(super) fn line(&mut self, number: u64, line: RawLine<'_>) -> Result<Option<Form>, EntryFileError> {
        let skip = if number == 1 {
            mark_length(line.start())?
        } else {
            0
        };
        let start = &line.start()[skip..];
        if start.trim_ascii().is_empty() && matches!(line, RawLine::Whole(_)) {
            return Ok(None);
        }
        let first = self.held.is_empty();
        if first {
            refuse_other_content(start, self.wanted)?;
        }
        self.held.push(HeldLine::new(number, line, skip));
        self.held_bytes += start.len();
        if self.wanted != Form::Auto {
            return Ok(Some(self.wanted));
        }
        if start.trim_ascii_start().starts_with(b"{") {
            return Ok(Some(Form::Jsonl));
        }
        if first && names_a_column(start) {
            return Ok(Some(Form::Csv));
        }
        match looks_like_a_record(start) {
            Some(true) => return Ok(Some(Form::Abi)),
            Some(false) => self.perhaps_abi = true,
            None => {}
        }
        if first
            && start
                .iter()
                .any(|byte| *byte < 0x20 && !byte.is_ascii_whitespace())
        {
            return Err(EntryFileError::OtherContent { found: "binary data" });
        }
        if self.held.len() >= MOST_HELD_LINES || self.held_bytes >= MOST_HELD_BYTES {
            return self.finish().map(Some);
        }
        Ok(None)
    }

    /// The form where no line made it certain.
    pub(super) fn finish(&self) -> Result<Form, EntryFileError> {
        if self.held.is_empty() {
            Err(EntryFileError::Empty)
        } else if self.perhaps_abi {
            Ok(Form::Abi)
        } else {
            Err(EntryFileError::UnknownForm)
        }
    }
}

/// Length of a UTF-8 byte order mark at the start; UTF-16 is refused.
fn mark_length(start: &[u8]) -> Result<usize, EntryFileError> {
    match start {
        [0xef, 0xbb, 0xbf, ..] => Ok(3),
        // With the mark, or without it: a zero byte beside each of two ASCII characters.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(EntryFileError::Utf16),
        [0, 1..=0x7f, 0, 1..=0x7f, ..] | [1..=0x7f, 0, 1..=0x7f, 0, ..] => Err(EntryFileError::Utf16),
        _ => Ok(0),
    }
}

/// Refuses what is recognised as something else. With a form that was asked for, only what is beyond doubt.
fn refuse_other_content(start: &[u8], wanted: Form) -> Result<(), EntryFileError> {
    let text = start.trim_ascii_start();
    let begins = |word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    let found = if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        "a ZIP archive or an XLSX workbook"
    } else if start.starts_with(&[0x1f, 0x8b]) {
        "compressed with gzip"
    } else if begins(b"%PDF") {
        "a PDF document"
    } else if begins(b"<!doctype html") || begins(b"<html") {
        "an HTML page"
    } else if begins(b"<?xml") || (wanted == Form::Auto && begins(b"<")) {
        "an XML or HTML document"
    } else if wanted == Form::Auto && memchr(0, start).is_some() && !begins(b"{") && !begins(b"10") {
        "binary data"
    } else {
        return Ok(());
    };
    Err(EntryFileError::OtherContent { found })
}

/// Whether a line names at least one field of an entry line among its cells, whatever separates them.
pub(super) fn names_a_column(line: &[u8]) -> bool {
    line.split(|byte| b",;\t|".contains(byte)).any(|cell| {
        let cell = cell.trim_ascii();
        let cell = cell.strip_prefix(b"\"").unwrap_or(cell);
        let cell = cell.strip_suffix(b"\"").unwrap_or(cell);
        Field::of(cell.trim_ascii()).is_some() || TreatmentField::of(cell.trim_ascii()).is_some()
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
        assert_eq!(form_of(b"line_number,\"entry_number\"\n"), Ok(Some(Form::Csv)));
        assert_eq!(form_of(b"A2704ABCSECRET112124     AE\n10AB76  03245278\n"), Ok(Some(Form::Abi)));
        assert_eq!(form_of(b"B  2704ABCAE\n10AB76  03245278\n"), Ok(Some(Form::Abi)));
        assert_eq!(form_of(b"10AB76  03245278 0901"), Ok(Some(Form::Abi)));
        assert_eq!(form_of(b"SE10AB76  03245278 01"), Ok(Some(Form::Abi)));
        assert_eq!(form_of(b"10XB76  03245278 0901"), Ok(Some(Form::Abi)));
        assert_eq!(form_of(b"garbage\n10AB76  03245278 0901"), Ok(Some(Form::Abi)));
        assert_eq!(form_of(b"40  001 ECEC060225"), Ok(Some(Form::Abi)));
    }

    #[test]
    fn what_is_something_else_is_refused_whole() {
        assert_eq!(form_of(b""), Err(EntryFileError::Empty));
        assert_eq!(form_of(b" \r\n\n"), Err(EntryFileError::Empty));
        assert_eq!(form_of(b"\xff\xfe{\0"), Err(EntryFileError::Utf16));
        assert_eq!(form_of(b"\xfe\xff\0{"), Err(EntryFileError::Utf16));
        assert_eq!(form_of(b"{\0\"\0e\0"), Err(EntryFileError::Utf16));
        assert_eq!(form_of(b"hello"), Err(EntryFileError::UnknownForm));
        for other in [
            b"<!DOCTYPE html>".as_slice(),
            b"PK\x03\x04\x14",
            b"\x1f\x8b\x08",
            b"%PDF-1.7",
            b"\x7fELF\x02\x01",
            b"<entries>",
        ] {
            assert!(
                matches!(form_of(other), Err(EntryFileError::OtherContent { .. })),
                "{other:?}"
            );
        }
        assert!(read_entries(Form::Abi, b"<html>").is_err());
    }
}
