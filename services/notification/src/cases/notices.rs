//! What the tenant is told when a case comes a step further, or ends: pure.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use nopic_domain::date::{Date, day_of};
use nopic_domain::enforcement::{
    Case, Cases, Deployment, End, Letter, Origin, Outlook, Step, StepState, TakenStep,
};
use nopic_domain::identifier::NopId;
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Parties, ToDo};

use super::CaseRules;
use crate::new_notice::{NewNotice, Whose};

/// What came new into the cases of an importer: steps of the case that is open, closings, and that nothing of a case counts
/// any more. History that was brought in is no news: `before` has it, too, and a case of nothing else is told to nobody.
pub(crate) fn notices(
    (tenant, importer): (&str, NopId),
    before: &Cases,
    after: &Cases,
    rules: &CaseRules,
    now: DateTime<Utc>,
) -> Vec<NewNotice> {
    let before = before.cases();
    let known: BTreeSet<String> = numbered(&before)
        .flat_map(|(number, case)| news(case).map(move |news| news.cause(importer, case, number)))
        .collect();
    let was_open = |case: &Case<'_>| {
        before.iter().any(|earlier| {
            earlier.opened_on() == case.opened_on() && is_told(earlier) && earlier.end().is_none()
        })
    };
    let mut notices = Vec::new();
    let after = after.cases();
    for (number, case) in numbered(&after) {
        for news in news(case) {
            let is_news = match news {
                News::Withdrawn(_) => was_open(case),
                News::Taken(_) | News::Closed(_) => is_told(case),
            };
            let cause = news.cause(importer, case, number);
            if is_news && !known.contains(&cause) {
                notices.push(NewNotice {
                    whose: Whose::Tenant(tenant.to_owned()),
                    cause,
                    notice: news.notice(importer, case, rules, now),
                });
            }
        }
    }
    notices
}

/// What the people of an authority are told of a letter that went out without one of them, with its case as it stands then.
pub(crate) fn sent_by_itself(
    (tenant, importer): (&str, NopId),
    case: &Case<'_>,
    letter: &Letter,
    rules: &CaseRules,
    now: DateTime<Utc>,
) -> NewNotice {
    let (step, date) = (letter.step, letter.date);
    let title = format!(
        "Importer {importer}: {} was sent automatically, dated {date}",
        step.in_words()
    );
    let what = format!(
        "Print the letter (`nopic case letter {importer} {step} --html letter.html`), and post it: it is on record, and days \
         count from its date."
    );
    let sentences = Outlook::of(case, rules.ladder, day_of(now));
    NewNotice {
        whose: Whose::Tenant(tenant.to_owned()),
        cause: format!("case/{importer}/{}/{step}/SENT", case.opened_on()),
        notice: Notice {
            kind: NoticeKind::CaseStep,
            severity: NoticeSeverity::Action,
            subject: importer.to_string(),
            parties: Parties {
                importers: vec![importer],
                ..Parties::default()
            },
            occurred_at: now,
            title,
            sentences: sentences.map(|outlook| outlook.sentences()).unwrap_or_default(),
            to_do: vec![to_do("the authority", what)],
        },
    }
}

/// Something that a tenant is told of a case.
#[derive(Debug, Clone, Copy)]
enum News {
    Taken(TakenStep),
    Closed(Date),
    Withdrawn(Date),
}

/// Cases with their number among those of one day, which an importer has where all that counted was taken back: behind
/// those that were withdrawn there may be another one.
fn numbered<'a, 'b>(cases: &'b [Case<'a>]) -> impl Iterator<Item = (usize, &'b Case<'a>)> {
    let is_withdrawn = |case: &&Case<'_>| matches!(case.end(), Some(End::Withdrawn { .. }));
    cases.iter().enumerate().map(move |(place, case)| {
        let others = if is_withdrawn(&case) {
            &cases[..place]
        } else {
            cases
        };
        let withdrawn = others.iter().filter(is_withdrawn);
        let number = withdrawn.filter(|other| other.opened_on() == case.opened_on());
        (number.count(), case)
    })
}

/// Whether a case is more than history that was brought in.
fn is_told(case: &Case<'_>) -> bool {
    case.lines().any(|(_, line)| line.origin() == Origin::Filed)
}

/// All that is to be told of a case as it stands. Letters are no news to whoever sends them, and steps of a case that
/// ended are none to anybody.
fn news(case: &Case<'_>) -> impl Iterator<Item = News> {
    let is_due = |taken: &&TakenStep| {
        matches!(taken.state, StepState::Due { .. } | StepState::Expected { .. }) && case.end().is_none()
    };
    let ended = case.end().map(|end| match end {
        End::Closed { on } => News::Closed(on),
        End::Withdrawn { on } => News::Withdrawn(on),
    });
    case.steps()
        .iter()
        .filter(is_due)
        .copied()
        .map(News::Taken)
        .chain(ended)
}

impl News {
    fn cause(self, importer: NopId, case: &Case<'_>, number: usize) -> String {
        let opened_on = case.opened_on();
        let case = match number {
            0 => format!("case/{importer}/{opened_on}"),
            number => format!("case/{importer}/{opened_on}+{number}"),
        };
        match self {
            Self::Taken(taken) => format!("{case}/{}/{}", taken.step, taken.state.as_str()),
            Self::Closed(on) => format!("{case}/CLOSED/{on}"),
            Self::Withdrawn(on) => format!("{case}/WITHDRAWN/{on}"),
        }
    }

    fn notice(self, importer: NopId, case: &Case<'_>, rules: &CaseRules, now: DateTime<Utc>) -> Notice {
        let (severity, title, to_do) = match self {
            Self::Closed(on) => (
                NoticeSeverity::Information,
                format!("The case against importer {importer} closed on {on}"),
                Vec::new(),
            ),
            Self::Withdrawn(on) => (
                NoticeSeverity::Information,
                format!("Nothing of the case against importer {importer} counts any more since {on}"),
                Vec::new(),
            ),
            Self::Taken(TakenStep { step, state }) => {
                let (severity, to_do) = what_to_do(importer, step, rules);
                let words = step.in_words();
                let title = match state {
                    StepState::Due { since } => {
                        format!("Importer {importer}: {words} is due since {since}")
                    }
                    state => format!(
                        "Importer {importer}: AMS is expected to have taken a step on {}: {words}",
                        state.day()
                    ),
                };
                (severity, title, vec![to_do])
            }
        };
        let sentences = match self {
            Self::Taken(_) => Outlook::of(case, rules.ladder, day_of(now))
                .map(|outlook| outlook.sentences())
                .unwrap_or_default(),
            Self::Closed(_) => {
                vec![
                    "No other finding followed in time, and the importer was certified on that day."
                        .to_owned(),
                ]
            }
            Self::Withdrawn(_) => {
                vec!["Every line that counted was amended or cancelled, and no letter was sent.".to_owned()]
            }
        };
        Notice {
            kind: NoticeKind::CaseStep,
            severity,
            subject: importer.to_string(),
            parties: Parties {
                importers: vec![importer],
                ..Parties::default()
            },
            occurred_at: now,
            title,
            sentences,
            to_do,
        }
    }
}

fn to_do(who: &str, what: String) -> ToDo {
    ToDo {
        who: who.to_owned(),
        what,
        by: None,
    }
}

fn what_to_do(importer: NopId, step: Step, rules: &CaseRules) -> (NoticeSeverity, ToDo) {
    match rules.deployment {
        Deployment::Authority if rules.sends_by_itself() => (
            NoticeSeverity::Information,
            to_do(
                "the authority",
                format!(
                    "Nothing yet: the letter is sent automatically within the hour, and you are told. Until then \
                     `nopic case letter {importer}` shows how it would be."
                ),
            ),
        ),
        Deployment::Authority => (
            NoticeSeverity::Action,
            to_do(
                "the authority",
                format!(
                    "Read the letter (`nopic case letter {importer}`), and send it (`nopic case send {importer} {step}`)."
                ),
            ),
        ),
        Deployment::Other => (
            if step.is_strict() {
                NoticeSeverity::Action
            } else {
                NoticeSeverity::Warning
            },
            to_do(
                "the broker",
                format!(
                    "Look at the lines of the case (`nopic case show {importer}`), and tell the importer what averts the \
                     next step."
                ),
            ),
        ),
    }
}
