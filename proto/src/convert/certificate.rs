//! Certificates: the public form, whose texts are those of FORMATS §4, and the compact one for validation.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use nopic_domain::certificate::{
    Certificate, CertificateKind, CertificateStatus, CertificateView, Draw, DrawnBy,
};
use nopic_domain::date::{Date, parse_iso};
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use nopic_domain::weight::Weight;

use super::ConversionError;
use crate::certificate as wire;
use crate::certificate::validation_view::{Kind, Status};

impl From<&Certificate> for wire::Certificate {
    fn from(certificate: &Certificate) -> Self {
        Self {
            number: certificate.number.to_string(),
            status: certificate.status.as_str().to_owned(),
            superseded_by: text(certificate.superseded_by),
            certifier_id: certificate.certifier_id.to_string(),
            exporter_nop_id: certificate.exporter_nop_id.to_string(),
            importer_nop_id: certificate.importer_nop_id.to_string(),
            final_handler_nop_id: text(certificate.final_handler_nop_id),
            product: certificate.product.clone().unwrap_or_default(),
            hts_code: certificate.hts_code.to_string(),
            kind: certificate.kind.as_str().to_owned(),
            issued_on: text(certificate.issued_on),
            valid_from: text(certificate.valid_from),
            valid_to: text(certificate.valid_to),
            total_weight_kg: certificate.total_weight_kg.to_string(),
            countries_of_origin: certificate.countries_of_origin.clone(),
            lots: certificate.lots.clone(),
        }
    }
}

impl TryFrom<wire::Certificate> for Certificate {
    type Error = ConversionError;

    fn try_from(wire: wire::Certificate) -> Result<Self, ConversionError> {
        Ok(Self {
            number: parse("number", &wire.number)?,
            status: CertificateStatus::parse(&wire.status)
                .ok_or_else(|| ConversionError::new("status", "not a status of a certificate"))?,
            superseded_by: parse_or_absent("superseded_by", &wire.superseded_by)?,
            certifier_id: parse("certifier_id", &wire.certifier_id)?,
            exporter_nop_id: parse("exporter_nop_id", &wire.exporter_nop_id)?,
            importer_nop_id: parse("importer_nop_id", &wire.importer_nop_id)?,
            final_handler_nop_id: parse_or_absent("final_handler_nop_id", &wire.final_handler_nop_id)?,
            product: (!wire.product.is_empty()).then_some(wire.product),
            hts_code: parse("hts_code", &wire.hts_code)?,
            kind: CertificateKind::parse(&wire.kind)
                .ok_or_else(|| ConversionError::new("kind", "not a kind of certificate"))?,
            issued_on: date("issued_on", &wire.issued_on)?,
            valid_from: date("valid_from", &wire.valid_from)?,
            valid_to: date("valid_to", &wire.valid_to)?,
            total_weight_kg: parse("total_weight_kg", &wire.total_weight_kg)?,
            countries_of_origin: wire.countries_of_origin,
            lots: wire.lots,
        })
    }
}

impl From<&Draw> for wire::Draw {
    fn from(draw: &Draw) -> Self {
        Self {
            entry_number: draw.entry_number.to_string(),
            line_number: draw.line_number,
            pga_line_number: draw.pga_line_number,
            weight_kg: draw.weight_kg.to_string(),
        }
    }
}

impl From<CertificateView> for wire::ValidationView {
    fn from(view: CertificateView) -> Self {
        let certificate = Arc::unwrap_or_clone(view.certificate);
        let (only_drawer, drawn_by_others) = match view.drawn_by {
            DrawnBy::None => (String::new(), false),
            DrawnBy::One(entry) => (entry.to_string(), false),
            DrawnBy::Several => (String::new(), true),
        };
        Self {
            number: certificate.number.number(),
            version: view.version,
            status: status_to_wire(certificate.status).into(),
            superseded_by: certificate.superseded_by.map(CertificateNumber::number),
            certifier_id: certificate.certifier_id.number().into(),
            exporter_nop_id: certificate.exporter_nop_id.number(),
            importer_nop_id: certificate.importer_nop_id.number(),
            final_handler_nop_id: certificate.final_handler_nop_id.map(NopId::number),
            product: certificate.product,
            hts_code: certificate.hts_code.to_string(),
            kind: kind_to_wire(certificate.kind).into(),
            issued_on: certificate.issued_on.map(day_of),
            valid_from: certificate.valid_from.map(day_of),
            valid_to: certificate.valid_to.map(day_of),
            total_weight_units: certificate.total_weight_kg.units(),
            countries_of_origin: certificate.countries_of_origin,
            lots: certificate.lots,
            drawn_units: view.drawn.units(),
            only_drawer,
            drawn_by_others,
        }
    }
}

impl TryFrom<wire::ValidationView> for CertificateView {
    type Error = ConversionError;

    fn try_from(wire: wire::ValidationView) -> Result<Self, ConversionError> {
        let (status, kind) = (wire.status(), wire.kind());
        let certificate = Certificate {
            number: certificate_number("number", wire.number)?,
            status: status_from_wire(status)?,
            superseded_by: wire
                .superseded_by
                .map(|number| certificate_number("superseded_by", number))
                .transpose()?,
            certifier_id: u16::try_from(wire.certifier_id)
                .ok()
                .and_then(CertifierId::from_number)
                .ok_or_else(|| ConversionError::new("certifier_id", "more than 3 digits"))?,
            exporter_nop_id: nop_id("exporter_nop_id", wire.exporter_nop_id)?,
            importer_nop_id: nop_id("importer_nop_id", wire.importer_nop_id)?,
            final_handler_nop_id: wire
                .final_handler_nop_id
                .map(|number| nop_id("final_handler_nop_id", number))
                .transpose()?,
            product: wire.product,
            hts_code: parse("hts_code", &wire.hts_code)?,
            kind: kind_from_wire(kind)?,
            issued_on: day("issued_on", wire.issued_on)?,
            valid_from: day("valid_from", wire.valid_from)?,
            valid_to: day("valid_to", wire.valid_to)?,
            total_weight_kg: Weight::from_units(wire.total_weight_units),
            countries_of_origin: wire.countries_of_origin,
            lots: wire.lots,
        };
        let drawn_by = match (wire.drawn_by_others, wire.only_drawer.as_str()) {
            (true, _) => DrawnBy::Several,
            (false, "") => DrawnBy::None,
            (false, entry) => DrawnBy::One(parse::<EntryNumber>("only_drawer", entry)?),
        };
        Ok(Self {
            certificate: Arc::new(certificate),
            version: wire.version,
            drawn: Weight::from_units(wire.drawn_units),
            drawn_by,
        })
    }
}

const fn status_to_wire(status: CertificateStatus) -> Status {
    match status {
        CertificateStatus::Draft => Status::Draft,
        CertificateStatus::Requested => Status::Requested,
        CertificateStatus::UnderReview => Status::UnderReview,
        CertificateStatus::Rejected => Status::Rejected,
        CertificateStatus::Issued => Status::Issued,
        CertificateStatus::Voided => Status::Voided,
        CertificateStatus::Superseded => Status::Superseded,
    }
}

fn status_from_wire(status: Status) -> Result<CertificateStatus, ConversionError> {
    Ok(match status {
        Status::Unspecified => return Err(ConversionError::new("status", "unknown or not given")),
        Status::Draft => CertificateStatus::Draft,
        Status::Requested => CertificateStatus::Requested,
        Status::UnderReview => CertificateStatus::UnderReview,
        Status::Rejected => CertificateStatus::Rejected,
        Status::Issued => CertificateStatus::Issued,
        Status::Voided => CertificateStatus::Voided,
        Status::Superseded => CertificateStatus::Superseded,
    })
}

const fn kind_to_wire(kind: CertificateKind) -> Kind {
    match kind {
        CertificateKind::SingleShipment => Kind::SingleShipment,
        CertificateKind::MultipleShipments => Kind::MultipleShipments,
        CertificateKind::TimeFrame => Kind::TimeFrame,
    }
}

fn kind_from_wire(kind: Kind) -> Result<CertificateKind, ConversionError> {
    Ok(match kind {
        Kind::Unspecified => return Err(ConversionError::new("kind", "unknown or not given")),
        Kind::SingleShipment => CertificateKind::SingleShipment,
        Kind::MultipleShipments => CertificateKind::MultipleShipments,
        Kind::TimeFrame => CertificateKind::TimeFrame,
    })
}

fn text(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn parse<T: FromStr<Err: Display>>(field: &'static str, text: &str) -> Result<T, ConversionError> {
    text.parse().map_err(|error| ConversionError::new(field, error))
}

fn parse_or_absent<T: FromStr<Err: Display>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, ConversionError> {
    (!text.is_empty()).then(|| parse(field, text)).transpose()
}

fn date(field: &'static str, text: &str) -> Result<Option<Date>, ConversionError> {
    if text.is_empty() {
        return Ok(None);
    }
    parse_iso(text)
        .map(Some)
        .ok_or_else(|| ConversionError::new(field, "not a date of the form YYYY-MM-DD"))
}

/// Days since 1970-01-01.
fn day_of(date: Date) -> i32 {
    date.to_epoch_days()
}

fn day(field: &'static str, day: Option<i32>) -> Result<Option<Date>, ConversionError> {
    day.map(|day| Date::from_epoch_days(day).ok_or_else(|| ConversionError::new(field, "a day out of range")))
        .transpose()
}

fn certificate_number(field: &'static str, number: u64) -> Result<CertificateNumber, ConversionError> {
    CertificateNumber::from_number(number).ok_or_else(|| ConversionError::new(field, "more than 19 digits"))
}

fn nop_id(field: &'static str, number: u64) -> Result<NopId, ConversionError> {
    NopId::from_number(number).ok_or_else(|| ConversionError::new(field, "more than 10 digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(status: CertificateStatus, kind: CertificateKind) -> Certificate {
        Certificate {
            number: "999-0123456789-000042".parse().unwrap(),
            status,
            superseded_by: Some("000-0000000000-000000".parse().unwrap()),
            certifier_id: "012".parse().unwrap(),
            exporter_nop_id: "0000000000".parse().unwrap(),
            importer_nop_id: "9999999999".parse().unwrap(),
            final_handler_nop_id: Some("0000000000".parse().unwrap()),
            product: Some("Hazelnuts, shelled".into()),
            hts_code: "0802210000".parse().unwrap(),
            kind,
            issued_on: parse_iso("1970-01-01"),
            valid_from: parse_iso("1969-12-31"),
            valid_to: parse_iso("2024-02-29"),
            total_weight_kg: "3172.3687".parse().unwrap(),
            countries_of_origin: vec!["TR".into(), "GE".into()],
            lots: vec!["L-1".into()],
        }
    }

    #[test]
    fn both_forms_give_back_what_they_were_made_of() {
        for status in CertificateStatus::ALL {
            for kind in CertificateKind::ALL {
                let full = certificate(status, kind);
                let sparse = Certificate {
                    superseded_by: None,
                    final_handler_nop_id: None,
                    product: None,
                    issued_on: None,
                    valid_from: None,
                    valid_to: None,
                    countries_of_origin: Vec::new(),
                    lots: Vec::new(),
                    ..full.clone()
                };
                for certificate in [full, sparse] {
                    let wire = wire::Certificate::from(&certificate);
                    assert_eq!(Certificate::try_from(wire), Ok(certificate.clone()));
                    for drawn_by in [
                        DrawnBy::None,
                        DrawnBy::One("B7603245278".parse().unwrap()),
                        DrawnBy::Several,
                    ] {
                        let view = CertificateView {
                            certificate: Arc::new(certificate.clone()),
                            version: 7,
                            drawn: Weight::from_units(-1),
                            drawn_by,
                        };
                        let wire = wire::ValidationView::from(view.clone());
                        assert_eq!(CertificateView::try_from(wire), Ok(view));
                    }
                }
            }
        }
    }

    #[test]
    fn a_wrong_field_is_named() {
        let good = wire::Certificate::from(&certificate(
            CertificateStatus::Issued,
            CertificateKind::TimeFrame,
        ));
        let refused = Certificate::try_from(wire::Certificate {
            valid_to: "2024-02-30".into(),
            ..good
        });
        assert_eq!(
            refused.unwrap_err().to_string(),
            "valid_to: not a date of the form YYYY-MM-DD"
        );
        let refused = CertificateView::try_from(wire::ValidationView {
            number: u64::MAX,
            ..wire::ValidationView::default()
        });
        assert_eq!(refused.unwrap_err().field, "number");
    }
}
