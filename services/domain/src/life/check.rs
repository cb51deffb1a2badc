//! The checks of a request against what is known: each with what was found, never a yes from nothing.

use serde::{Deserialize, Serialize};

use super::knowledge::{Knowledge, Operation, RegistryKnowledge};
use super::product::{self, ProductMatch};
use super::requested::{Contract, Requested};
use super::step::words;
use crate::certificate::Certificate;
use crate::date::Date;
use crate::identifier::{CertifierId, NopId};
use crate::policy::Policy;
use crate::registry::{Scope, Status, StatusOnDate, Timeline};

/// Pieces of evidence that are kept of one check.
const MAX_EVIDENCE: usize = 10;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckCode {
    /// The exporter's number begins with the certifier's. Inferred: only a finding rests on it.
    CertifierOfExporter,
    /// Nothing leaves before the certificate can be issued.
    ExportAfterIssue,
    /// The registry's newest full snapshot is recent.
    RegistryRecent,
    /// The exporter is certified.
    ExporterCertified,
    /// The exporter is certified for a scope that fits.
    ExporterScope,
    /// The importer is certified.
    ImporterCertified,
    /// The importer is certified for handling.
    ImporterHandler,
    /// The final handler, if one is named, is certified.
    FinalHandlerCertified,
    /// The product is among the exporter's certified products.
    ProductCertified,
    /// The contract names the importer.
    ContractNamesImporter,
}

words!(CheckCode {
    CertifierOfExporter = "CERTIFIER_OF_EXPORTER",
    ExportAfterIssue = "EXPORT_AFTER_ISSUE",
    RegistryRecent = "REGISTRY_RECENT",
    ExporterCertified = "EXPORTER_CERTIFIED",
    ExporterScope = "EXPORTER_SCOPE",
    ImporterCertified = "IMPORTER_CERTIFIED",
    ImporterHandler = "IMPORTER_HANDLER",
    FinalHandlerCertified = "FINAL_HANDLER_CERTIFIED",
    ProductCertified = "PRODUCT_CERTIFIED",
    ContractNamesImporter = "CONTRACT_NAMES_IMPORTER",
});

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// As it must be.
    Passed,
    /// The reviewer must look, and may accept it.
    Finding,
    /// Nobody may pass over it.
    Failed,
    /// The registry did not answer, or knows nothing about the day.
    Indeterminate,
}

words!(Outcome {
    Passed = "PASSED",
    Finding = "FINDING",
    Failed = "FAILED",
    Indeterminate = "INDETERMINATE",
});

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

impl Check {
    fn new(code: CheckCode, outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            code,
            outcome,
            message: message.into(),
            evidence: Vec::new(),
        }
    }

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
        Ok(said) => Check::new(CheckCode::ImporterCertified, Outcome::Passed, said),
        Err((outcome, said)) => Check::new(
            CheckCode::ImporterCertified,
            outcome,
            format!("importer {}: {said}", subject.importer),
        ),
    });
    checks.push(importer_handler(&known.importer, today));
    if let Some(handler) = subject.final_handler {
        checks.push(match status(&known.final_handler, today) {
            Ok(said) => Check::new(CheckCode::FinalHandlerCertified, Outcome::Passed, said),
            // It may be certified under an arrangement, or need no certification of its own: for the reviewer to say.
            Err((outcome, said)) => Check::new(
                CheckCode::FinalHandlerCertified,
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
        return Check::new(
            CheckCode::CertifierOfExporter,
            Outcome::Passed,
            format!(
                "exporter {} has a number of certifier {assigned_by}",
                subject.exporter
            ),
        );
    }
    Check::new(
        CheckCode::CertifierOfExporter,
        Outcome::Finding,
        format!(
            "the first digits of exporter {} name certifier {assigned_by}, certifier {} is asked",
            subject.exporter, subject.certifier
        ),
    )
}

fn export_after_issue(subject: &Subject<'_>, today: Date) -> Option<Check> {
    let valid_from = subject.valid_from?;
    let (outcome, message) = match subject.export_on {
        Some(export_on) if export_on < today => (
            Outcome::Failed,
            format!("the goods left on {export_on}: a certificate must be issued before export"),
        ),
        Some(export_on) => (
            Outcome::Passed,
            format!("the goods leave on {export_on}: issue it by then"),
        ),
        None if valid_from < today => (
            Outcome::Finding,
            format!("the validity begins on {valid_from}: it must begin on the day of issue or later"),
        ),
        None => (
            Outcome::Passed,
            format!("the validity begins on {valid_from}: issue it by then"),
        ),
    };
    Some(Check::new(CheckCode::ExportAfterIssue, outcome, message))
}

fn registry_recent(known: &RegistryKnowledge, policy: &Policy, today: Date) -> Check {
    let code = CheckCode::RegistryRecent;
    let Some(revision) = known.revision else {
        return Check::new(code, Outcome::Indeterminate, "the registry did not answer");
    };
    let Some(published_on) = known.published_on else {
        return Check::new(
            code,
            Outcome::Finding,
            format!("registry revision {revision} holds no full snapshot"),
        );
    };
    let age = (today - published_on).num_days();
    let (outcome, words) = if age > i64::from(policy.stale_after_days()) {
        (Outcome::Finding, "import a newer snapshot")
    } else {
        (Outcome::Passed, "recent enough")
    };
    Check::new(
        code,
        outcome,
        format!("registry revision {revision} was published on {published_on}: {words}"),
    )
}

/// Whether an operation is certified on a day, in words.
fn status(known: &Knowledge, today: Date) -> Result<String, (Outcome, String)> {
    let operation = match known {
        Knowledge::Unavailable => {
            return Err((Outcome::Indeterminate, "the registry did not answer".to_owned()));
        }
        Knowledge::NotListed => {
            return Err((Outcome::Failed, "not listed in the registry".to_owned()));
        }
        Knowledge::Listed(operation) => operation,
    };
    match operation.timeline.status_on(today) {
        StatusOnDate::Known(Status::Certified) => Ok(format!("{} is certified on {today}", operation.name)),
        StatusOnDate::Known(status) => Err((
            Outcome::Failed,
            format!(
                "{} is {} on {today}, not certified",
                operation.name,
                status.as_str()
            ),
        )),
        StatusOnDate::Unknown => Err((
            Outcome::Indeterminate,
            format!("no snapshot says anything about {} on {today}", operation.name),
        )),
    }
}

fn exporter_certified(subject: &Subject<'_>, known: &Knowledge, policy: &Policy, today: Date) -> Check {
    let code = CheckCode::ExporterCertified;
    match status(known, today) {
        Ok(said) => Check::new(code, Outcome::Passed, said),
        Err((Outcome::Failed, said))
            if !is_listed_on(known, today) && has_arrangement(subject, policy, today) =>
        {
            Check::new(
                code,
                Outcome::Finding,
                format!(
                    "exporter {}: {said}; it cannot be verified here, because the country of origin has a trade \
                     arrangement: look it up in OID's Trade Partner module",
                    subject.exporter
                ),
            )
        }
        Err((outcome, said)) => Check::new(code, outcome, format!("exporter {}: {said}", subject.exporter)),
    }
}

fn is_listed_on(known: &Knowledge, today: Date) -> bool {
    match known {
        Knowledge::Listed(operation) => {
            operation.timeline.status_on(today) != StatusOnDate::Known(&Status::Unlisted)
        }
        Knowledge::Unavailable | Knowledge::NotListed => false,
    }
}

fn has_arrangement(subject: &Subject<'_>, policy: &Policy, today: Date) -> bool {
    subject
        .countries
        .iter()
        .filter_map(|country| <[u8; 2]>::try_from(country.as_bytes()).ok())
        .any(|country| policy.has_arrangement(country, today))
}

/// A scope fits if the product stands under it; where that is not stated, any certified scope does.
fn exporter_scope(known: &Knowledge, products: Option<&[ProductMatch]>, today: Date) -> Check {
    let code = CheckCode::ExporterScope;
    let operation = match known {
        Knowledge::Unavailable => {
            return Check::new(code, Outcome::Indeterminate, "the registry did not answer");
        }
        Knowledge::NotListed => {
            return Check::new(
                code,
                Outcome::Indeterminate,
                "nothing is known of the exporter's scopes",
            );
        }
        Knowledge::Listed(operation) => operation,
    };
    let certified = certified_scopes(&operation.timeline, today);
    let stated = Scope::ALL
        .into_iter()
        .any(|scope| operation.timeline.ever_stated(scope));
    let wanted: Vec<Scope> = products
        .unwrap_or_default()
        .iter()
        .filter_map(|found| found.scope)
        .collect();
    let names: Vec<&str> = certified.iter().map(|scope| scope.as_str()).collect();
    if certified.is_empty() {
        return if stated {
            Check::new(
                code,
                Outcome::Failed,
                format!("{} has no certified scope on {today}", operation.name),
            )
        } else {
            Check::new(
                code,
                Outcome::Finding,
                format!("the registry states no scope of {}", operation.name),
            )
        };
    }
    if wanted.is_empty() || wanted.iter().any(|scope| certified.contains(scope)) {
        return Check::new(
            code,
            Outcome::Passed,
            format!("{} is certified for {}", operation.name, names.join(", ")),
        );
    }
    let wanted: Vec<&str> = wanted.iter().map(|scope| scope.as_str()).collect();
    Check::new(
        code,
        Outcome::Failed,
        format!(
            "the product stands under {}, {} is certified for {} only",
            wanted.join(", "),
            operation.name,
            names.join(", ")
        ),
    )
}

fn certified_scopes(timeline: &Timeline, today: Date) -> Vec<Scope> {
    Scope::ALL
        .into_iter()
        .filter(|scope| timeline.scope_on(*scope, today) == Some(&Status::Certified))
        .collect()
}

fn importer_handler(known: &Knowledge, today: Date) -> Check {
    let code = CheckCode::ImporterHandler;
    let operation: &Operation = match known {
        Knowledge::Unavailable => {
            return Check::new(code, Outcome::Indeterminate, "the registry did not answer");
        }
        Knowledge::NotListed => {
            return Check::new(
                code,
                Outcome::Failed,
                "the importer is not listed in the registry",
            );
        }
        Knowledge::Listed(operation) => operation,
    };
    let name = &operation.name;
    match operation.timeline.scope_on(Scope::Handling, today) {
        Some(Status::Certified) => {
            Check::new(code, Outcome::Passed, format!("{name} is certified as a handler"))
        }
        Some(status) => Check::new(
            code,
            Outcome::Failed,
            format!("handling of {name} is {} on {today}", status.as_str()),
        ),
        None if operation.timeline.ever_stated(Scope::Handling) => Check::new(
            code,
            Outcome::Indeterminate,
            format!("no snapshot says anything about handling of {name} on {today}"),
        ),
        None => Check::new(
            code,
            Outcome::Finding,
            format!("the registry states no handling scope of {name}"),
        ),
    }
}

fn product_certified(subject: &Subject<'_>, known: &Knowledge, products: Option<&[ProductMatch]>) -> Check {
    let code = CheckCode::ProductCertified;
    let product = subject.product;
    match (known, products) {
        (Knowledge::Unavailable, _) => {
            Check::new(code, Outcome::Indeterminate, "the registry did not answer")
        }
        (_, None) => Check::new(
            code,
            Outcome::Indeterminate,
            "nothing is known of the exporter's certified products",
        ),
        (_, Some([])) => Check::new(
            code,
            Outcome::Finding,
            format!("no certified product of the exporter has the words of {product:?}"),
        ),
        (_, Some(found)) => Check {
            evidence: found
                .iter()
                .take(MAX_EVIDENCE)
                .map(|found| found.evidence.clone())
                .collect(),
            ..Check::new(
                code,
                Outcome::Passed,
                format!("{product:?} is among the exporter's certified products"),
            )
        },
    }
}

/// Names match if all words of one stand in the other.
fn contract_names_importer(contract: Option<&Contract>, known: &Knowledge) -> Check {
    let code = CheckCode::ContractNamesImporter;
    let Some(contract) = contract else {
        return Check::new(
            code,
            Outcome::Finding,
            "no contract is named: ask for the one that names the importer",
        );
    };
    let operation = match known {
        Knowledge::Unavailable => {
            return Check::new(code, Outcome::Indeterminate, "the registry did not answer");
        }
        Knowledge::NotListed => {
            return Check::new(code, Outcome::Indeterminate, "the importer's name is not known");
        }
        Knowledge::Listed(operation) => operation,
    };
    let named = product::words(&contract.importer);
    let all_in = |needed: &[String], among: &[String]| {
        !needed.is_empty() && needed.iter().all(|word| among.contains(word))
    };
    let same = std::iter::once(&operation.name)
        .chain(&operation.other_names)
        .find(|name| {
            let name = product::words(name);
            all_in(&name, &named) || all_in(&named, &name)
        });
    match same {
        Some(name) => Check {
            evidence: vec![format!("{:?} in {:?}", contract.importer, contract.reference)],
            ..Check::new(code, Outcome::Passed, format!("the contract names {name}"))
        },
        None => Check::new(
            code,
            Outcome::Finding,
            format!(
                "contract {:?} names {:?}, the importer is {} in the registry",
                contract.reference, contract.importer, operation.name
            ),
        ),
    }
}
