//! The life of a certificate: asked for by an exporter, reviewed and issued by a certifier, voided or amended by it.
//!
//! ```text
//! request      REQUESTED -> UNDER_REVIEW -> ISSUED | REJECTED      (lifecycle::request)
//! certificate  ISSUED -> VOIDED | SUPERSEDED                       (lifecycle::issued)
//! ```
//!
//! While under review, a request may wait for the exporter's answer, or be approved and wait for the number that the
//! Organic INTEGRITY Database gave. Everything here is decided from what is handed in: who acts, when, what is stored
//! and what the registry answered.

pub mod check;
mod fields;
pub mod issued;
pub mod knowledge;
pub mod product;
pub mod refusal;
pub mod request;
pub mod requested;
mod step;
#[cfg(test)]
mod tests;

pub use step::{Stage, Step, possible_for};

use crate::identifier::{CertifierId, NopId};
use crate::principal::{Principal, Role};
use refusal::Refusal;

/// Only the certifier that issues a certificate acts on it; nobody else in its name, an operator neither.
///
/// # Errors
/// [`Refusal::NotTheCertifier`].
pub fn require_certifier(principal: &Principal, certifier: CertifierId) -> Result<(), Refusal> {
    if principal.role == Role::Certifier && principal.certifier_id == Some(certifier) {
        Ok(())
    } else {
        Err(Refusal::NotTheCertifier(certifier))
    }
}

/// Only the exporter asks for its certificates and answers for its requests.
///
/// # Errors
/// [`Refusal::NotTheExporter`].
pub fn require_exporter(principal: &Principal, exporter: NopId) -> Result<(), Refusal> {
    if principal.role == Role::Exporter && principal.nop_ids.contains(&exporter) {
        Ok(())
    } else {
        Err(Refusal::NotTheExporter(exporter))
    }
}

/// Means whatever version stands, where a version is expected.
pub const ANY_VERSION: u32 = 0;

/// Refuses an act upon another version than the one that stands: of two at once, one wins. Who expects [`ANY_VERSION`]
/// acts upon what it finds.
///
/// # Errors
/// [`Refusal::OtherVersion`].
pub const fn require_version(current: u32, expected: u32) -> Result<(), Refusal> {
    if expected == ANY_VERSION || current == expected {
        Ok(())
    } else {
        Err(Refusal::OtherVersion { current, expected })
    }
}
