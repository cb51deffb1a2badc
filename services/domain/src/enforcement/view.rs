//! One case, as it stands.

use super::Deployment;
use super::cases::{Cases, Span, Withdrawn};
use super::counted::CountedLine;
use super::step::Unsent;
use super::step::{Outstanding, Step, StepState, TakenStep, expected, outstanding};
use crate::date::Date;
use crate::identifier::EntryNumber;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// No finding followed in time, and the importer was certified.
    Closed {
        /// On this day.
        on: Date,
    },
    /// Nothing was sent, and every line that counted was withdrawn.
    Withdrawn {
        /// On the day on which the last of them was.
        on: Date,
    },
}

/// A case as it stands. Its steps rise, and none stands twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case<'a> {
    deployment: Deployment,
    opened_on: Date,
    last_finding_on: Date,
    steps: Vec<TakenStep>,
    lines: Vec<&'a (EntryNumber, CountedLine)>,
    end: Option<End>,
}

impl<'a> Case<'a> {
    /// The day of the first line that counts; of the one that made the first letter, where that was earlier.
    #[must_use]
    pub const fn opened_on(&self) -> Date {
        self.opened_on
    }

    /// The day of the last line that counts; where none does any more, of the one that made the last letter.
    #[must_use]
    pub const fn last_finding_on(&self) -> Date {
        self.last_finding_on
    }

    /// Its steps, from the mildest.
    #[must_use]
    pub fn steps(&self) -> &[TakenStep] {
        &self.steps
    }

    /// One of its steps.
    #[must_use]
    pub fn step(&self, step: Step) -> Option<TakenStep> {
        self.steps.iter().find(|taken| taken.step == step).copied()
    }

    /// The step that waits for its letter, and since when: always the last one.
    #[must_use]
    pub fn due(&self) -> Option<(Step, Date)> {
        match self.steps.last()? {
            TakenStep {
                step,
                state: StepState::Due { since },
            } => Some((*step, *since)),
            _ => None,
        }
    }

    /// Its lines that count, in their order, each with its entry.
    pub fn lines(&self) -> impl Iterator<Item = (EntryNumber, &'a CountedLine)> {
        self.lines.iter().map(|(entry, line)| (*entry, line))
    }

    /// How it ended; `None` while it is open.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    pub(super) const fn deployment(&self) -> Deployment {
        self.deployment
    }

    pub(super) const fn withdrawn(deployment: Deployment, opened_on: Date, on: Date) -> Self {
        Self {
            deployment,
            opened_on,
            last_finding_on: opened_on,
            steps: Vec::new(),
            lines: Vec::new(),
            end: Some(End::Withdrawn { on }),
        }
    }
}

impl Cases {
    /// Every case, from the earliest.
    #[must_use]
    pub fn cases(&self) -> Vec<Case<'_>> {
        let mut cases: Vec<Case<'_>> = self.spans().filter_map(|span| self.case(span)).collect();
        let ended =
            |withdrawn: &Withdrawn| Case::withdrawn(self.deployment, withdrawn.opened_on, withdrawn.on);
        cases.extend(self.withdrawn.iter().map(ended));
        cases.sort_by_key(Case::opened_on);
        cases
    }

    /// The case that is open, if one is.
    #[must_use]
    pub fn open_case(&self) -> Option<Case<'_>> {
        self.case(self.last_span())
    }

    /// The case of a span, if it has one.
    pub(super) fn case(&self, span: Span) -> Option<Case<'_>> {
        let lines: Vec<&(EntryNumber, CountedLine)> = self.lines(span).collect();
        let first_line = lines.first().map(|(_, line)| line.recorded_on());
        let first_cause = self.letters(span).map(|letter| letter.cause).min();
        Some(Case {
            deployment: self.deployment,
            opened_on: first_line.into_iter().chain(first_cause).min()?,
            last_finding_on: self.last_finding_on(span)?,
            steps: self.steps(span),
            lines,
            end: span.before.map(|on| End::Closed { on }),
        })
    }

    /// The day from which the case of a span counts the days until it closes.
    pub(super) fn last_finding_on(&self, span: Span) -> Option<Date> {
        let of_line = self.lines(span).next_back().map(|(_, line)| line.recorded_on());
        of_line.or_else(|| self.letters(span).map(|letter| letter.cause).max())
    }

    /// What an authority owes in a span.
    pub(super) fn outstanding(&self, span: Span) -> Outstanding {
        outstanding(
            self.last_letter(span),
            self.lines(span).map(|(_, line)| line),
            self.ladder.days_between_steps,
        )
    }

    fn last_letter(&self, span: Span) -> Option<(Step, Date)> {
        let last = self.letters(span).next_back()?;
        Some((last.step, last.date))
    }

    fn steps(&self, span: Span) -> Vec<TakenStep> {
        let mut steps = Vec::new();
        for letter in self.letters(span) {
            steps.extend(letter.overtaken.map(overtaken));
            steps.push(TakenStep {
                step: letter.step,
                state: StepState::Sent { on: letter.date },
            });
        }
        match (self.deployment, self.closing(span)) {
            (Deployment::Authority, Some(closing)) => {
                steps.extend(closing.unsent.iter().copied().map(overtaken));
            }
            (Deployment::Authority, None) => {
                let owed = self.outstanding(span);
                steps.extend(owed.overtaken.map(overtaken));
                steps.extend(owed.due.map(|due| TakenStep {
                    step: due.step,
                    state: StepState::Due { since: due.since },
                }));
            }
            (Deployment::Other, _) => {
                let lines = self.lines(span).map(|(_, line)| line);
                let steps_ahead = expected(self.last_letter(span), lines, self.ladder.days_between_steps);
                steps.extend(steps_ahead.into_iter().map(|(step, on)| TakenStep {
                    step,
                    state: StepState::Expected { on },
                }));
            }
        }
        steps
    }
}

const fn overtaken(unsent: Unsent) -> TakenStep {
    TakenStep {
        step: unsent.step,
        state: StepState::Overtaken { since: unsent.since },
    }
}
