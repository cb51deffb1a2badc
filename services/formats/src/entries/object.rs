//! The fields of one JSON object, taken by name: each at most once, in either spelling, of the type that it has.

use nopic_domain::date::{Date, parse_iso};

use super::node::Node;
use super::{mistyped, mistyped_part, repeated, unknown};
use crate::kind::nearest;
use crate::reject::Reject;

/// The fields of one object by their place in a list of names, each at most once and in either spelling.
pub(crate) struct Fields<'a> {
    record: u64,
    /// What stands before a name in messages.
    prefix: &'a str,
    names: &'a [&'static str],
    values: Vec<Option<Node>>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(
        record: u64,
        prefix: &'a str,
        whose: &str,
        names: &'a [&'static str],
        pairs: Vec<(String, Node)>,
    ) -> Result<Self, Reject> {
        let mut values: Vec<Option<Node>> = vec![None; names.len()];
        for (name, value) in pairs {
            let shown = format!("{prefix}{name}");
            let Some(place) = names.iter().position(|known| is_spelling_of(&name, known)) else {
                return Err(unknown(
                    record,
                    &shown,
                    nearest(&name, names.iter().copied()),
                    whose,
                ));
            };
            if values[place].replace(value).is_some() {
                return Err(repeated(record, &shown));
            }
        }
        Ok(Self {
            record,
            prefix,
            names,
            values,
        })
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Node> {
        let place = self.names.iter().position(|known| *known == name)?;
        self.values[place].take().filter(|value| *value != Node::Null)
    }

    pub(crate) fn refuse<T>(&self, name: &str, value: &str, reason: impl Into<String>) -> Result<T, Reject> {
        Err(Reject {
            field: Some(format!("{}{name}", self.prefix)),
            ..Reject::new(self.record, reason)
        }
        .with_value(value))
    }

    pub(crate) fn mistyped<T>(&self, name: &str, expected: &str, found: &Node) -> Result<T, Reject> {
        Err(mistyped(
            self.record,
            &format!("{}{name}", self.prefix),
            expected,
            found,
        ))
    }

    /// A trimmed text; an empty one is absent.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Reject> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Some(other) => self.mistyped(name, "a text", &other),
        }
    }

    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Reject> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => self.refuse(name, &text, format!("expected {expected}")),
        }
    }

    pub(crate) fn needed<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Reject> {
        match self.parsed(name, expected, parse)? {
            Some(value) => Ok(value),
            None => self.refuse(name, "", format!("{name} is absent: expected {expected}")),
        }
    }

    pub(crate) fn date(&mut self, name: &str) -> Result<Option<Date>, Reject> {
        self.parsed(name, "a date YYYY-MM-DD", parse_iso)
    }

    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, Reject> {
        let items = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Node::List(items)) => items,
            Some(other) => return self.mistyped(name, "a list of texts", &other),
        };
        if let Some(reject) = mistyped_part(self.record, &format!("{}{name}", self.prefix), &items) {
            return Err(reject);
        }
        Ok(items
            .into_iter()
            .filter_map(|item| match item {
                Node::Text(text) => Some(text),
                _ => None,
            })
            .collect())
    }

    /// An integer from 1, if present.
    pub(crate) fn line_number(&mut self, name: &str) -> Result<Option<u32>, Reject> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Integer(number)) if number > 0 && u32::try_from(number).is_ok() => {
                Ok(u32::try_from(number).ok())
            }
            Some(other) => self.mistyped(name, "an integer from 1 to 4294967295", &other),
        }
    }
}

/// Whether a name is a known one in lowerCamelCase or in snake_case.
fn is_spelling_of(name: &str, known: &str) -> bool {
    if name == known {
        return true;
    }
    let mut rest = name.bytes();
    known.bytes().all(|byte| {
        (!byte.is_ascii_uppercase() || rest.next() == Some(b'_'))
            && rest.next() == Some(byte.to_ascii_lowercase())
    }) && rest.next().is_none()
}
