//! Entries on record: filing, amending, taking back, and what was decided.

use std::sync::Arc;

use nopic_chassis::answers::{AnswerStream, answer};
use nopic_chassis::cut::Ending;
use nopic_chassis::requests::{Page, given, given_day, moment, moment_text, page_token};
use nopic_domain::decision::Kind;
use nopic_domain::finding::Code;
use nopic_domain::identifier::{CertificateNumber, NopId};
use nopic_domain::rules::Outcome;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::entry_record_service_server::EntryRecordService;
use tonic::{Request, Response, Status, Streaming};

use super::fields::{
    decision, decisions as fitting, entry_number, filed_on, hash, kind, of_entry, reason, request_id,
    that_fit, version,
};
use super::{MESSAGES_AHEAD, file_document, file_stream, lines, open, some};
use crate::convert::{answer_to_wire, inputs_to_wire};
use crate::engine::Engine;
use crate::error::Error;
use crate::filing::{Request as Filing, file, replay};
use crate::inquiry::Inquiry;
use crate::store::{DecisionFilter, Grouping, Statistic, StoredDecision};

/// Groups of a statistic.
const GROUPS: u32 = 1_000;

/// The service's methods on the wire.
#[derive(Debug, Clone)]
pub(crate) struct RecordRpc(pub(crate) Arc<Engine>);

#[tonic::async_trait]
impl EntryRecordService for RecordRpc {
    async fn file_entries(
        &self,
        request: Request<wire::FileEntriesRequest>,
    ) -> Result<Response<wire::FileEntriesResponse>, Status> {
        let (principal, mut request) = open(request)?;
        // Before the request's name is used up.
        some(&request.lines)?;
        self.0.charge.take(&principal, request.lines.len()).await?;
        let filed_on = filed_on(&request.filed_on, self.0.clock.today())?;
        let id = request_id(std::mem::take(&mut request.request_id))?;
        let inquiry = Inquiry::to_file(principal, request.at_least_revision.take());
        let filing = Filing {
            id,
            hash: hash("FileEntries", &request),
            kind: kind(filed_on),
            filed_on,
            reason: String::new(),
            lines: lines(request.lines)?,
            of_entry: None,
            refused: Vec::new(),
            entries_apart: false,
        };
        let filed = file(&self.0, &inquiry, filing).await?;
        Ok(Response::new(wire::FileEntriesResponse {
            decisions: fitting(filed.decisions),
        }))
    }

    type FileStreamStream = AnswerStream<wire::FileStreamResponse>;

    async fn file_stream(
        &self,
        request: Request<Streaming<wire::FileStreamRequest>>,
    ) -> Result<Response<Self::FileStreamStream>, Status> {
        let ending = Ending::of(request.extensions(), &self.0.draining);
        let (principal, requests) = open(request)?;
        let engine = Arc::clone(&self.0);
        Ok(Response::new(answer(MESSAGES_AHEAD, |answers| {
            file_stream::lines(engine, ending, principal, requests, answers)
        })))
    }

    type FileDocumentStream = AnswerStream<wire::FileDocumentResponse>;

    async fn file_document(
        &self,
        request: Request<Streaming<wire::FileDocumentRequest>>,
    ) -> Result<Response<Self::FileDocumentStream>, Status> {
        let ending = Ending::of(request.extensions(), &self.0.draining);
        let (principal, requests) = open(request)?;
        let engine = Arc::clone(&self.0);
        Ok(Response::new(answer(MESSAGES_AHEAD, |answers| {
            file_document::file(engine, ending, principal, requests, answers)
        })))
    }

    async fn amend_entry(
        &self,
        request: Request<wire::AmendEntryRequest>,
    ) -> Result<Response<wire::AmendEntryResponse>, Status> {
        let (principal, mut request) = open(request)?;
        if request.lines.is_empty() {
            let reason = "an amended entry has lines; to take it back, cancel it";
            return Err(Error::invalid("lines", reason).into());
        }
        self.0.charge.take(&principal, request.lines.len()).await?;
        let filing = Filing {
            id: request_id(std::mem::take(&mut request.request_id))?,
            hash: hash("AmendEntry", &request),
            kind: Kind::Amended,
            filed_on: None,
            reason: reason(&request.reason)?,
            lines: lines(request.lines)?,
            of_entry: Some(of_entry(&request.entry_number, request.current_version)?),
            refused: Vec::new(),
            entries_apart: false,
        };
        let filed = file(&self.0, &Inquiry::to_file(principal, None), filing).await?;
        Ok(Response::new(wire::AmendEntryResponse {
            decisions: fitting(filed.decisions),
        }))
    }

    async fn cancel_entry(
        &self,
        request: Request<wire::CancelEntryRequest>,
    ) -> Result<Response<wire::CancelEntryResponse>, Status> {
        let (principal, mut request) = open(request)?;
        let filing = Filing {
            id: request_id(std::mem::take(&mut request.request_id))?,
            hash: hash("CancelEntry", &request),
            kind: Kind::Cancelled,
            filed_on: None,
            reason: reason(&request.reason)?,
            lines: Vec::new(),
            of_entry: Some(of_entry(&request.entry_number, request.current_version)?),
            refused: Vec::new(),
            entries_apart: false,
        };
        file(&self.0, &Inquiry::to_file(principal, None), filing).await?;
        Ok(Response::new(wire::CancelEntryResponse {
            version: request.current_version + 1,
        }))
    }

    async fn get_entry(
        &self,
        request: Request<wire::GetEntryRequest>,
    ) -> Result<Response<wire::GetEntryResponse>, Status> {
        let (principal, request) = open(request)?;
        let entry_number = entry_number(&request.entry_number);
        let as_of = moment("as_of", &request.as_of)?;
        let (versions, decisions) = self
            .0
            .store
            .entry(&principal.tenant, &entry_number, as_of)
            .await
            .map_err(Error::from)?;
        if versions.is_empty() {
            return Err(Error::NotFound(format!("entry {entry_number} is not on record")).into());
        }
        Ok(Response::new(wire::GetEntryResponse {
            entry_number,
            versions: versions.into_iter().map(version).collect(),
            decisions: fitting(decisions),
        }))
    }

    async fn get_decision(
        &self,
        request: Request<wire::GetDecisionRequest>,
    ) -> Result<Response<wire::GetDecisionResponse>, Status> {
        let (principal, request) = open(request)?;
        let stored = stored_decision(&self.0, &principal.tenant, request.decision_id).await?;
        Ok(Response::new(wire::GetDecisionResponse {
            entry_number: stored.verdict.entry_number.clone(),
            decision: Some(decision(stored)),
        }))
    }

    async fn list_decisions(
        &self,
        request: Request<wire::ListDecisionsRequest>,
    ) -> Result<Response<wire::ListDecisionsResponse>, Status> {
        let (principal, request) = open(request)?;
        let (filter, page) = filter(&request)?;
        let mut found = self
            .0
            .store
            .list_decisions(&principal.tenant, &filter)
            .await
            .map_err(Error::from)?;
        let mut next = page.cut(&mut found, |last| last.decision_id.to_string());
        let mut decisions: Vec<wire::Decision> = found.into_iter().map(decision).collect();
        let fit = that_fit(&decisions);
        if fit < decisions.len() {
            decisions.truncate(fit);
            next = decisions.last().map(|last| last.decision_id.to_string());
        }
        Ok(Response::new(wire::ListDecisionsResponse {
            decisions,
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn list_set_aside_filings(
        &self,
        request: Request<wire::ListSetAsideFilingsRequest>,
    ) -> Result<Response<wire::ListSetAsideFilingsResponse>, Status> {
        let (principal, request) = open(request)?;
        let page = Page::of(request.page_size)?;
        let before = page_token(&request.page_token, |text| text.parse().ok())?;
        let mut found = self
            .0
            .store
            .list_set_aside(&principal.tenant, before.unwrap_or(i64::MAX), page.to_read())
            .await
            .map_err(Error::from)?;
        let next = page.cut(&mut found, |last| last.filing_id.to_string());
        Ok(Response::new(wire::ListSetAsideFilingsResponse {
            filings: found
                .into_iter()
                .map(|filing| wire::SetAsideFiling {
                    request_id: filing.request_id,
                    entry_numbers: filing.entry_numbers,
                    set_aside_at: moment_text(filing.set_aside_at),
                    because: filing.because,
                    tries: filing.tries,
                })
                .collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn explain_decision(
        &self,
        request: Request<wire::ExplainDecisionRequest>,
    ) -> Result<Response<wire::ExplainDecisionResponse>, Status> {
        let (principal, request) = open(request)?;
        let stored = stored_decision(&self.0, &principal.tenant, request.decision_id).await?;
        let replayed = replay(&self.0, &stored).await?;
        let (again, not_replayed) = match replayed.verdict {
            Ok(verdict) => (Some(verdict), String::new()),
            Err(because) => (None, because),
        };
        Ok(Response::new(wire::ExplainDecisionResponse {
            is_the_same: again.as_ref() == Some(&stored.verdict),
            decision: Some(decision(stored)),
            inputs: Some(inputs_to_wire(replayed.inputs)),
            ledger: replayed.ledger.as_ref().map(answer_to_wire),
            replayed: again.map(Into::into),
            not_replayed,
        }))
    }

    async fn get_statistics(
        &self,
        request: Request<wire::GetStatisticsRequest>,
    ) -> Result<Response<wire::GetStatisticsResponse>, Status> {
        use wire::get_statistics_request::Group;
        let (principal, request) = open(request)?;
        let span = (given_day("from", &request.from)?, given_day("to", &request.to)?);
        let as_of = moment("as_of", &request.as_of)?;
        let grouping = match request.group() {
            Group::Unspecified | Group::Day => Grouping::Day,
            Group::Importer => Grouping::Importer,
            Group::Reason => Grouping::Reason,
        };
        let tenant = &principal.tenant;
        let store = &self.0.store;
        let mut statistics = store
            .statistics(tenant, span, as_of, grouping, GROUPS + 1)
            .await
            .map_err(Error::from)?;
        let total = store
            .statistics(tenant, span, as_of, Grouping::Total, 1)
            .await
            .map_err(Error::from)?
            .pop();
        let complete = statistics.len() <= GROUPS as usize;
        statistics.truncate(GROUPS as usize);
        if grouping == Grouping::Importer {
            for statistic in &mut statistics {
                if let Some(id) = statistic.key.parse().ok().and_then(NopId::from_number) {
                    statistic.key = id.to_string();
                }
            }
        }
        Ok(Response::new(wire::GetStatisticsResponse {
            statistics: statistics.into_iter().map(statistic).collect(),
            total: total.map(statistic),
            complete,
        }))
    }
}

async fn stored_decision(engine: &Engine, tenant: &str, decision_id: u64) -> Result<StoredDecision, Error> {
    let known = match i64::try_from(decision_id) {
        Ok(decision_id) => engine.store.decision(tenant, decision_id).await?,
        Err(_) => None,
    };
    known.ok_or_else(|| Error::NotFound(format!("decision {decision_id} is not on record")))
}

fn filter(request: &wire::ListDecisionsRequest) -> Result<(DecisionFilter, Page), Error> {
    let page = Page::of(request.page_size)?;
    let outcome = given(&request.outcome);
    let outcomes = [
        Outcome::Accept,
        Outcome::Warn,
        Outcome::Reject,
        Outcome::Indeterminate,
    ];
    if let Some(asked) = outcome
        && !outcomes.iter().any(|known| known.as_str() == asked)
    {
        return Err(Error::invalid(
            "outcome",
            format!("{asked:?} is none of ACCEPT, WARN, REJECT, INDETERMINATE"),
        ));
    }
    let code = given(&request.code);
    if let Some(asked) = code
        && Code::parse(asked).is_none()
    {
        return Err(Error::invalid(
            "code",
            format!("{asked:?} is no code of the rules; `nopic policy explain` lists them"),
        ));
    }
    let certificate = given(&request.certificate_number)
        .map(str::parse::<CertificateNumber>)
        .transpose()
        .map_err(|error| Error::invalid("certificate_number", error))?;
    let importer = given(&request.importer_nop_id)
        .map(str::parse::<NopId>)
        .transpose()
        .map_err(|error| Error::invalid("importer_nop_id", error))?;
    let filter = DecisionFilter {
        entry_number: given(&request.entry_number).map(entry_number),
        certificate: certificate.map(CertificateNumber::key),
        importer: importer.map(|id| id.number().cast_signed()),
        outcome: outcome.map(str::to_owned),
        code: code.map(str::to_owned),
        from: given_day("from", &request.from)?,
        to: given_day("to", &request.to)?,
        with_ended: request.with_ended,
        as_of: moment("as_of", &request.as_of)?,
        before: page_token(&request.page_token, |text| text.parse().ok())?,
        limit: page.to_read(),
    };
    Ok((filter, page))
}

fn statistic(counted: Statistic) -> wire::Statistic {
    wire::Statistic {
        key: counted.key,
        lines: counted.lines,
        organic_lines: counted.organic_lines,
        with_valid_certificate: counted.with_valid_certificate,
        declared_organic: counted.declared_organic,
        disclaimed: counted.disclaimed,
        undeclared: counted.undeclared,
        accepted: counted.accepted,
        warned: counted.warned,
        rejected: counted.rejected,
        indeterminate: counted.indeterminate,
    }
}
