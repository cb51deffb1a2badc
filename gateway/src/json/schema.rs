//! The messages of the contract as JSON Schema, as OpenAPI 3.1 takes it.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::scalar;

/// Schemas by their names, filled as they are asked for.
#[derive(Debug)]
pub(crate) struct Schemas<'c> {
    comments: &'c Comments,
    found: BTreeMap<String, Value>,
}

impl<'c> Schemas<'c> {
    pub(crate) fn new(comments: &'c Comments) -> Self {
        Self {
            comments,
            found: BTreeMap::new(),
        }
    }

    /// All that were asked for.
    pub(crate) fn into_value(self) -> Map<String, Value> {
        self.found.into_iter().collect()
    }

    /// Refers to a message.
    pub(crate) fn message(&mut self, message: &MessageDescriptor) -> Value {
        self.message_without(message, &[])
    }

    /// Refers to a message; these fields of it stand elsewhere.
    pub(crate) fn message_without(&mut self, message: &MessageDescriptor, without: &[&str]) -> Value {
        let name = name(message.full_name());
        if !self.found.contains_key(&name) {
            // Before its fields: messages may hold each other.
            self.found.insert(name.clone(), Value::Null);
            let mut properties = Map::new();
            for field in message.fields().filter(|field| !without.contains(&field.name())) {
                properties.insert(field.json_name().to_owned(), self.field(&field));
            }
            let mut schema =
                json!({ "type": "object", "properties": properties, "additionalProperties": false });
            let mut text = self
                .comments
                .of(&message.parent_file(), message.path())
                .to_owned();
            for choice in message.oneofs().filter(|choice| !choice.is_synthetic()) {
                let names: Vec<_> = choice
                    .fields()
                    .map(|field| field.json_name().to_owned())
                    .collect();
                text = format!("{text} At most one of: {}.", names.join(", "));
            }
            describe(&mut schema, text.trim());
            self.found.insert(name.clone(), schema);
        }
        reference(&name)
    }

    /// The value of a field, with its comment.
    pub(crate) fn field(&mut self, field: &FieldDescriptor) -> Value {
        let value = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                json!({ "type": "object", "additionalProperties": self.value(&entry.map_entry_value_field().kind()) })
            }
            kind if field.is_list() => json!({ "type": "array", "items": self.value(&kind) }),
            kind => self.value(&kind),
        };
        let mut value = value;
        describe(&mut value, self.comments.of(&field.parent_file(), field.path()));
        value
    }

    fn value(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Message(message) => self.message(message),
            Kind::Enum(words) => self.words(words),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX })
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "format": "uint32", "minimum": 0, "maximum": u32::MAX })
            }
            // Numbers of 64 bits are texts: not every reader of JSON keeps all their digits.
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$" })
            }
            Kind::Uint64 | Kind::Fixed64 => {
                json!({ "type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$" })
            }
        }
    }

    fn words(&mut self, words: &EnumDescriptor) -> Value {
        let name = name(words.full_name());
        if !self.found.contains_key(&name) {
            let mut schema = json!({ "type": "string", "enum": scalar::words(words) });
            let file = words.parent_file();
            let told = words.values().filter_map(|word| {
                let comment = self.comments.of(&file, word.path());
                (!comment.is_empty()).then(|| format!("{}: {comment}", word.name()))
            });
            let mut text = vec![self.comments.of(&file, words.path()).to_owned()];
            text.extend(told);
            describe(&mut schema, text.join(" ").trim());
            self.found.insert(name.clone(), schema);
        }
        reference(&name)
    }
}

/// `entry_validation.v1.Verdict` for `nopic.entry_validation.v1.Verdict`.
pub(crate) fn name(full: &str) -> String {
    full.strip_prefix("nopic.").unwrap_or(full).to_owned()
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn describe(schema: &mut Value, text: &str) {
    if let Some(fields) = schema.as_object_mut().filter(|_| !text.is_empty()) {
        fields.insert("description".to_owned(), text.into());
    }
}
