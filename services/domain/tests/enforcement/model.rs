//! The ladder as a person with a calendar would keep it: everything that was told on index cards, and for each question a
//! walk through every day from the first card on, counting days one by one.

use std::collections::BTreeMap;

use nopic_domain::date::Date;

/// Steps by their place on the ladder, from 1.
const NAMES: [&str; 5] = [
    "",
    "FIRST_WARNING_LETTER",
    "SECOND_WARNING_LETTER",
    "CEASE_AND_DESIST",
    "CIVIL_PENALTY_REFERRAL",
];

/// A line that counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Card {
    pub(crate) entry: u32,
    pub(crate) line: u32,
    pub(crate) day: Date,
    pub(crate) is_strict: bool,
    pub(crate) is_grave: bool,
    pub(crate) is_history: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Mailed {
    pub(crate) step: usize,
    pub(crate) date: Date,
    pub(crate) cause: Date,
    pub(crate) overtaken: Option<(usize, Date)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Closed {
    pub(crate) on: Date,
    pub(crate) days: u32,
    pub(crate) unsent: Vec<(usize, Date)>,
}

/// A case as both sides say it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) opened: Date,
    pub(crate) last_finding: Date,
    pub(crate) steps: Vec<(String, &'static str, Date)>,
    pub(crate) lines: Vec<(u32, u32)>,
    pub(crate) end: Option<(&'static str, Date)>,
}

/// A case during a walk.
#[derive(Debug, Clone, Default)]
struct Walked {
    cards: Vec<Card>,
    mailed: Vec<Mailed>,
    closed: Option<Closed>,
}

#[derive(Debug, Clone)]
pub(crate) struct Owed {
    pub(crate) step: usize,
    pub(crate) since: Date,
    pub(crate) cause: Date,
    pub(crate) overtaken: Option<(usize, Date)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) is_authority: bool,
    pub(crate) between: u32,
    pub(crate) until_close: u32,
    /// The tellings in their order: entry, version, cards.
    tellings: Vec<(u32, u32, Vec<Card>)>,
    mailed: Vec<Mailed>,
    closed: Vec<Closed>,
    withdrawn: Vec<(Date, Date)>,
}

impl Model {
    pub(crate) fn new(is_authority: bool, between: u32, until_close: u32) -> Self {
        Self {
            is_authority,
            between,
            until_close,
            tellings: Vec::new(),
            mailed: Vec::new(),
            closed: Vec::new(),
            withdrawn: Vec::new(),
        }
    }

    /// Cards of current versions by day, each day's in the order of telling, the grave ones of one telling first.
    fn calendar(&self) -> BTreeMap<Date, Vec<Card>> {
        let mut calendar: BTreeMap<Date, Vec<Card>> = BTreeMap::new();
        for (entry, version, cards) in &self.tellings {
            let newest = self
                .tellings
                .iter()
                .filter(|(of, ..)| of == entry)
                .map(|(_, number, _)| *number)
                .max();
            if newest != Some(*version) {
                continue;
            }
            for grave in [true, false] {
                let mut some: Vec<&Card> = cards.iter().filter(|card| card.is_grave == grave).collect();
                some.sort_by_key(|card| card.line);
                for card in some {
                    calendar.entry(card.day).or_default().push(card.clone());
                }
            }
        }
        calendar
    }

    /// Every case, by walking from the first day to the last.
    fn walk(&self) -> Vec<Walked> {
        let calendar = self.calendar();
        let days = calendar
            .keys()
            .copied()
            .chain(self.mailed.iter().map(|mailed| mailed.cause));
        let days: Vec<Date> = days.chain(self.closed.iter().map(|closed| closed.on)).collect();
        let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else {
            return Vec::new();
        };
        let mut cases = Vec::new();
        let mut current: Option<Walked> = None;
        for day in first.iter_days().take_while(|day| day <= last) {
            if let Some(closed) = self.closed.iter().find(|closed| closed.on == day)
                && let Some(mut case) = current.take()
            {
                case.closed = Some(closed.clone());
                cases.push(case);
            }
            for card in calendar.get(&day).into_iter().flatten() {
                current.get_or_insert_default().cards.push(card.clone());
            }
            for mailed in self.mailed.iter().filter(|mailed| mailed.cause == day) {
                current.get_or_insert_default().mailed.push(mailed.clone());
            }
        }
        cases.extend(current);
        for case in &mut cases {
            case.mailed.sort_by_key(|mailed| mailed.step);
        }
        cases
    }

    /// A version of an entry is told.
    pub(crate) fn tell(&mut self, entry: u32, version: u32, on: Date, cards: &[Card]) {
        if self
            .tellings
            .iter()
            .any(|(of, number, _)| *of == entry && *number >= version)
        {
            return;
        }
        let before = self.walk();
        self.tellings.push((entry, version, cards.to_vec()));
        let after = self.calendar();
        for case in before {
            let Some(first) = case.cards.first() else { continue };
            let lost = case.cards.iter().all(|card| card.entry == entry);
            let from = self
                .closed
                .iter()
                .map(|closed| closed.on)
                .filter(|on| *on <= first.day)
                .max();
            let until = case.closed.as_ref().map(|closed| closed.on);
            let still = after
                .keys()
                .any(|day| from.is_none_or(|from| *day >= from) && until.is_none_or(|until| *day < until));
            if lost && !still && case.mailed.is_empty() {
                self.withdrawn.push((first.day, on));
                self.closed.retain(|closed| Some(closed.on) != until);
            }
        }
        for card in cards {
            loop {
                let next = self
                    .closed
                    .iter()
                    .filter(|closed| closed.on > card.day)
                    .min_by_key(|closed| closed.on);
                let Some(next) = next.cloned() else { break };
                let came_early = (next.on - card.day).num_days() <= i64::from(next.days);
                let is_pinned = self.mailed.iter().any(|mailed| mailed.cause >= next.on)
                    || self
                        .closed
                        .iter()
                        .any(|later| later.on > next.on && !later.unsent.is_empty());
                if !came_early || is_pinned {
                    break;
                }
                self.closed.retain(|closed| closed.on != next.on);
            }
        }
    }

    pub(crate) fn mail(&mut self, mailed: Mailed) {
        self.mailed.push(mailed);
    }

    pub(crate) fn close(&mut self, closed: Closed) {
        self.closed.push(closed);
    }

    /// What an authority owes by these cards and letters, walking through every day.
    fn owed(&self, case: &Walked) -> Option<Owed> {
        let first = case.cards.first().map(|card| card.day);
        let days = first
            .into_iter()
            .chain(case.mailed.iter().map(|mailed| mailed.cause));
        let first = days.min()?;
        let last = case.cards.last().map(|card| card.day);
        let last = last
            .into_iter()
            .chain(case.mailed.iter().map(|mailed| mailed.date))
            .max()?;
        // The step of the last letter, and days since its date.
        let mut letter: (usize, u32) = (0, 0);
        let mut owed: Option<Owed> = None;
        for day in first.iter_days().take_while(|day| *day <= last) {
            letter.1 += 1;
            for card in case
                .cards
                .iter()
                .filter(|card| card.day == day && !card.is_history)
            {
                let since = day;
                if card.is_grave && letter.0 < 3 && owed.as_ref().is_none_or(|owed| owed.step < 3) {
                    owed = Some(Owed {
                        step: 3,
                        since,
                        cause: day,
                        overtaken: owed.map(|owed| (owed.step, owed.since)),
                    });
                } else if owed.is_none() && letter.0 < 4 {
                    let waited = letter.0 == 0 || letter.1 > self.between;
                    if waited && (letter.0 < 2 || card.is_strict) {
                        owed = Some(Owed {
                            step: letter.0 + 1,
                            since,
                            cause: day,
                            overtaken: None,
                        });
                    }
                }
            }
            for mailed in case.mailed.iter().filter(|mailed| mailed.date == day) {
                letter = (mailed.step, 0);
                owed = owed
                    .filter(|owed| owed.step > mailed.step && owed.step == 3)
                    .map(|owed| Owed {
                        since: day,
                        overtaken: None,
                        ..owed
                    });
            }
        }
        owed
    }

    /// What is owed in the open case.
    pub(crate) fn owed_now(&self) -> Option<Owed> {
        let cases = self.walk();
        let open = cases.last().filter(|case| case.closed.is_none())?;
        self.owed(open)
    }

    /// The steps that are expected, walking through every day.
    fn expected(&self, case: &Walked) -> Vec<(usize, Date)> {
        let mut steps: Vec<(usize, Date)> = Vec::new();
        let (Some(first), Some(last)) = (case.cards.first(), case.cards.last()) else {
            return steps;
        };
        let mut waited = 0;
        for day in first.day.iter_days().take_while(|day| *day <= last.day) {
            waited += 1;
            for card in case.cards.iter().filter(|card| card.day == day) {
                let stands_on = steps.last().map_or(0, |(step, _)| *step);
                let next = match stands_on {
                    0..=2 if card.is_grave => 3,
                    0 => 1,
                    4 => continue,
                    _ if waited <= self.between => continue,
                    1 => 2,
                    _ if card.is_strict => stands_on + 1,
                    _ => continue,
                };
                steps.push((next, day));
                waited = 0;
            }
        }
        steps
    }

    pub(crate) fn cases(&self) -> Vec<Said> {
        let name = |step: usize| NAMES[step].to_owned();
        let mut said: Vec<Said> = Vec::new();
        for case in self.walk() {
            let mut steps = Vec::new();
            for mailed in &case.mailed {
                steps.extend(
                    mailed
                        .overtaken
                        .map(|(step, since)| (name(step), "OVERTAKEN", since)),
                );
                steps.push((name(mailed.step), "SENT", mailed.date));
            }
            if self.is_authority {
                if let Some(closed) = &case.closed {
                    steps.extend(
                        closed
                            .unsent
                            .iter()
                            .map(|(step, since)| (name(*step), "OVERTAKEN", *since)),
                    );
                } else if let Some(owed) = self.owed(&case) {
                    steps.extend(
                        owed.overtaken
                            .map(|(step, since)| (name(step), "OVERTAKEN", since)),
                    );
                    steps.push((name(owed.step), "DUE", owed.since));
                }
            } else {
                let expected = self.expected(&case);
                steps.extend(
                    expected
                        .into_iter()
                        .map(|(step, on)| (name(step), "EXPECTED", on)),
                );
            }
            let causes = || case.mailed.iter().map(|mailed| mailed.cause);
            let days = || case.cards.iter().map(|card| card.day);
            said.push(Said {
                opened: days().chain(causes()).min().unwrap(),
                last_finding: days().max().or_else(|| causes().max()).unwrap(),
                steps,
                lines: case.cards.iter().map(|card| (card.entry, card.line)).collect(),
                end: case.closed.map(|closed| ("CLOSED", closed.on)),
            });
        }
        said.extend(self.withdrawn.iter().map(|(opened, on)| Said {
            opened: *opened,
            last_finding: *opened,
            steps: Vec::new(),
            lines: Vec::new(),
            end: Some(("WITHDRAWN", *on)),
        }));
        said.sort_by_key(|case| case.opened);
        said
    }

    /// The earliest day on which a case should have closed and did not, with what is owed then.
    pub(crate) fn should_close(&self, today: Date, is_certified: impl Fn(Date) -> bool) -> Option<Closed> {
        for case in self.walk() {
            let is_whole = |closed: &Closed| !case.mailed.is_empty() || !closed.unsent.is_empty();
            if case.closed.as_ref().is_some_and(is_whole) {
                continue;
            }
            let mut days: Vec<Date> = case.cards.iter().map(|card| card.day).collect();
            if days.is_empty() {
                days.extend(case.mailed.iter().map(|mailed| mailed.cause).max());
            }
            let last = *days.last().unwrap();
            // Its last days are over where it did close.
            let end = if case.closed.is_some() { last } else { today };
            let mut quiet = 0;
            for day in days[0].iter_days().take_while(|day| *day <= end) {
                quiet += 1;
                if days.contains(&day) {
                    quiet = 0;
                }
                let letters_are_before = case
                    .mailed
                    .iter()
                    .all(|mailed| mailed.date <= day && mailed.cause < day);
                if quiet > self.until_close && is_certified(day) && letters_are_before {
                    let mut until = case.clone();
                    until.cards.retain(|card| card.day < day);
                    let owed = self.owed(&until).filter(|_| self.is_authority);
                    return Some(Closed {
                        on: day,
                        days: self.until_close,
                        unsent: owed
                            .into_iter()
                            .flat_map(|owed| owed.overtaken.into_iter().chain([(owed.step, owed.since)]))
                            .collect(),
                    });
                }
            }
        }
        None
    }
}
