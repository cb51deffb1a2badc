//! The messages of a certificate's life.

use nopic_chassis::requests::{given, given_day, moment_text};
use nopic_domain::certificate::CertificateKind;
use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::lifecycle::Stage;
use nopic_domain::lifecycle::check::{Check, CheckCode};
use nopic_domain::lifecycle::issued::Amendment;
use nopic_domain::lifecycle::request::{Request, StatedTerms};
use nopic_domain::lifecycle::requested::{Contract, Requested};
use nopic_domain::principal::{Principal, Role};
use nopic_proto::certificate as wire;

use super::parse_given;
use crate::error::Error;
use crate::store::lifecycle::{RequestFilter, Standing, StoredRequest, VersionRecord};

pub(crate) fn requested(wire: wire::RequestedCertificate) -> Result<Requested, Error> {
    let exporter: NopId = required("exporter_nop_id", &wire.exporter_nop_id)?;
    let requested = Requested {
        certifier_id: parse_given("certifier_id", &wire.certifier_id)?.unwrap_or(exporter.certifier()),
        exporter_nop_id: exporter,
        final_handler_nop_id: parse_given("final_handler_nop_id", &wire.final_handler_nop_id)?,
        importer_nop_id: required("importer_nop_id", &wire.importer_nop_id)?,
        product: wire.product,
        hts_code: required("hts_code", &wire.hts_code)?,
        countries_of_origin: wire.countries_of_origin,
        lots: wire.lots,
        total_weight_kg: required("total_weight_kg", &wire.total_weight_kg)?,
        kind: kind("kind", &wire.kind)?.ok_or_else(|| Error::invalid("kind", "not given"))?,
        valid_from: given_day("valid_from", &wire.valid_from)?
            .ok_or_else(|| Error::invalid("valid_from", "not given"))?,
        valid_to: given_day("valid_to", &wire.valid_to)?
            .ok_or_else(|| Error::invalid("valid_to", "not given"))?,
        export_on: given_day("export_on", &wire.export_on)?,
        port_of_lading: Some(wire.port_of_lading),
        port_of_unlading: Some(wire.port_of_unlading),
        transport: Some(wire.transport),
        containers: wire.containers,
        contract: wire.contract.map(|contract| Contract {
            reference: contract.reference,
            importer: contract.importer,
            sha256: Some(contract.sha256),
        }),
    };
    Ok(requested.normalise()?)
}

fn required<T: std::str::FromStr<Err: ToString>>(field: &'static str, text: &str) -> Result<T, Error> {
    parse_given(field, text.trim())?.ok_or_else(|| Error::invalid(field, "not given"))
}

fn kind(field: &'static str, text: &str) -> Result<Option<CertificateKind>, Error> {
    given(text)
        .map(|text| {
            CertificateKind::parse(text).ok_or_else(|| {
                let known = CertificateKind::ALL.map(CertificateKind::as_str).join(", ");
                Error::invalid(field, format!("{text:?} is none of {known}"))
            })
        })
        .transpose()
}

pub(crate) fn check_codes(texts: &[String]) -> Result<Vec<CheckCode>, Error> {
    texts
        .iter()
        .map(|text| {
            CheckCode::parse(text).ok_or_else(|| {
                let known: Vec<&str> = CheckCode::ALL.iter().map(|code| code.as_str()).collect();
                Error::invalid("accepted", format!("{text:?} is none of {}", known.join(", ")))
            })
        })
        .collect()
}

pub(crate) fn stated_terms(issued_on: &str, valid_from: &str, valid_to: &str) -> Result<StatedTerms, Error> {
    Ok(StatedTerms {
        issued_on: given_day("issued_on", issued_on)?,
        valid_from: given_day("valid_from", valid_from)?,
        valid_to: given_day("valid_to", valid_to)?,
    })
}

pub(crate) fn amendment(wire: &wire::AmendCertificateRequest) -> Result<Amendment, Error> {
    Ok(Amendment {
        importer_nop_id: parse_given("importer_nop_id", &wire.importer_nop_id)?,
        final_handler_nop_id: parse_given("final_handler_nop_id", &wire.final_handler_nop_id)?,
        product: given(&wire.product).map(str::to_owned),
        hts_code: parse_given("hts_code", &wire.hts_code)?,
        kind: kind("kind", &wire.kind)?,
        valid_from: given_day("valid_from", &wire.valid_from)?,
        valid_to: given_day("valid_to", &wire.valid_to)?,
        total_weight_kg: parse_given("total_weight_kg", &wire.total_weight_kg)?,
        countries_of_origin: wire.countries_of_origin.as_ref().map(|list| list.texts.clone()),
        lots: wire.lots.as_ref().map(|list| list.texts.clone()),
    })
}

pub(crate) fn request_filter(wire: &wire::ListRequestsRequest) -> Result<RequestFilter, Error> {
    Ok(RequestFilter {
        stage: given(&wire.stage)
            .map(|text| {
                Stage::parse(text).ok_or_else(|| {
                    let known: Vec<&str> = Stage::ALL.iter().map(|stage| stage.as_str()).collect();
                    Error::invalid("stage", format!("{text:?} is none of {}", known.join(", ")))
                })
            })
            .transpose()?,
        certifier: parse_given("certifier_id", &wire.certifier_id)?,
        exporter: parse_given("exporter_nop_id", &wire.exporter_nop_id)?,
        importer: parse_given("importer_nop_id", &wire.importer_nop_id)?,
        due_by: given_day("due_by", &wire.due_by)?,
    })
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

pub(crate) fn request_state(stored: StoredRequest, today: Date) -> wire::RequestState {
    let StoredRequest {
        number,
        version,
        tenant: _,
        request,
    } = stored;
    let overdue = request.is_overdue(today);
    let Request {
        requested,
        stage,
        requested_at,
        changed_at,
        due_on,
        checks,
        questions,
        accepted,
        terms,
        rejected_because,
        number: issued,
    } = request;
    wire::RequestState {
        request: number,
        version,
        status: stage.status().as_str().to_owned(),
        stage: stage.as_str().to_owned(),
        possible: stage
            .possible()
            .iter()
            .map(|step| step.as_str().to_owned())
            .collect(),
        requested: Some(requested_to_wire(requested)),
        requested_at: moment_text(requested_at),
        changed_at: moment_text(changed_at),
        due_on: due_on.to_string(),
        overdue,
        checks: checks.into_iter().map(check_to_wire).collect(),
        questions: questions
            .into_iter()
            .map(|question| wire::RequestQuestion {
                question: question.question,
                asked_at: moment_text(question.asked_at),
                answer: question.answer.unwrap_or_default(),
                answered_at: question.answered_at.map(moment_text).unwrap_or_default(),
            })
            .collect(),
        accepted: accepted
            .into_iter()
            .map(|code| code.as_str().to_owned())
            .collect(),
        issued_on: text(terms.map(|terms| terms.issued_on)),
        valid_from: text(terms.map(|terms| terms.valid_from)),
        valid_to: text(terms.map(|terms| terms.valid_to)),
        rejected_because: rejected_because.unwrap_or_default(),
        number: text(issued),
    }
}

fn requested_to_wire(requested: Requested) -> wire::RequestedCertificate {
    wire::RequestedCertificate {
        certifier_id: requested.certifier_id.to_string(),
        exporter_nop_id: requested.exporter_nop_id.to_string(),
        final_handler_nop_id: text(requested.final_handler_nop_id),
        importer_nop_id: requested.importer_nop_id.to_string(),
        product: requested.product,
        hts_code: requested.hts_code.to_string(),
        countries_of_origin: requested.countries_of_origin,
        lots: requested.lots,
        total_weight_kg: requested.total_weight_kg.to_string(),
        kind: requested.kind.as_str().to_owned(),
        valid_from: requested.valid_from.to_string(),
        valid_to: requested.valid_to.to_string(),
        export_on: text(requested.export_on),
        port_of_lading: requested.port_of_lading.unwrap_or_default(),
        port_of_unlading: requested.port_of_unlading.unwrap_or_default(),
        transport: requested.transport.unwrap_or_default(),
        containers: requested.containers,
        contract: requested.contract.map(|contract| wire::RequestContract {
            reference: contract.reference,
            importer: contract.importer,
            sha256: contract.sha256.unwrap_or_default(),
        }),
    }
}

fn check_to_wire(check: Check) -> wire::RequestCheck {
    wire::RequestCheck {
        code: check.code.as_str().to_owned(),
        outcome: check.outcome.as_str().to_owned(),
        message: check.message,
        evidence: check.evidence,
    }
}

pub(crate) fn standing(standing: &Standing) -> wire::CertificateState {
    let total = standing.certificate.total_weight_kg;
    wire::CertificateState {
        certificate: Some((&standing.certificate).into()),
        version: standing.version,
        drawn_kg: standing.drawn.to_string(),
        left_kg: total.saturating_sub(standing.drawn).to_string(),
        draw_count: standing.draw_count,
        own_drawn_kg: standing.drawn.to_string(),
    }
}

/// Who did it is told to its tenant and to operators; a certificate is shared, the names of people are not.
pub(crate) fn step<C>(record: &VersionRecord<C>, principal: &Principal) -> wire::LifeStep {
    let may_know = principal.role == Role::Operator || principal.tenant == record.tenant;
    let known = |text: &str| {
        if may_know { text.to_owned() } else { String::new() }
    };
    wire::LifeStep {
        version: record.version,
        step: record.step.clone(),
        at: moment_text(record.at),
        actor: known(&record.actor),
        tenant: known(&record.tenant),
        reason: record.reason.clone(),
    }
}
