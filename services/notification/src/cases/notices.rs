//! What the tenant is told when a case comes a step further, or ends: pure.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use nopic_domain::date::{Date, day_of};
use nopic_domain::enforcement::{Case, Cases, Deployment, End, Letter, Outlook, Step, StepState, TakenStep};
use nopic_domain::identifier::NopId;
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Parties, ToDo};

use super::CaseRules;
use crate::new_notice::{NewNotice, Whose};

/// What came new into the cases of an importer: steps of the case that is open, and closings.
pub(crate) fn notices(
    (tenant, importer): (&str, NopId),
    before: &Cases,
    after: &Cases,
    rules: &CaseRules,
    now: DateTime<Utc>,
) -> Vec<NewNotice> {
    let before = before.cases();
    let known: BTreeSet<String> = before
        .iter()
        .flat_map(|case| news(case).map(|news| news.cause(importer, case)))
        .collect();
    let mut notices = Vec::new();
    for case in &after.cases() {
        for news in news(case) {
            let cause = news.cause(importer, case);
            if !known.contains(&cause) {
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
}

/// All that is to be told of a case as it stands. Letters are no news to whoever sends them, and steps of a case that
/// ended are none to anybody.
fn news(case: &Case<'_>) -> impl Iterator<Item = News> {
    let is_told = |taken: &&TakenStep| {
        matches!(taken.state, StepState::Due { .. } | StepState::Expected { .. }) && case.end().is_none()
    };
    let closed = match case.end() {
        Some(End::Closed { on }) => Some(News::Closed(on)),
        Some(End::Withdrawn { .. }) | None => None,
    };
    case.steps()
        .iter()
        .filter(is_told)
        .copied()
        .map(News::Taken)
        .chain(closed)
}

impl News {
    fn cause(self, importer: NopId, case: &Case<'_>) -> String {
        let opened_on = case.opened_on();
        match self {
            Self::Taken(taken) => {
                let (step, state) = (taken.step, taken.state.as_str());
                format!("case/{importer}/{opened_on}/{step}/{state}")
            }
            Self::Closed(on) => format!("case/{importer}/{opened_on}/CLOSED/{on}"),
        }
    }

    fn notice(self, importer: NopId, case: &Case<'_>, rules: &CaseRules, now: DateTime<Utc>) -> Notice {
        let (severity, title, to_do) = match self {
            Self::Closed(on) => (
                NoticeSeverity::Information,
                format!("The case against importer {importer} closed on {on}"),
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
        let sentences = Outlook::of(case, rules.ladder, day_of(now)).map_or_else(
            || {
                vec![
                    "No other finding followed in time, and the importer was certified on that day."
                        .to_owned(),
                ]
            },
            |outlook| outlook.sentences(),
        );
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
