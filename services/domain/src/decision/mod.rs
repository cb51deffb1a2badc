//! From what a filing rests on to its decisions, as a pure function: the same inputs, policy, flags and answer of the
//! ledger give the same decisions at any time, whoever asks.
//!
//! [`Inputs::freeze`] keeps what is known by value, [`draws`] says what the ledger is asked for, [`decide`] decides by
//! what it answered.

mod inputs;
mod ledger;
mod verdict;

use rustc_hash::FxHashSet;
use thiserror::Error;

use crate::entry::NormalisedLine;
use crate::finding::Code;
use crate::flags::FlagTable;
use crate::identifier::{CertificateNumber, EntryNumber, NopId};
use crate::ledger::{LineDraw, LineOutcome};
use crate::policy::Policy;
use crate::rules::{
    Judgement, Outcome, ask_of_ledger, certificate_number, has_valid_certificate, importer, is_organic,
    judge_entry,
};
use crate::weight::Weight;

pub use inputs::{FiledEntry, Inputs, Kind, link_key};
use ledger::OfEntry;
pub use ledger::{Draws, EntryAnswer, EntryAsk, JudgedCertificate, LedgerState};
pub use verdict::{Evidence, Verdict, WordedFinding};

/// Parts of what a filing rests on that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Inconsistent {
    /// Of the inputs.
    #[error("the inputs: {0}")]
    Inputs(String),
    /// Of the ledger's answer.
    #[error("the ledger's answer: {0}")]
    Ledger(String),
}

/// The decision on a line of the inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// In the words of the policy.
    pub verdict: Verdict,
    /// Codes of its findings.
    pub codes: Vec<Code>,
    /// The importer that is judged, if it is known.
    pub importer: Option<NopId>,
    /// The electronic certificate that the line names.
    pub certificate: Option<CertificateNumber>,
    /// Whether the line declares organic goods, or must.
    pub is_organic: bool,
    /// Whether the line has a valid certificate, as statistics count it.
    pub has_valid_certificate: bool,
    /// Weight and its part past the limit; absent where nothing is drawn.
    pub drawn: Option<(Weight, Weight)>,
    /// Whether the decision stands for the line: not where the line takes itself back, or repeats another. The first line
    /// of a number alone says what the version has under it, so one that repeats a line that was taken back stands
    /// nowhere either.
    pub stands: bool,
}

/// What the ledger is asked for: what each line draws if its weight is left.
///
/// # Errors
/// The inputs have fewer lines than their entries.
pub fn draws(inputs: &Inputs, policy: &Policy, flags: &FlagTable) -> Result<Draws, Inconsistent> {
    let mut entries = Vec::with_capacity(inputs.entries.len());
    let mut judgements = Vec::new();
    for (entry, lines) in inputs.lines_of_entries()? {
        judgements.clear();
        judge_entry(lines, policy, flags, inputs, &mut judgements);
        // What has no number of an entry draws nothing and never did.
        if EntryNumber::parse(&entry.entry_number).is_none() {
            continue;
        }
        let mut seen = FxHashSet::default();
        entries.push(EntryAsk {
            entry_number: entry.entry_number.clone(),
            version: entry.version,
            keep_other_lines: entry.keep_other_lines,
            lines: lines
                .iter()
                .zip(&judgements)
                .filter(|(line, _)| seen.insert((line.line_number, line.pga_line_number())))
                .filter(|(line, _)| has_number(line))
                .map(|(line, judgement)| LineDraw {
                    line_number: line.line_number,
                    pga_line_number: line.pga_line_number(),
                    ask: ask_of_ledger(line, judgement, policy, inputs.amends() || line.replaces()),
                })
                .collect(),
        });
    }
    let judged = |view: &crate::certificate::CertificateView| JudgedCertificate {
        number: view.certificate.number,
        version: view.version,
        tolerance: policy.tolerance_of(view.certificate.total_weight_kg),
    };
    Ok(Draws {
        entries,
        certificates: inputs.certificates.values().map(judged).collect(),
    })
}

fn has_number(line: &NormalisedLine) -> bool {
    line.line_number > 0 && line.pga_line_number() > 0
}

/// What a line would draw: one without weight draws zero, which counts as use.
#[must_use]
pub fn weight(line: &NormalisedLine) -> Weight {
    line.net_weight_kg
        .as_deref()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

/// The decisions on every line, in their order, by what the ledger answered about the entries that it was asked about.
///
/// # Errors
/// The inputs, or they and the answer, do not go together.
pub fn decide(
    inputs: &Inputs,
    policy: &Policy,
    flags: &FlagTable,
    answers: &[EntryAnswer],
) -> Result<Vec<Decision>, Inconsistent> {
    let mut decided = Vec::with_capacity(inputs.lines.len());
    let mut answers = answers.iter();
    let mut judgements = Vec::new();
    let nothing = EntryAnswer::default();
    for (entry, lines) in inputs.lines_of_entries()? {
        let answer = if EntryNumber::parse(&entry.entry_number).is_none() {
            &nothing
        } else {
            answers
                .next()
                .ok_or_else(|| Inconsistent::Ledger("fewer entries than the filing has".to_owned()))?
        };
        let knowledge = OfEntry::new(inputs, answer);
        judgements.clear();
        judge_entry(lines, policy, flags, &knowledge, &mut judgements);
        let mut outcomes = answer.lines.iter();
        let mut seen = FxHashSet::default();
        for (line, judgement) in lines.iter().zip(&judgements) {
            let is_first = seen.insert((line.line_number, line.pga_line_number()));
            let outcome = if is_first && has_number(line) {
                outcomes.next()
            } else {
                None
            };
            let drawn = match outcome {
                Some(LineOutcome::Drawn { excess }) => Some((weight(line), *excess)),
                _ => None,
            };
            check(line, judgement, drawn.is_some())?;
            decided.push(Decision {
                verdict: Verdict::new(line, judgement, policy, &inputs.evidence),
                codes: judgement.findings.iter().map(|finding| finding.code).collect(),
                importer: importer(line, &knowledge),
                certificate: certificate_number(line),
                is_organic: is_organic(line, judgement.findings.iter().map(|finding| finding.code)),
                has_valid_certificate: has_valid_certificate(line, judgement, policy),
                drawn,
                stands: is_first && !line.takes_back(),
            });
        }
    }
    Ok(decided)
}

/// The ledger and the rules share their arithmetic, and tests hold them together.
fn check(line: &NormalisedLine, judgement: &Judgement, is_drawn: bool) -> Result<(), Inconsistent> {
    let may_file = matches!(judgement.outcome, Outcome::Accept | Outcome::Warn);
    // A line that takes itself back is judged by rule 1 alone, which reads no certificate.
    let draws = may_file && judgement.certificate_version.is_some();
    if draws == is_drawn {
        return Ok(());
    }
    Err(Inconsistent::Ledger(format!(
        "entry {} line {}: the rules say {}, the ledger {}",
        line.entry_number,
        line.line_number,
        judgement.outcome.as_str(),
        if is_drawn { "drawn" } else { "not drawn" }
    )))
}
