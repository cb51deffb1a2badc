//! When a case closes.

use super::cases::{Cases, Span};
use super::event::Closing;
use super::{Deployment, past_interval};
use crate::date::{Date, Period};
use crate::registry::{Status, Timeline};

impl Cases {
    /// The closing that today brings, to be kept as [`super::Event::Closed`]: asked once a day, with whether the importer
    /// is certified today.
    #[must_use]
    pub fn close_on(&self, today: Date, is_certified: bool) -> Option<Closing> {
        let period = is_certified.then_some(Period {
            from: Some(today),
            to: Some(today),
        });
        self.close_late(today, period.as_slice())
    }

    /// The earliest closing up to today that is not kept yet, with its right day, by the spans of days on which the
    /// importer is certified. After days without being asked, or after history was brought in, there may be several:
    /// keep each, and ask again until none is left.
    #[must_use]
    pub fn close_late(&self, today: Date, certified: &[Period]) -> Option<Closing> {
        self.spans()
            .find_map(|span| self.close_within(span, today, certified))
    }

    /// The earliest day in a span on which its case should have closed, and did not.
    fn close_within(&self, span: Span, today: Date, certified: &[Period]) -> Option<Closing> {
        // What a closed case sent or left unsent is on record for the whole of it: it is not cut any more.
        let has_letters = self.letters(span).next().is_some();
        if self
            .closing(span)
            .is_some_and(|closing| has_letters || !closing.unsent.is_empty())
        {
            return None;
        }
        let interval = self.ladder.days_until_close;
        // A letter shows that the case was open on the day of its finding and on its date.
        let open_until = self
            .letters(span)
            .map(|letter| letter.date.max(letter.cause.succ_opt().unwrap_or(Date::MAX)))
            .max();
        let mut days: Vec<Date> = self.lines(span).map(|(_, line)| line.recorded_on()).collect();
        days.dedup();
        if days.is_empty() {
            days.extend(self.last_finding_on(span));
        }
        let nexts = days.iter().skip(1).copied().map(Some).chain([None]);
        let on = days.iter().zip(nexts).find_map(|(day, next)| {
            let last = match next {
                Some(next) => next.pred_opt()?.min(today),
                None if span.before.is_none() => today,
                // This is how the case did close.
                None => return None,
            };
            let first = past_interval(*day, interval)?.max(open_until.unwrap_or(Date::MIN));
            first_certified(first, last, certified)
        })?;
        let closed = Span {
            from: span.from,
            before: Some(on),
        };
        Some(Closing {
            on,
            days_until_close: interval,
            unsent: match self.deployment {
                Deployment::Authority => self.outstanding(closed).unsent(),
                Deployment::Other => Vec::new(),
            },
        })
    }
}

/// The first day of certification from one day to another, both included.
fn first_certified(first: Date, last: Date, certified: &[Period]) -> Option<Date> {
    certified
        .iter()
        .map(|period| period.from.unwrap_or(Date::MIN).max(first))
        .zip(certified)
        .filter(|(day, period)| *day <= last && period.contains(*day))
        .map(|(day, _)| day)
        .min()
}

/// The spans of days on which an operation is certified, as [`Cases::close_late`] asks for them.
#[must_use]
pub fn certified_periods(timeline: &Timeline) -> Vec<Period> {
    let ends = timeline.status.iter().skip(1).map(|next| next.from.pred_opt());
    timeline
        .status
        .iter()
        .zip(ends.chain([None]))
        .filter(|(segment, _)| segment.status == Status::Certified)
        .map(|(segment, to)| Period {
            from: Some(segment.from),
            to,
        })
        .collect()
}
