//! What comes next in a case, and what would avert it.

use super::counted::CountedLine;
use super::step::{Step, StepState};
use super::view::Case;
use super::{Deployment, past_interval};
use crate::date::Date;
use crate::policy::Ladder;

/// A step that a case may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextStep {
    /// Which.
    pub step: Step,
    /// The earliest day: of the letter, where it is due; else of the finding that would bring it.
    pub earliest: Date,
}

/// What comes next in an open case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The step that waits for its letter.
    pub due: Option<NextStep>,
    /// The step that a finding would bring; `None` while one is due, and after the last.
    pub next: Option<NextStep>,
    /// Whether a grave finding would bring the cease-and-desist notice at once.
    pub at_once: bool,
    /// The first day on which the case closes, if the importer is certified then and no finding comes before.
    pub closes_from: Option<Date>,
    /// What to do about the findings so far, in the words of the policy, each thing once.
    pub remedies: Vec<String>,
    deployment: Deployment,
    last: Option<(Step, Date)>,
}

impl Outlook {
    /// What comes next in a case as it stands today; `None` for one that ended.
    #[must_use]
    pub fn of(case: &Case<'_>, ladder: Ladder, today: Date) -> Option<Self> {
        if case.end().is_some() {
            return None;
        }
        let due = case.due().map(|(step, since)| NextStep {
            step,
            earliest: since.max(today),
        });
        let last = case.steps().iter().rev().find_map(|taken| match taken.state {
            StepState::Sent { on } | StepState::Expected { on } => Some((taken.step, on)),
            StepState::Due { .. } | StepState::Overtaken { .. } => None,
        });
        let next = match (due, last) {
            (Some(_), _) => None,
            (None, None) => Some(NextStep {
                step: Step::FirstWarningLetter,
                earliest: today,
            }),
            (None, Some((step, date))) => step
                .next()
                .zip(past_interval(date, ladder.days_between_steps))
                .map(|(step, earliest)| NextStep {
                    step,
                    earliest: earliest.max(today),
                }),
        };
        let top = case.steps().last().map(|taken| taken.step);
        Some(Self {
            due,
            next,
            at_once: top.is_none_or(|top| top < Step::CeaseAndDesist),
            closes_from: past_interval(case.last_finding_on(), ladder.days_until_close)
                .map(|day| day.max(today)),
            remedies: remedies(case.lines().map(|(_, line)| line)),
            deployment: case.deployment(),
            last,
        })
    }

    /// The same in plain sentences for a broker: where the case stands, what may follow and from when, what averts it,
    /// when the case closes.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if let Some((step, date)) = self.last {
            let step = step.in_words();
            sentences.push(match self.deployment {
                Deployment::Authority => format!("The importer was sent {step} dated {date}."),
                Deployment::Other => format!("AMS is expected to have taken this step on {date}: {step}."),
            });
        }
        if let Some(due) = self.due {
            sentences.push(format!(
                "The next letter waits to be sent: {step}, not before {day}. It is averted only if every line that made \
                 it is withdrawn before.",
                step = due.step.in_words(),
                day = due.earliest,
            ));
        }
        if let Some(next) = self.next {
            sentences.push(format!(
                "The next step would be {step}: a line{strict} with such a finding brings it if it is recorded on or after \
                 {day}.",
                step = next.step.in_words(),
                strict = if next.step.is_strict() {
                    " judged by the strict rules"
                } else {
                    ""
                },
                day = next.earliest,
            ));
        }
        if self.at_once {
            sentences.push(
                "A cease-and-desist notice would come at once, on any day, if a line judged by the strict rules is \
                 recorded with the temporary code, or with a voided certificate while the importer is not certified."
                    .to_owned(),
            );
        }
        if self.next.is_some() || self.at_once {
            sentences.push(
                "To avert it, record no further line for this importer without an issued certificate that still holds, \
                 and none while the importer is not certified in the Organic INTEGRITY Database."
                    .to_owned(),
            );
        } else if self.due.is_none() {
            sentences.push("No further step follows in this case.".to_owned());
        }
        sentences.extend(self.remedies.iter().cloned());
        if let Some(day) = self.closes_from {
            sentences.push(format!(
                "The case closes on {day} if no other finding is recorded until then and the importer is certified on \
                 that day; else on the first later day on which it is."
            ));
        }
        sentences
    }
}

/// What to do about the findings of lines, each thing once, in their order.
pub(super) fn remedies<'a>(lines: impl Iterator<Item = &'a CountedLine>) -> Vec<String> {
    let mut remedies: Vec<String> = Vec::new();
    for finding in lines.flat_map(CountedLine::findings) {
        if !finding.remedy.is_empty() && !remedies.contains(&finding.remedy) {
            remedies.push(finding.remedy.clone());
        }
    }
    remedies
}
