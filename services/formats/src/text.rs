//! Text as spreadsheets and old systems save it, cut into lines: UTF-8 or UTF-16, with a mark or without, lines that
//! end with LF, CR LF or CR alone, and a Ctrl-Z (or a block filled with it) at the end.

use memchr::{memchr, memchr2};

use crate::lines::{LineSplitter, RawLine};

/// What DOS systems end a text with, and fill its last block.
const CONTROL_Z: u8 = 0x1a;
/// The longest end that is held back for being nothing but Ctrl-Z and line ends.
const LONGEST_END: usize = 4096;
/// How many bytes tell the encoding.
const TELLING: usize = 4;

/// The lines of a text that comes in chunks. What it gives does not depend on how they were cut.
#[derive(Debug, Default)]
pub(crate) struct TextLines {
    encoding: Encoding,
    /// A Ctrl-Z and what may belong to the end with it.
    end: Vec<u8>,
    returns: Returns,
    splitter: LineSplitter,
}

#[derive(Debug)]
enum Encoding {
    /// The first bytes, until there are enough.
    Unknown(Vec<u8>),
    Utf8,
    Utf16(Utf16),
}

impl Default for Encoding {
    fn default() -> Self {
        Self::Unknown(Vec::with_capacity(TELLING))
    }
}

impl Encoding {
    /// The encoding that the first bytes tell, and how many of them are its mark.
    fn told_by(first: &[u8]) -> (Self, usize) {
        match first {
            [0xef, 0xbb, 0xbf, ..] => (Self::Utf8, 3),
            [0xff, 0xfe, ..] => (Self::Utf16(Utf16::new(true)), 2),
            [0xfe, 0xff, ..] => (Self::Utf16(Utf16::new(false)), 2),
            // Without a mark: a zero byte beside each of two ASCII characters.
            [0, 1..=0x7f, 0, 1..=0x7f, ..] => (Self::Utf16(Utf16::new(false)), 0),
            [1..=0x7f, 0, 1..=0x7f, 0, ..] => (Self::Utf16(Utf16::new(true)), 0),
            _ => (Self::Utf8, 0),
        }
    }
}

/// A whole text as UTF-8 without a mark, with line feeds at its line ends and without a Ctrl-Z at its end. What is no
/// UTF-8 is replaced.
pub(crate) fn whole(bytes: &[u8]) -> String {
    let (encoding, mark) = Encoding::told_by(bytes);
    let mut text = match encoding {
        Encoding::Utf16(mut decoder) => {
            let mut text = String::with_capacity(bytes.len());
            decoder.decode(&bytes[mark..], &mut text);
            if decoder.is_within() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
            text
        }
        Encoding::Utf8 | Encoding::Unknown(_) => String::from_utf8_lossy(&bytes[mark..]).into_owned(),
    };
    let is_end = |character: char| matches!(character, '\r' | '\n' | '\u{1a}');
    let rest = text.trim_end_matches(is_end).len();
    if text[rest..].contains('\u{1a}') {
        text.truncate(rest);
    }
    if let Some(first) = text.find(['\r', '\n'])
        && text[first..].starts_with('\r')
        && !text[first..].starts_with("\r\n")
    {
        return text.replace("\r\n", "\n").replace('\r', "\n");
    }
    text
}

/// What carriage returns are in this text.
#[derive(Debug, Clone, Copy, Default)]
enum Returns {
    /// No line has ended yet.
    #[default]
    Unknown,
    /// A carriage return was met, and what follows it is not known.
    Pending,
    /// Characters beside line feeds; a quoted cell may own one.
    Characters,
    /// Line ends.
    Ends {
        /// The last byte was one.
        is_behind_one: bool,
    },
}

impl TextLines {
    /// Calls `each` with the number (from 1) and the bytes, as UTF-8, of every line that ends in this chunk.
    pub(crate) fn push<E>(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(u64, RawLine<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Encoding::Unknown(first) = &mut self.encoding {
            first.extend_from_slice(chunk);
            if first.len() < TELLING {
                return Ok(());
            }
            return self.begin(&mut each);
        }
        self.decode(chunk, &mut each)
    }

    /// Calls `each` with a last line that nothing ended.
    pub(crate) fn finish<E>(
        &mut self,
        mut each: impl FnMut(u64, RawLine<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if matches!(self.encoding, Encoding::Unknown(_)) {
            self.begin(&mut each)?;
        }
        if let Encoding::Utf16(decoder) = &mut self.encoding
            && decoder.is_within()
        {
            self.cut_end("\u{fffd}".as_bytes(), &mut each)?;
        }
        // Of the end that was held back only its line end matters, and a last line needs none.
        self.end.clear();
        if matches!(self.returns, Returns::Pending) {
            self.splitter.push(b"\n", &mut each)?;
        }
        self.splitter.finish(each)
    }

    fn begin<E>(&mut self, each: &mut impl FnMut(u64, RawLine<'_>) -> Result<(), E>) -> Result<(), E> {
        let (encoding, mark) = match &self.encoding {
            Encoding::Unknown(first) => Encoding::told_by(first),
            _ => return Ok(()),
        };
        let Encoding::Unknown(first) = std::mem::replace(&mut self.encoding, encoding) else {
            return Ok(());
        };
        self.decode(&first[mark..], each)
    }

    fn decode<E>(
        &mut self,
        chunk: &[u8],
        each: &mut impl FnMut(u64, RawLine<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Encoding::Utf16(decoder) = &mut self.encoding {
            let mut text = String::with_capacity(chunk.len());
            decoder.decode(chunk, &mut text);
            return self.cut_end(text.as_bytes(), each);
        }
        self.cut_end(chunk, each)
    }

    /// Holds back what may be the end of the text.
    fn cut_end<E>(
        &mut self,
        mut chunk: &[u8],
        each: &mut impl FnMut(u64, RawLine<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !chunk.is_empty() {
            if self.end.is_empty() {
                let Some(at) = memchr(CONTROL_Z, chunk) else {
                    return self.end_lines(chunk, each);
                };
                self.end_lines(&chunk[..at], each)?;
                chunk = &chunk[at..];
            }
            let length = chunk
                .iter()
                .take(LONGEST_END.saturating_sub(self.end.len()))
                .take_while(|byte| matches!(**byte, CONTROL_Z | b'\r' | b'\n'))
                .count();
            self.end.extend_from_slice(&chunk[..length]);
            chunk = &chunk[length..];
            if !chunk.is_empty() {
                // It was not the end.
                let held = std::mem::take(&mut self.end);
                self.end_lines(&held, each)?;
            }
        }
        Ok(())
    }

    /// Makes line feeds of carriage returns that end lines.
    fn end_lines<E>(
        &mut self,
        chunk: &[u8],
        each: &mut impl FnMut(u64, RawLine<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(first) = chunk.first() else {
            return Ok(());
        };
        match self.returns {
            Returns::Characters => self.splitter.push(chunk, each),
            Returns::Ends { mut is_behind_one } => {
                let mut feeds = Vec::with_capacity(chunk.len());
                for byte in chunk {
                    match byte {
                        b'\r' => feeds.push(b'\n'),
                        b'\n' if is_behind_one => {}
                        other => feeds.push(*other),
                    }
                    is_behind_one = *byte == b'\r';
                }
                self.returns = Returns::Ends { is_behind_one };
                self.splitter.push(&feeds, each)
            }
            Returns::Pending if *first == b'\n' => {
                self.returns = Returns::Characters;
                self.splitter.push(b"\r", &mut *each)?;
                self.splitter.push(chunk, each)
            }
            Returns::Pending => {
                self.returns = Returns::Ends { is_behind_one: true };
                self.splitter.push(b"\n", &mut *each)?;
                self.end_lines(chunk, each)
            }
            Returns::Unknown => match memchr2(b'\r', b'\n', chunk) {
                None => self.splitter.push(chunk, each),
                Some(at) if chunk[at] == b'\n' => {
                    self.returns = Returns::Characters;
                    self.splitter.push(chunk, each)
                }
                Some(at) => {
                    self.splitter.push(&chunk[..at], &mut *each)?;
                    self.returns = Returns::Pending;
                    self.end_lines(&chunk[at + 1..], each)
                }
            },
        }
    }
}

/// Decodes UTF-16 that comes in chunks.
#[derive(Debug)]
struct Utf16 {
    is_little_endian: bool,
    /// The first byte of a unit.
    byte: Option<u8>,
    /// The first unit of a pair.
    high: Option<u16>,
}

impl Utf16 {
    const fn new(is_little_endian: bool) -> Self {
        Self {
            is_little_endian,
            byte: None,
            high: None,
        }
    }

    /// Whether a character was begun.
    const fn is_within(&self) -> bool {
        self.byte.is_some() || self.high.is_some()
    }

    fn decode(&mut self, bytes: &[u8], out: &mut String) {
        for &byte in bytes {
            let Some(first) = self.byte.take() else {
                self.byte = Some(byte);
                continue;
            };
            let unit = if self.is_little_endian {
                u16::from_le_bytes([first, byte])
            } else {
                u16::from_be_bytes([first, byte])
            };
            self.unit(unit, out);
        }
    }

    fn unit(&mut self, unit: u16, out: &mut String) {
        let units = self.high.take().into_iter().chain([unit]);
        if (0xd800..0xdc00).contains(&unit) {
            // A first half where a second one should stand is a fault of the one before it.
            if units.count() > 1 {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            self.high = Some(unit);
            return;
        }
        out.extend(
            char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut text = TextLines::default();
        let mut lines = Vec::new();
        let mut each = |_, line: RawLine<'_>| {
            lines.push(String::from_utf8_lossy(line.start()).into_owned());
            Ok::<(), Infallible>(())
        };
        for chunk in chunks {
            let Ok(()) = text.push(chunk, &mut each);
        }
        let Ok(()) = text.finish(&mut each);
        lines
    }

    fn cut_anyhow(bytes: &[u8], expected: &[&str]) {
        let whole = whole(bytes);
        assert_eq!(
            whole.trim_end().split('\n').collect::<Vec<_>>().join("|"),
            expected.join("|").trim_end(),
            "{bytes:?}"
        );
        for size in [1, 2, 3, 5, 1 << 16] {
            assert_eq!(
                lines(&bytes.chunks(size).collect::<Vec<_>>()),
                expected,
                "{bytes:?} {size}"
            );
        }
    }

    #[test]
    fn every_encoding_and_line_end_is_read() {
        cut_anyhow(b"", &[]);
        cut_anyhow(b"ab", &["ab"]);
        cut_anyhow(b"\xef\xbb\xbfab\ncd", &["ab", "cd"]);
        cut_anyhow(b"ab\r\ncd\re\n", &["ab\r", "cd\re"]);
        cut_anyhow(b"ab\rcd\r\ref\r", &["ab", "cd", "", "ef"]);
        cut_anyhow(b"ab\rcd\r\nef", &["ab", "cd", "ef"]);
        cut_anyhow(b"abcd\r", &["abcd"]);
        for is_little_endian in [true, false] {
            let units = "a\u{e9}\u{1f34e}\r\nb".encode_utf16();
            let bytes: Vec<u8> = units
                .flat_map(|unit| {
                    if is_little_endian {
                        unit.to_le_bytes()
                    } else {
                        unit.to_be_bytes()
                    }
                })
                .collect();
            let mark: &[u8] = if is_little_endian {
                b"\xff\xfe"
            } else {
                b"\xfe\xff"
            };
            cut_anyhow(&[mark, &bytes].concat(), &["a\u{e9}\u{1f34e}\r", "b"]);
        }
        cut_anyhow(b"a\0b\0\n\0", &["ab"]);
        cut_anyhow(b"\0a\0b\0\n\0", &["ab", "\u{fffd}"]);
        cut_anyhow(b"\xff\xfea\0\x00\xd8b\0\x00\xd8", &["a\u{fffd}b\u{fffd}"]);
    }

    #[test]
    fn a_control_z_at_the_end_is_none_of_the_text() {
        cut_anyhow(b"ab\r\n\x1a", &["ab\r"]);
        cut_anyhow(b"ab\x1a", &["ab"]);
        cut_anyhow(b"ab\n\x1a\x1a\r\n", &["ab"]);
        cut_anyhow(b"ab\x1acd\n", &["ab\x1acd"]);
        cut_anyhow(b"ab\n\x1a\ncd", &["ab", "\x1a", "cd"]);
        let filled = [b"ab\n".as_slice(), &[CONTROL_Z; 1023]].concat();
        cut_anyhow(&filled, &["ab"]);
    }
}
