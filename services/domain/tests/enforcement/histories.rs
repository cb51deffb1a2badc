//! Random histories of years, told to the cases and to the model.

use chrono::{DateTime, Datelike, Duration, NaiveDate, Utc, Weekday};
use nopic_domain::date::{Date, Period};
use nopic_domain::enforcement::{
    Case, Cases, CountedFinding, CountedLine, Deployment, End, EntryVersion, Event, FiledLine, Recorded,
    Statistics, Step, StepState, count,
};
use nopic_domain::finding::{Code, Severity};
use nopic_domain::policy::{Ladder, Policy};
use proptest::prelude::*;

use crate::model::{Card, Closed, Mailed, Model, Said};
use crate::support::{entry, found, importer};

/// A line that is told, with what the ladder does not ask about as well.
#[derive(Debug, Clone)]
struct Line {
    codes: Vec<(Code, Severity)>,
    phase: &'static str,
    has_importer: bool,
    /// Seconds before the telling; of history: days.
    seconds_ago: i64,
    history_days_ago: Option<i64>,
}

#[derive(Debug, Clone)]
enum Act {
    /// The next version of an entry; perhaps the lines before stay.
    File {
        entry: u32,
        keeps: bool,
        lines: Vec<Line>,
    },
    /// A version that was told before is told again.
    Repeat { entry: u32 },
    /// The step that is due is sent, dated so many days ago.
    SendDue { days_ago: i64 },
    /// Any step is tried.
    Send { step: Step, days_ago: i64 },
    /// The worker of every day.
    CloseToday,
    /// The worker after a pause.
    CloseLate,
    /// The service starts anew from what was kept.
    Restart,
}

#[derive(Debug, Clone)]
struct History {
    deployment: Deployment,
    ladder: Ladder,
    start: DateTime<Utc>,
    /// Lengths of spans, certified and not in turn.
    certified: Vec<u16>,
    /// Seconds until each act.
    acts: Vec<(i64, Act)>,
}

const DAY: i64 = 86_400;

fn line() -> impl Strategy<Value = Line> {
    let counted = prop_oneof![
        6 => Just(vec![Code::PgaDataMissing]),
        2 => Just(vec![Code::ImporterNotCertified]),
        1 => Just(vec![Code::TemporaryCode]),
        1 => Just(vec![Code::ImporterNotCertified, Code::CertificateVoided]),
        2 => proptest::collection::vec(proptest::sample::select(Code::ALL.to_vec()), 0..4),
    ];
    let severity = prop_oneof![
        6 => Just(Severity::Reject),
        3 => Just(Severity::Warning),
        1 => Just(Severity::Info),
        1 => Just(Severity::Indeterminate),
    ];
    let phase = prop_oneof![1 => Just("VOLUNTARY"), 2 => Just("MANDATORY"), 5 => Just("STRICT")];
    let seconds_ago = prop_oneof![6 => Just(0), 2 => 0..2 * DAY, 1 => 0..60 * DAY];
    let history = proptest::option::weighted(0.15, 0i64..500);
    (
        counted,
        severity,
        phase,
        proptest::bool::weighted(0.95),
        seconds_ago,
        history,
    )
        .prop_map(
            |(codes, severity, phase, has_importer, seconds_ago, history_days_ago)| Line {
                codes: codes.into_iter().map(|code| (code, severity)).collect(),
                phase,
                has_importer,
                seconds_ago,
                history_days_ago,
            },
        )
}

fn act() -> impl Strategy<Value = Act> {
    let entry = || prop_oneof![3 => 0u32..40, 1 => 0u32..4];
    prop_oneof![
        10 => (entry(), any::<bool>(), proptest::collection::vec(line(), 0..3))
            .prop_map(|(entry, keeps, lines)| Act::File { entry, keeps, lines }),
        1 => entry().prop_map(|entry| Act::Repeat { entry }),
        6 => (0i64..4).prop_map(|days_ago| Act::SendDue { days_ago }),
        1 => (proptest::sample::select(Step::ALL.to_vec()), -1i64..40)
            .prop_map(|(step, days_ago)| Act::Send { step, days_ago }),
        4 => Just(Act::CloseToday),
        1 => Just(Act::CloseLate),
        1 => Just(Act::Restart),
    ]
}

fn history() -> impl Strategy<Value = History> {
    let pause = prop_oneof![
        2 => Just(0),
        4 => 0..3 * DAY,
        4 => 0..30 * DAY,
        2 => 29 * DAY..33 * DAY,
        1 => 0..120 * DAY
    ];
    let days = || prop_oneof![6 => Just(30u32), 1 => 0u32..60];
    (
        proptest::sample::select(Deployment::ALL.to_vec()),
        (days(), days()),
        // Two leap days lie in these years.
        0i64..6 * 366 * DAY,
        proptest::collection::vec(0u16..200, 0..30),
        proptest::collection::vec((pause, act()), 1..60),
    )
        .prop_map(
            |(deployment, (days_between_steps, days_until_close), start, certified, acts)| History {
                deployment,
                ladder: Ladder {
                    days_between_steps,
                    days_until_close,
                },
                start: "2023-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + Duration::seconds(start),
                certified,
                acts,
            },
        )
}

/// The day in New York by the rule of 2007: summer time from the second Sunday of March, 2:00, to the first Sunday of
/// November, 2:00.
fn day_in_new_york(moment: DateTime<Utc>) -> Date {
    let sunday =
        |month, nth| NaiveDate::from_weekday_of_month_opt(moment.year(), month, Weekday::Sun, nth).unwrap();
    let begins = sunday(3, 2).and_hms_opt(7, 0, 0).unwrap().and_utc();
    let ends = sunday(11, 1).and_hms_opt(6, 0, 0).unwrap().and_utc();
    let behind = if moment >= begins && moment < ends { 4 } else { 5 };
    (moment - Duration::hours(behind)).date_naive()
}

/// Both sides, and what was kept.
struct World {
    ladder: Ladder,
    deployment: Deployment,
    policy: Policy,
    kept: Vec<Event>,
    cases: Cases,
    model: Model,
    /// Current version, lines and cards of each entry.
    entries: Vec<(u32, Vec<CountedLine>, Vec<Card>)>,
    /// Spans of certification: for the model as days, for the cases as periods.
    certified: Vec<(Date, Date)>,
}

impl World {
    fn new(history: &History) -> Self {
        let ladder = history.ladder;
        let is_authority = history.deployment == Deployment::Authority;
        let mut certified = Vec::new();
        let mut from = day_in_new_york(history.start) - Duration::days(600);
        for (place, days) in history.certified.iter().enumerate() {
            let to = from + Duration::days(i64::from(*days));
            if place % 2 == 0 {
                certified.push((from, to));
            }
            from = to + Duration::days(1);
        }
        Self {
            ladder,
            deployment: history.deployment,
            policy: Policy::shipped(),
            kept: Vec::new(),
            cases: Cases::new(history.deployment, ladder),
            model: Model::new(is_authority, ladder.days_between_steps, ladder.days_until_close),
            entries: vec![(0, Vec::new(), Vec::new()); 40],
            certified,
        }
    }

    fn keep(&mut self, event: Event) {
        self.cases.apply(&event).unwrap();
        self.kept.push(event);
    }

    fn is_certified(&self, day: Date) -> bool {
        self.certified.iter().any(|(from, to)| *from <= day && day <= *to)
    }

    fn act(&mut self, act: &Act, now: DateTime<Utc>) -> Result<(), TestCaseError> {
        let today = day_in_new_york(now);
        match act {
            Act::File { entry, keeps, lines } => self.file(*entry, *keeps, lines, now),
            Act::Repeat { entry } => {
                let again = self
                    .kept
                    .iter()
                    .filter(|event| matches!(event, Event::Recorded(told) if told.entry_number == self::entry(*entry)))
                    .nth(usize::from(*entry % 3 == 0))
                    .cloned();
                if let Some(again) = again {
                    let before = self.cases.clone();
                    self.keep(again);
                    prop_assert_eq!(&before, &self.cases);
                }
            }
            Act::SendDue { days_ago } => {
                let due = self.cases.open_case().and_then(|case| case.due());
                if let Some((step, since)) = due {
                    self.send(step, since.max(today - Duration::days(*days_ago)))?;
                }
            }
            Act::Send { step, days_ago } => self.send(*step, today - Duration::days(*days_ago))?,
            Act::CloseToday => {
                let is_certified = self.is_certified(today);
                let closing = self.cases.close_on(today, is_certified);
                let expected = self.model.should_close(today, |day| day == today && is_certified);
                self.close(closing, expected)?;
            }
            Act::CloseLate => loop {
                let periods: Vec<Period> = self
                    .certified
                    .iter()
                    .map(|(from, to)| Period {
                        from: Some(*from),
                        to: Some(*to),
                    })
                    .collect();
                let closing = self.cases.close_late(today, &periods);
                let expected = self.model.should_close(today, |day| self.is_certified(day));
                if !self.close(closing, expected)? {
                    break;
                }
            },
            Act::Restart => {
                // As it comes out of a store.
                let read = |event: &Event| toml::from_str(&toml::to_string(event).unwrap()).unwrap();
                let kept: Vec<Event> = self.kept.iter().map(read).collect();
                let again = Cases::replay(self.deployment, self.ladder, &kept).unwrap();
                prop_assert_eq!(&again, &self.cases);
            }
        }
        Ok(())
    }

    fn file(&mut self, entry: u32, keeps: bool, lines: &[Line], now: DateTime<Utc>) {
        let (mut counted, mut cards) = (Vec::new(), Vec::new());
        if keeps {
            let (_, before, cards_before) = &self.entries[entry as usize];
            counted.clone_from(before);
            cards.clone_from(cards_before);
        }
        for line in lines {
            let number = u32::try_from(cards.len()).unwrap() + 1;
            let moment = now - Duration::seconds(line.seconds_ago);
            let recorded = match line.history_days_ago {
                Some(days) => Recorded::Imported {
                    on: day_in_new_york(now) - Duration::days(days),
                },
                None => Recorded::filed_at(moment),
            };
            let findings: Vec<CountedFinding> = line
                .codes
                .iter()
                .map(|(code, severity)| found(*code, *severity))
                .collect();
            let filed = FiledLine {
                line_number: number,
                pga_line_number: 1,
                importer: line.has_importer.then(importer),
                phase: line.phase,
                recorded,
                findings: &findings,
            };
            counted.extend(count(&filed, &self.policy).map(|(_, counted)| counted));
            cards.extend(card(entry, number, line, now));
        }
        let version = self.entries[entry as usize].0 + 1;
        let on = day_in_new_york(now);
        self.model.tell(entry, version, on, &cards);
        self.keep(Event::Recorded(EntryVersion {
            entry_number: self::entry(entry),
            version,
            recorded_on: on,
            lines: counted.clone(),
        }));
        self.entries[entry as usize] = (version, counted, cards);
    }

    fn send(&mut self, step: Step, date: Date) -> Result<(), TestCaseError> {
        let expected = self
            .model
            .owed_now()
            .filter(|owed| self.model.is_authority && owed.step == step as usize + 1 && date >= owed.since);
        match (self.cases.send(step, date), expected) {
            (Ok(letter), Some(owed)) => {
                prop_assert_eq!(letter.cause, owed.cause);
                self.model.mail(Mailed {
                    step: owed.step,
                    date,
                    cause: owed.cause,
                    overtaken: owed.overtaken,
                });
                self.keep(Event::Sent(letter));
            }
            (sent, expected) => prop_assert_eq!(sent.is_ok(), expected.is_some(), "{:?} {}", step, date),
        }
        Ok(())
    }

    fn close(
        &mut self,
        closing: Option<nopic_domain::enforcement::Closing>,
        expected: Option<Closed>,
    ) -> Result<bool, TestCaseError> {
        let days = (
            closing.as_ref().map(|closing| closing.on),
            expected.as_ref().map(|closed| closed.on),
        );
        prop_assert_eq!(days.0, days.1);
        let (Some(closing), Some(expected)) = (closing, expected) else {
            return Ok(false);
        };
        self.model.close(expected);
        self.keep(Event::Closed(closing));
        Ok(true)
    }
}

/// What the model knows of a line, by the names of RULES.
fn card(entry: u32, line: u32, told: &Line, now: DateTime<Utc>) -> Option<Card> {
    const COUNTED: &str = "IMPORTER_NOT_LISTED IMPORTER_NOT_CERTIFIED PGA_DATA_MISSING CERTIFICATE_NUMBER_MISSING \
                           CERTIFICATE_NOT_FOUND CERTIFICATE_VOIDED TEMPORARY_CODE";
    let names: Vec<&str> = told
        .codes
        .iter()
        .filter(|(_, severity)| ["WARNING", "REJECT"].contains(&severity.as_str()))
        .map(|(code, _)| code.as_str())
        .filter(|name| COUNTED.split(' ').any(|counted| counted == *name))
        .collect();
    if names.is_empty() || !told.has_importer {
        return None;
    }
    let is_strict = told.phase == "STRICT";
    let is_uncertified = names.contains(&"IMPORTER_NOT_CERTIFIED") && names.contains(&"CERTIFICATE_VOIDED");
    Some(Card {
        entry,
        line,
        day: match told.history_days_ago {
            Some(days) => day_in_new_york(now) - Duration::days(days),
            None => day_in_new_york(now - Duration::seconds(told.seconds_ago)),
        },
        is_strict,
        is_grave: is_strict && (is_uncertified || names.contains(&"TEMPORARY_CODE")),
        is_history: told.history_days_ago.is_some(),
    })
}

fn said(case: &Case<'_>) -> Said {
    Said {
        opened: case.opened_on(),
        last_finding: case.last_finding_on(),
        steps: case
            .steps()
            .iter()
            .map(|taken| (taken.step.to_string(), taken.state.as_str(), taken.state.day()))
            .collect(),
        lines: case
            .lines()
            .map(|(number, line)| {
                (
                    (0..40).find(|place| entry(*place) == number).unwrap(),
                    line.line_number(),
                )
            })
            .collect(),
        end: case.end().map(|end| match end {
            End::Closed { on } => ("CLOSED", on),
            End::Withdrawn { on } => ("WITHDRAWN", on),
        }),
    }
}

/// What holds of every case, whatever led to it.
fn assert_sound(case: &Case<'_>, deployment: Deployment) -> Result<(), TestCaseError> {
    let steps = case.steps();
    prop_assert!(steps.is_sorted_by(|one, next| one.step < next.step), "{steps:?}");
    for (place, taken) in steps.iter().enumerate() {
        match taken.state {
            // One letter waits, of an authority, in an open case, and nothing follows it.
            StepState::Due { .. } => {
                prop_assert_eq!(deployment, Deployment::Authority);
                prop_assert!(case.end().is_none() && place + 1 == steps.len());
            }
            StepState::Sent { .. } => prop_assert_eq!(deployment, Deployment::Authority),
            StepState::Expected { .. } => prop_assert_eq!(deployment, Deployment::Other),
            StepState::Overtaken { .. } => {
                let followed = steps
                    .get(place + 1)
                    .is_some_and(|next| next.step == Step::CeaseAndDesist);
                prop_assert!(followed || case.end().is_some());
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn cases_stand_as_a_walk_through_every_day_says(history in history()) {
        let mut world = World::new(&history);
        let mut now = history.start;
        for (pause, act) in &history.acts {
            now += Duration::seconds(*pause);
            world.act(act, now)?;
            let cases = world.cases.cases();
            let found: Vec<Said> = cases.iter().map(said).collect();
            prop_assert_eq!(&found, &world.model.cases(), "after {:?} on {}", act, day_in_new_york(now));
            for case in &cases {
                assert_sound(case, history.deployment)?;
            }
            let statistics: Statistics = cases.iter().collect();
            let ends = |word: Option<&str>| {
                found.iter().filter(|case| case.end.map(|(end, _)| end) == word).count() as u64
            };
            prop_assert_eq!(statistics.open(), ends(None));
            prop_assert_eq!(statistics.cured(), ends(Some("CLOSED")));
            prop_assert_eq!(statistics.withdrawn(), ends(Some("WITHDRAWN")));
            prop_assert!(statistics.open() <= 1);
        }
    }
}
