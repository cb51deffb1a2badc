//! Requests of the contract on their REST paths.

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value as Field};
use reqwest::Method as Verb;
use serde_json::{Map, Value};

/// A request as it goes over plain HTTP.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) verb: Verb,
    /// With its query.
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

/// How a request is made on the REST path of its method; `None`: it has none.
pub(crate) fn asked(pool: &DescriptorPool, method: &MethodDescriptor, request: &Value) -> Option<Asked> {
    let rule = pool.get_extension_by_name("google.api.http")?;
    let options = method.options();
    if !options.has_extension(&rule) {
        return None;
    }
    let rule = options.get_extension(&rule).as_message()?.clone();
    let (verb, template) = verb_and_template(&rule)?;
    let mut fields = request.as_object()?.clone();
    let mut path = String::new();
    let mut rest = template.as_str();
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}')?;
        let name = method.input().get_field_by_name(name)?.json_name().to_owned();
        let value = fields.remove(&name).as_ref().map(word).unwrap_or_default();
        path += before;
        path += &encoded(&value);
        rest = behind;
    }
    path += rest;
    let body = if text(&rule, "body").is_empty() {
        let query = query(&fields);
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        None
    } else {
        Some(Value::Object(fields))
    };
    Some(Asked { verb, path, body })
}

fn verb_and_template(rule: &DynamicMessage) -> Option<(Verb, String)> {
    [
        ("get", Verb::GET),
        ("post", Verb::POST),
        ("delete", Verb::DELETE),
        ("put", Verb::PUT),
        ("patch", Verb::PATCH),
    ]
    .into_iter()
    .map(|(name, verb)| (verb, text(rule, name)))
    .find(|(_, template)| !template.is_empty())
}

fn text(rule: &DynamicMessage, name: &str) -> String {
    match rule.get_field_by_name(name).as_deref() {
        Some(Field::String(text)) => text.clone(),
        _ => String::new(),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Fields as `name=value`, inner ones by dots.
fn query(fields: &Map<String, Value>) -> Vec<String> {
    let mut pairs = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Object(inner) => {
                pairs.extend(query(inner).iter().map(|pair| format!("{name}.{pair}")));
            }
            Value::Array(values) => {
                pairs.extend(
                    values
                        .iter()
                        .map(|value| format!("{name}={}", encoded(&word(value)))),
                );
            }
            value => pairs.push(format!("{name}={}", encoded(&word(value)))),
        }
    }
    pairs
}

fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}
