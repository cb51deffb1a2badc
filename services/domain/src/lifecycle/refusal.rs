//! Why a step is not taken.

use thiserror::Error;

use super::check::Check;
use super::step::Step;
use crate::date::Date;
use crate::identifier::{CertificateNumber, CertifierId, NopId};
use crate::weight::Weight;

/// Why a step is not taken; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Another certifier's certificate.
    #[error(
        "only certifier {0} may do this: call with the role CERTIFIER and that certifier's number; nobody acts in its \
         name, an operator neither"
    )]
    NotTheCertifier(CertifierId),
    /// Another exporter's request.
    #[error(
        "only exporter {0} may do this: call with the role EXPORTER and that NOP operation ID among the caller's own"
    )]
    NotTheExporter(NopId),
    /// Somebody else was faster.
    #[error(
        "version {expected} was meant, but version {current} is the current one: look at what has changed, then act on \
         version {current}"
    )]
    OtherVersion {
        /// The version that stands.
        current: u32,
        /// The one that was meant.
        expected: u32,
    },
    /// The step does not follow from the state.
    #[error("{} is not possible: the state is {state}; {}", step.as_str(), what_is_possible(possible, *successor))]
    IllegalStep {
        /// What was asked for.
        step: Step,
        /// Where it stands.
        state: &'static str,
        /// What may be done instead.
        possible: &'static [Step],
        /// What has taken its place, where something has.
        successor: Option<CertificateNumber>,
    },
    /// A field that cannot be what it says.
    #[error("{field}: {reason}")]
    Invalid {
        /// By its name in the `.proto` file.
        field: &'static str,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Checks that no reviewer may pass over.
    #[error("{}", listed("checks failed", .0))]
    ChecksFailed(Vec<Check>),
    /// Findings that the reviewer has not expressly accepted.
    #[error(
        "{}; accept each by its code, or ask the exporter, or reject",
        listed("findings are open", .0)
    )]
    FindingsOpen(Vec<Check>),
    /// Certificates are not issued for goods that have left already.
    #[error(
        "the day of issue {issued_on} is after the day of export {export_on}: a certificate must be issued before \
         export, reject the request"
    )]
    IssuedAfterExport {
        /// When it would be issued.
        issued_on: Date,
        /// When the goods leave, or left.
        export_on: Date,
    },
    /// The same for a validity that begins before the issue.
    #[error(
        "valid_from {valid_from} is before the day of issue {issued_on}: a certificate must be issued before export, \
         state a first day of validity from {issued_on} on"
    )]
    ValidBeforeIssue {
        /// When it would be issued.
        issued_on: Date,
        /// First day of validity.
        valid_from: Date,
    },
    /// The parts of a number are not those of the certificate.
    #[error(
        "number {number} does not begin with certifier {certifier} and operation {operation}: check it against OID, \
         then accept CERTIFICATE_NUMBER_INCONSISTENT"
    )]
    NumberInconsistent {
        /// As entered.
        number: CertificateNumber,
        /// Of the certificate.
        certifier: CertifierId,
        /// The exporter.
        operation: NopId,
    },
    /// A successor that allows less than was drawn.
    #[error("total_weight_kg: {drawn} kg are drawn already, the successor would allow {limit} kg")]
    LessThanDrawn {
        /// Sum of the draws.
        drawn: Weight,
        /// What the successor would allow, excess that was permitted before included.
        limit: Weight,
    },
    /// A certificate for one shipment of which several entries have drawn.
    #[error(
        "kind: several entries have drawn on {0}, and a SINGLE_SHIPMENT certificate is for one: take back all but one of \
         them first (`nopic certificate show {0} --draws` lists those of yours), or leave the kind"
    )]
    SeveralHaveDrawn(CertificateNumber),
    /// An amendment of nothing.
    #[error("the amendment changes nothing: state what the successor says otherwise")]
    NothingChanges,
}

impl Refusal {
    /// This field is wrong for this reason.
    pub fn invalid(field: &'static str, reason: impl ToString) -> Self {
        Self::Invalid {
            field,
            reason: reason.to_string(),
        }
    }
}

fn what_is_possible(possible: &[Step], successor: Option<CertificateNumber>) -> String {
    if let Some(successor) = successor {
        return format!("its successor is {successor}: act on that one");
    }
    if possible.is_empty() {
        return "nothing more can be done to it".to_owned();
    }
    let words: Vec<&str> = possible.iter().map(|step| step.as_str()).collect();
    format!("possible: {}", words.join(", "))
}

fn listed(what: &str, checks: &[Check]) -> String {
    let said: Vec<String> = checks
        .iter()
        .map(|check| format!("{} ({})", check.code.as_str(), check.message))
        .collect();
    format!("{what}: {}", said.join("; "))
}
