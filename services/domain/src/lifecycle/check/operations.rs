//! What the registry says about the operations of a request.

use super::{Check, CheckCode, MAX_EVIDENCE, NO_ANSWER, Outcome, Subject};
use crate::date::Date;
use crate::lifecycle::knowledge::Knowledge;
use crate::lifecycle::product::{self, ProductMatch};
use crate::lifecycle::requested::Contract;
use crate::policy::Policy;
use crate::registry::{Scope, Status, StatusOnDate, Timeline};

/// Whether an operation is certified on a day, in words.
pub(super) fn status(known: &Knowledge, today: Date) -> Result<String, (Outcome, String)> {
    let operation = match known {
        Knowledge::Unavailable => {
            return Err((Outcome::Indeterminate, NO_ANSWER.to_owned()));
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

pub(super) fn exporter_certified(
    subject: &Subject<'_>,
    known: &Knowledge,
    policy: &Policy,
    today: Date,
) -> Check {
    let code = CheckCode::ExporterCertified;
    match status(known, today) {
        Ok(said) => code.passed(said),
        Err((Outcome::Failed, said))
            if !is_listed_on(known, today) && has_arrangement(subject, policy, today) =>
        {
            code.finding(format!(
                "exporter {}: {said}; it cannot be verified here, because the country of origin has a trade \
                     arrangement: look it up in OID's Trade Partner module",
                subject.exporter
            ))
        }
        Err((outcome, said)) => code.came_to(outcome, format!("exporter {}: {said}", subject.exporter)),
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
pub(super) fn exporter_scope(known: &Knowledge, products: Option<&[ProductMatch]>, today: Date) -> Check {
    let code = CheckCode::ExporterScope;
    let operation = match known {
        Knowledge::Unavailable => return code.indeterminate(NO_ANSWER),
        Knowledge::NotListed => return code.indeterminate("nothing is known of the exporter's scopes"),
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
            code.failed(format!("{} has no certified scope on {today}", operation.name))
        } else {
            code.finding(format!("the registry states no scope of {}", operation.name))
        };
    }
    if wanted.is_empty() || wanted.iter().any(|scope| certified.contains(scope)) {
        return code.passed(format!(
            "{} is certified for {}",
            operation.name,
            names.join(", ")
        ));
    }
    let wanted: Vec<&str> = wanted.iter().map(|scope| scope.as_str()).collect();
    code.failed(format!(
        "the product stands under {}, {} is certified for {} only",
        wanted.join(", "),
        operation.name,
        names.join(", ")
    ))
}

fn certified_scopes(timeline: &Timeline, today: Date) -> Vec<Scope> {
    Scope::ALL
        .into_iter()
        .filter(|scope| timeline.scope_on(*scope, today) == Some(&Status::Certified))
        .collect()
}

pub(super) fn importer_handler(known: &Knowledge, today: Date) -> Check {
    let code = CheckCode::ImporterHandler;
    let operation = match known {
        Knowledge::Unavailable => return code.indeterminate(NO_ANSWER),
        Knowledge::NotListed => return code.failed("the importer is not listed in the registry"),
        Knowledge::Listed(operation) => operation,
    };
    let name = &operation.name;
    match operation.timeline.scope_on(Scope::Handling, today) {
        Some(Status::Certified) => code.passed(format!("{name} is certified as a handler")),
        Some(status) => code.failed(format!("handling of {name} is {} on {today}", status.as_str())),
        None if operation.timeline.ever_stated(Scope::Handling) => code.indeterminate(format!(
            "no snapshot says anything about handling of {name} on {today}"
        )),
        None => code.finding(format!("the registry states no handling scope of {name}")),
    }
}

pub(super) fn product_certified(
    subject: &Subject<'_>,
    known: &Knowledge,
    products: Option<&[ProductMatch]>,
) -> Check {
    let code = CheckCode::ProductCertified;
    let product = subject.product;
    match (known, products) {
        (Knowledge::Unavailable, _) => code.indeterminate(NO_ANSWER),
        (_, None) => code.indeterminate("nothing is known of the exporter's certified products"),
        (_, Some([])) => code.finding(format!(
            "no certified product of the exporter has the words of {product:?}"
        )),
        (_, Some(found)) => Check {
            evidence: found
                .iter()
                .take(MAX_EVIDENCE)
                .map(|found| found.evidence.clone())
                .collect(),
            ..code.passed(format!("{product:?} is among the exporter's certified products"))
        },
    }
}

/// Names match if all words of one stand in the other.
pub(super) fn contract_names_importer(contract: Option<&Contract>, known: &Knowledge) -> Check {
    let code = CheckCode::ContractNamesImporter;
    let Some(contract) = contract else {
        return code.finding("no contract is named: ask for the one that names the importer");
    };
    let operation = match known {
        Knowledge::Unavailable => return code.indeterminate(NO_ANSWER),
        Knowledge::NotListed => return code.indeterminate("the importer's name is not known"),
        Knowledge::Listed(operation) => operation,
    };
    let named = product::words(&contract.importer);
    let found = std::iter::once(&operation.name)
        .chain(&operation.other_names)
        .find(|name| {
            let name = product::words(name);
            product::all_in(&name, &named) || product::all_in(&named, &name)
        });
    match found {
        Some(name) => Check {
            evidence: vec![format!("{:?} in {:?}", contract.importer, contract.reference)],
            ..code.passed(format!("the contract names {name}"))
        },
        None => code.finding(format!(
            "contract {:?} names {:?}, the importer is {} in the registry",
            contract.reference, contract.importer, operation.name
        )),
    }
}
