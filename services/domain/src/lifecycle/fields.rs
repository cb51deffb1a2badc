//! What may stand in the fields of a request, an amendment or an answer.

use super::refusal::Refusal;
use super::requested::{MAX_REASON, Requested};
use crate::date::Date;
use crate::digest::is_sha256;
use crate::entry::{normalise_list, trim, trim_or_absent};
use crate::identifier::country_code;
use crate::weight::Weight;

/// Characters of a product, a port, a means of transport, a contract's reference and names.
const MAX_TEXT: usize = 500;
/// Lots, containers and countries of one request.
const MAX_LIST: usize = 1_000;

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
                && !is_sha256(hash)
            {
                return Err(Refusal::invalid("contract.sha256", "not 64 hexadecimal digits"));
            }
        }
        Ok(())
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
    match countries.iter().find(|country| country_code(country).is_none()) {
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
