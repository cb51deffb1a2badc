//! How services become a process.
//!
//! Each service exports one [`Part`]; [`PARTS`] lists them, and everything walks that list: what is migrated
//! ([`Storage::migrate`]), what a configuration may say ([`Settings`]), what a command or a server opens ([`Opening`]),
//! how it is served, watched and drained ([`Serving`]), whose changes are sealed and verified ([`audit`]), and who gets
//! a certificate to try separate services with ([`trial`]). A new service is a new crate and a line in that list.

pub mod audit;
mod events;
mod failure;
mod listening;
mod observability;
mod open;
mod serve;
mod settings;
mod storage;
mod transactions;
pub mod trial;

use nopic_domain::principal::Principal;
use nopic_sql::Journal;
use nopic_sql::{Location, Schema};

pub use failure::Failure;
pub use listening::Reserved;
pub use observability::{LogFallback, Observability, ObservabilitySettings};
pub use open::{Deployment, Opened, Opening, read_policy};
pub use serve::Serving;
pub use settings::{Identity, Settings, identity};
pub use storage::Storage;

/// A service, before it is opened.
pub type Part = nopic_chassis::part::Part<Location, Schema, Journal>;

/// Every service; each behind those that it asks.
pub const PARTS: &[Part] = &[
    nopic_registry::PART,
    nopic_certificate::PART,
    nopic_entry_validation::PART,
    nopic_notification::PART,
    nopic_gateway::PART,
];

/// The part of this name.
#[must_use]
pub fn find<'a>(parts: &'a [Part], name: &str) -> Option<&'a Part> {
    parts.iter().find(|part| part.name == name)
}

/// Who calls where a call names nobody, in a process that nobody else reaches: the built-in tenant.
#[must_use]
pub fn built_in_caller() -> Principal {
    Principal::built_in("embedded")
}
