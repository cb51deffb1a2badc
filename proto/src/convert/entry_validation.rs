//! Entry lines and verdicts. Lines come in by move, so that nothing is copied on the way to the rules.

use nopic_domain::entry::{EntryLine, Treatment};
use nopic_domain::finding::{Code, Finding, Severity};
use nopic_domain::policy::{Disposition, Policy, Remedy};
use nopic_domain::rules::{Judgement, Outcome};

use crate::entry_validation as wire;
use wire::finding::{Code as WireCode, Severity as WireSeverity};
use wire::verdict::{Outcome as WireOutcome, Remedy as WireRemedy};

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
            export_date: text(line.export_date),
            importer_of_record: text(line.importer_of_record),
            importer_nop_id: text(line.importer_nop_id),
            exporter_nop_id: text(line.exporter_nop_id),
            hts_code: text(line.hts_code),
            description: text(line.description),
            organic_claim: line.organic_claim,
            message_set: text(line.message_set),
            disclaimer_code: text(line.disclaimer_code),
            certificate_number: text(line.certificate_number),
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
            export_date: line.export_date.unwrap_or_default(),
            importer_of_record: line.importer_of_record.unwrap_or_default(),
            importer_nop_id: line.importer_nop_id.unwrap_or_default(),
            exporter_nop_id: line.exporter_nop_id.unwrap_or_default(),
            hts_code: line.hts_code.unwrap_or_default(),
            description: line.description.unwrap_or_default(),
            organic_claim: line.organic_claim,
            message_set: line.message_set.unwrap_or_default(),
            disclaimer_code: line.disclaimer_code.unwrap_or_default(),
            certificate_number: line.certificate_number.unwrap_or_default(),
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

/// A code's number on the wire: both lists stand in the order of the rules, the wire's after its unspecified one.
#[must_use]
pub const fn code_number(code: Code) -> i32 {
    code as i32 + 1
}

fn finding(policy: &Policy, finding: &Finding) -> wire::Finding {
    wire::Finding {
        code: code_number(finding.code),
        severity: WireSeverity::from(finding.severity).into(),
        field: policy.field(finding).to_owned(),
        message: policy.message(finding),
        citation: policy.code(finding.code).citation.clone(),
    }
}

/// The verdict on one line, in the words of the policy. `evidence` is what all lines of a request share.
#[must_use]
pub fn verdict(
    entry_number: String,
    line_number: u32,
    pga_line_number: u32,
    judgement: &Judgement,
    policy: &Policy,
    evidence: &wire::Evidence,
) -> wire::Verdict {
    wire::Verdict {
        entry_number,
        line_number,
        pga_line_number,
        verdict: WireOutcome::from(judgement.outcome).into(),
        findings: judgement
            .findings
            .iter()
            .map(|found| finding(policy, found))
            .collect(),
        remedies: judgement
            .remedies
            .iter()
            .map(|remedy| WireRemedy::from(*remedy).into())
            .collect(),
        evidence: Some(wire::Evidence {
            policy: policy.phase(judgement.phase).name.clone(),
            certificate_version: judgement.certificate_version,
            ..evidence.clone()
        }),
    }
}

impl From<Code> for WireCode {
    fn from(code: Code) -> Self {
        // A test holds the two lists together.
        Self::try_from(code_number(code)).unwrap_or(Self::Unspecified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_of_codes_are_one() {
        for code in Code::ALL {
            assert_eq!(WireCode::from(code).as_str_name(), code.as_str());
        }
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
