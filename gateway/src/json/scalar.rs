//! One value: of JSON, of a path or of a query, as a field's type takes it.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{EnumDescriptor, Kind, Value};

/// What stands there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Given<'v> {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'v str),
    /// Text outside of JSON, where a truth value stands in letters, too.
    Word(&'v str),
}

/// The value; `None`: it is none of this type.
pub(crate) fn value(kind: &Kind, given: Given<'_>) -> Option<Value> {
    Some(match kind {
        Kind::Bool => Value::Bool(match given {
            Given::Bool(value) => value,
            Given::Word("true") => true,
            Given::Word("false") => false,
            _ => return None,
        }),
        Kind::String => match given {
            Given::Text(text) | Given::Word(text) => Value::String(text.to_owned()),
            _ => return None,
        },
        Kind::Bytes => Value::Bytes(bytes(text(given)?)?.into()),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(whole(given)?.try_into().ok()?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(whole(given)?.try_into().ok()?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(whole(given)?.try_into().ok()?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(whole(given)?.try_into().ok()?),
        Kind::Double => Value::F64(float(given)?),
        // The nearest that there is.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        Kind::Float => Value::F32(float(given)? as f32),
        Kind::Enum(words) => Value::EnumNumber(match given {
            Given::Text(word) | Given::Word(word) => words.get_value_by_name(word)?.number(),
            _ => words.get_value(whole(given)?.try_into().ok()?)?.number(),
        }),
        Kind::Message(_) => return None,
    })
}

fn text(given: Given<'_>) -> Option<&str> {
    match given {
        Given::Text(text) | Given::Word(text) => Some(text),
        _ => None,
    }
}

fn whole(given: Given<'_>) -> Option<i128> {
    match given {
        Given::Unsigned(number) => Some(number.into()),
        Given::Signed(number) => Some(number.into()),
        Given::Text(text) | Given::Word(text) => {
            // As it is written in JSON: without a sign in front, and of a length that can be one.
            let is_number =
                text.len() <= 20 && text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            text.parse().ok().filter(|_| is_number)
        }
        // Every whole number that a JSON writer of floats gives is exact up to here.
        #[allow(clippy::cast_possible_truncation, reason = "whole, and of at most 53 bits")]
        Given::Float(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
            Some(number as i128)
        }
        Given::Float(_) | Given::Bool(_) => None,
    }
}

fn float(given: Given<'_>) -> Option<f64> {
    match given {
        Given::Float(number) => Some(number),
        Given::Text(text) | Given::Word(text) => text.parse().ok(),
        // The nearest that there is.
        #[allow(clippy::cast_precision_loss, reason = "see above")]
        _ => whole(given).map(|number| number as f64),
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    const EITHER: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    GeneralPurpose::new(alphabet, EITHER).decode(text).ok()
}

/// What a type takes, in words.
pub(crate) fn wanted(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::String => "text".to_owned(),
        Kind::Bytes => "bytes as text in base64".to_owned(),
        Kind::Double | Kind::Float => "a number".to_owned(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            format!("a whole number from {} to {}", i32::MIN, i32::MAX)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            format!("a whole number from {} to {}", i64::MIN, i64::MAX)
        }
        Kind::Uint32 | Kind::Fixed32 => format!("a whole number from 0 to {}", u32::MAX),
        Kind::Uint64 | Kind::Fixed64 => format!("a whole number from 0 to {}", u64::MAX),
        Kind::Enum(words) => format!("one of {}", self::words(words).join(", ")),
        Kind::Message(message) => format!("an object ({})", message.name()),
    }
}

/// The words of a closed list, without the one that stands for none.
pub(crate) fn words(words: &EnumDescriptor) -> Vec<String> {
    words
        .values()
        .filter(|word| word.number() != 0 || !word.name().ends_with("_UNSPECIFIED"))
        .map(|word| word.name().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::contract::Contract;

    #[test]
    fn a_value_is_of_its_type_or_none() {
        let outcome = Kind::Enum(
            Contract::get()
                .pool
                .get_enum_by_name("nopic.entry_validation.v1.Verdict.Outcome")
                .unwrap(),
        );
        for (kind, given, expected) in [
            (&Kind::Uint32, Given::Unsigned(7), Some(Value::U32(7))),
            (&Kind::Uint32, Given::Text("7"), Some(Value::U32(7))),
            (&Kind::Uint32, Given::Float(7.0), Some(Value::U32(7))),
            (&Kind::Uint32, Given::Float(7.5), None),
            (&Kind::Uint32, Given::Float(f64::NAN), None),
            (&Kind::Uint32, Given::Signed(-1), None),
            (&Kind::Uint32, Given::Text("+7"), None),
            (&Kind::Uint32, Given::Text(""), None),
            (&Kind::Uint32, Given::Unsigned(1 << 32), None),
            (
                &Kind::Uint64,
                Given::Unsigned(u64::MAX),
                Some(Value::U64(u64::MAX)),
            ),
            (
                &Kind::Int64,
                Given::Text("-9223372036854775808"),
                Some(Value::I64(i64::MIN)),
            ),
            (&Kind::Int64, Given::Unsigned(u64::MAX), None),
            (&Kind::String, Given::Unsigned(1), None),
            (&Kind::String, Given::Text(""), Some(Value::String(String::new()))),
            (&Kind::Bool, Given::Text("true"), None),
            (&Kind::Bool, Given::Word("true"), Some(Value::Bool(true))),
            (
                &Kind::Bytes,
                Given::Text("_-8"),
                Some(Value::Bytes(vec![0xff, 0xef].into())),
            ),
            (
                &Kind::Bytes,
                Given::Text("AQI="),
                Some(Value::Bytes(vec![1, 2].into())),
            ),
            (&Kind::Bytes, Given::Text("A"), None),
            (&outcome, Given::Text("REJECT"), Some(Value::EnumNumber(3))),
            (&outcome, Given::Unsigned(3), Some(Value::EnumNumber(3))),
            (&outcome, Given::Unsigned(99), None),
            (&outcome, Given::Text("reject"), None),
        ] {
            assert_eq!(value(kind, given), expected, "{kind:?} {given:?}");
        }
        assert_eq!(wanted(&outcome), "one of ACCEPT, WARN, REJECT, INDETERMINATE");
    }
}
