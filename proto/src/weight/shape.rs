//! The shapes of messages: of each field how it stands on the wire, and what it takes in memory.

use std::collections::HashMap;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// Bytes of the head of a text, of bytes that share a buffer, and of a list.
const TEXT: usize = size_of::<String>();
const BYTES: usize = 32;
const LIST: usize = size_of::<Vec<()>>();
const MAP: usize = size_of::<HashMap<(), ()>>();
/// What says which of several is there.
const TAG: usize = 8;
/// A list that grows has up to twice the room that it needs.
const GROWTH: usize = 2;

/// Every message of a contract.
#[derive(Debug)]
pub(super) struct Shapes {
    pub(super) messages: Vec<Shape>,
    names: HashMap<String, usize>,
}

/// One message.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// By their numbers.
    fields: Vec<Option<Field>>,
    /// Bytes in memory without what lies behind pointers.
    pub(super) size: usize,
}

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// What each element takes in a list; `None`: it is no list.
    pub(super) element: Option<usize>,
}

/// How a value stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Varint,
    FourBytes,
    EightBytes,
    Text,
    Bytes,
    Message(usize),
}

impl Shape {
    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        self.fields.get(usize::try_from(number).ok()?)?.as_ref()
    }
}

impl Shapes {
    pub(super) fn of(files: &[FileDescriptorProto]) -> Self {
        let mut described = Vec::new();
        for file in files {
            for message in &file.message_type {
                collect(file.package(), message, &mut described);
            }
        }
        let names: HashMap<_, _> = described
            .iter()
            .enumerate()
            .map(|(place, (name, _))| (name.clone(), place))
            .collect();
        let sizes = Sizes {
            described: &described,
            names: &names,
        };
        let messages = (0..described.len()).map(|place| sizes.shape(place)).collect();
        Self { messages, names }
    }

    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }
}

/// A message and those within it, by their full names.
fn collect<'d>(within: &str, message: &'d DescriptorProto, into: &mut Vec<(String, &'d DescriptorProto)>) {
    let name = format!("{within}.{}", message.name());
    for nested in &message.nested_type {
        collect(&name, nested, into);
    }
    into.push((name, message));
}

struct Sizes<'d> {
    described: &'d [(String, &'d DescriptorProto)],
    names: &'d HashMap<String, usize>,
}

/// Messages that hold themselves hold a pointer there; none is nested deeper than this.
const DEEPEST: usize = 32;

impl Sizes<'_> {
    fn shape(&self, place: usize) -> Shape {
        let (_, message) = &self.described[place];
        let mut fields = Vec::new();
        for field in &message.field {
            let number = usize::try_from(field.number()).unwrap_or_default();
            if fields.len() <= number {
                fields.resize_with(number + 1, || None);
            }
            let kind = self.kind(field);
            let element = (field.label() == Label::Repeated).then(|| GROWTH * self.size(kind, DEEPEST));
            fields[number] = Some(Field {
                name: field.name().to_owned(),
                kind,
                element,
            });
        }
        Shape {
            fields,
            size: self.message(place, DEEPEST),
        }
    }

    fn kind(&self, field: &FieldDescriptorProto) -> Kind {
        match field.r#type() {
            Type::Double | Type::Fixed64 | Type::Sfixed64 => Kind::EightBytes,
            Type::Float | Type::Fixed32 | Type::Sfixed32 => Kind::FourBytes,
            Type::String => Kind::Text,
            Type::Bytes => Kind::Bytes,
            // Groups are of a syntax that the contract does not use.
            Type::Message | Type::Group => {
                let name = field.type_name().trim_start_matches('.');
                self.names
                    .get(name)
                    .map_or(Kind::Bytes, |place| Kind::Message(*place))
            }
            Type::Int64
            | Type::Uint64
            | Type::Int32
            | Type::Bool
            | Type::Uint32
            | Type::Enum
            | Type::Sint32
            | Type::Sint64 => Kind::Varint,
        }
    }

    /// Bytes of a value, where it stands alone.
    fn size(&self, kind: Kind, deepest: usize) -> usize {
        match kind {
            Kind::Varint | Kind::EightBytes => 8,
            Kind::FourBytes => 4,
            Kind::Text => TEXT,
            Kind::Bytes => BYTES,
            Kind::Message(place) => self.message(place, deepest),
        }
    }

    fn message(&self, place: usize, deepest: usize) -> usize {
        if deepest == 0 {
            return size_of::<usize>();
        }
        let (_, message) = &self.described[place];
        let mut sum = 0;
        let mut choices: HashMap<i32, usize> = HashMap::new();
        for field in &message.field {
            let kind = self.kind(field);
            let one = self.size(kind, deepest - 1);
            match (field.label(), kind, field.oneof_index) {
                (Label::Repeated, Kind::Message(entry), _) if self.is_entry(entry) => sum += MAP,
                (Label::Repeated, ..) => sum += LIST,
                (_, _, Some(choice)) if !field.proto3_optional() => {
                    let largest = choices.entry(choice).or_default();
                    *largest = (*largest).max(one);
                }
                (_, Kind::Message(_), _) => sum += one + TAG,
                _ if field.proto3_optional() => sum += one + TAG,
                _ => sum += one,
            }
        }
        sum + choices.values().map(|largest| largest + TAG).sum::<usize>()
    }

    /// Whether a message is an entry of a map.
    fn is_entry(&self, place: usize) -> bool {
        let options = self.described[place].1.options.as_ref();
        options.is_some_and(prost_types::MessageOptions::map_entry)
    }
}
