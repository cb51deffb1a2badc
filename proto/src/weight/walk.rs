//! The walk over a message's bytes.

use std::fmt::Write as _;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::Undecodable;
use super::shape::{Field, Kind, Shape, Shapes};

/// What an allocation takes beside what it was asked for.
const ALLOCATION: usize = 16;
/// Numbers of a packed list at most: twice as many as any method takes, which says so in words of its own.
const MOST_NUMBERS: usize = 20_000;
/// Messages within messages at most; the decoder takes a hundred.
const DEEPEST: usize = 64;

/// What is wrong, and the way to it, from the inside out.
struct Wrong {
    reason: &'static str,
    way: Vec<String>,
}

enum Stop {
    Wrong(Wrong),
    TooHeavy,
}

impl From<&'static str> for Stop {
    fn from(reason: &'static str) -> Self {
        Self::Wrong(Wrong {
            reason,
            way: Vec::new(),
        })
    }
}

pub(super) fn weigh(
    shapes: &Shapes,
    shape: usize,
    message: &[u8],
    most: usize,
) -> Result<usize, Undecodable> {
    let shape = &shapes.messages[shape];
    let mut walk = Walk {
        shapes,
        weight: shape.size,
        most,
    };
    match walk.message(shape, message, DEEPEST) {
        Ok(()) => Ok(walk.weight),
        Err(Stop::TooHeavy) => Err(Undecodable::TooHeavy { most }),
        Err(Stop::Wrong(wrong)) => Err(Undecodable::Malformed {
            place: way(&wrong.way),
            reason: wrong.reason,
        }),
    }
}

fn way(steps: &[String]) -> String {
    let mut text = String::new();
    for step in steps.iter().rev() {
        let dot = if text.is_empty() { "" } else { "." };
        // Writing to a text does not fail.
        let _ = write!(text, "{dot}{step}");
    }
    text
}

struct Walk<'s> {
    shapes: &'s Shapes,
    weight: usize,
    most: usize,
}

impl Walk<'_> {
    fn add(&mut self, bytes: usize) -> Result<(), Stop> {
        self.weight = self.weight.saturating_add(bytes);
        if self.weight > self.most {
            return Err(Stop::TooHeavy);
        }
        Ok(())
    }

    fn message(&mut self, shape: &Shape, message: &[u8], deepest: usize) -> Result<(), Stop> {
        let mut rest = message;
        while !rest.is_empty() {
            let before = message.len() - rest.len();
            let (number, wire_type) =
                decode_key(&mut rest).map_err(|_| "it is no protobuf: a field does not begin as one")?;
            let Some(field) = shape.field(number) else {
                skip(&mut rest, number, wire_type)?;
                continue;
            };
            self.field(field, wire_type, &mut rest, deepest)
                .map_err(|stop| match stop {
                    Stop::Wrong(mut wrong) => {
                        wrong.way.push(step(field, number, &message[..before]));
                        Stop::Wrong(wrong)
                    }
                    Stop::TooHeavy => stop,
                })?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &Field,
        wire_type: WireType,
        rest: &mut &[u8],
        deepest: usize,
    ) -> Result<(), Stop> {
        let single = match field.kind {
            Kind::Varint => WireType::Varint,
            Kind::FourBytes => WireType::ThirtyTwoBit,
            Kind::EightBytes => WireType::SixtyFourBit,
            Kind::Text | Kind::Bytes | Kind::Message(_) => WireType::LengthDelimited,
        };
        if wire_type != single {
            return match field.element {
                Some(element) if wire_type == WireType::LengthDelimited => {
                    let packed = delimited(rest)?;
                    self.add(element.saturating_mul(elements(field.kind, packed)?))
                }
                _ => Err("it has another type there".into()),
            };
        }
        self.add(field.element.unwrap_or_default())?;
        match field.kind {
            Kind::Varint => {
                decode_varint(rest).map_err(|_| NUMBER)?;
            }
            Kind::FourBytes => *rest = rest.get(4..).ok_or(BREAKS_OFF)?,
            Kind::EightBytes => *rest = rest.get(8..).ok_or(BREAKS_OFF)?,
            Kind::Bytes => {
                // They stay where they are.
                delimited(rest)?;
            }
            Kind::Text => {
                let text = delimited(rest)?;
                if !text.is_empty() {
                    self.add(text.len() + ALLOCATION)?;
                    std::str::from_utf8(text).map_err(|_| "the text is not in UTF-8")?;
                }
            }
            Kind::Message(place) => {
                let within = delimited(rest)?;
                if deepest == 0 {
                    return Err("messages are nested too deeply".into());
                }
                // Not by the walk's own lifetime, which the weight is borrowed from.
                let shapes = self.shapes;
                self.message(&shapes.messages[place], within, deepest - 1)?;
            }
        }
        Ok(())
    }
}

const BREAKS_OFF: &str = "it breaks off there";
const NUMBER: &str = "a number does not end as one";

/// Bytes that say how many they are.
fn delimited<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], Stop> {
    let length = decode_varint(rest).map_err(|_| "a length does not end as one")?;
    let length = usize::try_from(length).map_err(|_| BREAKS_OFF)?;
    let (taken, left) = rest.split_at_checked(length).ok_or(BREAKS_OFF)?;
    *rest = left;
    Ok(taken)
}

/// How many numbers are packed there.
fn elements(kind: Kind, mut packed: &[u8]) -> Result<usize, Stop> {
    let whole = |size: usize| {
        if packed.len().is_multiple_of(size) {
            Ok(packed.len() / size)
        } else {
            Err(BREAKS_OFF.into())
        }
    };
    match kind {
        Kind::FourBytes => whole(4),
        Kind::EightBytes => whole(8),
        Kind::Varint => {
            let mut count = 0;
            while !packed.is_empty() {
                decode_varint(&mut packed).map_err(|_| NUMBER)?;
                count += 1;
                if count > MOST_NUMBERS {
                    return Err("it holds more than 20000 numbers: ask in parts".into());
                }
            }
            Ok(count)
        }
        Kind::Text | Kind::Bytes | Kind::Message(_) => Err(BREAKS_OFF.into()),
    }
}

/// What this contract does not know: of a later one.
fn skip(rest: &mut &[u8], number: u32, wire_type: WireType) -> Result<(), Stop> {
    if matches!(wire_type, WireType::StartGroup | WireType::EndGroup) {
        return Err("a group stands there, which the contract does not have".into());
    }
    skip_field(wire_type, number, rest, DecodeContext::default())
        .map_err(|_| "a field that the contract does not have breaks off".into())
}

/// The name of a field that is wrong; of a list with the place in it, which is counted only now.
fn step(field: &Field, number: u32, mut before: &[u8]) -> String {
    if field.element.is_none() {
        return field.name.clone();
    }
    let mut place = 0;
    // It was walked once.
    while let Ok((other, wire_type)) = decode_key(&mut before) {
        if skip_field(wire_type, other, &mut before, DecodeContext::default()).is_err() {
            break;
        }
        place += usize::from(other == number);
    }
    format!("{}[{place}]", field.name)
}
