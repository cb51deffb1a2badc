//! A pull reader of XML tokens over a window of bytes: no copy for each token, no memory beyond the longest one.
//!
//! It knows what the parts of a workbook and the bulk download consist of: elements, text, CDATA, comments and
//! processing instructions. A document type is refused, since entities of its own are the one thing that makes
//! XML grow. Nesting is for the caller to check.

use std::io::Read;
use std::ops::Range;

use memchr::{memchr, memchr2, memmem};

use super::error::OidProblem;

/// The longest tag or text, in bytes; a cell holds at most 32,767 characters.
pub(crate) const LONGEST_TOKEN: usize = 1 << 20;
/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// One piece of XML, as it stands in the window.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// `<name …>` or `<name …/>`.
    Start(Tag<'a>),
    /// `</name>`: the name.
    End(&'a [u8]),
    /// Text with its entities, see [`unescape`].
    Text(&'a [u8]),
    /// The content of a CDATA section, to be taken as it stands.
    CData(&'a [u8]),
    /// The end of the input.
    Eof,
}

/// A start tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    /// Its name with its prefix.
    pub(crate) name: &'a [u8],
    /// What stands behind the name.
    attributes: &'a [u8],
    /// Whether it is its own end.
    pub(crate) is_empty: bool,
}

impl<'a> Tag<'a> {
    fn new(inner: &'a [u8]) -> Self {
        let (inner, is_empty) = match inner.split_last() {
            Some((b'/', inner)) => (inner, true),
            _ => (inner, false),
        };
        let name_end = inner
            .iter()
            .position(|byte| byte.is_ascii_whitespace())
            .unwrap_or(inner.len());
        let (name, attributes) = inner.split_at(name_end);
        Self {
            name,
            attributes,
            is_empty,
        }
    }

    /// Names without their prefixes and raw values of the attributes. Ends early where they are ill-formed.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.attributes_as_written()
            .map(|(name, value)| (local(name), value))
    }

    /// The same with the prefixes of the names.
    pub(crate) fn attributes_as_written(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            rest = rest.trim_ascii_start();
            let equals = rest.iter().position(|byte| *byte == b'=')?;
            let name = rest[..equals].trim_ascii_end();
            let value = rest[equals + 1..].trim_ascii_start();
            let (quote, value) = value.split_first()?;
            if !matches!(quote, b'"' | b'\'') {
                return None;
            }
            let end = value.iter().position(|byte| byte == quote)?;
            rest = &value[end + 1..];
            Some((name, &value[..end]))
        })
    }
}

/// A name without its prefix.
pub(crate) fn local(name: &[u8]) -> &[u8] {
    split_name(name).1
}

/// The prefix of a name, empty where it has none, and the rest.
pub(crate) fn split_name(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().position(|byte| *byte == b':') {
        Some(colon) => (&name[..colon], &name[colon + 1..]),
        None => (&[], name),
    }
}

/// The reader of tokens.
pub(crate) struct Scanner<R> {
    input: R,
    /// For messages: which XML it is.
    part: String,
    buffer: Vec<u8>,
    /// What of the buffer is filled and not yet handed out.
    window: Range<usize>,
    /// How many bytes came before the buffer.
    passed: u64,
    is_at_end: bool,
}

/// A token as a place in the buffer.
enum Found {
    Start(Range<usize>),
    End(Range<usize>),
    Text(Range<usize>),
    CData(Range<usize>),
    /// A comment or a processing instruction.
    Nothing,
}

impl<R: Read> Scanner<R> {
    /// A scanner over unpacked XML; `part` names it in messages. A byte order mark is passed over.
    pub(crate) fn new(input: R, part: impl Into<String>) -> Result<Self, OidProblem> {
        let mut scanner = Self {
            input,
            part: part.into(),
            buffer: vec![0; CHUNK],
            window: 0..0,
            passed: 0,
            is_at_end: false,
        };
        while scanner.window.len() < 4 && !scanner.is_at_end {
            scanner.fill()?;
        }
        match &scanner.buffer[..scanner.window.len().min(4)] {
            [0xef, 0xbb, 0xbf, ..] => scanner.window.start = 3,
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'<', ..] | [b'<', 0, ..] => {
                return Err(scanner.error("is in UTF-16; UTF-8 was expected: download it again"));
            }
            _ => {}
        }
        Ok(scanner)
    }

    /// Offset of what comes next, in bytes from the start of the input.
    pub(crate) fn position(&self) -> u64 {
        self.passed + self.window.start as u64
    }

    /// What comes next, as far as it was read.
    pub(crate) fn ahead(&self) -> &[u8] {
        &self.buffer[self.window.clone()]
    }

    /// An error at this place.
    pub(crate) fn error(&self, reason: impl Into<String>) -> OidProblem {
        OidProblem::Xml {
            part: self.part.clone(),
            position: self.position(),
            reason: reason.into(),
        }
    }

    /// Reads on, keeping what is in the window.
    fn fill(&mut self) -> Result<(), OidProblem> {
        if self.window.start > 0 {
            self.buffer.copy_within(self.window.clone(), 0);
            self.passed += self.window.start as u64;
            self.window = 0..self.window.len();
        }
        if self.window.end == self.buffer.len() {
            if self.buffer.len() >= LONGEST_TOKEN + CHUNK {
                return Err(OidProblem::LongText {
                    place: format!("{}, byte {}", self.part, self.position()),
                    limit: LONGEST_TOKEN,
                });
            }
            self.buffer
                .resize((self.buffer.len() * 2).min(LONGEST_TOKEN + CHUNK), 0);
        }
        let length = loop {
            match self.input.read(&mut self.buffer[self.window.end..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other.map_err(OidProblem::from_unpacking)?,
            }
        };
        self.window.end += length;
        self.is_at_end = length == 0;
        Ok(())
    }

    /// The next token. Comments and processing instructions are passed over.
    pub(crate) fn next(&mut self) -> Result<Token<'_>, OidProblem> {
        loop {
            let found = match self.find() {
                Some(found) => found,
                None if self.is_at_end => {
                    if self.window.is_empty() {
                        return Ok(Token::Eof);
                    }
                    if self.buffer[self.window.start] == b'<' {
                        return Err(self.error("the XML is cut off inside a tag; download it again"));
                    }
                    let rest = self.window.clone();
                    self.window.start = self.window.end;
                    return Ok(Token::Text(&self.buffer[rest]));
                }
                None => {
                    self.fill()?;
                    continue;
                }
            };
            let (found, end) = found;
            let begin = self.window.start;
            self.window.start = end;
            return Ok(match found {
                Found::Nothing => continue,
                Found::Text(range) => Token::Text(&self.buffer[range]),
                Found::CData(range) => Token::CData(&self.buffer[range]),
                Found::End(range) => Token::End(self.buffer[range].trim_ascii_end()),
                Found::Start(range) => {
                    if !is_name_start(self.buffer.get(range.start).copied()) {
                        self.window.start = begin;
                        let reason = if self.buffer[range.start..range.end].starts_with(b"!") {
                            "a document type or declaration is not read; download the file again, or save it anew"
                        } else {
                            "a `<` that begins no tag: the XML is not well formed; download it again"
                        };
                        return Err(self.error(reason));
                    }
                    Token::Start(Tag::new(&self.buffer[range]))
                }
            });
        }
    }

    /// The token at the start of the window, and where what follows begins. `None`: the window does not hold its end.
    fn find(&self) -> Option<(Found, usize)> {
        let Range { start, end } = self.window;
        let window = &self.buffer[start..end];
        let first = *window.first()?;
        if first != b'<' {
            let length = memchr(b'<', window)?;
            return Some((Found::Text(start..start + length), start + length));
        }
        let between = |open: usize, close: &[u8]| {
            let length = memmem::find(window.get(open..)?, close)?;
            let from = start + open;
            Some((from..from + length, from + length + close.len()))
        };
        match window.get(1)? {
            b'/' => {
                let (range, after) = between(2, b">")?;
                Some((Found::End(range), after))
            }
            b'?' => between(2, b"?>").map(|(_, after)| (Found::Nothing, after)),
            b'!' => {
                // Enough to tell the three apart; a shorter rest of the input is cut off.
                let opening = window.get(..9)?;
                if opening == b"<![CDATA[" {
                    let (range, after) = between(9, b"]]>")?;
                    Some((Found::CData(range), after))
                } else if opening.starts_with(b"<!--") {
                    between(4, b"-->").map(|(_, after)| (Found::Nothing, after))
                } else {
                    Some((Found::Start(start + 1..start + 2), start + 2))
                }
            }
            _ => {
                let length = tag_length(&window[1..])?;
                Some((Found::Start(start + 1..start + 1 + length), start + length + 2))
            }
        }
    }

    /// Reads to the end, so that the checksum of a ZIP entry is compared.
    pub(crate) fn drain(&mut self) -> Result<(), OidProblem> {
        while !self.is_at_end {
            self.window.start = self.window.end;
            self.fill()?;
        }
        Ok(())
    }
}

fn is_name_start(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':' || byte >= 0x80)
}

/// Length of what stands before the `>` that ends the tag; one inside quotes does not.
fn tag_length(bytes: &[u8]) -> Option<usize> {
    let mut open = None;
    let mut advance = |piece: &[u8]| {
        for byte in piece {
            match open {
                None if matches!(byte, b'"' | b'\'') => open = Some(*byte),
                Some(quote) if quote == *byte => open = None,
                _ => {}
            }
        }
        open.is_some()
    };
    let mut from = 0;
    loop {
        let end = from + memchr(b'>', &bytes[from..])?;
        if !advance(&bytes[from..end]) {
            return Some(end);
        }
        from = end + 1;
    }
}

/// Adds a raw text to `out`: UTF-8 is checked, entities are resolved, line ends become `\n`.
pub(crate) fn unescape(raw: &[u8], out: &mut String) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(raw) else {
        return Err("is not UTF-8; download it again".to_owned());
    };
    let mut rest = text;
    while let Some(at) = memchr2(b'&', b'\r', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(behind) = rest.strip_prefix('\r') {
            rest = behind.strip_prefix('\n').unwrap_or(behind);
            out.push('\n');
            continue;
        }
        let end = memchr(b';', &rest.as_bytes()[..rest.len().min(16)])
            .ok_or("a `&` that begins no entity: the XML is not well formed")?;
        let name = &rest[1..end];
        out.push(entity(name).ok_or_else(|| format!("unknown entity `&{};`", crate::reject::shown(name)))?);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(())
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?).filter(|character| *character != '\0')
        }
    }
}
