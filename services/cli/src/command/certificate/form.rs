//! The request form as a JSON file.

use std::io::Read as _;
use std::path::Path;

use nopic_proto::certificate::{RequestContract, RequestedCertificate};
use serde::Deserialize;

use crate::failure::Failure;

/// Bytes of a form.
const MAX_FORM: u64 = 4 << 20;

/// Names as in an import of certificates; what is absent is judged by the service.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Form {
    certifier_id: String,
    exporter_nop_id: String,
    final_handler_nop_id: String,
    importer_nop_id: String,
    product: String,
    hts_code: String,
    countries_of_origin: Vec<String>,
    lots: Vec<String>,
    total_weight_kg: String,
    kind: String,
    valid_from: String,
    valid_to: String,
    export_on: String,
    port_of_lading: String,
    port_of_unlading: String,
    transport: String,
    containers: Vec<String>,
    contract: Option<FormContract>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct FormContract {
    reference: String,
    importer: String,
    sha256: String,
}

/// Reads a form; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<RequestedCertificate, Failure> {
    let mut content = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_FORM + 1)
            .read_to_end(&mut content)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_FORM + 1).read_to_end(&mut content))
    };
    let size = read.map_err(|error| Failure::reading(path, &error))?;
    if size as u64 > MAX_FORM {
        return Err(Failure::new(format!(
            "{} is too large for a form.",
            path.display()
        )));
    }
    parse(&content).map_err(|error| {
        Failure::new(format!("{} is not a request form: {error}.", path.display())).advice(
            "It is one JSON object; `nopic certificate request --help` shows one, weights and codes are texts.",
        )
    })
}

fn parse(content: &[u8]) -> Result<RequestedCertificate, serde_json::Error> {
    // Read as an object first: a list would be taken for the fields in their order.
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(content)?;
    let form: Form = serde_json::from_value(object.into())?;
    Ok(RequestedCertificate {
        certifier_id: form.certifier_id,
        exporter_nop_id: form.exporter_nop_id,
        final_handler_nop_id: form.final_handler_nop_id,
        importer_nop_id: form.importer_nop_id,
        product: form.product,
        hts_code: form.hts_code,
        countries_of_origin: form.countries_of_origin,
        lots: form.lots,
        total_weight_kg: form.total_weight_kg,
        kind: form.kind,
        valid_from: form.valid_from,
        valid_to: form.valid_to,
        export_on: form.export_on,
        port_of_lading: form.port_of_lading,
        port_of_unlading: form.port_of_unlading,
        transport: form.transport,
        containers: form.containers,
        contract: form.contract.map(|contract| RequestContract {
            reference: contract.reference,
            importer: contract.importer,
            sha256: contract.sha256,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_help_can_be_read() {
        let form = parse(super::super::lifecycle::FORM.as_bytes()).unwrap();
        assert_eq!(form.kind, "TIME_FRAME");
        assert_eq!(form.contract.unwrap().reference, "PO 77");
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(parse(br#"{"weight":"1"}"#).is_err());
        assert!(parse(br#"{"totalWeightKg":1.5}"#).is_err());
        assert!(parse(b"[]").is_err());
    }
}
