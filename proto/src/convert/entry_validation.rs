//! Entry lines and verdicts. Lines come in by move, so that nothing is copied on the way to the rules.

use std::sync::{Arc, LazyLock};

use nopic_domain::date::parse_iso;
use nopic_domain::decision::{Evidence, Verdict, WordedFinding};
use nopic_domain::entry::{Declaration, EntryLine, NormalisedLine, Treatment};
use nopic_domain::finding::{Code, Severity};
use nopic_domain::policy::{Disposition, Remedy};
use nopic_domain::rules::{Outcome, RegistryState};
use prost::encoding::{bool, bytes, message, string, uint32};

use super::ConversionError;
use crate::entry_validation as wire;
use wire::finding::{Code as WireCode, Severity as WireSeverity};
use wire::verdict::{Declaration as WireDeclaration, Outcome as WireOutcome, Remedy as WireRemedy};

/// The wire writes absence as an empty text.
fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl From<wire::EntryLine> for EntryLine {
    fn from(line: wire::EntryLine) -> Self {
        Self {
            entry_number: line.entry_number,
            entry_action: text(line.entry_action),
            line_number: line.line_number,
            pga_line_number: line.pga_line_number,
            entry_date: text(line.entry_date),
            importation_date: text(line.importation_date),
            arrival_date: text(line.arrival_date),
            export_date: text(line.export_date),
            importer_of_record: text(line.importer_of_record),
            importer_nop_id: text(line.importer_nop_id),
            exporter_nop_id: text(line.exporter_nop_id),
            hts_code: text(line.hts_code),
            article_set: text(line.article_set),
            description: text(line.description),
            organic_claim: line.organic_claim,
            message_set: text(line.message_set),
            disclaimer_code: text(line.disclaimer_code),
            certificate_number: text(line.certificate_number),
            further_certificate_numbers: line.further_certificate_numbers,
            net_weight_kg: text(line.net_weight_kg),
            lots: line.lots,
            country_of_origin: text(line.country_of_origin),
            country_of_export: text(line.country_of_export),
            port_of_entry: text(line.port_of_entry),
            disposition: text(line.disposition),
            treatment: line.treatment.map(Into::into),
        }
    }
}

impl From<EntryLine> for wire::EntryLine {
    fn from(line: EntryLine) -> Self {
        Self {
            entry_number: line.entry_number,
            entry_action: line.entry_action.unwrap_or_default(),
            line_number: line.line_number,
            pga_line_number: line.pga_line_number,
            entry_date: line.entry_date.unwrap_or_default(),
            importation_date: line.importation_date.unwrap_or_default(),
            arrival_date: line.arrival_date.unwrap_or_default(),
            export_date: line.export_date.unwrap_or_default(),
            importer_of_record: line.importer_of_record.unwrap_or_default(),
            importer_nop_id: line.importer_nop_id.unwrap_or_default(),
            exporter_nop_id: line.exporter_nop_id.unwrap_or_default(),
            hts_code: line.hts_code.unwrap_or_default(),
            article_set: line.article_set.unwrap_or_default(),
            description: line.description.unwrap_or_default(),
            organic_claim: line.organic_claim,
            message_set: line.message_set.unwrap_or_default(),
            disclaimer_code: line.disclaimer_code.unwrap_or_default(),
            certificate_number: line.certificate_number.unwrap_or_default(),
            further_certificate_numbers: line.further_certificate_numbers,
            net_weight_kg: line.net_weight_kg.unwrap_or_default(),
            lots: line.lots,
            country_of_origin: line.country_of_origin.unwrap_or_default(),
            country_of_export: line.country_of_export.unwrap_or_default(),
            port_of_entry: line.port_of_entry.unwrap_or_default(),
            disposition: line.disposition.unwrap_or_default(),
            treatment: line.treatment.map(Into::into),
        }
    }
}

/// Writes a line as [`wire::EntryLine`] is encoded, without making one of it first: where many lines are hashed or kept
/// there is nothing else to do with them.
pub fn encode_line(line: &EntryLine, buffer: &mut Vec<u8>) {
    fn text(tag: u32, text: Option<&String>, buffer: &mut Vec<u8>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            string::encode(tag, text, buffer);
        }
    }
    text(1, Some(&line.entry_number), buffer);
    text(2, line.entry_action.as_ref(), buffer);
    if line.line_number > 0 {
        uint32::encode(3, &line.line_number, buffer);
    }
    if let Some(number) = &line.pga_line_number {
        uint32::encode(4, number, buffer);
    }
    text(5, line.entry_date.as_ref(), buffer);
    text(6, line.export_date.as_ref(), buffer);
    text(7, line.importer_of_record.as_ref(), buffer);
    text(8, line.importer_nop_id.as_ref(), buffer);
    text(9, line.exporter_nop_id.as_ref(), buffer);
    text(10, line.hts_code.as_ref(), buffer);
    text(11, line.description.as_ref(), buffer);
    if let Some(claim) = &line.organic_claim {
        bool::encode(12, claim, buffer);
    }
    text(13, line.message_set.as_ref(), buffer);
    text(14, line.disclaimer_code.as_ref(), buffer);
    text(15, line.certificate_number.as_ref(), buffer);
    text(16, line.net_weight_kg.as_ref(), buffer);
    string::encode_repeated(17, &line.lots, buffer);
    text(18, line.country_of_origin.as_ref(), buffer);
    text(19, line.country_of_export.as_ref(), buffer);
    text(20, line.port_of_entry.as_ref(), buffer);
    text(21, line.disposition.as_ref(), buffer);
    if let Some(treatment) = line.treatment {
        message::encode(22, &wire::Treatment::from(treatment), buffer);
    }
    text(23, line.importation_date.as_ref(), buffer);
    text(24, line.arrival_date.as_ref(), buffer);
    text(25, line.article_set.as_ref(), buffer);
    string::encode_repeated(26, &line.further_certificate_numbers, buffer);
}

/// Writes lines as the field of this number of a message.
pub fn encode_lines<'a>(tag: u32, lines: impl IntoIterator<Item = &'a EntryLine>, buffer: &mut Vec<u8>) {
    let mut one = Vec::new();
    for line in lines {
        one.clear();
        encode_line(line, &mut one);
        bytes::encode(tag, &one, buffer);
    }
}

impl From<wire::Treatment> for Treatment {
    fn from(treatment: wire::Treatment) -> Self {
        Self {
            verified: treatment.verified,
            prohibited_substance: treatment.prohibited_substance,
            irradiated: treatment.irradiated,
            emergency_action_notice: treatment.emergency_action_notice,
        }
    }
}

impl From<Treatment> for wire::Treatment {
    fn from(treatment: Treatment) -> Self {
        Self {
            verified: treatment.verified,
            prohibited_substance: treatment.prohibited_substance,
            irradiated: treatment.irradiated,
            emergency_action_notice: treatment.emergency_action_notice,
        }
    }
}

impl From<Outcome> for WireOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accept => Self::Accept,
            Outcome::Warn => Self::Warn,
            Outcome::Reject => Self::Reject,
            Outcome::Indeterminate => Self::Indeterminate,
        }
    }
}

impl From<Severity> for WireSeverity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Reject => Self::Reject,
            Severity::Indeterminate => Self::Indeterminate,
        }
    }
}

impl From<Declaration> for WireDeclaration {
    fn from(declaration: Declaration) -> Self {
        match declaration {
            Declaration::Organic => Self::Organic,
            Declaration::Disclaimed => Self::Disclaimed,
            Declaration::None => Self::None,
        }
    }
}

impl From<Disposition> for WireRemedy {
    fn from(disposition: Disposition) -> Self {
        match disposition {
            Disposition::Reexport => Self::Reexport,
            Disposition::Donation => Self::Donation,
            Disposition::Destruction => Self::Destruction,
            Disposition::Recondition => Self::Recondition,
        }
    }
}

impl From<Remedy> for WireRemedy {
    fn from(remedy: Remedy) -> Self {
        match remedy {
            Remedy::CorrectAndRefile => Self::CorrectAndRefile,
            Remedy::Dispose(disposition) => disposition.into(),
        }
    }
}

/// The numbers of the codes on the wire, in the order of the rules. They stay what they were when a code came in.
static CODE_NUMBERS: LazyLock<Vec<i32>> = LazyLock::new(|| {
    Code::ALL
        .iter()
        .map(|code| WireCode::from_str_name(code.as_str()).unwrap_or_default().into())
        .collect()
});

/// A code's number on the wire.
#[must_use]
pub fn code_number(code: Code) -> i32 {
    CODE_NUMBERS[code as usize]
}

/// The code of a number.
fn code_of(number: i32) -> Option<Code> {
    let place = CODE_NUMBERS.iter().position(|known| *known == number);
    place.filter(|_| number > 0).map(|place| Code::ALL[place])
}

impl From<Verdict> for wire::Verdict {
    fn from(verdict: Verdict) -> Self {
        Self {
            evidence: Some(wire::Evidence {
                policy: verdict.phase,
                certificate_version: verdict.certificate_version,
                ..(&*verdict.evidence).into()
            }),
            entry_number: verdict.entry_number,
            line_number: verdict.line_number,
            pga_line_number: verdict.pga_line_number,
            verdict: WireOutcome::from(verdict.outcome).into(),
            findings: verdict.findings.into_iter().map(Into::into).collect(),
            remedies: verdict
                .remedies
                .iter()
                .map(|remedy| WireRemedy::from(*remedy).into())
                .collect(),
            declaration: WireDeclaration::from(verdict.declaration).into(),
            takes_back: verdict.takes_back,
        }
    }
}

impl From<&Evidence> for wire::Evidence {
    /// Phase and certificate are each line's own.
    fn from(evidence: &Evidence) -> Self {
        Self {
            policy: String::new(),
            certificate_version: None,
            policy_version: evidence.policy_version.clone(),
            rules_version: evidence.rules_version.clone(),
            flags_version: evidence.flags_version.clone(),
            registry_revision: evidence.registry.map(|registry| registry.revision),
            registry_published_on: published_on(evidence),
        }
    }
}

/// The day as it travels; empty where it is not known.
#[must_use]
pub fn published_on(evidence: &Evidence) -> String {
    let day = evidence.registry.and_then(|registry| registry.published_on);
    day.map(|day| day.to_string()).unwrap_or_default()
}

/// What was read of the registry.
///
/// # Errors
/// The day is none.
pub fn registry_state(
    revision: Option<u32>,
    published_on: &str,
) -> Result<Option<RegistryState>, ConversionError> {
    let published_on = match published_on {
        "" => None,
        day => {
            Some(parse_iso(day).ok_or_else(|| ConversionError::new("registry_published_on", "not a day"))?)
        }
    };
    Ok(revision.map(|revision| RegistryState {
        revision,
        published_on,
    }))
}

impl From<WordedFinding> for wire::Finding {
    fn from(finding: WordedFinding) -> Self {
        Self {
            code: code_number(finding.code),
            severity: WireSeverity::from(finding.severity).into(),
            field: finding.field,
            message: finding.message,
            citation: finding.citation,
        }
    }
}

/// The verdict on this line. What the line declares is seen from it where the verdict does not say: rules before version
/// 2 did not.
///
/// # Errors
/// A word of it is none.
pub fn verdict_on(line: &NormalisedLine, wire: wire::Verdict) -> Result<Verdict, ConversionError> {
    let outcome = outcome_of(wire.verdict())?;
    let declaration = declaration_of(wire.declaration()).unwrap_or_else(|| line.declaration());
    let remedies = wire.remedies().map(remedy_of).collect::<Result<_, _>>()?;
    let evidence = wire.evidence.unwrap_or_default();
    Ok(Verdict {
        entry_number: wire.entry_number,
        line_number: wire.line_number,
        pga_line_number: wire.pga_line_number,
        outcome,
        declaration,
        takes_back: line.takes_back(),
        findings: wire
            .findings
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<_, _>>()?,
        remedies,
        phase: evidence.policy,
        certificate_version: evidence.certificate_version,
        evidence: Arc::new(Evidence {
            policy_version: evidence.policy_version,
            rules_version: evidence.rules_version,
            flags_version: evidence.flags_version,
            registry: registry_state(evidence.registry_revision, &evidence.registry_published_on)?,
        }),
    })
}

impl TryFrom<wire::Finding> for WordedFinding {
    type Error = ConversionError;

    fn try_from(wire: wire::Finding) -> Result<Self, ConversionError> {
        Ok(Self {
            code: code_of(wire.code)
                .ok_or_else(|| ConversionError::new("code", "not a code of the rules"))?,
            severity: match wire.severity() {
                WireSeverity::Unspecified => return Err(ConversionError::new("severity", "not given")),
                WireSeverity::Info => Severity::Info,
                WireSeverity::Warning => Severity::Warning,
                WireSeverity::Reject => Severity::Reject,
                WireSeverity::Indeterminate => Severity::Indeterminate,
            },
            field: wire.field,
            message: wire.message,
            citation: wire.citation,
        })
    }
}

fn declaration_of(wire: WireDeclaration) -> Option<Declaration> {
    match wire {
        WireDeclaration::Unspecified => None,
        WireDeclaration::Organic => Some(Declaration::Organic),
        WireDeclaration::Disclaimed => Some(Declaration::Disclaimed),
        WireDeclaration::None => Some(Declaration::None),
    }
}

fn outcome_of(wire: WireOutcome) -> Result<Outcome, ConversionError> {
    Ok(match wire {
        WireOutcome::Unspecified => return Err(ConversionError::new("verdict", "not given")),
        WireOutcome::Accept => Outcome::Accept,
        WireOutcome::Warn => Outcome::Warn,
        WireOutcome::Reject => Outcome::Reject,
        WireOutcome::Indeterminate => Outcome::Indeterminate,
    })
}

fn remedy_of(wire: WireRemedy) -> Result<Remedy, ConversionError> {
    Ok(match wire {
        WireRemedy::Unspecified => return Err(ConversionError::new("remedies", "one is not given")),
        WireRemedy::CorrectAndRefile => Remedy::CorrectAndRefile,
        WireRemedy::Reexport => Remedy::Dispose(Disposition::Reexport),
        WireRemedy::Donation => Remedy::Dispose(Disposition::Donation),
        WireRemedy::Destruction => Remedy::Dispose(Disposition::Destruction),
        WireRemedy::Recondition => Remedy::Dispose(Disposition::Recondition),
    })
}

impl From<Code> for WireCode {
    fn from(code: Code) -> Self {
        // A test holds the two lists together.
        Self::try_from(code_number(code)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_encoded_as_its_message_is() {
        use prost::Message as _;

        let full = EntryLine {
            entry_number: "B7603245278".into(),
            entry_action: Some("REPLACE".into()),
            line_number: 300,
            pga_line_number: Some(0),
            entry_date: Some("2026-03-01".into()),
            importation_date: Some("2026-03-02".into()),
            arrival_date: Some("2026-03-03".into()),
            export_date: Some("2026-02-01".into()),
            importer_of_record: Some("12-3456789".into()),
            importer_nop_id: Some("1234567890".into()),
            exporter_nop_id: Some("1234567891".into()),
            hts_code: Some("0802210000".into()),
            article_set: Some("X".into()),
            description: Some("Hazelnuts".into()),
            organic_claim: Some(false),
            message_set: Some("OR2".into()),
            disclaimer_code: Some("A".into()),
            certificate_number: Some("123-1230000001-000001".into()),
            further_certificate_numbers: vec!["123-1230000001-000002".into()],
            net_weight_kg: Some("1.5".into()),
            lots: vec!["L-1".into(), String::new()],
            country_of_origin: Some("TR".into()),
            country_of_export: Some(String::new()),
            port_of_entry: Some("2304".into()),
            disposition: Some("DONATION".into()),
            treatment: Some(Treatment {
                verified: Some(false),
                ..Treatment::default()
            }),
        };
        for line in [full, EntryLine::default()] {
            let mut bytes = Vec::new();
            encode_line(&line, &mut bytes);
            assert_eq!(bytes, wire::EntryLine::from(line.clone()).encode_to_vec());
            let mut bytes = Vec::new();
            encode_lines(6, [&line, &line], &mut bytes);
            let message = wire::FilingInputs {
                lines: vec![line.clone().into(), line.into()],
                ..wire::FilingInputs::default()
            };
            assert_eq!(bytes, message.encode_to_vec());
        }
    }

    #[test]
    fn both_lists_of_codes_are_one() {
        for code in Code::ALL {
            assert_eq!(WireCode::from(code).as_str_name(), code.as_str());
            assert_eq!(code_of(code_number(code)), Some(code));
        }
        assert_eq!(code_of(0), None);
        let after_the_last = i32::try_from(Code::ALL.len()).unwrap() + 1;
        assert!(WireCode::try_from(after_the_last).is_err());
    }

    #[test]
    fn words_on_the_wire_are_those_of_the_domain() {
        for outcome in [
            Outcome::Accept,
            Outcome::Warn,
            Outcome::Reject,
            Outcome::Indeterminate,
        ] {
            assert_eq!(WireOutcome::from(outcome).as_str_name(), outcome.as_str());
        }
        for severity in [
            Severity::Info,
            Severity::Warning,
            Severity::Reject,
            Severity::Indeterminate,
        ] {
            assert_eq!(WireSeverity::from(severity).as_str_name(), severity.as_str());
        }
        for remedy in Disposition::ALL
            .map(Remedy::Dispose)
            .into_iter()
            .chain([Remedy::CorrectAndRefile])
        {
            assert_eq!(WireRemedy::from(remedy).as_str_name(), remedy.as_str());
        }
    }
}
