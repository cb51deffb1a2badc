//! What the service asks others: certificates, and the status of operations.

mod certificates;
mod ledger;
mod registry;
mod statuses;

pub(crate) use certificates::{CertificateAnswers, Certificates, Question};
pub(crate) use ledger::{Ledger, NoAnswer};
pub(crate) use statuses::Statuses;
