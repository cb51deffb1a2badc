//! A JSON value that keeps what `serde_json::Value` forgets: repeated names and the order of fields.
//!
//! For messages about a refused line, and for certificates, which are few. Entry lines are read without it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::reject::Reject;

/// One JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Boolean(bool),
    Integer(u64),
    /// A number that is no integer from zero, as JSON wrote it (or nearly so).
    OtherNumber(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads one line of JSON; the refusal of a line that is none says where.
    pub(crate) fn read(record: u64, line: &[u8]) -> Result<Self, Reject> {
        if let Err(error) = std::str::from_utf8(line) {
            return Err(Reject {
                position: Some(error.valid_up_to() as u64 + 1),
                ..Reject::new(record, "the line is not UTF-8: save the file as UTF-8")
            });
        }
        serde_json::from_slice(line).map_err(|error| {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            Reject {
                position: Some(error.column().max(1) as u64),
                ..Reject::new(
                    record,
                    format!("the line is not JSON ({what}): write one JSON object a line"),
                )
            }
        })
    }

    /// The kind of the value in words that fit after "is".
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::OtherNumber(_) => "a number that is no integer from zero",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// The value as a message shows it; lists and objects are named by their kind alone.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::OtherNumber(text) | Self::Text(text) => text.clone(),
            Self::Null | Self::List(_) | Self::Object(_) => String::new(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Boolean(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Integer(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(u64::try_from(value).map_or_else(|_| Node::OtherNumber(value.to_string()), Node::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::OtherNumber(format!("{value:?}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_and_kinds_of_numbers_are_kept() {
        let node = Node::read(1, br#"{"a":1,"a":1.0,"b":[-1,null,true,"x"]}"#).unwrap();
        assert_eq!(
            node,
            Node::Object(vec![
                ("a".into(), Node::Integer(1)),
                ("a".into(), Node::OtherNumber("1.0".into())),
                (
                    "b".into(),
                    Node::List(vec![
                        Node::OtherNumber("-1".into()),
                        Node::Null,
                        Node::Boolean(true),
                        Node::Text("x".into())
                    ])
                ),
            ])
        );
    }

    #[test]
    fn a_refusal_says_where() {
        let reject = Node::read(7, br#"{"a":1,}"#).unwrap_err();
        assert_eq!((reject.record, reject.position), (7, Some(8)));
        assert_eq!(Node::read(1, b"{\"a\":\"\xff\"}").unwrap_err().position, Some(7));
        let deep = "[".repeat(100_000);
        assert!(
            Node::read(1, deep.as_bytes())
                .unwrap_err()
                .reason
                .contains("recursion")
        );
    }
}
