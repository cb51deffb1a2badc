//! How a filing begins: its answer is found where it was asked for before; else what cannot be filed is left out, what is
//! known is frozen, and the entries are claimed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use nopic_chassis::crash::crash_point;
use nopic_domain::decision::{Inputs, Kind};

use super::entries::{entries as entries_of, may_file, too_heavy};
use super::refusing::Sifted;
use super::set_aside::was_set_aside;
use super::taking_back::{Looked, cannot_cancel, look};
use super::{Filed, Law, Request, WAIT, WAIT_STEP, abandon, lease};
use crate::engine::Engine;
use crate::error::Error;
use crate::inquiry::Inquiry;
use crate::store::{Begun, FilingState, NewFiling, NewRequest, OpenFiling, Refused};

/// How a request began.
pub(super) enum Start {
    /// It was answered before, or nothing of it can be filed.
    Answered(Filed),
    /// It is ours to finish, with what is left out of it.
    Ours(Box<OpenFiling>, Law, Vec<Refused>),
}

/// Begins a filing, or finds its answer; waits for others that are in its way.
pub(super) async fn begin(engine: &Engine, inquiry: &Inquiry, mut request: Request) -> Result<Start, Error> {
    let tenant = &inquiry.principal.tenant;
    let lines = std::mem::take(&mut request.lines);
    may_file(
        &inquiry.principal,
        &entries_of(request.of_entry.as_ref(), &lines, &engine.policy)?,
    )?;
    let mut sifted = Sifted::new(lines, std::mem::take(&mut request.refused));
    let mut waited = Duration::ZERO;
    loop {
        let in_the_way = match answered(engine, tenant, &request).await? {
            Answered::With(filed) => return Ok(Start::Answered(filed)),
            Answered::NotYet => None,
            Answered::Not => match begin_now(engine, inquiry, &request, &mut sifted).await? {
                Ok(start) => return Ok(start),
                Err(entry_number) => entry_number,
            },
        };
        if waited >= WAIT {
            return Err(Error::Busy(in_the_way.map_or_else(
                || "this request is still being worked on: ask again with the same request_id".to_owned(),
                |entry| format!("entry {entry} is being filed by another request: ask again"),
            )));
        }
        // Another task finishes it; there is nothing to be told by but the store.
        tokio::time::sleep(WAIT_STEP).await;
        waited += WAIT_STEP;
    }
}

/// Whether a request has its answer.
enum Answered {
    With(Filed),
    /// It was begun.
    NotYet,
    Not,
}

async fn answered(engine: &Engine, tenant: &str, request: &Request) -> Result<Answered, Error> {
    let on_record = engine.store.request_on_record(tenant, &request.id).await?;
    let hashes = [
        on_record.filing.as_ref().map(|(_, hash, _)| hash),
        on_record.refused.as_ref().map(|(hash, _)| hash),
    ];
    if hashes.into_iter().flatten().any(|hash| *hash != request.hash) {
        return Err(nopic_sql::Error::RequestReused(request.id.clone()).into());
    }
    let is_refused = on_record.refused.is_some();
    let refused = on_record.refused.map_or_else(Vec::new, |(_, refused)| refused);
    Ok(match on_record.filing {
        None if is_refused => Answered::With(Filed {
            decisions: Vec::new(),
            refused,
        }),
        None => Answered::Not,
        Some((filing_id, _, FilingState::Done)) => Answered::With(Filed {
            decisions: engine.store.decisions_of(filing_id).await?,
            refused,
        }),
        Some((_, _, FilingState::SetAside { at, because })) => return Err(was_set_aside(at, &because)),
        Some((_, _, FilingState::Open)) => Answered::NotYet,
    })
}

/// Begins a filing of which nothing is on record; or says what is in the way: the entry, where it is known.
async fn begin_now(
    engine: &Engine,
    inquiry: &Inquiry,
    request: &Request,
    sifted: &mut Sifted,
) -> Result<Result<Start, Option<String>>, Error> {
    let tenant = &inquiry.principal.tenant;
    if request.entries_apart && sifted.lines.is_empty() {
        return refuse_all(engine, tenant, request, sifted).await;
    }
    let known = engine.know(inquiry, &sifted.lines).await?;
    sifted.refuse(&too_heavy(&sifted.lines, &known), request.entries_apart)?;
    let current_version = request.of_entry.as_ref().map(|(_, version)| *version);
    if let (Some((entry_number, version)), Kind::Cancelled) = (&request.of_entry, request.kind)
        && let Some(refusal) = cannot_cancel(engine, tenant, entry_number, *version).await?
    {
        return Err(refusal);
    }
    let looked_at = match look(engine, tenant, &sifted.lines, current_version, &known).await? {
        Looked::Busy(entry_number) => return Ok(Err(Some(entry_number))),
        Looked::At(reasons, versions) => {
            sifted.refuse(&reasons, request.entries_apart)?;
            versions
        }
    };
    if request.entries_apart && sifted.lines.is_empty() {
        return refuse_all(engine, tenant, request, sifted).await;
    }
    let mut inputs = Inputs {
        evidence: Arc::default(),
        entries: entries_of(request.of_entry.as_ref(), &sifted.lines, &known.policy)?,
        lines: std::mem::take(&mut sifted.lines),
        certificates: BTreeMap::new(),
        unavailable_certificates: BTreeSet::new(),
        issuing_for: BTreeSet::new(),
        operations: BTreeMap::new(),
        importers: BTreeMap::new(),
        principal: inquiry.principal.clone(),
        reason: request.reason.clone(),
        filed_on: request.filed_on.unwrap_or_else(|| engine.clock.today()),
        kind: request.kind,
    };
    inputs.freeze(Arc::clone(&known.evidence), &known);
    crash_point("filing.frozen").await;
    let begun = engine
        .store
        .begin_filing(NewFiling {
            request: new_request(tenant, request, sifted),
            inputs,
            current_version,
            looked_at: &looked_at,
            lease: lease(engine),
        })
        .await
        .map_err(Error::from)
        // Whether it was begun is not known.
        .inspect_err(|error| abandon(engine, tenant, &request.id, error))?;
    match begun {
        Begun::Open(filing) => Ok(Ok(Start::Ours(
            filing,
            Law::from(&known),
            std::mem::take(&mut sifted.refused),
        ))),
        Begun::Outdated {
            entry_number,
            current,
        } => Err(outdated(&entry_number, current, request)),
        Begun::Busy { entry_number, inputs } => {
            sifted.lines = inputs.lines;
            Ok(Err(entry_number))
        }
    }
}

/// Keeps a request of which nothing is filed.
async fn refuse_all(
    engine: &Engine,
    tenant: &str,
    request: &Request,
    sifted: &mut Sifted,
) -> Result<Result<Start, Option<String>>, Error> {
    let new = new_request(tenant, request, sifted);
    Ok(if engine.store.refuse_request(new, engine.clock.now()).await? {
        Ok(Start::Answered(Filed {
            decisions: Vec::new(),
            refused: std::mem::take(&mut sifted.refused),
        }))
    } else {
        Err(None)
    })
}

fn new_request<'a>(tenant: &'a str, request: &'a Request, sifted: &'a Sifted) -> NewRequest<'a> {
    NewRequest {
        tenant,
        request_id: &request.id,
        request_hash: request.hash,
        refused: &sifted.refused,
    }
}

fn outdated(entry_number: &str, current: u32, request: &Request) -> Error {
    let asked = request.of_entry.as_ref().map_or(0, |(_, version)| *version);
    Error::Outdated(if current == 0 {
        format!("entry {entry_number} is not on record: file it first")
    } else {
        format!(
            "entry {entry_number} is at version {current}, not {asked}: look at it (`nopic entry show`) and decide again"
        )
    })
}
