//! Entry lines as JSON lines: one object a line (FORMATS §3).
//!
//! This is the hot path. A good line is read in one pass straight into an [`EntryLine`]; only a line that fails is
//! read again, slowly, to say what is wrong with it.

use std::fmt;

use nopic_domain::entry::{EntryLine, Treatment};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::EntryEvent;
use super::fields::{Field, TreatmentField};
use super::node::Node;
use crate::kind::nearest;
use crate::lines::RawLine;
use crate::lines::too_long;
use crate::reject::Reject;

/// Reads one line; blank lines give nothing.
pub(super) fn read_line(record: u64, line: RawLine<'_>, out: &mut Vec<EntryEvent>) {
    let bytes = match line {
        RawLine::Whole(bytes) => bytes,
        RawLine::TooLong { length, .. } => return out.push(EntryEvent::Reject(too_long(record, length))),
    };
    match parse(bytes) {
        Some(line) => out.push(EntryEvent::Line { record, line }),
        None if bytes.trim_ascii().is_empty() => {}
        None => out.push(EntryEvent::Reject(diagnose(record, bytes))),
    }
}

/// Appends one line of JSON, fields in the order of FORMATS §3, absent ones left out.
pub fn write_jsonl(out: &mut Vec<u8>, line: &EntryLine) {
    write_line(out, line);
}

/// Appends one value as one line of JSON: of texts, numbers and lists, no maps with keys of other types.
pub(crate) fn write_line(out: &mut Vec<u8>, value: &impl Serialize) {
    // Writing such values to memory cannot fail.
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok());
    out.push(b'\n');
}

fn parse(bytes: &[u8]) -> Option<EntryLine> {
    let Strict(line) = serde_json::from_slice(bytes).ok()?;
    Some(line)
}

/// An entry line that has all that a line must have, and nothing unknown or repeated.
struct Strict(EntryLine);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor).map(Self)
    }
}

/// Notes that a field was met; refuses its second time.
#[inline]
fn once<E: Error>(met: &mut u32, bit: u32) -> Result<(), E> {
    if *met & bit != 0 {
        // The words are never seen: the slow pass finds its own.
        return Err(E::custom("repeated"));
    }
    *met |= bit;
    Ok(())
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = EntryLine;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EntryLine, A::Error> {
        let mut line = EntryLine::default();
        let mut met = 0u32;
        while let Some(FieldName(field)) = map.next_key()? {
            once(&mut met, field.bit())?;
            match field {
                Field::EntryNumber => {
                    if let Some(number) = map.next_value::<Option<String>>()? {
                        line.entry_number = number;
                    }
                }
                Field::LineNumber => {
                    if let Some(number) = map.next_value::<Option<u32>>()? {
                        line.line_number = number;
                    }
                }
                Field::PgaLineNumber => line.pga_line_number = map.next_value()?,
                Field::OrganicClaim => line.organic_claim = map.next_value()?,
                Field::Lots => line.lots = map.next_value::<Option<Vec<String>>>()?.unwrap_or_default(),
                Field::FurtherCertificateNumbers => {
                    line.further_certificate_numbers =
                        map.next_value::<Option<Vec<String>>>()?.unwrap_or_default();
                }
                Field::Treatment => {
                    line.treatment = map
                        .next_value::<Option<StrictTreatment>>()?
                        .and_then(|StrictTreatment(treatment)| stated(treatment));
                }
                text => {
                    let value = map.next_value()?;
                    if let Some(place) = text.text_in(&mut line) {
                        *place = value;
                    }
                }
            }
        }
        if line.line_number == 0 || line.pga_line_number == Some(0) || line.entry_number.trim().is_empty() {
            return Err(A::Error::custom("incomplete"));
        }
        Ok(line)
    }
}

/// A treatment that states nothing is none, in this form as in CSV.
pub(super) fn stated(treatment: Treatment) -> Option<Treatment> {
    (treatment != Treatment::default()).then_some(treatment)
}

struct FieldName(Field);

impl<'de> Deserialize<'de> for FieldName {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(FieldNameVisitor)
    }
}

struct FieldNameVisitor;

impl Visitor<'_> for FieldNameVisitor {
    type Value = FieldName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    #[inline]
    fn visit_str<E: Error>(self, name: &str) -> Result<FieldName, E> {
        Field::of(name.as_bytes())
            .map(FieldName)
            .ok_or_else(|| E::custom("unknown"))
    }
}

struct StrictTreatment(Treatment);

impl<'de> Deserialize<'de> for StrictTreatment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TreatmentVisitor).map(Self)
    }
}

struct TreatmentVisitor;

impl<'de> Visitor<'de> for TreatmentVisitor {
    type Value = Treatment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a treatment")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Treatment, A::Error> {
        let mut treatment = Treatment::default();
        let mut met = 0u32;
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let field = TreatmentField::of(name.as_bytes()).ok_or_else(|| A::Error::custom("unknown"))?;
            once(&mut met, field.bit())?;
            *field.of_treatment(&mut treatment) = map.next_value()?;
        }
        Ok(treatment)
    }
}

/// Says what is wrong with a line that could not be read.
fn diagnose(record: u64, bytes: &[u8]) -> Reject {
    let node = match Node::read(record, bytes) {
        Ok(node) => node,
        Err(reject) => return reject,
    };
    let Node::Object(fields) = node else {
        return Reject::new(
            record,
            format!(
                "the line is {}, not an object: write one entry line as one JSON object",
                node.kind()
            ),
        );
    };
    // Named in the refusal, so that who reads it finds the entry.
    let key = fields.iter().find_map(|(name, value)| match value {
        Node::Text(text) if Field::of(name.as_bytes()) == Some(Field::EntryNumber) => {
            Some(crate::reject::shown(text.trim())).filter(|text| !text.is_empty())
        }
        _ => None,
    });
    Reject {
        key,
        ..fault(record, &fields)
    }
}

/// The first fault of an object's fields, in their order; what is missing comes last.
fn fault(record: u64, fields: &[(String, Node)]) -> Reject {
    let mut met = 0u32;
    for (name, value) in fields {
        let Some(field) = Field::of(name.as_bytes()) else {
            let known = Field::ALL.into_iter().map(Field::name);
            return unknown(record, name, nearest(name, known), "an entry line");
        };
        if met & field.bit() != 0 {
            return repeated(record, name);
        }
        met |= field.bit();
        let fits = match (field, value) {
            (_, Node::Null) => true,
            (Field::LineNumber | Field::PgaLineNumber, Node::Integer(number)) => {
                *number > 0 && u32::try_from(*number).is_ok()
            }
            (Field::OrganicClaim, value) => matches!(value, Node::Boolean(_)),
            (Field::Lots | Field::FurtherCertificateNumbers, Node::List(parts)) => {
                if let Some(reject) = mistyped_part(record, name, parts) {
                    return reject;
                }
                true
            }
            (Field::Treatment, Node::Object(statements)) => {
                if let Some(reject) = treatment_fault(record, statements) {
                    return reject;
                }
                true
            }
            (
                Field::Lots
                | Field::FurtherCertificateNumbers
                | Field::Treatment
                | Field::LineNumber
                | Field::PgaLineNumber,
                _,
            ) => false,
            (_, value) => matches!(value, Node::Text(_)),
        };
        if !fits {
            return mistyped(record, name, expected(field), value);
        }
    }
    let absent = |wanted: Field| {
        !fields.iter().any(|(name, value)| {
            Field::of(name.as_bytes()) == Some(wanted)
                && match value {
                    Node::Null => false,
                    Node::Text(text) => !text.trim().is_empty(),
                    _ => true,
                }
        })
    };
    for field in [Field::EntryNumber, Field::LineNumber] {
        if absent(field) {
            return Reject {
                field: Some(field.name().to_owned()),
                ..Reject::new(
                    record,
                    format!(
                        "{0} is absent: every line needs its {0}, {1}",
                        field.name(),
                        expected(field)
                    ),
                )
            };
        }
    }
    Reject::new(
        record,
        "the line is no entry line: compare its names and values with the documented form",
    )
}

fn treatment_fault(record: u64, statements: &[(String, Node)]) -> Option<Reject> {
    let mut met = 0u32;
    for (name, value) in statements {
        let shown = format!("treatment.{name}");
        let Some(field) = TreatmentField::of(name.as_bytes()) else {
            let known = TreatmentField::ALL.into_iter().map(TreatmentField::name);
            return Some(unknown(record, &shown, nearest(name, known), "a treatment"));
        };
        if met & field.bit() != 0 {
            return Some(repeated(record, &shown));
        }
        met |= field.bit();
        if !matches!(value, Node::Null | Node::Boolean(_)) {
            return Some(mistyped(record, &shown, "true or false", value));
        }
    }
    None
}

const fn expected(field: Field) -> &'static str {
    match field {
        Field::LineNumber | Field::PgaLineNumber => "an integer from 1 to 4294967295",
        Field::OrganicClaim => "true or false",
        Field::Lots | Field::FurtherCertificateNumbers => "a list of texts",
        Field::Treatment => "an object of names with true or false",
        _ => "a text",
    }
}

/// The refusal of a name that the form does not have.
pub(crate) fn unknown(record: u64, name: &str, nearest: Option<&str>, whose: &str) -> Reject {
    let advice = nearest.map_or_else(
        || "take it out".to_owned(),
        |nearest| format!("was {nearest} meant?"),
    );
    Reject {
        field: Some(crate::reject::shown(name)),
        ..Reject::new(record, format!("the name is not one of {whose}: {advice}"))
    }
}

/// The refusal of a name that stands twice, in one spelling or in both.
pub(crate) fn repeated(record: u64, name: &str) -> Reject {
    Reject {
        field: Some(crate::reject::shown(name)),
        ..Reject::new(record, "the field stands twice: keep one of them")
    }
}

/// The refusal of the first part of a list that is no text, by its place from 0; `None`: all of them are.
pub(crate) fn mistyped_part(record: u64, name: &str, parts: &[Node]) -> Option<Reject> {
    let at = parts.iter().position(|part| !matches!(part, Node::Text(_)))?;
    let part = &parts[at];
    let reject = mistyped(record, &format!("{name}[{at}]"), "a text", part);
    let reason = format!("{}: {name} is a list of texts", reject.reason);
    Some(Reject { reason, ..reject })
}

/// The refusal of a value of another JSON type.
pub(crate) fn mistyped(record: u64, name: &str, expected: &str, found: &Node) -> Reject {
    Reject {
        field: Some(crate::reject::shown(name)),
        ..Reject::new(record, format!("expected {expected}, found {}", found.kind()))
    }
    .with_value(&found.shown())
}
