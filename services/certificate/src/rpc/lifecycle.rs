//! The calls of a certificate's life: convert, load, decide, save, convert.

mod amend;
mod request_hash;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};
use nopic_chassis::clock::Clock;
use nopic_chassis::principal;
use nopic_chassis::requests::{self, Page, at_most, moment, moment_text, page_token};
use nopic_domain::date::day_of;
use nopic_domain::identifier::CertifierId;
use nopic_domain::ledger::IDS_OF_FILINGS;
use nopic_domain::lifecycle::check::{self, Check};
use nopic_domain::lifecycle::issued::void;
use nopic_domain::lifecycle::request::{Action, Request as LifecycleRequest};
use nopic_domain::lifecycle::requested::{MAX_REASON, Requested};
use nopic_domain::lifecycle::{Step, require_certifier, require_exporter, require_version};
use nopic_domain::policy::Policy;
use nopic_domain::principal::Principal;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::certificate_life_service_server::CertificateLifeService;
use prost::Message;
use tonic::{Request, Response, Status};

use crate::convert::certificate_number;
use crate::convert::lifecycle as convert;
use crate::error::Error;
use crate::store::CertificateStore;
use crate::store::lifecycle::{Act, RequestAnswer, RequestVisibility, StoredRequest};
use crate::upstream::Registry;

/// What [`crate::CertificateService::lifecycle_service`] gives to a server.
#[derive(Clone)]
pub struct LifecycleRpc {
    pub(crate) store: Arc<dyn CertificateStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registry: Registry,
    pub(crate) issues_for: Arc<[CertifierId]>,
    pub(crate) policy: Arc<Policy>,
}

impl fmt::Debug for LifecycleRpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifecycleRpc").finish_non_exhaustive()
    }
}

impl LifecycleRpc {
    fn act(
        &self,
        principal: &Principal,
        step: Step,
        request_id: &str,
        reason: &str,
        message: &impl Message,
    ) -> Result<Act, Error> {
        requests::request_id(request_id)?;
        if request_id.starts_with(IDS_OF_FILINGS) {
            return Err(Error::invalid(
                "request_id",
                format_args!("begins as those of filings do ({IDS_OF_FILINGS}): choose another"),
            ));
        }
        at_most("reason (characters)", reason.trim().chars().count(), MAX_REASON)?;
        Ok(Act {
            principal: principal.clone(),
            request_id: request_id.to_owned(),
            hash: request_hash::of(principal, step, message),
            now: self.now(),
            step,
            reason: reason.trim().to_owned(),
        })
    }

    /// In whole microseconds, which both engines keep.
    fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(6)
    }

    async fn checks_of(&self, requested: &Requested, now: DateTime<Utc>) -> Vec<Check> {
        let known = self
            .registry
            .knowledge(
                requested.exporter_nop_id,
                requested.importer_nop_id,
                requested.final_handler_nop_id,
            )
            .await;
        check::run(requested, &known, &self.policy, day_of(now))
    }

    /// The request as it stands, where the caller may see it.
    async fn load(&self, principal: &Principal, number: u64) -> Result<StoredRequest, Error> {
        let visibility = RequestVisibility::of(principal);
        let found = self.store.request(number, &visibility, None).await?;
        found
            .map(|(stored, _)| stored)
            .ok_or(Error::RequestNotFound(number))
    }

    /// Takes a step; `checked` is the version that checks were run for, where they were.
    async fn change(
        &self,
        act: &Act,
        (number, expected): (u64, u32),
        checked: Option<u32>,
        action: Action,
    ) -> Result<RequestAnswer, Error> {
        self.store
            .change_request(act, number, &|request, current| {
                let taken = request.take(action.clone(), (current, expected), &act.principal, act.now)?;
                // Checks of an older version say nothing about this one.
                require_version(current, checked.unwrap_or(current))?;
                Ok(taken)
            })
            .await
    }

    fn state(&self, stored: StoredRequest) -> Option<wire::RequestState> {
        Some(convert::request_state(stored, self.clock.today()))
    }
}

#[tonic::async_trait]
impl CertificateLifeService for LifecycleRpc {
    async fn request_certificate(
        &self,
        request: Request<wire::RequestCertificateRequest>,
    ) -> Result<Response<wire::RequestCertificateResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let act = self.act(&principal, Step::Request, &request.request_id, "", &request)?;
        let requested = request
            .requested
            .ok_or_else(|| Error::invalid("requested", "not given"))?;
        let requested = convert::requested(requested)?;
        require_exporter(&principal, requested.exporter_nop_id).map_err(Error::from)?;
        let checks = self.checks_of(&requested, act.now).await;
        let answer = self
            .store
            .create_request(&act, &|| {
                LifecycleRequest::new(requested.clone(), checks.clone(), &principal, act.now)
            })
            .await?;
        Ok(Response::new(wire::RequestCertificateResponse {
            state: self.state(answer.stored),
        }))
    }

    async fn answer_question(
        &self,
        request: Request<wire::AnswerQuestionRequest>,
    ) -> Result<Response<wire::AnswerQuestionResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let id = &request.request_id;
        let act = self.act(&principal, Step::AnswerQuestion, id, &request.answer, &request)?;
        let corrected = match request.corrected {
            None => None,
            Some(corrected) => {
                let requested = convert::requested(corrected)?;
                require_exporter(&principal, requested.exporter_nop_id).map_err(Error::from)?;
                let checks = self.checks_of(&requested, act.now).await;
                Some(Box::new((requested, checks)))
            }
        };
        let action = Action::AnswerQuestion {
            answer: request.answer,
            corrected,
        };
        let answer = self
            .change(&act, (request.request, request.expected_version), None, action)
            .await?;
        Ok(Response::new(wire::AnswerQuestionResponse {
            state: self.state(answer.stored),
        }))
    }

    async fn start_review(
        &self,
        request: Request<wire::StartReviewRequest>,
    ) -> Result<Response<wire::StartReviewResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let act = self.act(&principal, Step::StartReview, &request.request_id, "", &request)?;
        let stored = self.load(&principal, request.request).await?;
        let requested = &stored.request.requested;
        require_certifier(&principal, requested.certifier_id).map_err(Error::from)?;
        let checks = self.checks_of(requested, act.now).await;
        let action = Action::StartReview { checks };
        let what = (request.request, request.expected_version);
        let answer = self.change(&act, what, Some(stored.version), action).await?;
        Ok(Response::new(wire::StartReviewResponse {
            state: self.state(answer.stored),
        }))
    }

    async fn ask_for_more(
        &self,
        request: Request<wire::AskForMoreRequest>,
    ) -> Result<Response<wire::AskForMoreResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let id = &request.request_id;
        let act = self.act(&principal, Step::AskForMore, id, &request.question, &request)?;
        let action = Action::AskForMore {
            question: request.question,
        };
        let answer = self
            .change(&act, (request.request, request.expected_version), None, action)
            .await?;
        Ok(Response::new(wire::AskForMoreResponse {
            state: self.state(answer.stored),
        }))
    }

    async fn approve_certificate(
        &self,
        request: Request<wire::ApproveCertificateRequest>,
    ) -> Result<Response<wire::ApproveCertificateResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let id = &request.request_id;
        let act = self.act(&principal, Step::Approve, id, &request.reason, &request)?;
        let stored = self.load(&principal, request.request).await?;
        let requested = &stored.request.requested;
        require_certifier(&principal, requested.certifier_id).map_err(Error::from)?;
        let action = Action::Approve {
            checks: self.checks_of(requested, act.now).await,
            accepted: convert::check_codes(&request.accepted)?,
            stated: convert::stated_terms("", &request.valid_from, &request.valid_to)?,
            issues: self.issues_for.contains(&requested.certifier_id),
        };
        let what = (request.request, request.expected_version);
        let answer = self.change(&act, what, Some(stored.version), action).await?;
        Ok(Response::new(wire::ApproveCertificateResponse {
            certificate: answer.issued.as_ref().map(convert::standing),
            state: self.state(answer.stored),
        }))
    }

    async fn enter_issued_number(
        &self,
        request: Request<wire::EnterIssuedNumberRequest>,
    ) -> Result<Response<wire::EnterIssuedNumberResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let act = self.act(&principal, Step::EnterNumber, &request.request_id, "", &request)?;
        let action = Action::EnterNumber {
            number: certificate_number("number", &request.number)?,
            stated: convert::stated_terms(&request.issued_on, &request.valid_from, &request.valid_to)?,
            accept_inconsistent: request.accept_inconsistent,
        };
        let answer = self
            .change(&act, (request.request, request.expected_version), None, action)
            .await?;
        Ok(Response::new(wire::EnterIssuedNumberResponse {
            certificate: answer.issued.as_ref().map(convert::standing),
            state: self.state(answer.stored),
        }))
    }

    async fn reject_certificate(
        &self,
        request: Request<wire::RejectCertificateRequest>,
    ) -> Result<Response<wire::RejectCertificateResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let id = &request.request_id;
        let act = self.act(&principal, Step::Reject, id, &request.reasons, &request)?;
        let action = Action::Reject {
            reasons: request.reasons,
        };
        let answer = self
            .change(&act, (request.request, request.expected_version), None, action)
            .await?;
        Ok(Response::new(wire::RejectCertificateResponse {
            state: self.state(answer.stored),
        }))
    }

    async fn void_certificate(
        &self,
        request: Request<wire::VoidCertificateRequest>,
    ) -> Result<Response<wire::VoidCertificateResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let id = &request.request_id;
        let act = self.act(&principal, Step::Void, id, &request.reason, &request)?;
        let number = certificate_number("number", &request.number)?;
        let standing = self
            .store
            .void(&act, number, &|certificate, current| {
                let versions = (current, request.expected_version);
                void(certificate, versions, &request.reason, &principal).map(|(voided, _)| voided)
            })
            .await?;
        Ok(Response::new(wire::VoidCertificateResponse {
            certificate: Some(convert::standing(&standing)),
        }))
    }

    async fn amend_certificate(
        &self,
        request: Request<wire::AmendCertificateRequest>,
    ) -> Result<Response<wire::AmendCertificateResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let id = &request.request_id;
        let act = self.act(&principal, Step::Amend, id, &request.reason, &request)?;
        let number = certificate_number("number", &request.number)?;
        if act.reason.is_empty() {
            return Err(Error::invalid("reason", "not given").into());
        }
        let amended = self.amend(&principal, &act, number, &request).await?;
        Ok(Response::new(wire::AmendCertificateResponse {
            superseded: Some(convert::standing(&amended.superseded)),
            successor: Some(convert::standing(&amended.successor)),
        }))
    }

    async fn get_request(
        &self,
        request: Request<wire::GetRequestRequest>,
    ) -> Result<Response<wire::GetRequestResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let as_of = moment("as_of", &request.as_of)?;
        let visibility = RequestVisibility::of(&principal);
        let (stored, versions) = self
            .store
            .request(request.request, &visibility, as_of)
            .await?
            .ok_or(Error::RequestNotFound(request.request))?;
        let today = day_of(as_of.unwrap_or_else(|| self.clock.now()));
        Ok(Response::new(wire::GetRequestResponse {
            state: Some(convert::request_state(stored, today)),
            steps: versions
                .iter()
                .map(|version| convert::step(version, &principal))
                .collect(),
        }))
    }

    async fn list_requests(
        &self,
        request: Request<wire::ListRequestsRequest>,
    ) -> Result<Response<wire::ListRequestsResponse>, Status> {
        let visibility = RequestVisibility::of(principal::of(request.extensions())?);
        let request = request.into_inner();
        let filter = convert::request_filter(&request)?;
        let page = Page::of(request.page_size)?;
        let after = page_token(&request.page_token, |token| token.parse().ok())?.unwrap_or(0);
        let mut found = self
            .store
            .requests(filter, &visibility, after, page.to_read())
            .await?;
        let next = page.cut(&mut found, |last| last.number.to_string());
        let today = self.clock.today();
        Ok(Response::new(wire::ListRequestsResponse {
            states: found
                .into_iter()
                .map(|stored| convert::request_state(stored, today))
                .collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn get_history(
        &self,
        request: Request<wire::GetHistoryRequest>,
    ) -> Result<Response<wire::GetHistoryResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let number = certificate_number("number", &request.number)?;
        let as_of = moment("as_of", &request.as_of)?;
        let history = self.store.history(number, as_of).await?;
        if history.versions.is_empty() {
            return Err(Error::NotFound(number).into());
        }
        let visibility = RequestVisibility::of(&principal);
        let origin = match history.request {
            Some(number) => self
                .store
                .request(number, &visibility, as_of)
                .await?
                .map(|(stored, versions)| (stored.number, versions)),
            None => None,
        };
        let (from, steps) = origin.unwrap_or_default();
        Ok(Response::new(wire::GetHistoryResponse {
            as_of: moment_text(as_of.unwrap_or_else(|| self.clock.now())),
            versions: history
                .versions
                .iter()
                .map(|version| wire::CertificateVersion {
                    step: Some(convert::step(version, &principal)),
                    certificate: Some((&version.content).into()),
                })
                .collect(),
            supersedes: history
                .supersedes
                .map(|number| number.to_string())
                .unwrap_or_default(),
            request: from,
            request_steps: steps
                .iter()
                .map(|version| convert::step(version, &principal))
                .collect(),
        }))
    }
}
