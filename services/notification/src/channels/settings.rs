//! Reads a receiver's settings, strictly and to the end.

use std::fmt;

use serde_json::{Map, Value};

/// What is wrong with a field of a receiver's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsProblem {
    /// The field; empty: the settings as a whole.
    pub field: String,
    /// A sentence without its subject: `it is empty`.
    pub why: String,
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.why),
            field => write!(f, "{field}: {}", self.why),
        }
    }
}

/// Takes fields one by one and notes every problem.
#[derive(Debug)]
pub(super) struct Fields {
    left: Map<String, Value>,
    known: Vec<&'static str>,
    problems: Vec<SettingsProblem>,
}

impl Fields {
    /// Those of an object; of anything else there are none, and that is the problem.
    pub(super) fn of(settings: &Value) -> Self {
        let mut fields = Self {
            left: Map::new(),
            known: Vec::new(),
            problems: Vec::new(),
        };
        match settings {
            Value::Object(object) => fields.left = object.clone(),
            _ => fields.problem("", "settings are a JSON object, such as {\"name\": \"value\"}"),
        }
        fields
    }

    /// Notes a problem of a field.
    pub(super) fn problem(&mut self, field: &str, why: impl Into<String>) {
        self.problems.push(SettingsProblem {
            field: field.to_owned(),
            why: why.into(),
        });
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, field: &'static str) -> Option<String> {
        match self.take(field)? {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            Value::String(_) => {
                self.problem(field, "it is empty");
                None
            }
            _ => {
                self.problem(field, "a text is expected");
                None
            }
        }
    }

    /// A list of texts that must be there.
    pub(super) fn texts(&mut self, field: &'static str) -> Option<Vec<String>> {
        let texts = match self.take(field)? {
            Value::Array(values) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => Some(text),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        if texts.is_none() {
            self.problem(field, "a list of texts is expected");
        }
        texts
    }

    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        let value = self.left.remove(field);
        // Of settings that are no object one problem is enough.
        if value.is_none() && self.problems.iter().all(|problem| !problem.field.is_empty()) {
            self.problem(field, "it is missing");
        }
        value
    }

    /// Ends the reading: what was read, or every problem, also of fields that nobody asked for.
    pub(super) fn finish<T>(mut self, read: Option<T>) -> Result<T, Vec<SettingsProblem>> {
        for field in std::mem::take(&mut self.left).into_iter().map(|(field, _)| field) {
            let nearest = self
                .known
                .iter()
                .find(|known| strsim::levenshtein(known, &field) <= 2);
            let why = match nearest {
                Some(nearest) => format!("there is no such field; {nearest} is one"),
                None => "there is no such field".to_owned(),
            };
            self.problem(&super::words::shown(&field), why);
        }
        match read {
            Some(read) if self.problems.is_empty() => Ok(read),
            _ => Err(self.problems),
        }
    }
}

/// Every problem in one sentence, for outcomes.
pub(super) fn in_words(problems: &[SettingsProblem]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    format!("The receiver's settings are wrong: {}.", problems.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(settings: &Value) -> Vec<String> {
        let mut fields = Fields::of(settings);
        let read = fields.text("url").zip(fields.texts("addresses"));
        match fields.finish(read) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn every_problem_is_said_by_its_field() {
        assert!(problems(&json!({"url": "a", "addresses": ["b"]})).is_empty());
        assert_eq!(
            problems(&json!({"urls": "a", "addresses": ["b", 1], "colour": 1})),
            [
                "url: it is missing",
                "addresses: a list of texts is expected",
                "colour: there is no such field",
                "urls: there is no such field; url is one",
            ]
        );
        assert_eq!(
            problems(&json!({"url": " ", "addresses": []})),
            ["url: it is empty"]
        );
        assert_eq!(
            problems(&json!(["a"])),
            ["settings are a JSON object, such as {\"name\": \"value\"}"]
        );
    }
}
