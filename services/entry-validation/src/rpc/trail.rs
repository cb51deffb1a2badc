//! The trail of an entry: what is recorded for it, and all of it with its gaps.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{SubsecRound as _, Utc};
use nopic_domain::certificate::CertificateView;
use nopic_domain::date::day_of;
use nopic_domain::decision::Inputs;
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::principal::Principal;
use nopic_domain::rules::{Knowledge as _, given_importer, is_organic};
use nopic_domain::trail::{Item, Trail, gaps};
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::entry_trail_service_server::EntryTrailService;
use nopic_proto::entry_validation::trail_item::Content;
use tonic::{Request, Response, Status};

use super::{fields, open};
use crate::engine::Engine;
use crate::error::Error;
use crate::store::{NewTrail, StoredDecision, StoredTrailRecord, TrailAnswer};

/// Items of one request.
const MOST_ITEMS: usize = 1_000;
/// Records of one entry.
const MOST_RECORDS: u32 = 10_000;

/// The service's methods on the wire.
#[derive(Debug, Clone)]
pub(crate) struct TrailRpc(pub(crate) Arc<Engine>);

#[tonic::async_trait]
impl EntryTrailService for TrailRpc {
    async fn record_trail(
        &self,
        request: Request<wire::RecordTrailRequest>,
    ) -> Result<Response<wire::RecordTrailResponse>, Status> {
        let (principal, request) = open(request)?;
        Ok(Response::new(record_trail(&self.0, &principal, request).await?))
    }

    async fn get_trail(
        &self,
        request: Request<wire::GetTrailRequest>,
    ) -> Result<Response<wire::GetTrailResponse>, Status> {
        let (principal, request) = open(request)?;
        Ok(Response::new(
            get_trail(&self.0, &principal.tenant, request).await?,
        ))
    }
}

async fn record_trail(
    engine: &Engine,
    principal: &Principal,
    mut request: wire::RecordTrailRequest,
) -> Result<wire::RecordTrailResponse, Error> {
    let request_id = fields::request_id(std::mem::take(&mut request.request_id))?;
    let request_hash = fields::hash("RecordTrail", &request);
    if request.items.is_empty() || request.items.len() > MOST_ITEMS {
        return Err(Error::TooMuch(format!(
            "items: {}; give 1 to {MOST_ITEMS} in one request",
            request.items.len()
        )));
    }
    // What is told must be found again by the moment that was told, which has microseconds.
    let now = engine.clock.now().trunc_subsecs(6);
    let entry_number = fields::entry_number(&request.entry_number);
    let items = request
        .items
        .into_iter()
        .enumerate()
        .map(|(index, item)| {
            complete(item, principal, now)
                .map_err(|problem| Error::Invalid(format!("items[{index}].{problem}")))
        })
        .collect::<Result<_, Error>>()?;
    let answer = engine
        .store
        .record_trail(NewTrail {
            tenant: &principal.tenant,
            actor: &principal.actor,
            role: principal.role.as_str(),
            request_id: &request_id,
            request_hash,
            entry_number: &entry_number,
            items,
            now,
            most: MOST_RECORDS,
        })
        .await?;
    match answer {
        TrailAnswer::Recorded(record_ids) => Ok(wire::RecordTrailResponse { record_ids }),
        TrailAnswer::NoEntry => Err(Error::NotFound(format!(
            "entry {entry_number} is not on record: file it first"
        ))),
        TrailAnswer::Full => Err(Error::TooMuch(format!(
            "items: the trail of entry {entry_number} would have more than {MOST_RECORDS} records"
        ))),
        TrailAnswer::NoRecord(record_id) => Err(Error::NotFound(format!(
            "entry {entry_number} has no record {record_id} that could be withdrawn"
        ))),
        TrailAnswer::WithdrawnBefore(record_id) => Err(Error::Outdated(format!(
            "record {record_id} of entry {entry_number} is withdrawn already"
        ))),
    }
}

/// The item as it is kept: who and when are filled in where it does not say. Else what is wrong with it.
fn complete(
    mut item: wire::TrailItem,
    principal: &Principal,
    now: chrono::DateTime<Utc>,
) -> Result<Item, String> {
    match &mut item.content {
        Some(Content::Document(document)) => {
            if let Some(check) = &mut document.organic {
                fill(&mut check.checked_by, || principal.actor.clone());
                fill(&mut check.checked_at, || fields::text(now));
            }
        }
        Some(Content::Statement(statement)) => {
            fill(&mut statement.stated_by, || principal.actor.clone());
            fill(&mut statement.stated_on, || day_of(now).to_string());
        }
        Some(Content::Withdrawal(_) | Content::Step(_)) | None => {}
    }
    let stray = stray(&item);
    let mut item = Item::try_from(item).map_err(|error| error.to_string())?;
    match &mut item {
        Item::Step(step) => step.check()?,
        Item::Document(document) => document.check()?,
        Item::Statement(statement) => statement.check()?,
        Item::Withdrawal(withdrawal) => {
            withdrawal.reason = fields::reason(&withdrawal.reason).map_err(|error| error.to_string())?;
        }
    }
    stray.map_or(Ok(item), Err)
}

/// What a statement says that one of its kind does not have: it is not kept, and nobody loses it without being told.
fn stray(item: &wire::TrailItem) -> Option<String> {
    let Some(Content::Statement(statement)) = &item.content else {
        return None;
    };
    let (field, kind, _) = [
        (
            "prohibited_substance",
            "VERIFICATION",
            statement.prohibited_substance,
        ),
        ("ionizing_radiation", "VERIFICATION", statement.ionizing_radiation),
        (
            "reference",
            "EMERGENCY_ACTION_NOTICE",
            !statement.reference.is_empty(),
        ),
        (
            "certifier_id",
            "CERTIFIER_TOLD",
            !statement.certifier_id.is_empty(),
        ),
    ]
    .into_iter()
    .find(|(_, kind, is_given)| *is_given && statement.kind != *kind)?;
    Some(format!("{field}: only a statement of the kind {kind} has one"))
}

fn fill(text: &mut String, otherwise: impl FnOnce() -> String) {
    if text.trim().is_empty() {
        *text = otherwise();
    }
}

async fn get_trail(
    engine: &Engine,
    tenant: &str,
    request: wire::GetTrailRequest,
) -> Result<wire::GetTrailResponse, Error> {
    let entry_number = fields::entry_number(&request.entry_number);
    let as_of = fields::moment("as_of", &request.as_of)?;
    let (versions, decisions) = engine.store.entry(tenant, &entry_number, as_of).await?;
    if versions.is_empty() {
        return Err(Error::NotFound(format!("entry {entry_number} is not on record")));
    }
    let records = engine.store.trail_records(tenant, &entry_number, as_of).await?;
    let mut filings: BTreeMap<i64, Inputs> = BTreeMap::new();
    for decision in &decisions {
        if let Entry::Vacant(place) = filings.entry(decision.filing_id) {
            let filing = engine
                .store
                .filing(decision.filing_id)
                .await?
                .ok_or_else(|| Error::Internal(format!("filing {} has no inputs", decision.filing_id)))?;
            place.insert(filing.inputs);
        }
    }
    let mut answer = wire::GetTrailResponse {
        entry_number,
        as_of: as_of.map(fields::text).unwrap_or_default(),
        versions: versions.into_iter().map(fields::version).collect(),
        certificates: certificates(&filings),
        lines: decisions
            .into_iter()
            .map(|decision| {
                let inputs = filings.get(&decision.filing_id);
                line(decision, inputs)
            })
            .collect(),
        records: assemble(records),
        gaps: Vec::new(),
    };
    let trail = Trail::try_from(answer.clone())
        .map_err(|error| Error::Internal(format!("the trail of {}: {error}", answer.entry_number)))?;
    // What other entries of the same filing named is not of this trail.
    let named: BTreeSet<String> = trail
        .lines
        .iter()
        .filter_map(|line| Some(line.certificate_number?.to_string()))
        .collect();
    answer.certificates.retain(|read| {
        read.certificate
            .as_ref()
            .is_some_and(|certificate| named.contains(&certificate.number))
    });
    answer.gaps = gaps::find(&trail).into_iter().map(Into::into).collect();
    Ok(answer)
}

/// Those that the filings read; of one that changed meanwhile the newest.
fn certificates(filings: &BTreeMap<i64, Inputs>) -> Vec<wire::TrailCertificate> {
    let mut newest: BTreeMap<CertificateNumber, &CertificateView> = BTreeMap::new();
    for (number, view) in filings.values().flat_map(|inputs| &inputs.certificates) {
        let known = newest.entry(*number).or_insert(view);
        if known.version < view.version {
            *known = view;
        }
    }
    newest
        .into_values()
        .map(|view| wire::TrailCertificate {
            version: view.version,
            certificate: Some((&*view.certificate).into()),
        })
        .collect()
}

fn line(stored: StoredDecision, inputs: Option<&Inputs>) -> wire::TrailLine {
    let line = stored.line.clone().normalise();
    let linked = |importer_of_record: &str| inputs?.linked_importer(importer_of_record);
    let codes = stored.verdict.findings.iter().map(|finding| finding.code);
    wire::TrailLine {
        is_organic: is_organic(&line, codes),
        importer_nop_id: given_importer(&line, linked)
            .map(|id| id.to_string())
            .unwrap_or_default(),
        decision: Some(fields::decision(stored)),
    }
}

/// Records with what became of each. Withdrawals are told with what they withdrew.
fn assemble(records: Vec<StoredTrailRecord>) -> Vec<wire::TrailRecord> {
    let mut withdrawn: BTreeMap<u64, wire::TrailWithdrawn> = BTreeMap::new();
    for record in &records {
        if let Item::Withdrawal(withdrawal) = &record.item {
            withdrawn.insert(
                withdrawal.record_id,
                wire::TrailWithdrawn {
                    record_id: record.record_id,
                    by: record.actor.clone(),
                    at: fields::text(record.recorded_at),
                    reason: withdrawal.reason.clone(),
                },
            );
        }
    }
    records
        .into_iter()
        .filter(|record| !matches!(record.item, Item::Withdrawal(_)))
        .map(|record| wire::TrailRecord {
            withdrawn: withdrawn.remove(&record.record_id),
            record_id: record.record_id,
            item: Some((&record.item).into()),
            recorded_by: record.actor,
            recorded_at: fields::text(record.recorded_at),
        })
        .collect()
}
