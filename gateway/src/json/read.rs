//! JSON as a message: strictly, and with the place of what is wrong.
//!
//! Names are those of ProtoJSON (`lineNumber`) or of the `.proto` files (`line_number`); `null` is absence. An unknown name,
//! a name that stands twice, and a value of another type are refused. serde_json bounds the depth; lists and all values are
//! counted, for a small text can make a message of many times its bytes.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};

use nopic_chassis::requests::MAX_BATCH;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::refusal::Wrong;
use super::scalar::{self, Given};

/// Values of a message at most; an entry of the most lines, all its fields filled, has fewer.
const MAX_VALUES: usize = 400_000;

/// Reads one.
pub(crate) fn message(descriptor: &MessageDescriptor, json: &[u8]) -> Result<DynamicMessage, Wrong> {
    let path = Path::default();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = Seed {
        path: &path,
        target: Target::Message(descriptor),
    }
    .deserialize(&mut deserializer)
    .and_then(|value| deserializer.end().map(|()| value));
    match read {
        Ok(Some(Value::Message(message))) => Ok(message),
        Ok(_) => Err(Wrong::new("", "an object is wanted")),
        Err(error) => Err(Wrong::new(path.text(), error.to_string())),
    }
}

/// The way to what is being read. It is left as it is where reading fails.
#[derive(Default)]
struct Path {
    steps: RefCell<Vec<Step>>,
    values: Cell<usize>,
}

enum Step {
    Field(String),
    Index(usize),
}

impl Path {
    fn within<T, E: Error>(&self, step: Step, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > MAX_VALUES {
            return Err(E::custom(format_args!(
                "more than {MAX_VALUES} values: send them in parts, or as a file"
            )));
        }
        self.steps.borrow_mut().push(step);
        let value = read()?;
        self.steps.borrow_mut().pop();
        Ok(value)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for step in self.steps.borrow().iter() {
            // Writing to a text does not fail.
            let _ = match step {
                Step::Field(name) if text.is_empty() => write!(text, "{name}"),
                Step::Field(name) => write!(text, ".{name}"),
                Step::Index(index) => write!(text, "[{index}]"),
            };
        }
        text
    }
}

/// What is to be read.
#[derive(Clone, Copy)]
enum Target<'t> {
    Message(&'t MessageDescriptor),
    List(&'t Kind),
    Map(&'t MessageDescriptor),
    Scalar(&'t Kind),
}

impl<'t> Target<'t> {
    fn of(kind: &'t Kind) -> Self {
        match kind {
            Kind::Message(message) => Self::Message(message),
            scalar => Self::Scalar(scalar),
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'t> {
    path: &'t Path,
    target: Target<'t>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    /// `None`: `null` stands there.
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        match self.target {
            // Moments, spans and wrappers have forms of their own.
            Target::Message(message) if message.package_name() == "google.protobuf" => message
                .clone()
                .deserialize(deserializer)
                .map(|value| Some(Value::Message(value))),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl Seed<'_> {
    fn scalar<E: Error>(self, given: Given<'_>) -> Result<Option<Value>, E> {
        let Target::Scalar(kind) = self.target else {
            return Err(E::custom(format_args!("{} is wanted", Wanted(self))));
        };
        let value = scalar::value(kind, given);
        value
            .map(Some)
            .ok_or_else(|| E::custom(format_args!("{} is wanted", Wanted(self))))
    }
}

struct Wanted<'t>(Seed<'t>);

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.target {
            Target::Message(message) => write!(formatter, "an object ({})", message.name()),
            Target::List(_) => formatter.write_str("a list"),
            Target::Map(_) => formatter.write_str("an object"),
            Target::Scalar(kind) => formatter.write_str(&scalar::wanted(kind)),
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Option<Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", Wanted(*self))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Option<Value>, E> {
        self.scalar(Given::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<Value>, E> {
        self.scalar(Given::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<Value>, E> {
        self.scalar(Given::Signed(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Option<Value>, E> {
        self.scalar(Given::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Option<Value>, E> {
        self.scalar(Given::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Option<Value>, A::Error> {
        let Target::List(kind) = self.target else {
            return Err(A::Error::custom(format_args!("{} is wanted", Wanted(self))));
        };
        let seed = Seed {
            path: self.path,
            target: Target::of(kind),
        };
        let mut list = Vec::new();
        loop {
            let element = self.path.within(Step::Index(list.len()), || {
                match elements.next_element_seed(seed)? {
                    Some(None) => Err(A::Error::custom(format_args!(
                        "null in a list: {} is wanted",
                        Wanted(seed)
                    ))),
                    element => Ok(element.flatten()),
                }
            })?;
            let Some(element) = element else { break };
            if list.len() == MAX_BATCH {
                return Err(A::Error::custom(format_args!(
                    "more than {MAX_BATCH} elements: send them in parts"
                )));
            }
            list.push(element);
        }
        Ok(Some(Value::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Option<Value>, A::Error> {
        let descriptor = match self.target {
            Target::Message(descriptor) => descriptor,
            Target::Map(entry) => return self.entries(entry, fields),
            _ => return Err(A::Error::custom(format_args!("{} is wanted", Wanted(self)))),
        };
        let mut message = DynamicMessage::new(descriptor.clone());
        let mut seen = Vec::new();
        while let Some(name) = fields.next_key::<Cow<'_, str>>()? {
            let Some(field) = field(descriptor, &name) else {
                return Err(A::Error::custom(unknown(descriptor, &name)));
            };
            if seen.contains(&field.number()) {
                return Err(A::Error::custom(format_args!(
                    "the field {} stands twice",
                    shortened(&name)
                )));
            }
            seen.push(field.number());
            let kind = field.kind();
            let target = match &kind {
                Kind::Message(entry) if field.is_map() => Target::Map(entry),
                kind if field.is_list() => Target::List(kind),
                kind => Target::of(kind),
            };
            let seed = Seed {
                path: self.path,
                target,
            };
            let value = self.path.within(Step::Field(field.json_name().to_owned()), || {
                fields.next_value_seed(seed)
            })?;
            let Some(value) = value else { continue };
            if let Some(choice) = field.containing_oneof()
                && let Some(other) = choice.fields().find(|other| message.has_field(other))
            {
                return Err(A::Error::custom(format_args!(
                    "{} and {} stand there: only one of them may",
                    other.json_name(),
                    field.json_name()
                )));
            }
            message.set_field(&field, value);
        }
        Ok(Some(Value::Message(message)))
    }
}

impl Seed<'_> {
    /// The entries of a map of texts, which is the only form of map that the contract has.
    fn entries<'de, A: MapAccess<'de>>(
        self,
        entry: &MessageDescriptor,
        mut fields: A,
    ) -> Result<Option<Value>, A::Error> {
        let kind = entry.map_entry_value_field().kind();
        let mut map = std::collections::HashMap::new();
        while let Some(name) = fields.next_key::<String>()? {
            let seed = Seed {
                path: self.path,
                target: Target::of(&kind),
            };
            let value = self
                .path
                .within(Step::Field(name.clone()), || fields.next_value_seed(seed))?;
            if let Some(value) = value {
                map.insert(prost_reflect::MapKey::String(name), value);
            }
        }
        Ok(Some(Value::Map(map)))
    }
}

/// A field by its name in JSON or in the `.proto` file.
pub(crate) fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message
        .get_field_by_json_name(name)
        .or_else(|| message.get_field_by_name(name))
}

/// There is no such field.
pub(crate) fn unknown(message: &MessageDescriptor, name: &str) -> String {
    let mut known: Vec<_> = message
        .fields()
        .map(|field| field.json_name().to_owned())
        .collect();
    known.sort_unstable();
    let known = if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("known are {}", known.join(", "))
    };
    format!(
        "there is no field {} in {}: {known}",
        shortened(name),
        message.name()
    )
}

/// What a caller wrote, as it may stand in a sentence.
pub(crate) fn shortened(text: &str) -> String {
    format!("\"{}\"", cut(text))
}

/// The same without quotes.
pub(crate) fn cut(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text
        .chars()
        .take(LONGEST)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}
