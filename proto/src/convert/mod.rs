//! Conversions between wire and domain that more than one service needs.

pub mod certificate;
pub mod entry_validation;
mod events;
pub mod trail;
pub mod verdicts;

use std::fmt::Display;

use thiserror::Error;

/// A message holds a value that the domain does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {reason}")]
pub struct ConversionError {
    /// The field by its name in the `.proto` file.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl ConversionError {
    /// This field is wrong for this reason.
    pub fn new(field: &'static str, reason: impl Display) -> Self {
        Self {
            field,
            reason: reason.to_string(),
        }
    }
}
