//! What an exporter asks for.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::certificate::CertificateKind;
use crate::date::Date;
use crate::entry::{normalise_list, trim, trim_or_absent};
use crate::hts::HtsCode;
use crate::identifier::{CertifierId, NopId};
use crate::weight::Weight;

/// Characters of a product, a port, a means of transport, a contract's reference and names.
const MAX_TEXT: usize = 500;
/// Lots, containers and countries of one request.
const MAX_LIST: usize = 1_000;
/// Characters of a reason, a question or an answer.
pub const MAX_REASON: usize = 4_000;

/// The request form: what the certificate is to state, and how the goods travel (DOMAIN §5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requested {
    /// The certifier that is asked.
    pub certifier_id: CertifierId,
    /// The final certified exporter, who asks.
    pub exporter_nop_id: NopId,
    /// Who handles the goods last, if another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_handler_nop_id: Option<NopId>,
    /// The recipient in the United States.
    pub importer_nop_id: NopId,
    /// The product as labelled.
    pub product: String,
    /// Its tariff code.
    pub hts_code: HtsCode,
    /// ISO 3166 alpha-2, upper case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub countries_of_origin: Vec<String>,
    /// Lot numbers; preferred, not mandatory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<String>,
    /// Net weight in all.
    pub total_weight_kg: Weight,
    /// What it covers.
    pub kind: CertificateKind,
    /// First day of validity.
    pub valid_from: Date,
    /// Last day of validity.
    pub valid_to: Date,
    /// The day on which the (first) shipment is to leave, if it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_on: Option<Date>,
    /// Where the goods are loaded, as the exporter names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_of_lading: Option<String>,
    /// Where they are unloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_of_unlading: Option<String>,
    /// Means of transport: carrier, vessel, voyage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// Container numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
    /// The contract that names the importer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
}

/// A contract, by reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contract {
    /// Its number or title.
    pub reference: String,
    /// The importer as it names it.
    pub importer: String,
    /// SHA-256 of the document, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Requested {
    /// Trims every text, drops empty ones, and says what cannot be.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] with the field.
    pub fn normalise(mut self) -> Result<Self, Refusal> {
        trim(&mut self.product);
        normalise_list(&mut self.countries_of_origin);
        for country in &mut self.countries_of_origin {
            country.make_ascii_uppercase();
        }
        normalise_list(&mut self.lots);
        normalise_list(&mut self.containers);
        for text in [
            &mut self.port_of_lading,
            &mut self.port_of_unlading,
            &mut self.transport,
        ] {
            trim_or_absent(text);
        }
        if let Some(contract) = &mut self.contract {
            trim(&mut contract.reference);
            trim(&mut contract.importer);
            trim_or_absent(&mut contract.sha256);
            contract
                .sha256
                .as_mut()
                .into_iter()
                .for_each(|hash| hash.make_ascii_lowercase());
        }
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<(), Refusal> {
        text("product", Some(&self.product))?;
        weight(self.total_weight_kg)?;
        window(self.valid_from, self.valid_to, self.export_on)?;
        countries(&self.countries_of_origin)?;
        list("lots", &self.lots)?;
        list("containers", &self.containers)?;
        for (field, value) in [
            ("port_of_lading", &self.port_of_lading),
            ("port_of_unlading", &self.port_of_unlading),
            ("transport", &self.transport),
        ] {
            if value.is_some() {
                text(field, value.as_deref())?;
            }
        }
        if let Some(contract) = &self.contract {
            text("contract.reference", Some(&contract.reference))?;
            text("contract.importer", Some(&contract.importer))?;
            if let Some(hash) = &contract.sha256
                && !(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
            {
                return Err(Refusal::invalid("contract.sha256", "not 64 hexadecimal digits"));
            }
        }
        Ok(())
    }

    /// The first day on which goods may leave under it.
    #[must_use]
    pub fn first_export_on(&self) -> Date {
        self.export_on.unwrap_or(self.valid_from)
    }
}

pub(super) fn weight(weight: Weight) -> Result<(), Refusal> {
    if weight <= Weight::ZERO {
        return Err(Refusal::invalid(
            "total_weight_kg",
            "state a weight above zero, in kilograms",
        ));
    }
    if weight > Weight::MAX {
        return Err(Refusal::invalid("total_weight_kg", "above 1000000000000 kg"));
    }
    Ok(())
}

pub(super) fn window(from: Date, to: Date, export_on: Option<Date>) -> Result<(), Refusal> {
    if to < from {
        return Err(Refusal::invalid(
            "valid_to",
            format!("{to} is before valid_from {from}"),
        ));
    }
    match export_on {
        Some(export_on) if export_on < from || export_on > to => Err(Refusal::invalid(
            "export_on",
            format!("{export_on} is not within the validity, {from} to {to}"),
        )),
        _ => Ok(()),
    }
}

pub(super) fn countries(countries: &[String]) -> Result<(), Refusal> {
    list("countries_of_origin", countries)?;
    match countries
        .iter()
        .find(|country| !(country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase())))
    {
        None => Ok(()),
        Some(country) => Err(Refusal::invalid(
            "countries_of_origin",
            format!("{country:?} is not a country code of two letters"),
        )),
    }
}

pub(super) fn list(field: &'static str, texts: &[String]) -> Result<(), Refusal> {
    if texts.len() > MAX_LIST {
        return Err(Refusal::invalid(
            field,
            format!("{} given, at most {MAX_LIST} allowed", texts.len()),
        ));
    }
    texts.iter().try_for_each(|value| text(field, Some(value)))
}

pub(super) fn text(field: &'static str, text: Option<&str>) -> Result<(), Refusal> {
    bounded(field, text.unwrap_or_default(), MAX_TEXT)
}

/// A reason, a question or an answer: required, trimmed.
pub(super) fn reason(field: &'static str, text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    bounded(field, text, MAX_REASON)?;
    Ok(text.to_owned())
}

fn bounded(field: &'static str, text: &str, limit: usize) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::invalid(field, "not given"));
    }
    if text.chars().count() > limit {
        return Err(Refusal::invalid(field, format!("longer than {limit} characters")));
    }
    if text
        .chars()
        .any(|character| character.is_control() && character != '\n')
    {
        return Err(Refusal::invalid(field, "holds control characters"));
    }
    Ok(())
}
