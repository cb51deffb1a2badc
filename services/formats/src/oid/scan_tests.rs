//! The scanner against another reader of XML, and over a window that is always too small.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::io::Read;

use proptest::prelude::*;
use quick_xml::events::Event;

use super::error::OidProblem;
use super::scan::{Scanner, Token, unescape};

/// A reader that hands out one byte at a time, so that every token crosses the end of the window.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (Some((first, rest)), Some(place)) = (self.0.split_first(), buffer.first_mut()) else {
            return Ok(0);
        };
        *place = *first;
        self.0 = rest;
        Ok(1)
    }
}

/// What the scanner finds, one piece a line: `<name a=v`, `/`, `>name`, `=text`.
fn ours(input: impl Read) -> Result<Vec<String>, OidProblem> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut scanner = Scanner::new(input, "test")?;
    let mut found = Vec::new();
    loop {
        let line = match scanner.next()? {
            Token::Start(tag) => {
                let attributes: String = tag
                    .attributes()
                    .map(|(name, value)| format!(" {}={}", text(name), text(value)))
                    .collect();
                let end = if tag.is_empty { "/" } else { "" };
                format!("<{}{attributes}{end}", text(tag.name))
            }
            Token::End(name) => format!(">{}", text(name)),
            Token::CData(b"") => continue,
            Token::CData(content) => format!("={}", text(content)),
            Token::Text(raw) => {
                let mut out = String::new();
                unescape(raw, &mut out).map_err(|reason| scanner.error(reason))?;
                format!("={out}")
            }
            Token::Eof => return Ok(found),
        };
        found.push(line);
    }
}

/// The same by quick-xml, which hands entities out apart.
fn theirs(xml: &str) -> Vec<String> {
    let text = |text: &str| text.to_owned();
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut found: Vec<String> = Vec::new();
    let mut in_text = false;
    loop {
        let event = reader.read_event().unwrap();
        let mut push_text = |piece: &str| {
            if in_text {
                found.last_mut().unwrap().push_str(piece);
            } else {
                found.push(format!("={piece}"));
            }
        };
        match &event {
            Event::Text(piece) => push_text(&text(piece)),
            Event::GeneralRef(name) => push_text(match &**name {
                "amp" => "&",
                "lt" => "<",
                _ => "é",
            }),
            Event::Start(tag) | Event::Empty(tag) => {
                let attributes: String = tag
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.unwrap();
                        format!(
                            " {}={}",
                            text(attribute.key.local_name().as_ref()),
                            text(&attribute.value)
                        )
                    })
                    .collect();
                let end = if matches!(event, Event::Empty(_)) { "/" } else { "" };
                found.push(format!("<{}{attributes}{end}", text(tag.name().as_ref())));
            }
            Event::End(tag) => found.push(format!(">{}", text(tag.name().as_ref()))),
            Event::CData(piece) if !piece.is_empty() => found.push(format!("={}", text(piece))),
            Event::Eof => return found,
            _ => {}
        }
        in_text = matches!(event, Event::Text(_) | Event::GeneralRef(_));
    }
}

/// Well-formed XML without carriage returns, of every kind of piece.
fn element() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-z =\"'>\n]{1,9}",
        Just("&amp;".to_owned()),
        Just("&lt;&#xe9;x".to_owned()),
        Just("<!-- <a> - \" -->".to_owned()),
        Just("<?pi a>b?>".to_owned()),
        Just("<![CDATA[<x>&amp;]>]]>".to_owned()),
        Just("<a b = \"x>y'\" n:c='/\"'  />".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        (
            prop::collection::vec(inner, 0..6),
            "[a-z]{1,3}",
            prop::option::of("[a-z>/']{0,5}"),
        )
            .prop_map(|(content, name, attribute)| {
                let attribute = attribute.map_or(String::new(), |value| format!(" q=\"{value}\""));
                format!("<{name}{attribute}>{}</{name} >", content.concat())
            })
    })
}

proptest! {
    #[test]
    fn the_same_as_quick_xml(content in element()) {
        let xml = format!("<?xml version=\"1.0\"?><root>{content}</root>");
        let expected = theirs(&xml);
        prop_assert_eq!(&ours(xml.as_bytes()).unwrap(), &expected);
        prop_assert_eq!(&ours(Slow(xml.as_bytes())).unwrap(), &expected);
    }
}

#[test]
fn line_ends_and_entities() {
    let mut out = String::new();
    unescape(b"a\r\nb\rc&#13;&#x41;&apos;&quot;&gt;", &mut out).unwrap();
    assert_eq!(out, "a\nb\nc\rA'\">");
    for raw in [
        &b"&"[..],
        b"&;",
        b"&#;",
        b"&#0;",
        b"&#xD800;",
        b"&#x110000;",
        b"&long long long long;",
        b"\xc3",
    ] {
        assert!(unescape(raw, &mut out).is_err(), "{raw:?}");
    }
}
