//! Entries on record: filing, amending, taking back, and what was decided.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use nopic_domain::date::Date;
use nopic_domain::entry::EntryLine;
use nopic_domain::finding::Code;
use nopic_domain::identifier::{CertificateNumber, NopId};
use nopic_domain::rules::Outcome;
use nopic_domain::weight::Weight;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::entry_record_service_server::EntryRecordService;
use prost::Message;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status, Streaming};

use super::{Answers, date, file_document, file_stream, lines, open};
use crate::engine::{Asker, Engine};
use crate::error::Error;
use crate::filing::{Kind, Request as Filing, file, replay};
use crate::store::{DecisionFilter, Grouping, StoredDecision, StoredVersion};

/// Characters of a request id.
const LONGEST_REQUEST_ID: usize = 200;
/// Characters of a reason.
const LONGEST_REASON: usize = 1_000;
const DEFAULT_PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1_000;
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
        let (asker, request) = open(request, |request| {
            Some(wire::Freshness {
                at_least_revision: request.at_least_revision,
                latest_certificates: true,
            })
        })?;
        let filed_on = filed_on(&request.filed_on, self.0.clock.today())?;
        let filing = Filing {
            id: request_id(&request.request_id)?,
            hash: hash(
                "FileEntries",
                &wire::FileEntriesRequest {
                    request_id: String::new(),
                    at_least_revision: None,
                    ..request.clone()
                },
            ),
            kind: kind(filed_on),
            filed_on,
            reason: String::new(),
            lines: lines(request.lines)?,
            of_entry: None,
        };
        let decisions = file(&self.0, &asker, filing).await?;
        Ok(Response::new(wire::FileEntriesResponse {
            decisions: decisions.into_iter().map(decision).collect(),
        }))
    }

    type FileStreamStream = Answers<wire::FileStreamResponse>;

    async fn file_stream(
        &self,
        request: Request<Streaming<wire::FileStreamRequest>>,
    ) -> Result<Response<Self::FileStreamStream>, Status> {
        let principal = nopic_chassis::principal::of(request.extensions())?.clone();
        let answers = file_stream::lines(Arc::clone(&self.0), principal, request.into_inner());
        Ok(Response::new(Box::pin(answers)))
    }

    type FileDocumentStream = Answers<wire::FileDocumentResponse>;

    async fn file_document(
        &self,
        request: Request<Streaming<wire::FileDocumentRequest>>,
    ) -> Result<Response<Self::FileDocumentStream>, Status> {
        let principal = nopic_chassis::principal::of(request.extensions())?.clone();
        let answers = file_document::file(Arc::clone(&self.0), principal, request.into_inner());
        Ok(Response::new(Box::pin(answers)))
    }

    async fn amend_entry(
        &self,
        request: Request<wire::AmendEntryRequest>,
    ) -> Result<Response<wire::AmendEntryResponse>, Status> {
        let (asker, request) = open(request, |_| None)?;
        if request.lines.is_empty() {
            return Err(Error::Invalid(
                "lines: an amended entry has lines; to take it back, cancel it".to_owned(),
            )
            .into());
        }
        let filing = Filing {
            id: request_id(&request.request_id)?,
            hash: hash(
                "AmendEntry",
                &wire::AmendEntryRequest {
                    request_id: String::new(),
                    ..request.clone()
                },
            ),
            kind: Kind::Amended,
            filed_on: None,
            reason: reason(&request.reason)?,
            lines: lines(request.lines)?,
            of_entry: Some(of_entry(&request.entry_number, request.current_version)?),
        };
        let decisions = file(&self.0, &asker, filing).await?;
        Ok(Response::new(wire::AmendEntryResponse {
            decisions: decisions.into_iter().map(decision).collect(),
        }))
    }

    async fn cancel_entry(
        &self,
        request: Request<wire::CancelEntryRequest>,
    ) -> Result<Response<wire::CancelEntryResponse>, Status> {
        let (asker, request) = open(request, |_| None)?;
        let filing = Filing {
            id: request_id(&request.request_id)?,
            hash: hash(
                "CancelEntry",
                &wire::CancelEntryRequest {
                    request_id: String::new(),
                    ..request.clone()
                },
            ),
            kind: Kind::Cancelled,
            filed_on: None,
            reason: reason(&request.reason)?,
            lines: Vec::new(),
            of_entry: Some(of_entry(&request.entry_number, request.current_version)?),
        };
        file(&self.0, &asker, filing).await?;
        Ok(Response::new(wire::CancelEntryResponse {
            version: request.current_version + 1,
        }))
    }

    async fn get_entry(
        &self,
        request: Request<wire::GetEntryRequest>,
    ) -> Result<Response<wire::GetEntryResponse>, Status> {
        let (asker, request) = open(request, |_| None)?;
        let entry_number = entry_number(&request.entry_number);
        let as_of = moment("as_of", &request.as_of)?;
        let (versions, decisions) = self
            .0
            .store
            .entry(&asker.principal.tenant, &entry_number, as_of)
            .await
            .map_err(Error::from)?;
        if versions.is_empty() {
            return Err(Error::NotFound(format!("entry {entry_number} is not on record")).into());
        }
        Ok(Response::new(wire::GetEntryResponse {
            entry_number,
            versions: versions.into_iter().map(version).collect(),
            decisions: decisions.into_iter().map(decision).collect(),
        }))
    }

    async fn get_decision(
        &self,
        request: Request<wire::GetDecisionRequest>,
    ) -> Result<Response<wire::GetDecisionResponse>, Status> {
        let (asker, request) = open(request, |_| None)?;
        let stored = stored_decision(&self.0, &asker, request.decision_id).await?;
        Ok(Response::new(wire::GetDecisionResponse {
            entry_number: stored.verdict.entry_number.clone(),
            decision: Some(decision(stored)),
        }))
    }

    async fn list_decisions(
        &self,
        request: Request<wire::ListDecisionsRequest>,
    ) -> Result<Response<wire::ListDecisionsResponse>, Status> {
        let (asker, request) = open(request, |_| None)?;
        let (filter, page) = filter(&request)?;
        let mut found = self
            .0
            .store
            .list_decisions(&asker.principal.tenant, &filter)
            .await
            .map_err(Error::from)?;
        let complete = found.len() <= page;
        found.truncate(page);
        let next_page_token = match found.last() {
            Some(last) if !complete => last.decision_id.to_string(),
            _ => String::new(),
        };
        Ok(Response::new(wire::ListDecisionsResponse {
            decisions: found.into_iter().map(decision).collect(),
            next_page_token,
            complete,
        }))
    }

    async fn explain_decision(
        &self,
        request: Request<wire::ExplainDecisionRequest>,
    ) -> Result<Response<wire::ExplainDecisionResponse>, Status> {
        let (asker, request) = open(request, |_| None)?;
        let stored = stored_decision(&self.0, &asker, request.decision_id).await?;
        let replayed = replay(&self.0, &stored).await?;
        Ok(Response::new(wire::ExplainDecisionResponse {
            is_the_same: replayed.verdict == stored.verdict,
            decision: Some(decision(stored)),
            inputs: Some(replayed.inputs),
            ledger: replayed.ledger,
            replayed: Some(replayed.verdict),
        }))
    }

    async fn get_statistics(
        &self,
        request: Request<wire::GetStatisticsRequest>,
    ) -> Result<Response<wire::GetStatisticsResponse>, Status> {
        use wire::get_statistics_request::Group;
        let (asker, request) = open(request, |_| None)?;
        let span = (
            optional_date("from", &request.from)?,
            optional_date("to", &request.to)?,
        );
        let as_of = moment("as_of", &request.as_of)?;
        let grouping = match request.group() {
            Group::Unspecified | Group::Day => Grouping::Day,
            Group::Importer => Grouping::Importer,
            Group::Reason => Grouping::Reason,
        };
        let tenant = &asker.principal.tenant;
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
            statistics,
            total,
            complete,
        }))
    }
}

/// The request's own hash: what it asks for, whatever its id.
pub(super) fn hash(method: &str, request: &impl Message) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(method);
    hasher.update([0]);
    hasher.update(request.encode_to_vec());
    hasher.finalize().into()
}

pub(super) fn request_id(text: &str) -> Result<String, Error> {
    let length = text.chars().count();
    if length == 0 || length > LONGEST_REQUEST_ID || text.chars().any(char::is_control) {
        return Err(Error::Invalid(format!(
            "request_id: give 1 to {LONGEST_REQUEST_ID} characters that name this request, the same when it is sent again"
        )));
    }
    Ok(text.to_owned())
}

/// The day of filing that a request states: history, so none that is still to come.
pub(super) fn filed_on(text: &str, today: Date) -> Result<Option<Date>, Error> {
    let date = optional_date("filed_on", text)?;
    match date {
        Some(date) if date > today => Err(Error::Invalid(format!(
            "filed_on: {date} is still to come; today is {today}"
        ))),
        date => Ok(date),
    }
}

/// What comes with a day of its own is history.
pub(super) const fn kind(filed_on: Option<Date>) -> Kind {
    match filed_on {
        Some(_) => Kind::Imported,
        None => Kind::Filed,
    }
}

pub(super) fn reason(text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_REASON || text.contains('\0') {
        return Err(Error::Invalid(format!(
            "reason: say why, in 1 to {LONGEST_REASON} characters"
        )));
    }
    Ok(text.to_owned())
}

/// The number in the form in which it is kept.
pub(super) fn entry_number(text: &str) -> String {
    let line = EntryLine {
        entry_number: text.to_owned(),
        ..EntryLine::default()
    };
    line.normalise().into_inner().entry_number
}

fn of_entry(text: &str, version: u32) -> Result<(String, u32), Error> {
    if version == 0 {
        return Err(Error::Invalid(
            "current_version: name the version that is to be replaced; they count from 1".to_owned(),
        ));
    }
    Ok((entry_number(text), version))
}

fn optional_date(field: &str, text: &str) -> Result<Option<Date>, Error> {
    (!text.is_empty()).then(|| date(field, text)).transpose()
}

pub(super) fn moment(field: &str, text: &str) -> Result<Option<DateTime<Utc>>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    DateTime::parse_from_rfc3339(text)
        .map(|moment| Some(moment.to_utc()))
        .map_err(|_| {
            Error::Invalid(format!(
                "{field}: {text:?} is no moment in the form 2026-03-01T12:00:00Z"
            ))
        })
}

async fn stored_decision(engine: &Engine, asker: &Asker, decision_id: u64) -> Result<StoredDecision, Error> {
    let known = match i64::try_from(decision_id) {
        Ok(decision_id) => {
            engine
                .store
                .decision(&asker.principal.tenant, decision_id)
                .await?
        }
        Err(_) => None,
    };
    known.ok_or_else(|| Error::NotFound(format!("decision {decision_id} is not on record")))
}

/// The filter, and how many are asked for; the store is asked for one more, to know whether more follow.
fn filter(request: &wire::ListDecisionsRequest) -> Result<(DecisionFilter, usize), Error> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let page = match request.page_size {
        0 => DEFAULT_PAGE,
        size => size.min(LARGEST_PAGE),
    };
    let outcome = given(&request.outcome);
    let outcomes = [
        Outcome::Accept,
        Outcome::Warn,
        Outcome::Reject,
        Outcome::Indeterminate,
    ];
    if let Some(asked) = &outcome
        && !outcomes.iter().any(|known| known.as_str() == asked)
    {
        return Err(Error::Invalid(format!(
            "outcome: {asked:?} is none of ACCEPT, WARN, REJECT, INDETERMINATE"
        )));
    }
    let code = given(&request.code);
    if let Some(asked) = &code
        && Code::parse(asked).is_none()
    {
        return Err(Error::Invalid(format!(
            "code: {asked:?} is no code of the rules; `nopic policy explain` lists them"
        )));
    }
    let certificate = given(&request.certificate_number)
        .map(|text| {
            text.parse::<CertificateNumber>()
                .map_err(|error| Error::Invalid(format!("certificate_number: {error}")))
        })
        .transpose()?;
    let importer = given(&request.importer_nop_id)
        .map(|text| {
            text.parse::<NopId>()
                .map_err(|error| Error::Invalid(format!("importer_nop_id: {error}")))
        })
        .transpose()?;
    let before = given(&request.page_token)
        .map(|text| {
            text.parse::<i64>()
                .map_err(|_| Error::Invalid("page_token: is not one that was given out".to_owned()))
        })
        .transpose()?;
    let filter = DecisionFilter {
        entry_number: given(&request.entry_number).map(|text| entry_number(&text)),
        certificate: certificate.map(CertificateNumber::key),
        importer: importer.map(|id| id.number().cast_signed()),
        outcome,
        code,
        from: optional_date("from", &request.from)?,
        to: optional_date("to", &request.to)?,
        with_ended: request.with_ended,
        as_of: moment("as_of", &request.as_of)?,
        before,
        limit: page + 1,
    };
    Ok((filter, page as usize))
}

pub(super) fn text(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A version as it travels.
pub(super) fn version(stored: StoredVersion) -> wire::EntryVersion {
    wire::EntryVersion {
        version: stored.version,
        kind: stored.kind,
        actor: stored.actor,
        reason: stored.reason,
        recorded_at: text(stored.recorded_at),
        filed_on: stored.filed_on.to_string(),
    }
}

/// A decision as it travels.
pub(super) fn decision(stored: StoredDecision) -> wire::Decision {
    let weight =
        |units: Option<i64>| units.map_or_else(String::new, |units| Weight::from_units(units).to_string());
    wire::Decision {
        // Numbers of the database are never negative.
        decision_id: stored.decision_id.unsigned_abs(),
        entry_version: stored.version,
        verdict: Some(stored.verdict),
        drawn_kg: weight(stored.drawn_units),
        excess_kg: weight(stored.excess_units.filter(|units| *units > 0)),
        recorded_at: text(stored.recorded_at),
        ended_at: stored.ended_at.map(text).unwrap_or_default(),
        line: Some(stored.line),
    }
}
