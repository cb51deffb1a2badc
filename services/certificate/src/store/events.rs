//! What others hear of certificates: the one codec of events of this service.

use nopic_domain::certificate::{Certificate, CertificateStatus};
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::lifecycle::{Stage, Step};
use nopic_domain::weight::Weight;
use nopic_proto::events as wire;
use nopic_sql::outbox::NewMessage;

use super::lifecycle::StoredRequest;

/// A step of a request.
pub(super) fn request_step(step: Step, reason: &str, stored: &StoredRequest) -> wire::CertificateStepTaken {
    let request = &stored.request;
    let requested = &request.requested;
    let is_open = !matches!(request.stage, Stage::Issued | Stage::Rejected);
    wire::CertificateStepTaken {
        step: step.as_str().to_owned(),
        certificate_number: request
            .number
            .map(|number| number.to_string())
            .unwrap_or_default(),
        request: i64::try_from(stored.number).unwrap_or(i64::MAX),
        exporter_nop_id: requested.exporter_nop_id.to_string(),
        importer_nop_id: requested.importer_nop_id.to_string(),
        certifier_id: requested.certifier_id.to_string(),
        reason: reason.to_owned(),
        superseded_by: String::new(),
        due_on: if is_open {
            request.due_on.to_string()
        } else {
            String::new()
        },
    }
}

/// A step of a certificate that was issued before.
pub(super) fn certificate_step(
    step: Step,
    reason: &str,
    certificate: &Certificate,
) -> wire::CertificateStepTaken {
    wire::CertificateStepTaken {
        step: step.as_str().to_owned(),
        certificate_number: certificate.number.to_string(),
        request: 0,
        exporter_nop_id: certificate.exporter_nop_id.to_string(),
        importer_nop_id: certificate.importer_nop_id.to_string(),
        certifier_id: certificate.certifier_id.to_string(),
        reason: reason.to_owned(),
        superseded_by: certificate
            .superseded_by
            .map(|number| number.to_string())
            .unwrap_or_default(),
        due_on: String::new(),
    }
}

/// What an import ended: a certificate that held before and does not any more.
pub(super) fn ended_by_import(certificate: &Certificate, reason: &str) -> Option<wire::CertificateStepTaken> {
    let step = match certificate.status {
        CertificateStatus::Voided => Step::Void,
        CertificateStatus::Superseded => Step::Amend,
        _ => return None,
    };
    Some(certificate_step(step, reason, certificate))
}

/// Tells these tenants of a step, each once.
pub(super) fn tell_step<'a>(
    tenants: impl IntoIterator<Item = &'a str>,
    subject: &str,
    step: &wire::CertificateStepTaken,
) -> Vec<NewMessage> {
    let mut tenants: Vec<&str> = tenants.into_iter().collect();
    tenants.sort_unstable();
    tenants.dedup();
    tenants
        .into_iter()
        .map(|tenant| {
            let what = wire::event::What::CertificateStepTaken(step.clone());
            message(tenant, subject, what)
        })
        .collect()
}

/// A draw left little.
pub(super) fn running_out(
    tenant: &str,
    number: CertificateNumber,
    left: Weight,
    limit: Weight,
) -> NewMessage {
    let number = number.to_string();
    let what = wire::event::What::CertificateRunningOut(wire::CertificateRunningOut {
        certificate_number: number.clone(),
        left_kg: left.to_string(),
        limit_kg: limit.to_string(),
    });
    message(tenant, &number, what)
}

fn message(tenant: &str, subject: &str, what: wire::event::What) -> NewMessage {
    NewMessage {
        tenant: tenant.to_owned(),
        topic: what.topic(),
        subject: subject.to_owned(),
        content: what.into_content(),
    }
}
