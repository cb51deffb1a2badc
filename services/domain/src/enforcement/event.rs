//! The history of the cases of one tenant and importer: what is kept, in the order in which it was told.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::counted::CountedLine;
use super::step::{Step, Unsent};
use crate::date::Date;
use crate::identifier::EntryNumber;

/// Something that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Event {
    /// A version of an entry is on record.
    Recorded(EntryVersion),
    /// A letter went out.
    Sent(Letter),
    /// A case closed.
    Closed(Closing),
}

/// A version of an entry, with those of its lines that count for this importer: none, where it was cancelled or amended
/// so that nothing counts. It takes the place of the version before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntryVersion {
    /// The entry.
    pub entry_number: EntryNumber,
    /// From 1, rising.
    pub version: u32,
    /// The day in New York on which the version was recorded.
    pub recorded_on: Date,
    /// Every line of the version that counts; one that stays from a version before keeps its own day.
    pub lines: Vec<CountedLine>,
}

/// A letter that was sent. Made by [`super::Cases::send`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Letter {
    /// The step that it takes.
    pub step: Step,
    /// Its date, from which days count.
    pub date: Date,
    /// The day of the finding that made it due: of the cases of an importer, it belongs to the one of that day.
    pub cause: Date,
    /// The letter that it overtook, if it did.
    pub overtaken: Option<Unsent>,
}

/// A case that closed. Made by [`super::Cases::close_on`] and [`super::Cases::close_late`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Closing {
    /// The day. Findings of it belong to the next case.
    pub on: Date,
    /// The policy's interval by which it closed, in days.
    pub days_until_close: u32,
    /// What was due and was not sent.
    pub unsent: Vec<Unsent>,
}

/// Why something cannot be done to a case, or cannot have happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Only an authority sends letters.
    #[error("this deployment is not an authority: it sends no letters")]
    NotAnAuthority,
    /// The step is not due.
    #[error("{step} is not due", step = .0.in_words())]
    NotDue(Step),
    /// The step was taken in this case.
    #[error("{step} was sent on {date}", step = .step.in_words(), date = .on)]
    AlreadySent {
        /// Which.
        step: Step,
        /// The date of its letter.
        on: Date,
    },
    /// A later step came first.
    #[error("{step} was overtaken by a later step", step = .0.in_words())]
    Overtaken(Step),
    /// A letter cannot bear a date before it was due.
    #[error("the letter is due since {0} and cannot bear an earlier date")]
    DatedBeforeDue(Date),
    /// The kept history holds a letter that no case can have had.
    #[error("no case can have sent {step} on {date}", step = .step.in_words())]
    ImpossibleLetter {
        /// Its step.
        step: Step,
        /// Its date.
        date: Date,
    },
    /// The kept history holds a closing that no case can have had.
    #[error("no case can have closed on {0}")]
    ImpossibleClosing(Date),
}
