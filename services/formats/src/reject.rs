//! What a reader refused, where it stood, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest piece of a refused value that is shown, in characters.
const SHOWN_CHARACTERS: usize = 80;

/// One refused record, row or line. Its neighbours are read all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reject {
    /// Number of the row (XLSX), line (CSV, JSON lines), record (ABI) or element (XML, JSON), from 1.
    pub record: u64,
    /// Where in it, from 1: the column of a fixed-width record or of a line of text. Absent where a field says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// What the record is about where that could be read: an entry number, a NOP operation ID, a certificate number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The field or column by the name that its form gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The refused value, shortened; empty where it must not or need not be shown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What is wrong and what to do, as one sentence.
    pub reason: String,
}

impl Reject {
    /// A refusal of a whole record; fill in the rest with struct update syntax.
    #[must_use]
    pub fn new(record: u64, reason: impl Into<String>) -> Self {
        Self {
            record,
            position: None,
            key: None,
            field: None,
            value: String::new(),
            reason: reason.into(),
        }
    }

    /// The same with the value at fault, shortened and without control characters.
    #[must_use]
    pub fn with_value(mut self, value: &str) -> Self {
        self.value = shown(value);
        self
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}", self.record)?;
        if let Some(position) = self.position {
            write!(f, ", position {position}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ", {field}")?;
        }
        if let Some(key) = &self.key {
            write!(f, " ({key})")?;
        }
        if !self.value.is_empty() {
            write!(f, ": {:?}", self.value)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A value as it may stand in a message: at most 80 characters, control characters replaced.
#[must_use]
pub fn shown(value: &str) -> String {
    nopic_domain::text::shortened(value, SHOWN_CHARACTERS)
}
