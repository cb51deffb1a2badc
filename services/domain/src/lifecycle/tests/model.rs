//! Random calls beside a naive model.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::{at, certifier, exporter, principal, requested};
use crate::certificate::{Certificate, CertificateStatus};
use crate::identifier::CertificateNumber;
use crate::lifecycle::Stage;
use crate::lifecycle::check::{Check, CheckCode, Outcome};
use crate::lifecycle::issued::{Amendment, require_amendable, succeed, successor, void};
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::request::{Action, Request, StatedTerms, Taken};
use crate::principal::{Principal, Role};

fn callers() -> [Principal; 6] {
    [
        exporter(),
        certifier("015"),
        certifier("099"),
        // The right number in the wrong role, and the operator.
        Principal {
            role: Role::Operator,
            ..certifier("015")
        },
        principal(Role::Operator),
        principal(Role::Exporter),
    ]
}

fn check(outcome: Outcome) -> Check {
    Check {
        code: CheckCode::ProductCertified,
        outcome,
        message: "as told".into(),
        evidence: Vec::new(),
    }
}

/// One call of a sequence.
#[derive(Debug, Clone)]
struct Call {
    who: usize,
    step: usize,
    stale: bool,
    outcome: Outcome,
    accepts: bool,
    issues: bool,
    clock: i64,
}

fn call() -> impl Strategy<Value = Call> {
    (
        // Mostly those who may.
        prop_oneof![8 => 0usize..2, 1 => 2usize..6],
        0usize..8,
        proptest::bool::weighted(0.1),
        prop_oneof![
            4 => Just(Outcome::Passed),
            1 => Just(Outcome::Finding),
            1 => Just(Outcome::Failed),
            1 => Just(Outcome::Indeterminate)
        ],
        any::<bool>(),
        any::<bool>(),
        -100_000i64..200_000,
    )
        .prop_map(|(who, step, stale, outcome, accepts, issues, clock)| Call {
            who,
            step,
            stale,
            outcome,
            accepts,
            issues,
            clock,
        })
}

/// The life as a child would write it down: a word and what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    state: &'static str,
    questions: usize,
    answers: usize,
}

impl Model {
    /// What a call by the right person at the right version does; `None`: it is refused.
    fn after(&self, call: &Call) -> Option<Self> {
        let to = |state| {
            Some(Self {
                state,
                ..self.clone()
            })
        };
        let is_clean = match call.outcome {
            Outcome::Passed => true,
            Outcome::Finding | Outcome::Indeterminate => call.accepts,
            Outcome::Failed => false,
        };
        match (self.state, call.step) {
            ("requested", 0) => to("reviewed"),
            ("reviewed", 1) => Some(Self {
                state: "asked",
                questions: self.questions + 1,
                ..self.clone()
            }),
            ("asked", 2) => Some(Self {
                state: "reviewed",
                answers: self.answers + 1,
                ..self.clone()
            }),
            ("reviewed", 3) if is_clean => to(if call.issues { "issued" } else { "approved" }),
            ("approved", 4) => to("issued"),
            ("reviewed" | "asked" | "approved", 5) => to("rejected"),
            ("issued", 6) => to("voided"),
            // The successor is issued in its place.
            ("issued", 7) => to("issued"),
            _ => None,
        }
    }
}

/// What a store would hold: every version of everything.
struct World {
    requests: Vec<Request>,
    certificates: Vec<Vec<Certificate>>,
    now: DateTime<Utc>,
}

impl World {
    fn versions(&self, of: usize, stale: bool) -> (u32, u32) {
        let current = u32::try_from(of).unwrap();
        (current, if stale { current + 1 } else { current })
    }

    fn act(&mut self, call: &Call) -> Result<(), Refusal> {
        let who = &callers()[call.who];
        if call.step >= 6 {
            return self.act_on_certificate(call, who);
        }
        let action = match call.step {
            0 => Action::StartReview {
                checks: vec![check(call.outcome)],
            },
            1 => Action::AskForMore {
                question: "which lots?".into(),
            },
            2 => Action::AnswerQuestion {
                answer: "these".into(),
                corrected: None,
            },
            3 => Action::Approve {
                checks: vec![check(call.outcome)],
                accepted: if call.accepts {
                    vec![CheckCode::ProductCertified]
                } else {
                    Vec::new()
                },
                stated: StatedTerms::default(),
                issues: call.issues,
            },
            4 => Action::EnterNumber {
                number: "015-0150000001-000100".parse().unwrap(),
                stated: StatedTerms::default(),
                accept_inconsistent: false,
            },
            _ => Action::Reject { reasons: "no".into() },
        };
        let versions = self.versions(self.requests.len(), call.stale);
        let last = self.requests.last().unwrap();
        match last.take(action, versions, who, self.now)? {
            Taken::Stays(next) => self.requests.push(next),
            Taken::Issues { request, number } => {
                let number = number.unwrap_or_else(|| "015-0150000001-000001".parse().unwrap());
                let (next, certificate) = request.issue(number)?;
                self.requests.push(next);
                self.certificates.push(vec![certificate]);
            }
        }
        Ok(())
    }

    fn act_on_certificate(&mut self, call: &Call, who: &Principal) -> Result<(), Refusal> {
        let Some(versions_held) = self.certificates.last() else {
            return Err(Refusal::NothingChanges);
        };
        let certificate = versions_held.last().unwrap().clone();
        let versions = self.versions(versions_held.len(), call.stale);
        let serial = u32::try_from(self.certificates.len()).unwrap() + 200;
        if call.step == 6 {
            let (voided, _) = void(&certificate, versions, "wrong", who)?;
            self.certificates.last_mut().unwrap().push(voided);
            return Ok(());
        }
        require_amendable(&certificate, versions, who)?;
        let amendment = Amendment {
            lots: Some(vec![format!("LOT {serial}")]),
            ..Amendment::default()
        };
        let next = successor(&certificate, amendment, self.now)?;
        let number =
            CertificateNumber::from_parts(certificate.certifier_id, certificate.exporter_nop_id, serial)
                .unwrap();
        let (superseded, next) = succeed(&certificate, next, number, false)?;
        self.certificates.last_mut().unwrap().push(superseded);
        self.certificates.push(vec![next]);
        Ok(())
    }

    fn state(&self) -> &'static str {
        if let Some(certificate) = self.certificates.last().and_then(|versions| versions.last()) {
            return match certificate.status {
                CertificateStatus::Issued => "issued",
                CertificateStatus::Voided => "voided",
                _ => "impossible",
            };
        }
        match self.requests.last().unwrap().stage {
            Stage::Requested => "requested",
            Stage::UnderReview => "reviewed",
            Stage::AnswerAwaited => "asked",
            Stage::NumberAwaited => "approved",
            Stage::Issued => "impossible",
            Stage::Rejected => "rejected",
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_sequence_of_calls_reaches_an_illegal_state_or_loses_history(
        calls in proptest::collection::vec(call(), 0..40)
    ) {
        let start = at("2026-02-01T12:00:00Z");
        let first = Request::new(requested(), Vec::new(), &exporter(), start).unwrap();
        let mut world = World { requests: vec![first], certificates: Vec::new(), now: start };
        let mut model = Model { state: "requested", questions: 0, answers: 0 };
        for call in calls {
            // Steps of up to two days forwards and one backwards, not past the day of export.
            world.now = (world.now + TimeDelta::seconds(call.clock)).min(at("2026-03-01T00:00:00Z"));
            let before = (world.requests.clone(), world.certificates.clone());
            let may = if call.step == 2 { call.who == 0 } else { call.who == 1 };
            let expected = if may && !call.stale { model.after(&call) } else { None };
            let done = world.act(&call);
            match expected {
                None => {
                    prop_assert!(done.is_err(), "{call:?} in {model:?}");
                    prop_assert_eq!(&before.0, &world.requests);
                    prop_assert_eq!(&before.1, &world.certificates);
                }
                Some(next) => {
                    prop_assert_eq!(done, Ok(()), "{:?} in {:?}", &call, &model);
                    // What was is still there, and something was added.
                    prop_assert!(world.requests.starts_with(&before.0));
                    for (was, is) in before.1.iter().zip(&world.certificates) {
                        prop_assert!(is.starts_with(was));
                    }
                    let versions = |requests: &[Request], certificates: &[Vec<Certificate>]| {
                        requests.len() + certificates.iter().map(Vec::len).sum::<usize>()
                    };
                    prop_assert!(
                        versions(&world.requests, &world.certificates) > versions(&before.0, &before.1)
                    );
                    model = next;
                }
            }
            prop_assert_eq!(world.state(), model.state);
            let last = world.requests.last().unwrap();
            prop_assert_eq!(last.questions.len(), model.questions);
            prop_assert_eq!(last.questions.iter().filter(|q| q.answer.is_some()).count(), model.answers);
            prop_assert!(world.requests.is_sorted_by_key(|request| request.changed_at));
            // Of a chain only the last certificate is in force, and each names its successor.
            for pair in world.certificates.windows(2) {
                let superseded = pair[0].last().unwrap();
                prop_assert_eq!(superseded.status, CertificateStatus::Superseded);
                prop_assert_eq!(superseded.superseded_by, Some(pair[1][0].number));
            }
        }
    }
}
