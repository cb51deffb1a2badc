//! Between wire and domain, as far as only this service needs it.

mod ledger;
pub(crate) mod lifecycle;

use nopic_chassis::requests::{given, given_day};
use nopic_domain::certificate::CertificateStatus;
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_formats::Reject;
use nopic_proto::{certificate as wire, common};

use crate::error::Error;
use crate::store::{ListFilter, OwnDrawsKey, StoredCertificate, StoredDraw};

pub(crate) use ledger::{balance, draw_record, filed_entries, judged};

pub(crate) fn certificate_number(field: &str, text: &str) -> Result<CertificateNumber, Error> {
    text.parse().map_err(|error| Error::invalid(field, error))
}

/// Certificate numbers as numbers of 19 digits.
pub(crate) fn numbers(numbers: &[u64]) -> Result<Vec<CertificateNumber>, Error> {
    numbers
        .iter()
        .enumerate()
        .map(|(place, number)| compact_number(|| format!("numbers[{place}]"), *number))
        .collect()
}

pub(crate) fn own_draws_keys(questions: &[wire::OwnDrawsQuestion]) -> Result<Vec<OwnDrawsKey>, Error> {
    questions
        .iter()
        .enumerate()
        .map(|(place, question)| {
            let number = compact_number(|| format!("own_draws[{place}].number"), question.number)?;
            let entry: EntryNumber = question
                .entry_number
                .parse()
                .map_err(|error| Error::invalid(format!("own_draws[{place}].entry_number"), error))?;
            Ok((number, entry))
        })
        .collect()
}

fn compact_number(field: impl FnOnce() -> String, number: u64) -> Result<CertificateNumber, Error> {
    CertificateNumber::from_number(number)
        .ok_or_else(|| Error::invalid(field(), "a certificate number has 19 digits"))
}

pub(crate) fn list_filter(request: &wire::ListCertificatesRequest) -> Result<ListFilter, Error> {
    Ok(ListFilter {
        status: given(&request.status)
            .map(|text| {
                CertificateStatus::parse(text).ok_or_else(|| {
                    let known = CertificateStatus::ALL.map(CertificateStatus::as_str).join(", ");
                    Error::invalid("status", format!("{text:?} is none of {known}"))
                })
            })
            .transpose()?,
        certifier: parse_given("certifier_id", &request.certifier_id)?,
        exporter: parse_given("exporter_nop_id", &request.exporter_nop_id)?,
        importer: parse_given("importer_nop_id", &request.importer_nop_id)?,
        valid_on: given_day("valid_on", &request.valid_on)?,
    })
}

fn parse_given<T: std::str::FromStr<Err: ToString>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, Error> {
    given(text)
        .map(|text| {
            text.parse()
                .map_err(|error: T::Err| Error::invalid(field, error.to_string()))
        })
        .transpose()
}

pub(crate) fn state(stored: &StoredCertificate) -> wire::CertificateState {
    let total = stored.certificate.total_weight_kg;
    wire::CertificateState {
        certificate: Some((&stored.certificate).into()),
        version: stored.version,
        drawn_kg: stored.drawn.to_string(),
        left_kg: total.saturating_sub(stored.drawn).to_string(),
        draw_count: stored.draw_count,
        own_drawn_kg: stored.own_drawn.to_string(),
    }
}

pub(crate) fn own_draw(stored: &StoredDraw) -> wire::OwnDraw {
    wire::OwnDraw {
        number: stored.certificate.number(),
        entry_number: stored.draw.entry_number.to_string(),
        line_number: stored.draw.line_number,
        pga_line_number: stored.draw.pga_line_number,
        weight_units: stored.draw.weight_kg.units(),
    }
}

pub(crate) fn reject(file: &str, reject: Reject) -> common::Reject {
    common::Reject {
        file: file.to_owned(),
        record: small(reject.record),
        position: reject.position.map(small),
        key: reject.key.unwrap_or_default(),
        field: reject.field.unwrap_or_default(),
        value: reject.value,
        reason: reject.reason,
    }
}

/// A record number on the wire; files of more than four thousand million records do not come.
pub(crate) fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
