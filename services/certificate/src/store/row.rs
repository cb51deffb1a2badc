//! Rows as JSON arrays, in the order of the columns that the statements name.

use std::borrow::Cow;
use std::sync::Arc;

use nopic_domain::certificate::{
    Certificate, CertificateKind, CertificateStatus, CertificateView, Draw, Drawers,
};
use nopic_domain::date::{Date, parse_iso};
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use nopic_domain::weight::Weight;
use nopic_sql::Error;
use serde::{Deserialize, Serialize};

use super::Visibility;
use crate::import_decision::Ledger;

/// Certificate numbers have up to 19 digits, more than a signed number of 64 bits holds; less this they fit, and keep
/// their order.
const KEY_OFFSET: u64 = 5_000_000_000_000_000_000;

/// The key of a certificate in every table.
pub(super) fn key_of(number: CertificateNumber) -> i64 {
    number.number().wrapping_sub(KEY_OFFSET).cast_signed()
}

pub(super) fn number_of(key: i64) -> Result<CertificateNumber, Error> {
    CertificateNumber::from_number(key.cast_unsigned().wrapping_add(KEY_OFFSET))
        .ok_or_else(|| corrupt("certificate.certificate", key))
}

pub(super) fn corrupt(what: &'static str, found: impl ToString) -> Error {
    Error::Corrupt {
        what,
        detail: found.to_string(),
    }
}

/// A JSON array for `json_each`.
pub(super) fn json(rows: impl Serialize) -> Result<String, Error> {
    serde_json::to_string(&rows).map_err(|error| corrupt("statement parameters", error))
}

/// A certificate with the state of its ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredCertificate {
    pub(crate) certificate: Certificate,
    pub(crate) version: u32,
    pub(crate) drawn: Weight,
    pub(crate) draw_count: u32,
    drawers: Drawers,
    /// The tenant of the only drawer, where there is only one.
    drawer_tenant: Option<String>,
}

impl StoredCertificate {
    /// As the rules see it: an entry that the caller must not know of is only said to be another than the caller's.
    pub(crate) fn into_view(self, visibility: &Visibility) -> CertificateView {
        let drawers = match self.drawers {
            Drawers::One(_) if !visibility.all && self.drawer_tenant.as_ref() != Some(&visibility.tenant) => {
                Drawers::Several
            }
            drawers => drawers,
        };
        CertificateView {
            certificate: Arc::new(self.certificate),
            version: self.version,
            drawn: self.drawn,
            drawers,
        }
    }
}

/// The columns of the packed select.
#[derive(Deserialize)]
struct Packed<'a>(
    i64,
    u32,
    &'a str,
    Option<i64>,
    u16,
    u64,
    u64,
    Option<u64>,
    Option<String>,
    &'a str,
    &'a str,
    Option<&'a str>,
    Option<&'a str>,
    Option<&'a str>,
    i64,
    Vec<String>,
    Vec<String>,
    i64,
    u32,
    Option<&'a str>,
    Option<&'a str>,
    #[serde(borrow)] Option<Cow<'a, str>>,
);

pub(super) fn unpack(row: &str) -> Result<StoredCertificate, Error> {
    let Packed(
        key,
        version,
        status,
        superseded_by,
        certifier,
        exporter,
        importer,
        final_handler,
        product,
        hts_code,
        kind,
        issued_on,
        valid_from,
        valid_to,
        total,
        countries_of_origin,
        lots,
        drawn,
        draw_count,
        first_drawer,
        last_drawer,
        drawer_tenant,
    ) = serde_json::from_str(row).map_err(|error| corrupt("certificate", format!("{error}: {row}")))?;
    let certificate = Certificate {
        number: number_of(key)?,
        status: CertificateStatus::parse(status).ok_or_else(|| corrupt("certificate.status", status))?,
        superseded_by: superseded_by.map(number_of).transpose()?,
        certifier_id: CertifierId::from_number(certifier)
            .ok_or_else(|| corrupt("certificate.certifier_id", certifier))?,
        exporter_nop_id: nop_id("certificate.exporter_nop_id", exporter)?,
        importer_nop_id: nop_id("certificate.importer_nop_id", importer)?,
        final_handler_nop_id: final_handler
            .map(|id| nop_id("certificate.final_handler_nop_id", id))
            .transpose()?,
        product,
        hts_code: hts_code
            .parse()
            .map_err(|_| corrupt("certificate.hts_code", hts_code))?,
        kind: CertificateKind::parse(kind).ok_or_else(|| corrupt("certificate.kind", kind))?,
        issued_on: date("certificate.issued_on", issued_on)?,
        valid_from: date("certificate.valid_from", valid_from)?,
        valid_to: date("certificate.valid_to", valid_to)?,
        total_weight_kg: Weight::from_units(total),
        countries_of_origin,
        lots,
    };
    let drawers = match (first_drawer, last_drawer) {
        (Some(first), Some(last)) if first == last => Drawers::One(entry_number(first)?),
        (Some(_), Some(_)) => Drawers::Several,
        _ => Drawers::None,
    };
    Ok(StoredCertificate {
        certificate,
        version,
        drawn: Weight::from_units(drawn),
        draw_count,
        drawers,
        drawer_tenant: drawer_tenant.map(Cow::into_owned),
    })
}

fn nop_id(what: &'static str, number: u64) -> Result<NopId, Error> {
    NopId::from_number(number).ok_or_else(|| corrupt(what, number))
}

fn date(what: &'static str, text: Option<&str>) -> Result<Option<Date>, Error> {
    text.map(|text| parse_iso(text).ok_or_else(|| corrupt(what, text)))
        .transpose()
}

pub(super) fn entry_number(text: &str) -> Result<EntryNumber, Error> {
    EntryNumber::parse(text).ok_or_else(|| corrupt("draw.entry_number", text))
}

/// A draw in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredDraw {
    pub(crate) certificate: CertificateNumber,
    pub(crate) draw: Draw,
}

pub(super) fn unpack_draw(row: &str) -> Result<StoredDraw, Error> {
    let (key, entry, line_number, pga_line_number, units): (i64, &str, u32, u32, i64) =
        serde_json::from_str(row).map_err(|error| corrupt("draw", format!("{error}: {row}")))?;
    Ok(StoredDraw {
        certificate: number_of(key)?,
        draw: Draw {
            entry_number: entry_number(entry)?,
            line_number,
            pga_line_number,
            weight_kg: Weight::from_units(units),
        },
    })
}

/// The columns of the upsert.
#[derive(Serialize)]
pub(super) struct CertificateRow<'a>(
    i64,
    u32,
    &'static str,
    Option<i64>,
    u16,
    u64,
    u64,
    Option<u64>,
    Option<&'a str>,
    &'a str,
    &'static str,
    Option<Date>,
    Option<Date>,
    Option<Date>,
    i64,
    &'a [String],
    &'a [String],
    i64,
    i64,
    i64,
    u32,
    Option<EntryNumber>,
    Option<EntryNumber>,
    Option<String>,
);

impl<'a> CertificateRow<'a> {
    pub(super) fn new(certificate: &'a Certificate, version: u32, ledger: Ledger) -> Self {
        Self(
            key_of(certificate.number),
            version,
            certificate.status.as_str(),
            certificate.superseded_by.map(key_of),
            certificate.certifier_id.number(),
            certificate.exporter_nop_id.number(),
            certificate.importer_nop_id.number(),
            certificate.final_handler_nop_id.map(NopId::number),
            certificate.product.as_deref(),
            certificate.hts_code.as_str(),
            certificate.kind.as_str(),
            certificate.issued_on,
            certificate.valid_from,
            certificate.valid_to,
            certificate.total_weight_kg.units(),
            &certificate.countries_of_origin,
            &certificate.lots,
            ledger.limit.units(),
            ledger.drawn.units(),
            ledger.excess.units(),
            ledger.draw_count,
            ledger.first_drawer,
            ledger.last_drawer,
            ledger.drawer_tenant,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order_of_the_numbers() {
        let numbers = [
            0,
            1,
            4_999_999_999_999_999_999,
            5_000_000_000_000_000_000,
            9_223_372_036_854_775_808,
            9_999_999_999_999_999_999,
        ]
        .map(|number| CertificateNumber::from_number(number).unwrap());
        assert!(numbers.is_sorted_by_key(|number| key_of(*number)));
        for number in numbers {
            assert_eq!(number_of(key_of(number)).unwrap(), number);
        }
        assert!(number_of(i64::MAX).is_err());
    }
}
