//! Fields of a request that stand in a path or a query: `pageSize=10&revision.atLeast=3&services=a&services=b`.

use std::collections::HashSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value};

use super::read::{cut, field, shortened};
use super::refusal::Wrong;
use super::scalar::{self, Given};

/// A parameter that a query may have.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// By dots.
    pub(crate) name: String,
    pub(crate) field: FieldDescriptor,
}

/// How deep parameters go; no message of the contract goes deeper.
const MAX_DEPTH: usize = 4;

/// Every parameter that sets a field of a message, but for these fields of its own.
pub(crate) fn parameters(message: &MessageDescriptor, without: &[&str]) -> Vec<Parameter> {
    let mut found = Vec::new();
    let fields = message.fields().filter(|field| !without.contains(&field.name()));
    for field in fields {
        add(&field, "", 0, &mut found);
    }
    found
}

fn add(field: &FieldDescriptor, within: &str, depth: usize, found: &mut Vec<Parameter>) {
    let name = format!("{within}{}", field.json_name());
    match field.kind() {
        Kind::Bytes => {}
        Kind::Message(message) => {
            if !field.is_list() && !field.is_map() && depth < MAX_DEPTH {
                for inner in message.fields() {
                    add(&inner, &format!("{name}."), depth + 1, found);
                }
            }
        }
        _ => found.push(Parameter {
            name,
            field: field.clone(),
        }),
    }
}

/// Sets a field of a path.
pub(crate) fn set_of_path(message: &mut DynamicMessage, name: &str, text: &str) -> Result<(), Wrong> {
    let Some(field) = message.descriptor().get_field_by_name(name) else {
        return Err(Wrong::new(name, "there is no such field"));
    };
    let value = scalar::value(&field.kind(), Given::Word(text))
        .ok_or_else(|| other(field.json_name(), &field.kind(), text))?;
    if message.has_field(&field) && *message.get_field(&field) != value {
        return Err(Wrong::new(
            field.json_name(),
            "the path and the body name different ones",
        ));
    }
    message.set_field(&field, value);
    Ok(())
}

/// Sets the fields that a query names in whichever of these messages has them; but for these fields.
pub(crate) fn set(messages: &mut [DynamicMessage], query: &str, without: &[&str]) -> Result<(), Wrong> {
    let mut seen = HashSet::new();
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        let field = set_one(messages, &name, &text, without)?;
        if !field.is_list() && !seen.insert(name.to_string()) {
            return Err(Wrong::new(&*name, "stands twice in the query"));
        }
    }
    Ok(())
}

fn set_one(
    messages: &mut [DynamicMessage],
    name: &str,
    text: &str,
    without: &[&str],
) -> Result<FieldDescriptor, Wrong> {
    let mut steps = name.split('.');
    let first = steps.next().unwrap_or_default();
    let found = messages.iter_mut().find_map(|message| {
        let field = field(&message.descriptor(), first).filter(|field| !without.contains(&field.name()))?;
        Some((message, field))
    });
    let Some((mut message, mut field)) = found else {
        return Err(unknown(messages, name, without));
    };
    for step in steps {
        let inner = match field.kind() {
            Kind::Message(inner) if !field.is_list() && !field.is_map() => self::field(&inner, step),
            _ => None,
        };
        let Some(inner) = inner else {
            return Err(unknown(messages, name, without));
        };
        only_choice(message, &field)?;
        let Value::Message(next) = message.get_field_mut(&field) else {
            // A field of messages that is no list holds one.
            return Err(unknown(messages, name, without));
        };
        message = next;
        field = inner;
    }
    let kind = field.kind();
    if matches!(kind, Kind::Message(_) | Kind::Bytes) {
        return Err(unknown(messages, name, without));
    }
    let value = scalar::value(&kind, Given::Word(text)).ok_or_else(|| other(name, &kind, text))?;
    if field.is_list() {
        if let Value::List(list) = message.get_field_mut(&field) {
            list.push(value);
        }
    } else {
        only_choice(message, &field)?;
        message.set_field(&field, value);
    }
    Ok(field)
}

fn only_choice(message: &DynamicMessage, field: &FieldDescriptor) -> Result<(), Wrong> {
    let other = field.containing_oneof().and_then(|choice| {
        choice
            .fields()
            .find(|other| other != field && message.has_field(other))
    });
    match other {
        Some(other) => Err(Wrong::new(
            field.json_name(),
            format!(
                "{} stands in the query, too: only one of them may",
                other.json_name()
            ),
        )),
        None => Ok(()),
    }
}

fn unknown(messages: &[DynamicMessage], name: &str, without: &[&str]) -> Wrong {
    let known: Vec<_> = messages
        .iter()
        .flat_map(|message| parameters(&message.descriptor(), without))
        .map(|parameter| parameter.name)
        .collect();
    let known = if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("known are {}", known.join(", "))
    };
    Wrong::new(cut(name), format!("there is no such parameter: {known}"))
}

/// Something else is wanted.
fn other(name: &str, kind: &Kind, text: &str) -> Wrong {
    let reason = format!("{} is wanted, not {}", scalar::wanted(kind), shortened(text));
    Wrong::new(name, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::contract::Contract;
    use crate::json::write;

    fn read(name: &str, query: &str) -> Result<String, Wrong> {
        let descriptor = Contract::get().pool.get_message_by_name(name).unwrap();
        let mut messages = [DynamicMessage::new(descriptor)];
        set(&mut messages, query, &["nop_id"])?;
        Ok(String::from_utf8(write::message(&messages[0])).unwrap())
    }

    #[test]
    fn a_query_sets_the_fields_that_it_names() {
        for (message, query, expected) in [
            ("registry.v1.SearchOperationsRequest", "", Ok("{}")),
            (
                "registry.v1.SearchOperationsRequest",
                "query=Caf%C3%A9+Sol&pageSize=5&page_token=x",
                Ok(r#"{"query":"Café Sol","pageSize":5,"pageToken":"x"}"#),
            ),
            (
                "registry.v1.GetOperationRequest",
                "revision.atLeast=3",
                Ok(r#"{"revision":{"atLeast":3}}"#),
            ),
            (
                "registry.v1.GetOperationRequest",
                "revision.atLeast=3&revision.exact=2",
                Err("exact: atLeast stands in the query, too: only one of them may"),
            ),
            (
                "registry.v1.GetOperationRequest",
                "nopId=1",
                Err("nopId: there is no such parameter: known are revision.exact, revision.atLeast"),
            ),
            (
                "registry.v1.GetOperationRequest",
                "revision=3",
                Err("revision: there is no such parameter: known are revision.exact, revision.atLeast"),
            ),
            (
                "audit.v1.ListHeadsRequest",
                "services=registry&services=certificate&last=2",
                Ok(r#"{"services":["registry","certificate"],"last":2}"#),
            ),
            (
                "audit.v1.ListHeadsRequest",
                "last=1&last=2",
                Err("last: stands twice in the query"),
            ),
            (
                "audit.v1.ListHeadsRequest",
                "last=-1",
                Err("last: a whole number from 0 to 4294967295 is wanted, not \"-1\""),
            ),
            (
                "entry_validation.v1.GetStatisticsRequest",
                "group=IMPORTER",
                Ok(r#"{"group":"IMPORTER"}"#),
            ),
            (
                "entry_validation.v1.GetStatisticsRequest",
                "group=WEEK",
                Err("group: one of DAY, IMPORTER, REASON is wanted, not \"WEEK\""),
            ),
            (
                "certificate.v1.GetCertificateRequest",
                "withDraws=true",
                Ok(r#"{"withDraws":true}"#),
            ),
            (
                "certificate.v1.GetCertificateRequest",
                "withDraws=yes",
                Err("withDraws: true or false is wanted, not \"yes\""),
            ),
        ] {
            let found = read(&format!("nopic.{message}"), query);
            let found = found.map_err(|wrong| wrong.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{query}");
        }
    }

    #[test]
    fn a_path_and_a_body_name_the_same() {
        let descriptor = Contract::get()
            .pool
            .get_message_by_name("nopic.certificate.v1.StartReviewRequest")
            .unwrap();
        let mut message = DynamicMessage::new(descriptor);
        set_of_path(&mut message, "request", "7").unwrap();
        set_of_path(&mut message, "request", "7").unwrap();
        assert_eq!(
            set_of_path(&mut message, "request", "8").unwrap_err().to_string(),
            "request: the path and the body name different ones"
        );
        assert!(
            set_of_path(&mut message, "request", "x")
                .unwrap_err()
                .to_string()
                .contains("a whole number from 0")
        );
    }
}
