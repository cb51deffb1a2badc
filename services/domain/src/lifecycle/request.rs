//! A request and its review.

use chrono::{DateTime, Days, Utc};
use serde::{Deserialize, Serialize};

use super::check::{Check, CheckCode, Outcome};
use super::fields::{reason, window};
use super::refusal::Refusal;
use super::requested::Requested;
use super::step::{Stage, Step};
use super::{require_certifier, require_exporter, require_version};
use crate::certificate::{Certificate, CertificateStatus};
use crate::date::{Date, day_of};
use crate::identifier::CertificateNumber;
use crate::principal::Principal;

/// The certifier reviews and issues within so many calendar days (7 CFR 205.273(b)).
pub const REVIEW_DAYS: u64 = 30;
/// Questions of one review.
const MAX_QUESTIONS: usize = 100;

/// A question of the certifier and the exporter's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// What is asked.
    pub question: String,
    /// When.
    pub asked_at: DateTime<Utc>,
    /// The answer, once it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<DateTime<Utc>>,
}

/// On which terms the certificate was approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// Day of issue.
    pub issued_on: Date,
    /// First day of validity.
    pub valid_from: Date,
    /// Last day of validity.
    pub valid_to: Date,
}

/// A request as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// What is asked for.
    pub requested: Requested,
    /// Where it stands.
    pub stage: Stage,
    /// When it was made.
    pub requested_at: DateTime<Utc>,
    /// When it last changed: never before it did the time before, whatever the clock does.
    pub changed_at: DateTime<Utc>,
    /// The day by which it must be reviewed.
    pub due_on: Date,
    /// The checks, as of the last step that ran them.
    pub checks: Vec<Check>,
    /// In the order in which they were asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
    /// The findings that the reviewer accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<CheckCode>,
    /// Once it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_because: Option<String>,
    /// Of the certificate, once it is issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<CertificateNumber>,
}

/// What the certifier states when it approves, or enters a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatedTerms {
    /// Day of issue; absent: today.
    pub issued_on: Option<Date>,
    /// In place of the validity asked for, or approved.
    pub valid_from: Option<Date>,
    /// As above.
    pub valid_to: Option<Date>,
}

/// What is done to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The review begins; the checks were run anew.
    StartReview {
        /// As of now.
        checks: Vec<Check>,
    },
    /// A question to the exporter.
    AskForMore {
        /// Its text.
        question: String,
    },
    /// The exporter's answer.
    AnswerQuestion {
        /// Its text.
        answer: String,
        /// What is asked for from now on, with its checks, where the answer corrects it.
        corrected: Option<Box<(Requested, Vec<Check>)>>,
    },
    /// Approval.
    Approve {
        /// As of now.
        checks: Vec<Check>,
        /// Findings that the reviewer accepts.
        accepted: Vec<CheckCode>,
        /// Other dates than were asked for.
        stated: StatedTerms,
        /// Whether this deployment issues numbers for the certifier.
        issues: bool,
    },
    /// The number from OID.
    EnterNumber {
        /// The number.
        number: CertificateNumber,
        /// Dates as OID has them.
        stated: StatedTerms,
        /// Whether a number with other parts than expected is meant so.
        accept_inconsistent: bool,
    },
    /// Refusal.
    Reject {
        /// Why.
        reasons: String,
    },
}

impl Action {
    /// The step that it is.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::StartReview { .. } => Step::StartReview,
            Self::AskForMore { .. } => Step::AskForMore,
            Self::AnswerQuestion { .. } => Step::AnswerQuestion,
            Self::Approve { .. } => Step::Approve,
            Self::EnterNumber { .. } => Step::EnterNumber,
            Self::Reject { .. } => Step::Reject,
        }
    }
}

/// What follows from an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The request from now on.
    Stays(Request),
    /// The certificate is to be issued: [`Request::issue`] with this number, or with the next free one.
    Issues {
        /// The request, before it has its number.
        request: Request,
        /// The number; absent: the next free one.
        number: Option<CertificateNumber>,
    },
}

impl Request {
    /// A new request of the caller.
    ///
    /// # Errors
    /// It is not the caller's exporter, or a check failed that no reviewer may pass over.
    pub fn new(
        requested: Requested,
        checks: Vec<Check>,
        principal: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        require_exporter(principal, requested.exporter_nop_id)?;
        refuse_failed(&checks)?;
        Ok(Self {
            requested,
            stage: Stage::Requested,
            requested_at: now,
            changed_at: now,
            due_on: due_on(now),
            checks,
            questions: Vec::new(),
            accepted: Vec::new(),
            terms: None,
            rejected_because: None,
            number: None,
        })
    }

    /// Whether the review should have ended before this day.
    #[must_use]
    pub fn is_overdue(&self, today: Date) -> bool {
        !self.stage.is_final() && today > self.due_on
    }

    /// What follows when the caller does this to the request of this version.
    ///
    /// # Errors
    /// The caller may not, another version stands, or the step is not possible: nothing changes.
    pub fn take(
        &self,
        action: Action,
        (current, expected): (u32, u32),
        principal: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Taken, Refusal> {
        match action {
            Action::AnswerQuestion { .. } => require_exporter(principal, self.requested.exporter_nop_id)?,
            _ => require_certifier(principal, self.requested.certifier_id)?,
        }
        require_version(current, expected)?;
        let step = action.step();
        if !self.stage.possible().contains(&step) {
            return Err(Refusal::IllegalStep {
                step,
                state: self.stage.as_str(),
                possible: self.stage.possible(),
                successor: None,
            });
        }
        let mut next = self.clone();
        next.changed_at = now.max(self.changed_at);
        next.act(action)
    }

    fn act(mut self, action: Action) -> Result<Taken, Refusal> {
        match action {
            Action::StartReview { checks } => {
                self.checks = checks;
                self.stage = Stage::UnderReview;
            }
            Action::AskForMore { question } => self.ask(&question)?,
            Action::AnswerQuestion { answer, corrected } => self.answer(&answer, corrected)?,
            Action::Approve {
                checks,
                accepted,
                stated,
                issues,
            } => {
                self.approve(checks, accepted, stated)?;
                if issues {
                    return Ok(Taken::Issues {
                        request: self,
                        number: None,
                    });
                }
                self.stage = Stage::NumberAwaited;
            }
            Action::EnterNumber {
                number,
                stated,
                accept_inconsistent,
            } => {
                require_consistent(number, &self.requested, accept_inconsistent)?;
                self.terms = Some(self.terms(stated)?);
                return Ok(Taken::Issues {
                    request: self,
                    number: Some(number),
                });
            }
            Action::Reject { reasons } => {
                self.rejected_because = Some(reason("reasons", &reasons)?);
                self.stage = Stage::Rejected;
            }
        }
        Ok(Taken::Stays(self))
    }

    fn ask(&mut self, question: &str) -> Result<(), Refusal> {
        if self.questions.len() >= MAX_QUESTIONS {
            return Err(Refusal::invalid(
                "question",
                format!("{MAX_QUESTIONS} questions were asked: approve or reject"),
            ));
        }
        self.questions.push(Question {
            question: reason("question", question)?,
            asked_at: self.changed_at,
            answer: None,
            answered_at: None,
        });
        self.stage = Stage::AnswerAwaited;
        Ok(())
    }

    fn answer(
        &mut self,
        answer: &str,
        corrected: Option<Box<(Requested, Vec<Check>)>>,
    ) -> Result<(), Refusal> {
        if let Some(corrected) = corrected {
            let (requested, checks) = *corrected;
            if (requested.exporter_nop_id, requested.certifier_id)
                != (self.requested.exporter_nop_id, self.requested.certifier_id)
            {
                return Err(Refusal::invalid(
                    "corrected",
                    "exporter and certifier cannot be changed: make another request",
                ));
            }
            refuse_failed(&checks)?;
            self.requested = requested;
            self.checks = checks;
        }
        if let Some(open) = self.questions.last_mut() {
            open.answer = Some(reason("answer", answer)?);
            open.answered_at = Some(self.changed_at);
        }
        self.stage = Stage::UnderReview;
        Ok(())
    }

    fn approve(
        &mut self,
        checks: Vec<Check>,
        accepted: Vec<CheckCode>,
        stated: StatedTerms,
    ) -> Result<(), Refusal> {
        // What the terms decide more exactly is decided there.
        let decided_by_terms = |check: &Check| check.code == CheckCode::ExportAfterIssue;
        let terms = self.terms(stated)?;
        refuse_failed(&checks)?;
        let open: Vec<Check> = checks
            .iter()
            .filter(|check| check.is_open() && !decided_by_terms(check) && !accepted.contains(&check.code))
            .cloned()
            .collect();
        if !open.is_empty() {
            return Err(Refusal::FindingsOpen(open));
        }
        self.accepted = checks
            .iter()
            .filter(|check| check.is_open() && accepted.contains(&check.code))
            .map(|check| check.code)
            .collect();
        self.checks = checks;
        self.terms = Some(terms);
        Ok(())
    }

    /// The terms that are stated, else those approved, else those asked for; issue comes before export.
    fn terms(&self, stated: StatedTerms) -> Result<Terms, Refusal> {
        let today = day_of(self.changed_at);
        let issued_on = stated.issued_on.unwrap_or(today);
        // Somewhere on earth the next day has begun.
        if issued_on > today + Days::new(1) {
            return Err(Refusal::invalid(
                "issued_on",
                format!("{issued_on} lies in the future"),
            ));
        }
        let before = self.terms;
        let terms = Terms {
            issued_on,
            valid_from: stated
                .valid_from
                .or(before.map(|terms| terms.valid_from))
                .unwrap_or(self.requested.valid_from),
            valid_to: stated
                .valid_to
                .or(before.map(|terms| terms.valid_to))
                .unwrap_or(self.requested.valid_to),
        };
        if let Some(export_on) = self.requested.export_on
            && export_on < issued_on
        {
            return Err(Refusal::IssuedAfterExport { issued_on, export_on });
        }
        if terms.valid_from < issued_on {
            return Err(Refusal::ValidBeforeIssue {
                issued_on,
                valid_from: terms.valid_from,
            });
        }
        window(terms.valid_from, terms.valid_to, self.requested.export_on)?;
        Ok(terms)
    }

    /// Completes the request with its number; gives the certificate.
    ///
    /// # Errors
    /// It was not approved.
    pub fn issue(mut self, number: CertificateNumber) -> Result<(Self, Certificate), Refusal> {
        let Some(terms) = self.terms else {
            return Err(Refusal::IllegalStep {
                step: Step::EnterNumber,
                state: self.stage.as_str(),
                possible: self.stage.possible(),
                successor: None,
            });
        };
        self.number = Some(number);
        self.stage = Stage::Issued;
        let requested = &self.requested;
        let certificate = Certificate {
            number,
            status: CertificateStatus::Issued,
            superseded_by: None,
            certifier_id: requested.certifier_id,
            exporter_nop_id: requested.exporter_nop_id,
            importer_nop_id: requested.importer_nop_id,
            final_handler_nop_id: requested.final_handler_nop_id,
            product: Some(requested.product.clone()),
            hts_code: requested.hts_code,
            kind: requested.kind,
            issued_on: Some(terms.issued_on),
            valid_from: Some(terms.valid_from),
            valid_to: Some(terms.valid_to),
            total_weight_kg: requested.total_weight_kg,
            countries_of_origin: requested.countries_of_origin.clone(),
            lots: requested.lots.clone(),
        };
        Ok((self, certificate))
    }
}

/// The day by which a request of this moment must be reviewed.
fn due_on(now: DateTime<Utc>) -> Date {
    day_of(now) + Days::new(REVIEW_DAYS)
}

pub(super) fn refuse_failed(checks: &[Check]) -> Result<(), Refusal> {
    let failed: Vec<Check> = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Failed)
        .cloned()
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Refusal::ChecksFailed(failed))
    }
}

/// The parts of a number are inferred to be certifier and operation: another number may be right, but must be meant.
fn require_consistent(number: CertificateNumber, requested: &Requested, accept: bool) -> Result<(), Refusal> {
    let (certifier, operation) = (requested.certifier_id, requested.exporter_nop_id);
    if accept || (number.certifier() == certifier && number.operation() == operation) {
        Ok(())
    } else {
        Err(Refusal::NumberInconsistent {
            number,
            certifier,
            operation,
        })
    }
}
