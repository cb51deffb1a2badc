//! The cases of one tenant and importer, made from their history.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::counted::{CountedLine, Reach};
use super::event::{Closing, EntryVersion, Event, Letter, Refusal};
use super::step::{Step, StepState};
use super::{Deployment, past_interval};
use crate::date::Date;
use crate::identifier::EntryNumber;
use crate::policy::Ladder;

/// The cases of one importer, as its tenant sees them: what is kept of them, and what follows from it.
///
/// Lines, letters and closings lie on one row of days; closings cut it into spans, and a span with a line or a letter is
/// a case. So a line that is told late finds its case by its day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cases {
    pub(super) deployment: Deployment,
    pub(super) ladder: Ladder,
    told: u64,
    versions: BTreeMap<EntryNumber, Version>,
    lines: BTreeMap<Place, (EntryNumber, CountedLine)>,
    /// As they were sent; no two of one case have the same step.
    letters: Vec<Letter>,
    closings: BTreeMap<Date, Closing>,
    pub(super) withdrawn: Vec<Withdrawn>,
}

/// Where a line stands in the order in which lines count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    day: Date,
    /// Number of the telling.
    told: u64,
    /// Of lines told together those come first that bring the cease-and-desist notice at once.
    is_ordinary: bool,
    line_number: u32,
    pga_line_number: u32,
    /// Among the lines told together: keeps apart what has the same numbers.
    index: usize,
}

impl Place {
    const fn first_of(day: Date) -> Self {
        Self {
            day,
            told: 0,
            is_ordinary: false,
            line_number: 0,
            pga_line_number: 0,
            index: 0,
        }
    }
}

/// The current version of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Version {
    number: u32,
    places: Vec<Place>,
}

/// A case of which nothing was sent and nothing counts any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Withdrawn {
    pub(super) opened_on: Date,
    pub(super) on: Date,
}

/// Days between two closings: from the first, up to the day before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) from: Option<Date>,
    pub(super) before: Option<Date>,
}

impl Span {
    fn contains(self, day: Date) -> bool {
        self.from.is_none_or(|from| day >= from) && self.before.is_none_or(|before| day < before)
    }
}

impl Cases {
    /// Those of an importer of which nothing is known.
    #[must_use]
    pub fn new(deployment: Deployment, ladder: Ladder) -> Self {
        Self {
            deployment,
            ladder,
            told: 0,
            versions: BTreeMap::new(),
            lines: BTreeMap::new(),
            letters: Vec::new(),
            closings: BTreeMap::new(),
            withdrawn: Vec::new(),
        }
    }

    /// Those of a kept history, in the order in which it was told.
    ///
    /// # Errors
    /// As [`Cases::apply`].
    pub fn replay<'a>(
        deployment: Deployment,
        ladder: Ladder,
        history: impl IntoIterator<Item = &'a Event>,
    ) -> Result<Self, Refusal> {
        let mut cases = Self::new(deployment, ladder);
        for event in history {
            cases.apply(event)?;
        }
        Ok(cases)
    }

    /// Counts one more event. What was kept under other intervals, or by a deployment of another kind, stays as it was.
    ///
    /// # Errors
    /// [`Refusal::ImpossibleLetter`], [`Refusal::ImpossibleClosing`]: then nothing changed.
    pub fn apply(&mut self, event: &Event) -> Result<(), Refusal> {
        match event {
            Event::Recorded(version) => {
                self.record(version);
                Ok(())
            }
            Event::Sent(letter) => self.note_letter(letter),
            Event::Closed(closing) => self.note_closing(closing),
        }
    }

    /// The letter by which an authority takes the step that is due, to be kept as [`Event::Sent`]. Whoever sends asks for
    /// closings first ([`Cases::close_late`]): a letter shows that its case was open on its date.
    ///
    /// # Errors
    /// Why the step cannot be taken, or not by a letter of this date.
    pub fn send(&self, step: Step, date: Date) -> Result<Letter, Refusal> {
        if self.deployment != Deployment::Authority {
            return Err(Refusal::NotAnAuthority);
        }
        let case = self.open_case().ok_or(Refusal::NotDue(step))?;
        let owed = self.outstanding(self.last_span());
        match owed.due {
            Some(due) if due.step == step => {
                if date < due.since {
                    return Err(Refusal::DatedBeforeDue(due.since));
                }
                Ok(Letter {
                    step,
                    date,
                    cause: due.cause,
                    overtaken: owed.overtaken,
                })
            }
            _ => Err(match case.step(step).map(|taken| taken.state) {
                Some(StepState::Sent { on }) => Refusal::AlreadySent { step, on },
                Some(StepState::Overtaken { .. }) => Refusal::Overtaken(step),
                Some(StepState::Due { .. } | StepState::Expected { .. }) | None => Refusal::NotDue(step),
            }),
        }
    }

    /// The spans between the closings, from the earliest.
    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        let days = || self.closings.keys().copied().map(Some);
        std::iter::once(None)
            .chain(days())
            .zip(days().chain([None]))
            .map(|(from, before)| Span { from, before })
    }

    /// The one after the last closing.
    pub(super) fn last_span(&self) -> Span {
        Span {
            from: self.closings.last_key_value().map(|(day, _)| *day),
            before: None,
        }
    }

    /// The one that holds a day.
    fn span_of(&self, day: Date) -> Span {
        let after = (Bound::Excluded(day), Bound::Unbounded);
        Span {
            from: self.closings.range(..=day).next_back().map(|(from, _)| *from),
            before: self.closings.range(after).next().map(|(before, _)| *before),
        }
    }

    /// The lines of a span in the order in which they count.
    pub(super) fn lines(&self, span: Span) -> impl DoubleEndedIterator<Item = &(EntryNumber, CountedLine)> {
        let from = span.from.unwrap_or(Date::MIN);
        // A span never ends before it begins: both ends are closings in their order.
        let places = match span.before {
            Some(before) => self.lines.range(Place::first_of(from)..Place::first_of(before)),
            None => self.lines.range(Place::first_of(from)..),
        };
        places.map(|(_, line)| line)
    }

    /// The letters of a span as they were sent.
    pub(super) fn letters(&self, span: Span) -> impl DoubleEndedIterator<Item = &Letter> {
        self.letters
            .iter()
            .filter(move |letter| span.contains(letter.cause))
    }

    /// How the span ended.
    pub(super) fn closing(&self, span: Span) -> Option<&Closing> {
        self.closings.get(&span.before?)
    }

    fn is_empty(&self, span: Span) -> bool {
        self.lines(span).next().is_none() && self.letters(span).next().is_none()
    }

    fn record(&mut self, version: &EntryVersion) {
        let known = self.versions.get(&version.entry_number);
        if known.is_some_and(|known| known.number >= version.version) {
            return;
        }
        let gone = known.map(|known| known.places.clone()).unwrap_or_default();
        let touched: BTreeSet<Span> = gone.iter().map(|place| self.span_of(place.day)).collect();
        let touched: Vec<(Span, Option<Date>)> = touched
            .into_iter()
            .map(|span| (span, self.lines(span).next().map(|(_, line)| line.recorded_on())))
            .collect();
        for place in &gone {
            self.lines.remove(place);
        }
        self.told += 1;
        let mut places = Vec::with_capacity(version.lines.len());
        for (index, line) in version.lines.iter().enumerate() {
            let place = Place {
                day: line.recorded_on(),
                told: self.told,
                is_ordinary: line.reach() != Reach::AtOnce,
                line_number: line.line_number(),
                pga_line_number: line.pga_line_number(),
                index,
            };
            self.lines.insert(place, (version.entry_number, line.clone()));
            places.push(place);
        }
        for (span, opened_on) in touched {
            if let Some(opened_on) = opened_on
                && self.is_empty(span)
            {
                self.withdrawn.push(Withdrawn {
                    opened_on,
                    on: version.recorded_on,
                });
                if let Some(closed_on) = span.before {
                    self.closings.remove(&closed_on);
                }
            }
        }
        for place in &places {
            self.undo_early_closings(place.day);
        }
        let known = self.versions.entry(version.entry_number).or_default();
        *known = Version {
            number: version.version,
            places,
        };
    }

    /// Takes back closings that a line of this day shows to have come too early, as far as no letter was sent or overtaken
    /// since: those are on record for cases of their own.
    fn undo_early_closings(&mut self, day: Date) {
        while let Some(closing) = self.closing(self.span_of(day)) {
            let on = closing.on;
            let in_time = past_interval(day, closing.days_until_close).is_some_and(|earliest| on >= earliest);
            if in_time || self.has_letters_since(on) {
                return;
            }
            self.closings.remove(&on);
        }
    }

    fn has_letters_since(&self, closed_on: Date) -> bool {
        let later = (Bound::Excluded(closed_on), Bound::Unbounded);
        self.letters.iter().any(|letter| letter.cause >= closed_on)
            || self
                .closings
                .range(later)
                .any(|(_, closing)| !closing.unsent.is_empty())
    }

    fn note_letter(&mut self, letter: &Letter) -> Result<(), Refusal> {
        let span = self.last_span();
        let is_after_the_last = self
            .letters(span)
            .next_back()
            .is_none_or(|last| last.step < letter.step && last.date <= letter.date);
        if !span.contains(letter.cause) || letter.date < letter.cause || !is_after_the_last {
            return Err(Refusal::ImpossibleLetter {
                step: letter.step,
                date: letter.date,
            });
        }
        self.letters.push(letter.clone());
        Ok(())
    }

    fn note_closing(&mut self, closing: &Closing) -> Result<(), Refusal> {
        let on = closing.on;
        let within = self.span_of(on);
        let span = Span {
            from: within.from,
            before: Some(on),
        };
        let is_after =
            |day| past_interval(day, closing.days_until_close).is_some_and(|earliest| on >= earliest);
        let possible = within.from != Some(on)
            && !self.is_empty(span)
            && self.lines(span).all(|(_, line)| is_after(line.recorded_on()))
            && self
                .letters(within)
                .all(|letter| letter.cause < on && letter.date <= on);
        if !possible {
            return Err(Refusal::ImpossibleClosing(on));
        }
        self.closings.insert(on, closing.clone());
        Ok(())
    }
}
