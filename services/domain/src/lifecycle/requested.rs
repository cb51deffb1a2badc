//! What an exporter asks for.

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateKind;
use crate::date::Date;
use crate::hts::HtsCode;
use crate::identifier::{CertifierId, NopId};
use crate::weight::Weight;

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
