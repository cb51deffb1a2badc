//! A verdict in words, with what it rests on.

use std::sync::Arc;

use crate::entry::{Declaration, NormalisedLine};
use crate::finding::{Code, Severity};
use crate::policy::{Policy, Remedy};
use crate::rules::{Judgement, Outcome, RegistryState};

/// What all verdicts of one request or filing rest on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Hash of the policy.
    pub policy_version: String,
    /// Of [`crate::rules::RULES_VERSION`].
    pub rules_version: String,
    /// Hash of the flags.
    pub flags_version: String,
    /// The registry that was read; absent where it could not be.
    pub registry: Option<RegistryState>,
}

/// A finding in the words of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordedFinding {
    /// What.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// Field of the line that is at fault.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Source of the rule.
    pub citation: String,
}

/// The verdict on one line, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The entry, as filed.
    pub entry_number: String,
    /// Its line.
    pub line_number: u32,
    /// PGA line of it.
    pub pga_line_number: u32,
    /// What becomes of the line.
    pub outcome: Outcome,
    /// What it declares.
    pub declaration: Declaration,
    /// Whether it takes the line of its number back.
    pub takes_back: bool,
    /// What was found, in the order of the rules.
    pub findings: Vec<WordedFinding>,
    /// What may be done, in order.
    pub remedies: Vec<Remedy>,
    /// Name of the policy's phase on the entry date.
    pub phase: String,
    /// Version of the certificate that was read, if one was.
    pub certificate_version: Option<u32>,
    /// What it shares with others.
    pub evidence: Arc<Evidence>,
}

impl Verdict {
    /// A judgement in the words of the policy that it was made by.
    #[must_use]
    pub fn new(
        line: &NormalisedLine,
        judgement: &Judgement,
        policy: &Policy,
        evidence: &Arc<Evidence>,
    ) -> Self {
        Self {
            entry_number: line.entry_number.clone(),
            line_number: line.line_number,
            pga_line_number: line.pga_line_number(),
            outcome: judgement.outcome,
            declaration: line.declaration(),
            takes_back: line.takes_back(),
            findings: judgement
                .findings
                .iter()
                .map(|finding| WordedFinding {
                    code: finding.code,
                    severity: finding.severity,
                    field: policy.field(finding).to_owned(),
                    message: policy.message(finding),
                    citation: policy.code(finding.code).citation.clone(),
                })
                .collect(),
            remedies: judgement.remedies.clone(),
            phase: policy.phase(judgement.phase).name.clone(),
            certificate_version: judgement.certificate_version,
            evidence: Arc::clone(evidence),
        }
    }
}
