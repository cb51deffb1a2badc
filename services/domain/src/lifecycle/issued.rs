//! An issued certificate: voided, or replaced by a successor.

use chrono::{DateTime, Utc};

use super::check::{Check, CheckCode};
use super::fields::{countries, list, reason, text, weight, window};
use super::refusal::Refusal;
use super::request::refuse_failed;
use super::step::{Step, possible_for};
use super::{require_certifier, require_version};
use crate::certificate::{Certificate, CertificateKind, CertificateStatus};
use crate::date::{Date, day_of};
use crate::entry::normalise_list;
use crate::hts::HtsCode;
use crate::identifier::{CertificateNumber, NopId};
use crate::ledger::past;
use crate::principal::Principal;
use crate::weight::Weight;

/// What a successor states otherwise; absent: as its predecessor does. Certifier and exporter stay: their certificate
/// is another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amendment {
    /// The importer.
    pub importer_nop_id: Option<NopId>,
    /// The final handler.
    pub final_handler_nop_id: Option<NopId>,
    /// The product.
    pub product: Option<String>,
    /// The tariff code.
    pub hts_code: Option<HtsCode>,
    /// The kind.
    pub kind: Option<CertificateKind>,
    /// First day of validity.
    pub valid_from: Option<Date>,
    /// Last day of validity.
    pub valid_to: Option<Date>,
    /// The weight that it allows in all.
    pub total_weight_kg: Option<Weight>,
    /// The countries of origin.
    pub countries_of_origin: Option<Vec<String>>,
    /// The lots.
    pub lots: Option<Vec<String>>,
}

/// The sums of a certificate's ledger, as far as a successor needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DrawnSoFar {
    /// What may be drawn without excess: total and tolerance.
    pub limit: Weight,
    /// Sum of the draws.
    pub drawn: Weight,
    /// What was permitted past the limit.
    pub excess: Weight,
    /// The part of that which is marked on the draws that have it.
    pub marked: Weight,
    /// Whether more than one entry has drawn.
    pub by_several: bool,
}

/// The certificate without force, and why.
///
/// # Errors
/// The caller may not, another version stands, it is not in force, or no reason is given.
pub fn void(
    certificate: &Certificate,
    versions: (u32, u32),
    why: &str,
    principal: &Principal,
) -> Result<(Certificate, String), Refusal> {
    require(certificate, Step::Void, versions, principal)?;
    let why = reason("reason", why)?;
    let voided = Certificate {
        status: CertificateStatus::Voided,
        ..certificate.clone()
    };
    Ok((voided, why))
}

/// May this certificate be amended by the caller?
///
/// # Errors
/// The caller may not, another version stands, or it is not in force.
pub fn require_amendable(
    certificate: &Certificate,
    versions: (u32, u32),
    principal: &Principal,
) -> Result<(), Refusal> {
    require(certificate, Step::Amend, versions, principal)
}

fn require(
    certificate: &Certificate,
    step: Step,
    (current, expected): (u32, u32),
    principal: &Principal,
) -> Result<(), Refusal> {
    require_certifier(principal, certificate.certifier_id)?;
    require_version(current, expected)?;
    let possible = possible_for(certificate.status);
    if possible.contains(&step) {
        Ok(())
    } else {
        Err(Refusal::IllegalStep {
            step,
            state: certificate.status.as_str(),
            possible,
            successor: certificate.superseded_by,
        })
    }
}

/// What the successor states: everything but its number, which stays its predecessor's until [`succeed`]. It is issued
/// on the day of the amendment.
///
/// # Errors
/// A field cannot be what it says, or nothing changes.
pub fn successor(
    certificate: &Certificate,
    amendment: Amendment,
    now: DateTime<Utc>,
) -> Result<Certificate, Refusal> {
    let Amendment {
        importer_nop_id,
        final_handler_nop_id,
        product,
        hts_code,
        kind,
        valid_from,
        valid_to,
        total_weight_kg,
        countries_of_origin,
        lots,
    } = amendment;
    let mut next = certificate.clone();
    next.importer_nop_id = importer_nop_id.unwrap_or(next.importer_nop_id);
    next.final_handler_nop_id = final_handler_nop_id.or(next.final_handler_nop_id);
    if let Some(product) = product {
        let product = product.trim().to_owned();
        text("product", Some(&product))?;
        next.product = Some(product);
    }
    next.hts_code = hts_code.unwrap_or(next.hts_code);
    next.kind = kind.unwrap_or(next.kind);
    next.valid_from = valid_from.or(next.valid_from);
    next.valid_to = valid_to.or(next.valid_to);
    if let (Some(from), Some(to)) = (next.valid_from, next.valid_to) {
        window(from, to, None)?;
    }
    next.total_weight_kg = total_weight_kg.unwrap_or(next.total_weight_kg);
    weight(next.total_weight_kg)?;
    if let Some(stated) = countries_of_origin {
        next.countries_of_origin = stated;
        normalise_list(&mut next.countries_of_origin);
        for country in &mut next.countries_of_origin {
            country.make_ascii_uppercase();
        }
        countries(&next.countries_of_origin)?;
    }
    if let Some(stated) = lots {
        next.lots = stated;
        normalise_list(&mut next.lots);
        list("lots", &next.lots)?;
    }
    if next == *certificate {
        return Err(Refusal::NothingChanges);
    }
    next.issued_on = Some(day_of(now));
    Ok(next)
}

/// Refuses findings about what an amendment changes, unless the reviewer accepts them. What stays was checked before.
///
/// # Errors
/// Checks that failed, or findings that are open.
pub fn require_checked(
    certificate: &Certificate,
    successor: &Certificate,
    checks: &[Check],
    accepted: &[CheckCode],
) -> Result<(), Refusal> {
    let concerned: Vec<Check> = checks
        .iter()
        .filter(|check| match check.code {
            CheckCode::ImporterCertified | CheckCode::ImporterHandler => {
                successor.importer_nop_id != certificate.importer_nop_id
            }
            CheckCode::FinalHandlerCertified => {
                successor.final_handler_nop_id != certificate.final_handler_nop_id
            }
            CheckCode::ProductCertified => successor.product != certificate.product,
            CheckCode::CertifierOfExporter
            | CheckCode::ExportAfterIssue
            | CheckCode::RegistryRecent
            | CheckCode::ExporterCertified
            | CheckCode::ExporterScope
            | CheckCode::ContractNamesImporter => false,
        })
        .cloned()
        .collect();
    refuse_failed(&concerned)?;
    let open: Vec<Check> = concerned
        .into_iter()
        .filter(|check| check.is_open() && !accepted.contains(&check.code))
        .collect();
    if open.is_empty() {
        Ok(())
    } else {
        Err(Refusal::FindingsOpen(open))
    }
}

/// What the successor's ledger holds: everything that was drawn moves along, and the tolerance as a share of the total,
/// as it is meant: in kilograms it is the successor's own.
///
/// # Errors
/// It would allow less than was drawn, or one shipment where several entries have drawn.
pub fn move_along(
    certificate: &Certificate,
    successor: &Certificate,
    so_far: DrawnSoFar,
) -> Result<DrawnSoFar, Refusal> {
    let is_single = |certificate: &Certificate| certificate.kind == CertificateKind::SingleShipment;
    if so_far.by_several && is_single(successor) && !is_single(certificate) {
        return Err(Refusal::SeveralHaveDrawn(certificate.number));
    }
    let tolerance = past(certificate.total_weight_kg, so_far.limit);
    let tolerance = share(tolerance, certificate.total_weight_kg, successor.total_weight_kg);
    let limit = successor.total_weight_kg.saturating_add(tolerance);
    let most = limit.saturating_add(so_far.excess);
    if so_far.drawn > most {
        return Err(Refusal::LessThanDrawn {
            drawn: so_far.drawn,
            limit: most,
        });
    }
    let excess = so_far.marked.max(past(limit, so_far.drawn));
    Ok(DrawnSoFar {
        limit,
        excess,
        ..so_far
    })
}

/// As much of `of` as `part` is of `whole`, rounded down; nothing of nothing.
fn share(part: Weight, whole: Weight, of: Weight) -> Weight {
    let units = i128::from(part.units()) * i128::from(of.units());
    let units = units.checked_div(i128::from(whole.units())).unwrap_or_default();
    Weight::from_units(i64::try_from(units).unwrap_or(i64::MAX))
}

/// The predecessor and the successor with its number.
///
/// # Errors
/// The number has other parts than those of the certificate and is not meant so.
pub fn succeed(
    certificate: &Certificate,
    mut successor: Certificate,
    number: CertificateNumber,
    accept_inconsistent: bool,
) -> Result<(Certificate, Certificate), Refusal> {
    let (certifier, operation) = (certificate.certifier_id, certificate.exporter_nop_id);
    if !accept_inconsistent && (number.certifier(), number.operation()) != (certifier, operation) {
        return Err(Refusal::NumberInconsistent {
            number,
            certifier,
            operation,
        });
    }
    successor.number = number;
    let superseded = Certificate {
        status: CertificateStatus::Superseded,
        superseded_by: Some(number),
        ..certificate.clone()
    };
    Ok((superseded, successor))
}
