//! The calls about cases: convert, load, decide, save, convert.

use std::fmt;
use std::sync::Arc;

use chrono::SubsecRound as _;
use nopic_chassis::clock::Clock;
use nopic_chassis::principal;
use nopic_chassis::requests::{Page, RequestError, given, given_day, page_token};
use nopic_chassis::rpc::client::Client;
use nopic_domain::date::{Date, day_of};
use nopic_domain::enforcement::{
    Case, Cases, Deployment, End, Outlook, Refusal, Statistics, Step, StepState,
};
use nopic_domain::identifier::NopId;
use nopic_domain::principal::Principal;
use nopic_proto::notification as wire;
use nopic_proto::notification::case_service_server::CaseService;
use tonic::{Request, Response, Status};

mod convert;

use crate::cases::CaseRules;
use crate::error::Error;
use crate::letters;
use crate::over::{NotKnown, close_first};
use crate::rpc::act;
use crate::store::{By, NotificationStore};

/// Importers whose cases are read at a time.
const IMPORTERS: u32 = 100;

/// What answers calls about cases.
#[derive(Clone)]
pub(crate) struct CaseRpc {
    pub(crate) store: Arc<dyn NotificationStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: CaseRules,
    /// Absent: not in reach of this process.
    pub(crate) registry: Option<Client>,
}

impl fmt::Debug for CaseRpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaseRpc").finish_non_exhaustive()
    }
}

/// A place in the list of cases: an importer, and its case from 0.
type Place = (NopId, usize);

fn place(token: &str) -> Option<Place> {
    let (importer, index) = token.split_once('.')?;
    Some((importer.parse().ok()?, index.parse().ok()?))
}

/// The case that opened on a day; without one the last. Of two that opened on it, the one that was not withdrawn.
fn choose<'a>(
    cases: &'a [Case<'a>],
    importer: NopId,
    opened_on: Option<Date>,
) -> Result<&'a Case<'a>, Error> {
    let is_meant = |case: &&Case<'_>| opened_on.is_none_or(|day| case.opened_on() == day);
    let is_withdrawn = |case: &&Case<'_>| matches!(case.end(), Some(End::Withdrawn { .. }));
    let meant = || cases.iter().rev().filter(is_meant);
    meant()
        .find(|case| !is_withdrawn(case))
        .or_else(|| meant().next())
        .ok_or_else(|| {
            let when = opened_on
                .map(|day| format!(" that opened on {day}"))
                .unwrap_or_default();
            Error::NotFound(format!("there is no case against importer {importer}{when}"))
        })
}

fn of<T>(request: &Request<T>) -> Result<Principal, Status> {
    Ok(principal::of(request.extensions())?.clone())
}

impl CaseRpc {
    fn today(&self) -> Date {
        day_of(self.clock.now())
    }

    /// Cases of a tenant from a place on, as many as are to be read at least, where there are so many.
    async fn list(
        &self,
        tenant: &str,
        (only, is_open): (Option<NopId>, Option<bool>),
        from: Option<Place>,
        to_read: usize,
    ) -> Result<Vec<(Place, wire::Case)>, Error> {
        let mut found = Vec::new();
        let mut from = from.or(only.map(|importer| (importer, 0)));
        loop {
            let limit = if only.is_some() { 1 } else { IMPORTERS };
            let importer = from.map(|(importer, _)| importer);
            let histories = self.store.histories_of(tenant, importer, limit).await?;
            let last = histories.last().map(|history| history.importer);
            let is_over = histories.len() < limit as usize || only.is_some();
            for history in histories {
                let importer = history.importer;
                if only.is_some_and(|only| only != importer) {
                    continue;
                }
                let begin = from
                    .filter(|(first, _)| *first == importer)
                    .map_or(0, |(_, index)| index);
                let cases = history.cases.cases();
                let wanted = cases
                    .iter()
                    .enumerate()
                    .skip(begin)
                    .filter(|(_, case)| is_open.is_none_or(|open| open == case.end().is_none()))
                    .map(|(index, case)| ((importer, index), convert::case_to_wire(importer, case)));
                found.extend(wanted);
            }
            if is_over || found.len() >= to_read {
                return Ok(found);
            }
            // Of the last importer everything is read: on from behind all that it has.
            from = last.map(|importer| (importer, usize::MAX));
        }
    }

    /// Closes what is to be closed before a letter is sent: none goes out in a case that is over.
    async fn close_first(&self, tenant: &str, importer: NopId) -> Result<(), Status> {
        let registry = self.registry.as_ref();
        match close_first(&self.store, registry, (tenant, importer), self.clock.now()).await {
            Ok(_) => Ok(()),
            Err(NotKnown::Store(error)) => Err(Error::from(error).into()),
            Err(error @ (NotKnown::NoRegistry | NotKnown::Registry(_))) => {
                tracing::warn!(%error, "no letter is sent while nobody knows whether its case is over");
                Err(Status::unavailable(
                    "the registry does not answer, so nobody knows whether the case is closed: nothing was sent, try again",
                ))
            }
        }
    }

    async fn cases(&self, tenant: &str, importer: NopId) -> Result<Cases, Error> {
        Ok(self.store.cases(tenant, importer).await?)
    }

    /// A letter of a case: as it was sent, or as it would be sent today.
    async fn letter(
        &self,
        (tenant, importer): (&str, NopId),
        cases: &Cases,
        case: &Case<'_>,
        step: Option<Step>,
    ) -> Result<wire::Letter, Error> {
        let last_sent = || {
            case.steps()
                .iter()
                .rev()
                .find(|taken| matches!(taken.state, StepState::Sent { .. }))
                .map(|taken| taken.step)
        };
        let step = step
            .or_else(|| case.due().map(|(step, _)| step))
            .or_else(last_sent)
            .ok_or_else(|| {
                Error::NotNow(if self.rules.deployment == Deployment::Authority {
                    "no letter of this case is due, and none was sent".to_owned()
                } else {
                    "this deployment is not an authority: it sends no letters; GetCase says what AMS is expected to do"
                        .to_owned()
                })
            })?;
        if let Some(StepState::Sent { on }) = case.step(step).map(|taken| taken.state) {
            let is_of_case = |cause: Date| {
                cause >= case.opened_on() && !matches!(case.end(), Some(End::Closed { on }) if cause >= on)
            };
            let letters = self.store.letters(tenant, importer, step, on).await?;
            return letters
                .into_iter()
                .find(|letter| is_of_case(letter.cause))
                .map(|letter| convert::letter_to_wire(importer, letter))
                .ok_or_else(|| {
                    nopic_sql::Error::corrupt("letter", format!("{importer}: {step} of {on}")).into()
                });
        }
        if case.end().is_some() {
            return Err(letters::refused(importer, Refusal::NotDue(step)));
        }
        let letter = cases
            .send(step, self.today())
            .map_err(|refusal| letters::refused(importer, refusal))?;
        let composed = letters::compose(case, &letter, (tenant, importer), &self.rules);
        Ok(wire::Letter {
            importer_nop_id: importer.to_string(),
            step: step.as_str().to_owned(),
            date: letter.date.to_string(),
            is_sent: false,
            text: composed.text,
            html: composed.html,
            sent_by: String::new(),
            sent_at: String::new(),
        })
    }
}

#[tonic::async_trait]
impl CaseService for CaseRpc {
    async fn list_cases(
        &self,
        request: Request<wire::ListCasesRequest>,
    ) -> Result<Response<wire::ListCasesResponse>, Status> {
        let tenant = of(&request)?.tenant;
        let request = request.into_inner();
        let only = given(&request.importer_nop_id)
            .map(convert::importer)
            .transpose()?;
        let is_open = convert::is_open(&request.state)?;
        let page = Page::of(request.page_size)?;
        let from = page_token(&request.page_token, place)?;
        let mut found = self
            .list(&tenant, (only, is_open), from, page.to_read() as usize)
            .await?;
        let next = page.cut(&mut found, |((importer, index), _)| {
            format!("{importer}.{}", index + 1)
        });
        Ok(Response::new(wire::ListCasesResponse {
            cases: found.into_iter().map(|(_, case)| case).collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn get_case(
        &self,
        request: Request<wire::GetCaseRequest>,
    ) -> Result<Response<wire::GetCaseResponse>, Status> {
        let tenant = of(&request)?.tenant;
        let request = request.into_inner();
        let importer = convert::importer(&request.importer_nop_id)?;
        let opened_on = given_day("opened_on", &request.opened_on)?;
        let cases = self.cases(&tenant, importer).await?;
        let all = cases.cases();
        let case = choose(&all, importer, opened_on)?;
        let outlook = Outlook::of(case, self.rules.ladder, self.today());
        Ok(Response::new(wire::GetCaseResponse {
            case: Some(convert::case_to_wire(importer, case)),
            entries: convert::entries_to_wire(case),
            outlook: outlook.map(|outlook| outlook.sentences()).unwrap_or_default(),
            is_authority: self.rules.deployment == Deployment::Authority,
        }))
    }

    async fn get_letter(
        &self,
        request: Request<wire::GetLetterRequest>,
    ) -> Result<Response<wire::GetLetterResponse>, Status> {
        let tenant = of(&request)?.tenant;
        let request = request.into_inner();
        let importer = convert::importer(&request.importer_nop_id)?;
        let step = given(&request.step).map(convert::step).transpose()?;
        let opened_on = given_day("opened_on", &request.opened_on)?;
        let cases = self.cases(&tenant, importer).await?;
        let all = cases.cases();
        let case = choose(&all, importer, opened_on)?;
        let letter = self.letter((&tenant, importer), &cases, case, step).await?;
        Ok(Response::new(wire::GetLetterResponse { letter: Some(letter) }))
    }

    async fn send_letter(
        &self,
        request: Request<wire::SendLetterRequest>,
    ) -> Result<Response<wire::SendLetterResponse>, Status> {
        let principal = of(&request)?;
        let request = request.into_inner();
        let importer = convert::importer(&request.importer_nop_id)?;
        if request.step.is_empty() {
            return Err(RequestError::invalid("step", "is required: name the one that is due").into());
        }
        let step = convert::step(&request.step)?;
        let now = self.clock.now().trunc_subsecs(6);
        let act = act(&principal, "send letter", &request.request_id, &request, now)?;
        if self.rules.deployment != Deployment::Authority {
            return Err(letters::refused(importer, Refusal::NotAnAuthority).into());
        }
        // Asked again, it gives its first answer, whatever became of the case meanwhile.
        let sent = if let Some(sent) = self.store.letter_of_request(&act).await? {
            sent
        } else {
            self.close_first(&principal.tenant, importer).await?;
            let (sent, _) = self
                .store
                .send_letter(&act, importer, (step, day_of(now)), By::Person)
                .await?;
            sent
        };
        Ok(Response::new(wire::SendLetterResponse {
            letter: Some(convert::letter_to_wire(importer, sent)),
        }))
    }

    async fn get_case_statistics(
        &self,
        request: Request<wire::GetCaseStatisticsRequest>,
    ) -> Result<Response<wire::GetCaseStatisticsResponse>, Status> {
        let tenant = of(&request)?.tenant;
        let mut statistics = Statistics::default();
        let mut from = None;
        loop {
            let histories = self
                .store
                .histories_of(&tenant, from, IMPORTERS)
                .await
                .map_err(Error::from)?;
            for history in histories.iter().filter(|history| Some(history.importer) != from) {
                for case in &history.cases.cases() {
                    statistics.add(case);
                }
            }
            from = histories.last().map(|history| history.importer);
            if histories.len() < IMPORTERS as usize {
                break;
            }
        }
        Ok(Response::new(convert::statistics_to_wire(&statistics)))
    }
}

#[cfg(test)]
mod tests;
