//! The checks of a request against what is known: each with what was found, never a yes from nothing.

mod operations;

use serde::{Deserialize, Serialize};

use self::operations::{
    contract_names_importer, exporter_certified, exporter_scope, importer_handler, product_certified, status,
};
use super::knowledge::{Knowledge, RegistryKnowledge};
use super::product;
use super::requested::{Contract, Requested};
use crate::certificate::Certificate;
use crate::date::Date;
use crate::identifier::{CertifierId, NopId};
use crate::policy::Policy;

/// Pieces of evidence that are kept of one check.
const MAX_EVIDENCE: usize = 10;

const NO_ANSWER: &str = "the registry did not answer";

words! {
    /// What is checked.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum CheckCode {
        /// The exporter's number begins with the certifier's. Inferred: only a finding rests on it.
        CertifierOfExporter = "CERTIFIER_OF_EXPORTER",
        /// Nothing leaves before the certificate can be issued.
        ExportAfterIssue = "EXPORT_AFTER_ISSUE",
        /// The registry's newest full snapshot is recent.
        RegistryRecent = "REGISTRY_RECENT",
        /// The exporter is certified.
        ExporterCertified = "EXPORTER_CERTIFIED",
        /// The exporter is certified for a scope that fits.
        ExporterScope = "EXPORTER_SCOPE",
        /// The importer is certified.
        ImporterCertified = "IMPORTER_CERTIFIED",
        /// The importer is certified for handling.
        ImporterHandler = "IMPORTER_HANDLER",
        /// The final handler, if one is named, is certified.
        FinalHandlerCertified = "FINAL_HANDLER_CERTIFIED",
        /// The product is among the exporter's certified products.
        ProductCertified = "PRODUCT_CERTIFIED",
        /// The contract names the importer.
        ContractNamesImporter = "CONTRACT_NAMES_IMPORTER",
    }
}

words! {
    /// What came of it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Outcome {
        /// As it must be.
        Passed = "PASSED",
        /// The reviewer must look, and may accept it.
        Finding = "FINDING",
        /// Nobody may pass over it.
        Failed = "FAILED",
        /// The registry did not answer, or knows nothing about the day.
        Indeterminate = "INDETERMINATE",
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was checked.
    pub code: CheckCode,
    /// What came of it.
    pub outcome: Outcome,
    /// In words.
    pub message: String,
    /// What stands in the registry, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

impl CheckCode {
    fn came_to(self, outcome: Outcome, message: impl Into<String>) -> Check {
        Check {
            code: self,
            outcome,
            message: message.into(),
            evidence: Vec::new(),
        }
    }

    fn passed(self, message: impl Into<String>) -> Check {
        self.came_to(Outcome::Passed, message)
    }

    fn finding(self, message: impl Into<String>) -> Check {
        self.came_to(Outcome::Finding, message)
    }

    fn failed(self, message: impl Into<String>) -> Check {
        self.came_to(Outcome::Failed, message)
    }

    fn indeterminate(self, message: impl Into<String>) -> Check {
        self.came_to(Outcome::Indeterminate, message)
    }
}

impl Check {
    /// Whether a reviewer has to accept it before the certificate is issued.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.outcome, Outcome::Finding | Outcome::Indeterminate)
    }
}

/// What is checked: a request, or the successor that an amendment makes.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    certifier: CertifierId,
    exporter: NopId,
    importer: NopId,
    final_handler: Option<NopId>,
    product: &'a str,
    countries: &'a [String],
    /// Absent where nothing is asked of it.
    contract: Option<Option<&'a Contract>>,
    export_on: Option<Date>,
    valid_from: Option<Date>,
}

impl<'a> From<&'a Requested> for Subject<'a> {
    fn from(requested: &'a Requested) -> Self {
        Self {
            certifier: requested.certifier_id,
            exporter: requested.exporter_nop_id,
            importer: requested.importer_nop_id,
            final_handler: requested.final_handler_nop_id,
            product: &requested.product,
            countries: &requested.countries_of_origin,
            contract: Some(requested.contract.as_ref()),
            export_on: requested.export_on,
            valid_from: Some(requested.valid_from),
        }
    }
}

impl<'a> From<&'a Certificate> for Subject<'a> {
    fn from(certificate: &'a Certificate) -> Self {
        Self {
            certifier: certificate.certifier_id,
            exporter: certificate.exporter_nop_id,
            importer: certificate.importer_nop_id,
            final_handler: certificate.final_handler_nop_id,
            product: certificate.product.as_deref().unwrap_or_default(),
            countries: &certificate.countries_of_origin,
            contract: None,
            export_on: None,
            valid_from: None,
        }
    }
}

/// Every check that applies, as of a day. The policy says which countries have a trade arrangement, and when the
/// registry is stale.
#[must_use]
pub fn run<'a>(
    subject: impl Into<Subject<'a>>,
    known: &RegistryKnowledge,
    policy: &Policy,
    today: Date,
) -> Vec<Check> {
    let subject = subject.into();
    let mut checks = vec![certifier_of_exporter(&subject)];
    checks.extend(export_after_issue(&subject, today));
    checks.push(registry_recent(known, policy, today));
    let products = match &known.exporter {
        Knowledge::Listed(operation) => Some(product::matches(subject.product, &operation.products)),
        Knowledge::Unavailable | Knowledge::NotListed => None,
    };
    checks.push(exporter_certified(&subject, &known.exporter, policy, today));
    checks.push(exporter_scope(&known.exporter, products.as_deref(), today));
    checks.push(match status(&known.importer, today) {
        Ok(said) => CheckCode::ImporterCertified.passed(said),
        Err((outcome, said)) => {
            CheckCode::ImporterCertified.came_to(outcome, format!("importer {}: {said}", subject.importer))
        }
    });
    checks.push(importer_handler(&known.importer, today));
    if let Some(handler) = subject.final_handler {
        checks.push(match status(&known.final_handler, today) {
            Ok(said) => CheckCode::FinalHandlerCertified.passed(said),
            // It may be certified under an arrangement, or need no certification of its own: for the reviewer to say.
            Err((outcome, said)) => CheckCode::FinalHandlerCertified.came_to(
                match outcome {
                    Outcome::Failed => Outcome::Finding,
                    other => other,
                },
                format!("final handler {handler}: {said}"),
            ),
        });
    }
    checks.push(product_certified(&subject, &known.exporter, products.as_deref()));
    if let Some(contract) = subject.contract {
        checks.push(contract_names_importer(contract, &known.importer));
    }
    checks
}

fn certifier_of_exporter(subject: &Subject<'_>) -> Check {
    let assigned_by = subject.exporter.certifier();
    if assigned_by == subject.certifier {
        return CheckCode::CertifierOfExporter.passed(format!(
            "exporter {} has a number of certifier {assigned_by}",
            subject.exporter
        ));
    }
    CheckCode::CertifierOfExporter.finding(format!(
        "the first digits of exporter {} name certifier {assigned_by}, certifier {} is asked",
        subject.exporter, subject.certifier
    ))
}

fn export_after_issue(subject: &Subject<'_>, today: Date) -> Option<Check> {
    let valid_from = subject.valid_from?;
    let code = CheckCode::ExportAfterIssue;
    Some(match subject.export_on {
        Some(export_on) if export_on < today => code.failed(format!(
            "the goods left on {export_on}: a certificate must be issued before export"
        )),
        Some(export_on) => code.passed(format!("the goods leave on {export_on}: issue it by then")),
        None if valid_from < today => code.finding(format!(
            "the validity begins on {valid_from}: it must begin on the day of issue or later"
        )),
        None => code.passed(format!("the validity begins on {valid_from}: issue it by then")),
    })
}

fn registry_recent(known: &RegistryKnowledge, policy: &Policy, today: Date) -> Check {
    let code = CheckCode::RegistryRecent;
    let Some(revision) = known.revision else {
        return code.indeterminate(NO_ANSWER);
    };
    let Some(published_on) = known.published_on else {
        return code.finding(format!("registry revision {revision} holds no full snapshot"));
    };
    let age = (today - published_on).num_days();
    let said = format!("registry revision {revision} was published on {published_on}");
    if age > i64::from(policy.stale_after_days()) {
        code.finding(format!("{said}: import a newer snapshot"))
    } else {
        code.passed(format!("{said}: recent enough"))
    }
}
