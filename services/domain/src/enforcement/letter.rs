//! The facts of a letter. How it looks is decided elsewhere.

use std::collections::BTreeMap;

use super::counted::{CountedFinding, CountedLine};
use super::event::Letter;
use super::outlook::remedies;
use super::step::{Step, StepState};
use super::view::Case;
use crate::date::Date;
use crate::identifier::{EntryNumber, NopId};

/// All that a letter states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterFacts {
    /// To whom.
    pub importer: NopId,
    /// Whose case it is.
    pub tenant: String,
    /// Which step.
    pub step: Step,
    /// The date of the letter.
    pub date: Date,
    /// The day of the finding that made it due.
    pub cause: Date,
    /// Letters that were sent in this case before, with their dates.
    pub earlier: Vec<(Step, Date)>,
    /// The entries, by the day of their first line, with their lines that count up to the date.
    pub entries: Vec<EntryFacts>,
    /// What to do, each thing once.
    pub what_to_do: Vec<String>,
    /// Where to answer.
    pub answer_to: String,
}

/// An entry in a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFacts {
    /// Its number.
    pub entry_number: EntryNumber,
    /// Its lines, by line and PGA line.
    pub lines: Vec<LineFacts>,
}

/// A line in a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFacts {
    /// Line of the entry.
    pub line_number: u32,
    /// PGA line of it.
    pub pga_line_number: u32,
    /// The day on which it was recorded.
    pub recorded_on: Date,
    /// What was found, in the order of the rules, in the words of the policy.
    pub findings: Vec<CountedFinding>,
}

impl From<&CountedLine> for LineFacts {
    fn from(line: &CountedLine) -> Self {
        Self {
            line_number: line.line_number(),
            pga_line_number: line.pga_line_number(),
            recorded_on: line.recorded_on(),
            findings: line.findings().to_vec(),
        }
    }
}

impl Case<'_> {
    /// What a letter of this case states, before or after it is sent. Lines that are withdrawn later are gone from it: a
    /// letter that was sent is kept as it was.
    #[must_use]
    pub fn letter_facts(
        &self,
        letter: &Letter,
        tenant: &str,
        importer: NopId,
        answer_to: &str,
    ) -> LetterFacts {
        let named = || self.lines().filter(|(_, line)| line.recorded_on() <= letter.date);
        let mut entries: Vec<EntryFacts> = Vec::new();
        let mut places: BTreeMap<EntryNumber, usize> = BTreeMap::new();
        for (entry_number, line) in named() {
            let place = *places.entry(entry_number).or_insert_with(|| {
                entries.push(EntryFacts {
                    entry_number,
                    lines: Vec::new(),
                });
                entries.len() - 1
            });
            entries[place].lines.push(line.into());
        }
        for entry in &mut entries {
            entry
                .lines
                .sort_by_key(|line| (line.line_number, line.pga_line_number));
        }
        LetterFacts {
            importer,
            tenant: tenant.to_owned(),
            step: letter.step,
            date: letter.date,
            cause: letter.cause,
            earlier: self
                .steps()
                .iter()
                .filter_map(|taken| match taken.state {
                    StepState::Sent { on } if taken.step < letter.step => Some((taken.step, on)),
                    _ => None,
                })
                .collect(),
            entries,
            what_to_do: remedies(named().map(|(_, line)| line)),
            answer_to: answer_to.to_owned(),
        }
    }
}
