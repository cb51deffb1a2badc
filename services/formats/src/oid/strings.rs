//! The shared strings of a workbook: one text and the ends of its pieces, instead of a string for each.

use std::io::Read;

use memchr::memmem;

use super::error::OidProblem;
use super::scan::{Scanner, Token, local, unescape};

/// The most bytes that all shared strings together may have.
const LONGEST: usize = 1 << 30;
/// How much of a text that is too long is shown, in bytes.
const SHOWN_BYTES: usize = 40;

/// Every shared string of a workbook, by its number.
#[derive(Debug, Default)]
pub(crate) struct SharedStrings {
    text: String,
    /// Where each ends; it begins where the one before ends. Below 2^30, see [`LONGEST`].
    ends: Vec<u32>,
}

impl SharedStrings {
    /// The string with this number, from 0.
    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => self.ends[before] as usize,
            None => 0,
        };
        Some(&self.text[start..end])
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Reads `sharedStrings.xml`. `size_hint`: about how many bytes it has.
    pub(crate) fn read(input: impl Read, size_hint: u64) -> Result<Self, OidProblem> {
        let mut scanner = Scanner::new(input, "xl/sharedStrings.xml")?;
        let mut strings = Self::default();
        // The tags around each string are longer than most strings. Growing step by step would move all of them
        // again and again, and for a moment hold them twice. A refusal only means that it grows step by step.
        let hint = usize::try_from(size_hint).unwrap_or(0).min(LONGEST) / 2;
        let _ = strings.text.try_reserve_exact(hint);
        let mut in_string = false;
        let mut is_closed = false;
        let mut pieces = RichText::default();
        loop {
            let token = match scanner.next() {
                Ok(token) => token,
                Err(OidProblem::LongText { limit, .. }) => {
                    let start = scanner.ahead().get(..SHOWN_BYTES).unwrap_or_default();
                    return Err(OidProblem::LongText {
                        place: format!(
                            "text {} of the workbook's cells, which begins {:?}",
                            strings.ends.len() + 1,
                            String::from_utf8_lossy(start)
                        ),
                        limit,
                    });
                }
                Err(problem) => return Err(problem),
            };
            let text: &[u8] = match token {
                Token::Start(tag) => {
                    match local(tag.name) {
                        b"si" if tag.is_empty => strings.end()?,
                        b"si" => in_string = true,
                        b"sst" => is_closed = tag.is_empty,
                        name if !tag.is_empty => pieces.start(name),
                        _ => {}
                    }
                    continue;
                }
                Token::End(name) => {
                    match local(name) {
                        b"si" => {
                            in_string = false;
                            pieces = RichText::default();
                            strings.unescape_last();
                            strings.end()?;
                        }
                        b"sst" => is_closed = true,
                        name => pieces.end(name),
                    }
                    continue;
                }
                Token::Text(text) if in_string && pieces.is_text() => text,
                Token::CData(text) if in_string && pieces.is_text() => {
                    match std::str::from_utf8(text) {
                        Ok(text) => strings.text.push_str(text),
                        Err(_) => return Err(scanner.error("is not UTF-8; download it again")),
                    }
                    continue;
                }
                Token::Text(_) | Token::CData(_) => continue,
                Token::Eof => break,
            };
            if let Err(reason) = unescape(text, &mut strings.text) {
                return Err(scanner.error(reason));
            }
        }
        if is_closed {
            Ok(strings)
        } else {
            Err(scanner.error("the shared strings are cut off; download the workbook again"))
        }
    }

    fn unescape_last(&mut self) {
        let start = self.ends.last().map_or(0, |end| *end as usize);
        unescape_characters(&mut self.text, start);
    }

    fn end(&mut self) -> Result<(), OidProblem> {
        match u32::try_from(self.text.len()) {
            Ok(end) if self.text.len() <= LONGEST => {
                self.ends.push(end);
                Ok(())
            }
            _ => Err(OidProblem::TooLarge {
                what: "the list of shared strings".to_owned(),
                limit: LONGEST as u64,
            }),
        }
    }
}

/// Where in a rich text a reader stands: `<t>` counts, but not inside `<rPh>` (how it is spoken).
#[derive(Debug, Default)]
pub(crate) struct RichText {
    in_text: bool,
    in_phonetic: bool,
}

impl RichText {
    pub(crate) fn start(&mut self, name: &[u8]) {
        match name {
            b"t" => self.in_text = true,
            b"rPh" => self.in_phonetic = true,
            _ => {}
        }
    }

    pub(crate) fn end(&mut self, name: &[u8]) {
        match name {
            b"t" => self.in_text = false,
            b"rPh" => self.in_phonetic = false,
            _ => {}
        }
    }

    pub(crate) fn is_text(&self) -> bool {
        self.in_text && !self.in_phonetic
    }
}

/// Resolves `_x000D_` and the like (characters that XML cannot hold; ECMA-376, ST_Xstring) from `start` on.
pub(crate) fn unescape_characters(text: &mut String, start: usize) {
    let Some(first) = memmem::find(&text.as_bytes()[start..], b"_x") else {
        return;
    };
    let tail = text.split_off(start + first);
    let mut rest = tail.as_str();
    while let Some(at) = rest.find("_x") {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let character = rest
            .get(2..7)
            .and_then(|code| code.strip_suffix('_'))
            .filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32);
        match character {
            Some(character) => {
                text.push(character);
                rest = &rest[7..];
            }
            None => {
                text.push_str("_x");
                rest = &rest[2..];
            }
        }
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rich_phonetic_and_escaped_strings() {
        let xml = "<?xml version=\"1.0\"?><x:sst xmlns:x=\"m\"><x:si><x:t>a &amp; b</x:t></x:si><si/>\
                   <si><r><rPr><b/></rPr><t xml:space=\"preserve\">one </t></r><r><t>two</t></r>\
                   <rPh sb=\"0\" eb=\"1\"><t>spoken</t></rPh></si><si><t/></si>\
                   <si><t>x_x000D_\ny_x005F_x0041__x12_</t></si><si><t><![CDATA[<c>]]></t></si></x:sst>";
        let strings = SharedStrings::read(xml.as_bytes(), 10).unwrap();
        let found: Vec<_> = (0..strings.len())
            .map(|index| strings.get(index).unwrap())
            .collect();
        assert_eq!(found, ["a & b", "", "one two", "", "x\r\ny_x0041__x12_", "<c>"]);
        assert_eq!(strings.get(6), None);
        assert!(SharedStrings::read(&xml.as_bytes()[..100], 0).is_err());
    }
}
