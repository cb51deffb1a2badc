//! What may be done about a rejected line.

use crate::finding::{Finding, Severity};
use crate::identifier::NopId;
use crate::policy::{PhaseIndex, Policy, Remedy};

use super::{Answer, Case, Knowledge, Outcome, certificate_number};

/// Whether every rejecting finding can be mended by correcting the line.
fn is_correctable(policy: &Policy, findings: &[Finding]) -> bool {
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Reject)
        .all(|finding| policy.is_correctable(finding.code))
}

/// Remedies of a line of which not even the fields can be used: nothing is known of dates or importers.
pub(super) fn of_unusable_line(
    policy: &Policy,
    phase: PhaseIndex,
    outcome: Outcome,
    findings: &[Finding],
) -> Vec<Remedy> {
    if outcome != Outcome::Reject || !policy.has_remedies(phase) {
        return Vec::new();
    }
    if is_correctable(policy, findings) {
        return vec![Remedy::CorrectAndRefile];
    }
    let open = |disposition: &&_| {
        let rule = policy.disposition(**disposition);
        rule.period.to.is_none() && !rule.needs_certified_importer
    };
    policy
        .remedies()
        .iter()
        .filter(open)
        .copied()
        .map(Remedy::Dispose)
        .collect()
}

impl<K: Knowledge> Case<'_, K> {
    pub(super) fn remedies(&self, outcome: Outcome) -> Vec<Remedy> {
        if outcome != Outcome::Reject || !self.policy.has_remedies(self.findings.phase) {
            return Vec::new();
        }
        if is_correctable(self.policy, &self.findings.list) {
            return vec![Remedy::CorrectAndRefile];
        }
        let date = self.checked.entry_date;
        self.policy
            .remedies()
            .iter()
            .copied()
            .filter(|disposition| {
                let rule = self.policy.disposition(*disposition);
                rule.period.contains(date) && (!rule.needs_certified_importer || self.importer_is_certified())
            })
            .map(Remedy::Dispose)
            .collect()
    }

    fn importer_is_certified(&self) -> bool {
        let date = self.checked.entry_date;
        self.knowledge.registry().is_some()
            && self
                .chosen_importer()
                .and_then(|importer| self.knowledge.operation(importer))
                .is_some_and(|timeline| timeline.is_certified_on(date))
    }

    /// The importer as rule 6 would choose it, also for a line that stopped before.
    fn chosen_importer(&self) -> Option<NopId> {
        self.given_importer().or_else(|| {
            let number = certificate_number(self.line)?;
            match self.knowledge.certificate(number) {
                Answer::Found(view) => Some(view.certificate.importer_nop_id),
                Answer::Absent | Answer::Unavailable => None,
            }
        })
    }
}
