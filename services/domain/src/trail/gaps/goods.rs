//! The goods: what, how much, where from, between whom.

use super::{GapCode, Gaps, of_lines};
use crate::trail::{Line, Trail};

pub(super) fn look(trail: &Trail, lines: &[&Line], gaps: &mut Gaps) {
    let mut each = |code, is_missing: &dyn Fn(&Line) -> bool, message: &str, what_to_do: &str| {
        let missing: Vec<&Line> = lines.iter().copied().filter(|line| is_missing(line)).collect();
        gaps.add_about(code, &missing, message, what_to_do);
    };
    let certificate = |line: &Line| trail.certificate_of(line);
    each(
        GapCode::CertificateMissing,
        &|line| certificate(line).is_none(),
        "No certificate that was on record when the line was decided ties the goods to their certifier.",
        "Get the NOP Import Certificate from the exporter and amend the entry with its number.",
    );
    each(
        GapCode::OriginMissing,
        &|line| {
            line.country_of_origin.is_none()
                && certificate(line).is_none_or(|certificate| certificate.countries_of_origin.is_empty())
        },
        "Neither the line nor its certificate names the country of origin.",
        "Ask the exporter for the country of origin and amend the entry.",
    );
    each(
        GapCode::ProductMissing,
        &|line| {
            line.description.is_none()
                && certificate(line).is_none_or(|certificate| certificate.product.is_none())
        },
        "Neither the line nor its certificate names the product.",
        "Amend the entry with the product as it is labelled.",
    );
    each(
        GapCode::WeightMissing,
        &|line| line.net_weight_kg.is_none(),
        "The line states no net weight.",
        "Amend the entry with the net weight in kilograms.",
    );
    each(
        GapCode::ExporterMissing,
        &|line| trail.exporter_of(line).is_none(),
        "Neither the line nor a certificate names the exporter.",
        "Amend the entry with the NOP ID of the exporter.",
    );
    each(
        GapCode::ImporterMissing,
        &|line| trail.importer_of(line).is_none(),
        "Neither the line, nor its importer of record, nor a certificate names the importer's operation.",
        "Amend the entry with the NOP ID of the importer, or link its importer of record.",
    );
    each(
        GapCode::LotsMissing,
        &|line| {
            line.lots.is_empty() && certificate(line).is_none_or(|certificate| certificate.lots.is_empty())
        },
        "Neither the line nor its certificate names lots: the goods cannot be told from others of their kind.",
        "Ask the exporter for the lot numbers; they are preferred, not mandatory.",
    );
    for line in lines {
        if matches!(line.outcome.as_str(), "REJECT" | "INDETERMINATE") {
            let codes = if line.codes.is_empty() {
                String::new()
            } else {
                format!(": {}", line.codes.join(", "))
            };
            gaps.add(
                GapCode::LineNotAccepted,
                of_lines(&[line]),
                format!(
                    "Decision {} on the line is {}{codes}.",
                    line.decision_id, line.outcome
                ),
                "Read the decision (`nopic entry explain`) and do what it says.",
            );
        }
    }
}
