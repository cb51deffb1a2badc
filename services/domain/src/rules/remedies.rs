//! What may be done about a rejected line.

use crate::date::Date;
use crate::entry::NormalisedLine;
use crate::finding::{Finding, Severity};
use crate::identifier::NopId;
use crate::policy::{PhaseIndex, Policy, Remedy};

use super::{Answer, Knowledge, Outcome, certificate_number};

/// Whether every rejecting finding can be mended by correcting the line.
fn is_correctable(policy: &Policy, findings: &[Finding]) -> bool {
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Reject)
        .all(|finding| policy.is_correctable(finding.code))
}

/// The remedies of a line, usable or not: only what the line itself says is asked, wherever the rules stopped.
pub(super) fn remedies(
    line: &NormalisedLine,
    policy: &Policy,
    phase: PhaseIndex,
    outcome: Outcome,
    findings: &[Finding],
    knowledge: &impl Knowledge,
) -> Vec<Remedy> {
    if outcome != Outcome::Reject || !policy.has_remedies(phase) {
        return Vec::new();
    }
    if is_correctable(policy, findings) {
        return vec![Remedy::CorrectAndRefile];
    }
    let date = line.rules_date();
    policy
        .remedies()
        .iter()
        .copied()
        .filter(|disposition| {
            let rule = policy.disposition(*disposition);
            // Without a date only what never ends is sure to be open.
            let is_open = date.map_or(rule.period.to.is_none(), |date| rule.period.contains(date));
            is_open && (!rule.needs_certified_importer || importer_is_certified(line, date, knowledge))
        })
        .map(Remedy::Dispose)
        .collect()
}

fn importer_is_certified(line: &NormalisedLine, date: Option<Date>, knowledge: &impl Knowledge) -> bool {
    knowledge.registry().is_some()
        && date.is_some_and(|date| {
            chosen_importer(line, knowledge)
                .and_then(|importer| knowledge.operation(importer))
                .is_some_and(|timeline| timeline.is_certified_on(date))
        })
}

/// The importer as rule 6 would choose it, also for a line that stopped before.
fn chosen_importer(line: &NormalisedLine, knowledge: &impl Knowledge) -> Option<NopId> {
    if let Some(given) = &line.importer_nop_id {
        return given.parse().ok();
    }
    let linked = |importer_of_record: &String| knowledge.linked_importer(importer_of_record);
    line.importer_of_record.as_ref().and_then(linked).or_else(|| {
        match knowledge.certificate(certificate_number(line)?) {
            Answer::Found(view) => Some(view.certificate.importer_nop_id),
            Answer::Absent | Answer::Unavailable => None,
        }
    })
}
