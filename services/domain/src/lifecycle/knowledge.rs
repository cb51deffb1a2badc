//! What the registry answered about the operations of a request.

use crate::date::Date;
use crate::registry::{Scope, Status, Timeline};

/// The registry's answers, all of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryKnowledge {
    /// The revision; absent where the registry did not answer.
    pub revision: Option<u32>,
    /// Publication date of its newest full snapshot.
    pub published_on: Option<Date>,
    /// About the exporter.
    pub exporter: Knowledge,
    /// About the importer.
    pub importer: Knowledge,
    /// About the final handler, where one is named.
    pub final_handler: Knowledge,
}

impl RegistryKnowledge {
    /// No answer at all.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self {
            revision: None,
            published_on: None,
            exporter: Knowledge::Unavailable,
            importer: Knowledge::Unavailable,
            final_handler: Knowledge::Unavailable,
        }
    }
}

/// What is known of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Knowledge {
    /// The registry did not answer: neither yes nor no.
    Unavailable,
    /// It was never listed.
    NotListed,
    /// It is listed, or was.
    Listed(Box<Operation>),
}

/// One operation of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// Other names that it trades under.
    pub other_names: Vec<String>,
    /// Status and scopes over time.
    pub timeline: Timeline,
    /// What it is certified for.
    pub products: Vec<StatedProduct>,
}

/// A certified product as the registry states it: an item, or a product text of the operation's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedProduct {
    /// Technical name of the field, such as `ci_itemList` or `CR_CertifiedProducts`.
    pub field: String,
    /// The scope that it belongs to, where that is stated.
    pub scope: Option<Scope>,
    /// Its own status, where that is stated.
    pub status: Option<Status>,
    /// Its category, may be empty.
    pub category: String,
    /// The text as it stands.
    pub text: String,
}
