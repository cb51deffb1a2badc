//! Letters to importers: one template for each step, as text and as a page to print.
//!
//! All that a letter states is [`LetterFacts`]; nothing is sent from here. No letter names the amount of a penalty: that
//! is for those to say who impose it.

mod fit;
mod html;
mod template;
mod text;

use nopic_domain::enforcement::{Case, EntryFacts, Letter, LetterFacts, LineFacts, Refusal};
use nopic_domain::identifier::NopId;

use crate::cases::CaseRules;
use crate::channels::words::one_line;
use crate::error::Error;

/// A letter in both of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Composed {
    pub(crate) text: String,
    pub(crate) html: String,
}

/// The letter of a case, before or as it is sent.
pub(crate) fn compose(
    case: &Case<'_>,
    letter: &Letter,
    (tenant, importer): (&str, NopId),
    rules: &CaseRules,
) -> Composed {
    let facts = readable(case.letter_facts(letter, tenant, importer, &rules.answer_to));
    let template = template::of(&facts, case.opened_on(), rules.ladder);
    Composed {
        text: text::of(&facts, &template),
        html: html::of(&facts, &template),
    }
}

/// Findings quote what was filed: it comes in one line, without characters that steer.
fn readable(mut facts: LetterFacts) -> LetterFacts {
    let findings = facts
        .entries
        .iter_mut()
        .flat_map(|entry| &mut entry.lines)
        .flat_map(|line| &mut line.findings);
    for finding in findings {
        finding.sentence = one_line(&finding.sentence);
    }
    for sentence in &mut facts.what_to_do {
        *sentence = one_line(sentence);
    }
    facts
}

/// Why a letter cannot be sent or shown.
pub(crate) fn refused(importer: NopId, refusal: Refusal) -> Error {
    let why = match refusal {
        Refusal::NotDue(_) => format!(
            "{refusal} in the case against importer {importer}: GetCase says where it stands and what may follow"
        ),
        _ => format!("importer {importer}: {refusal}"),
    };
    Error::NotNow(why)
}

/// `Line 1, PGA line 2`.
fn place(line: &LineFacts) -> String {
    match line.pga_line_number {
        0 => format!("Line {}", line.line_number),
        pga_line => format!("Line {}, PGA line {pga_line}", line.line_number),
    }
}

/// `Entry 123-4567890-1`.
fn heading(entry: &EntryFacts) -> String {
    format!("Entry {}", entry.entry_number)
}

#[cfg(test)]
mod tests;
