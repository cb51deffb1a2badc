//! The steps of the ladder, and which of them a line makes.

use serde::{Deserialize, Serialize};

use super::counted::{CountedLine, Origin, Reach};
use super::past_interval;
use crate::date::Date;

words! {
    /// A step of the ladder, from the mildest.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Step {
        /// A first letter warns.
        FirstWarningLetter = "FIRST_WARNING_LETTER",
        /// A second letter warns.
        SecondWarningLetter = "SECOND_WARNING_LETTER",
        /// The importer is told to stop.
        CeaseAndDesist = "CEASE_AND_DESIST",
        /// The matter goes to those who impose penalties.
        CivilPenaltyReferral = "CIVIL_PENALTY_REFERRAL",
    }
}

impl Step {
    /// The step that follows, if any does.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::FirstWarningLetter => Some(Self::SecondWarningLetter),
            Self::SecondWarningLetter => Some(Self::CeaseAndDesist),
            Self::CeaseAndDesist => Some(Self::CivilPenaltyReferral),
            Self::CivilPenaltyReferral => None,
        }
    }

    /// Its name in a sentence, with its article.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::FirstWarningLetter => "a first warning letter",
            Self::SecondWarningLetter => "a second warning letter",
            Self::CeaseAndDesist => "a cease-and-desist notice",
            Self::CivilPenaltyReferral => "a referral for civil penalty",
        }
    }

    /// Whether only a line of the strict phase makes it.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        matches!(self, Self::CeaseAndDesist | Self::CivilPenaltyReferral)
    }
}

/// A step that was due and will never be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unsent {
    /// Which.
    pub step: Step,
    /// Since when it was due.
    pub since: Date,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// It waits for a person with the authority role, or for the automatic policy.
    Due {
        /// Since this day; its letter cannot bear an earlier date.
        since: Date,
    },
    /// Its letter went out.
    Sent {
        /// The date of the letter: later days count from it.
        on: Date,
    },
    /// It was due, and a later step or the end of the case came first: no letter went out.
    Overtaken {
        /// Since when it was due.
        since: Date,
    },
    /// AMS is expected to have taken it.
    Expected {
        /// Counts as the date of the letter.
        on: Date,
    },
}

impl StepState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due { .. } => "DUE",
            Self::Sent { .. } => "SENT",
            Self::Overtaken { .. } => "OVERTAKEN",
            Self::Expected { .. } => "EXPECTED",
        }
    }

    /// The day that it is known by.
    #[must_use]
    pub const fn day(self) -> Date {
        match self {
            Self::Due { since } | Self::Overtaken { since } => since,
            Self::Sent { on } | Self::Expected { on } => on,
        }
    }
}

/// A step of a case, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenStep {
    /// Which.
    pub step: Step,
    /// Where it stands.
    pub state: StepState,
}

/// The step on which a case stands, with the date of its letter; `None` for that while it is due.
type Top = Option<(Step, Option<Date>)>;

/// The step that a line makes in a case that stands on `top`.
fn step_made_by(line: &CountedLine, top: Top, days_between_steps: u32) -> Option<Step> {
    if line.reach() == Reach::AtOnce && top.is_none_or(|(step, _)| step < Step::CeaseAndDesist) {
        return Some(Step::CeaseAndDesist);
    }
    let next = match top {
        None => Step::FirstWarningLetter,
        Some((step, letter)) => {
            // Days count from the letter: before it is sent, nothing follows.
            let earliest = past_interval(letter?, days_between_steps)?;
            if line.recorded_on() < earliest {
                return None;
            }
            step.next()?
        }
    };
    (!next.is_strict() || line.reach() >= Reach::WholeLadder).then_some(next)
}

/// A step that waits for its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) step: Step,
    /// The earliest date of its letter.
    pub(super) since: Date,
    /// The day of the line that made it.
    pub(super) cause: Date,
}

/// What an authority owes in a case: at most one letter, which may have overtaken another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Outstanding {
    pub(super) overtaken: Option<Unsent>,
    pub(super) due: Option<Due>,
}

impl Outstanding {
    /// All of it as never to be sent.
    pub(super) fn unsent(self) -> Vec<Unsent> {
        let due = self.due.map(|due| Unsent {
            step: due.step,
            since: due.since,
        });
        self.overtaken.into_iter().chain(due).collect()
    }
}

/// What an authority owes after its last letter, by the lines of a case in their order.
pub(super) fn outstanding<'a>(
    last: Option<(Step, Date)>,
    lines: impl Iterator<Item = &'a CountedLine>,
    days_between_steps: u32,
) -> Outstanding {
    let mut owed = Outstanding::default();
    for line in lines.filter(|line| line.origin() == Origin::Filed) {
        let top = match owed.due {
            Some(due) => Some((due.step, None)),
            None => last.map(|(step, date)| (step, Some(date))),
        };
        let Some(step) = step_made_by(line, top, days_between_steps) else {
            continue;
        };
        // Only the cease-and-desist notice follows what is due, and nothing follows it: this happens once.
        owed.overtaken = owed.due.map(|due| Unsent {
            step: due.step,
            since: due.since,
        });
        let cause = line.recorded_on();
        owed.due = Some(Due {
            step,
            // A line that is told late may be older than the letter before.
            since: last.map_or(cause, |(_, date)| cause.max(date)),
            cause,
        });
    }
    owed
}

/// The steps that AMS is expected to have taken after a letter, each with the day that counts as its date.
pub(super) fn expected<'a>(
    last: Option<(Step, Date)>,
    lines: impl Iterator<Item = &'a CountedLine>,
    days_between_steps: u32,
) -> Vec<(Step, Date)> {
    let mut steps = Vec::new();
    let mut top = last;
    for line in lines {
        let letter = top.map(|(step, date)| (step, Some(date)));
        if let Some(step) = step_made_by(line, letter, days_between_steps) {
            let day = line.recorded_on();
            let date = top.map_or(day, |(_, before)| day.max(before));
            top = Some((step, date));
            steps.push((step, date));
        }
    }
    steps
}
