//! The fields of one certificate, held to what its status asks for.

use std::str::FromStr;

use nopic_domain::certificate::{Certificate, CertificateKind, CertificateStatus, Draw};
use nopic_domain::hts::with_lost_zero;
use nopic_domain::identifier::{EntryNumber, country_code};
use nopic_domain::weight::Weight;

use crate::entries::mistyped;
use crate::entries::node::Node;
use crate::entries::object::Fields;
use crate::reject::Reject;

/// The names of a certificate's fields.
pub(super) const NAMES: [&str; 17] = [
    "number",
    "status",
    "supersededBy",
    "certifierId",
    "exporterNopId",
    "importerNopId",
    "finalHandlerNopId",
    "product",
    "htsCode",
    "kind",
    "issuedOn",
    "validFrom",
    "validTo",
    "totalWeightKg",
    "countriesOfOrigin",
    "lots",
    "draws",
];

/// The names of a draw's fields.
const DRAW_NAMES: [&str; 4] = ["entryNumber", "lineNumber", "pgaLineNumber", "weightKg"];

/// A certificate that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRecord {
    /// Number of its line in the file, from 1.
    pub record: u64,
    /// The certificate, normalised.
    pub certificate: Certificate,
    /// Its draws; absent where the file says nothing about them (an empty list says that there are none).
    pub draws: Option<Vec<Draw>>,
}

/// Names the code that a spreadsheet seems to have taken a zero from. It is never completed.
fn name_lost_zero(reject: Reject) -> Reject {
    if reject.field.as_deref() != Some("htsCode") {
        return reject;
    }
    match with_lost_zero(&reject.value) {
        Some(code) => Reject {
            reason: format!(
                "{}; the zero in front seems lost: if {code} is meant, write it (in a spreadsheet, into a cell of \
                 text)",
                reject.reason
            ),
            ..reject
        },
        None => reject,
    }
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// Reads the fields of a certificate, all but what the row is about.
pub(super) fn certificate(record: u64, pairs: Vec<(String, Node)>) -> Result<CertificateRecord, Reject> {
    read_fields(record, pairs).map_err(name_lost_zero)
}

fn read_fields(record: u64, pairs: Vec<(String, Node)>) -> Result<CertificateRecord, Reject> {
    let mut fields = Fields::new(record, "", "a certificate", &NAMES, pairs)?;
    let certificate_number = "a certificate number NNN-NNNNNNNNNN-NNNNNN";
    let operation = "a NOP operation ID of 10 digits";
    let certificate = Certificate {
        number: fields.needed("number", certificate_number, parse)?,
        status: fields.needed(
            "status",
            "DRAFT, REQUESTED, UNDER_REVIEW, REJECTED, ISSUED, VOIDED or SUPERSEDED",
            CertificateStatus::parse,
        )?,
        superseded_by: fields.parsed("supersededBy", certificate_number, parse)?,
        certifier_id: fields.needed("certifierId", "a certifier number of 3 digits", parse)?,
        exporter_nop_id: fields.needed("exporterNopId", operation, parse)?,
        importer_nop_id: fields.needed("importerNopId", operation, parse)?,
        final_handler_nop_id: fields.parsed("finalHandlerNopId", operation, parse)?,
        product: Some(fields.needed("product", "the product as a text", |text| Some(text.to_owned()))?),
        hts_code: fields.needed("htsCode", "a tariff code of 6, 8 or 10 digits", parse)?,
        kind: fields.needed(
            "kind",
            "SINGLE_SHIPMENT, MULTIPLE_SHIPMENTS or TIME_FRAME",
            CertificateKind::parse,
        )?,
        issued_on: fields.date("issuedOn")?,
        valid_from: fields.date("validFrom")?,
        valid_to: fields.date("validTo")?,
        total_weight_kg: fields.needed(
            "totalWeightKg",
            "kilograms above zero, at most 1000000000000, as a decimal text with at most four decimals",
            |text| parse(text).filter(|weight| *weight > Weight::ZERO),
        )?,
        countries_of_origin: fields.texts("countriesOfOrigin")?,
        lots: fields.texts("lots")?,
    }
    .normalise();
    check_life(&fields, &certificate)?;
    if let Some(country) = certificate
        .countries_of_origin
        .iter()
        .find(|country| country_code(country).is_none())
    {
        return fields.refuse("countriesOfOrigin", country, "expected countries of two letters");
    }
    let draws = match fields.take("draws") {
        None => None,
        Some(Node::List(items)) => Some(read_draws(record, items)?),
        Some(other) => return fields.mistyped("draws", "a list of draws", &other),
    };
    Ok(CertificateRecord {
        record,
        certificate,
        draws,
    })
}

/// What the status allows and asks for.
fn check_life(fields: &Fields<'_>, certificate: &Certificate) -> Result<(), Reject> {
    let status = certificate.status.as_str();
    if let (Some(successor), false) = (
        certificate.superseded_by,
        certificate.status == CertificateStatus::Superseded,
    ) {
        let reason =
            format!("a certificate that is {status} has no successor: take it out, or say SUPERSEDED");
        return fields.refuse("supersededBy", &successor.to_string(), reason);
    }
    if let Some(successor) = certificate.superseded_by
        && successor == certificate.number
    {
        let reason =
            "a certificate does not supersede itself: give the number of its successor, or take it out";
        return fields.refuse("supersededBy", &successor.to_string(), reason);
    }
    if certificate.status.is_before_issue() {
        if let Some(date) = certificate.issued_on {
            let reason = format!("a certificate that is {status} is not issued yet: take the date out");
            return fields.refuse("issuedOn", &date.to_string(), reason);
        }
    } else {
        for (name, date) in [
            ("issuedOn", certificate.issued_on),
            ("validFrom", certificate.valid_from),
            ("validTo", certificate.valid_to),
        ] {
            if date.is_none() {
                let reason = format!("{name} is absent, and a certificate that is {status} has one");
                return fields.refuse(name, "", reason);
            }
        }
    }
    if let (Some(from), Some(to)) = (certificate.valid_from, certificate.valid_to)
        && from > to
    {
        return fields.refuse(
            "validTo",
            &to.to_string(),
            format!("it is before validFrom, {from}"),
        );
    }
    Ok(())
}

fn read_draws(record: u64, items: Vec<Node>) -> Result<Vec<Draw>, Reject> {
    let mut draws: Vec<Draw> = Vec::with_capacity(items.len());
    let mut keys = rustc_hash::FxHashSet::default();
    for (index, item) in items.into_iter().enumerate() {
        let prefix = format!("draws[{index}].");
        let pairs = match item {
            Node::Object(pairs) => pairs,
            other => {
                let name = prefix.trim_end_matches('.');
                return Err(mistyped(record, name, "a draw as an object", &other));
            }
        };
        let mut fields = Fields::new(record, &prefix, "a draw", &DRAW_NAMES, pairs)?;
        let entry_number = "an entry number: filer code, 7 digits, right check digit";
        let draw = Draw {
            entry_number: fields.needed("entryNumber", entry_number, |text| {
                EntryNumber::parse(&text.replace('-', "").to_ascii_uppercase())
            })?,
            line_number: match fields.line_number("lineNumber")? {
                Some(number) => number,
                None => return fields.refuse("lineNumber", "", "it is absent: give the line that drew"),
            },
            pga_line_number: fields.line_number("pgaLineNumber")?.unwrap_or(1),
            weight_kg: fields.needed("weightKg", "kilograms as a decimal text", parse)?,
        };
        if !keys.insert((draw.entry_number, draw.line_number, draw.pga_line_number)) {
            let reason = format!(
                "the draw of line {} (PGA line {}) stands twice: add the two up",
                draw.line_number, draw.pga_line_number
            );
            return fields.refuse("entryNumber", draw.entry_number.as_str(), reason);
        }
        draws.push(draw);
    }
    Ok(draws)
}
