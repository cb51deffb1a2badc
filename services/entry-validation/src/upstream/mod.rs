//! What the service asks others: certificates, and the status of operations.

mod certificates;
mod ledger;
mod registry;
mod statuses;

pub(crate) use certificates::{CertificateAnswers, Certificates, Question};
pub(crate) use ledger::{LedgerClient, NoAnswer, SetDraws};
pub(crate) use statuses::Statuses;

use nopic_chassis::rpc::client::Client;

/// The services that this one asks.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// The registry service.
    pub registry: Client,
    /// The certificate service.
    pub certificate: Client,
}
