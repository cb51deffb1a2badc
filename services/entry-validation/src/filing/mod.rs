//! Filing: judges lines, draws on their certificates, records the decisions, so that a crash at any point loses
//! nothing and doubles nothing.
//!
//! ```text
//! freeze what is known ── begin (one transaction: inputs, claim of the entries)
//!                             │
//!          ┌─ certificates changed: freeze anew ─┐
//!          ▼                                     │
//!      set draws (the certificate service; idempotent by filing and attempt)
//!          │
//!      decide, by the ledger as it stood ── finish (one transaction: decisions, versions, outbox, audit)
//! ```
//!
//! A filing that its worker left is taken over when its lease has ended, and goes on from its frozen inputs: every step
//! gives the same answer however often it is asked for. A worker that could not go on ends its lease itself.

mod beginning;
mod entries;
mod refusing;
mod replay;
mod set_aside;
mod taking_back;

use std::sync::Arc;
use std::time::Duration;

use nopic_chassis::crash::crash_point;
use nopic_domain::date::Date;
use nopic_domain::decision::{Draws, EntryAnswer, Inconsistent, Inputs, Kind, decide, draws};
use nopic_domain::entry::NormalisedLine;
use nopic_domain::flags::FlagTable;
use nopic_domain::ledger::{Ask, IDS_OF_FILINGS};
use nopic_domain::policy::Policy;
use nopic_domain::rules::RULES_VERSION;
use tracing::Instrument as _;

use beginning::{Start, begin};
pub(crate) use replay::replay;
use set_aside::came_to_nothing;

use crate::engine::Engine;
use crate::error::Error;
use crate::inquiry::{Inquiry, Purpose};
use crate::knowledge::Known;
use crate::store::{Lease, OpenFiling, Refused, StoredDecision};
use crate::upstream::{NoAnswer, SetDraws};

/// For how long a filing is nobody else's. Longer than any of its steps may take.
const LEASE: Duration = Duration::from_secs(30);
/// How long a request waits for another one that files the same entry, or is the same.
const WAIT: Duration = Duration::from_secs(10);
const WAIT_STEP: Duration = Duration::from_millis(25);
/// How often inputs are frozen anew at a time before the caller is asked to come again.
const ATTEMPTS: u32 = 5;

/// What is to be filed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: String,
    /// SHA-256 of what was asked for.
    pub(crate) hash: [u8; 32],
    pub(crate) kind: Kind,
    pub(crate) filed_on: Option<Date>,
    pub(crate) reason: String,
    pub(crate) lines: Vec<NormalisedLine>,
    /// What the caller left out, where that is all that was asked for.
    pub(crate) refused: Vec<Refused>,
    /// The entry that is amended or taken back, and the version that it must have.
    pub(crate) of_entry: Option<(String, u32)>,
    /// Whether an entry or line that cannot be filed is left out, or keeps the others from being filed.
    pub(crate) entries_apart: bool,
}

/// What came of a request.
#[derive(Debug, Default)]
pub(crate) struct Filed {
    pub(crate) decisions: Vec<StoredDecision>,
    /// What was left out.
    pub(crate) refused: Vec<Refused>,
}

/// The policy and the flags by which a filing is judged.
#[derive(Debug, Clone)]
struct Law {
    policy: Arc<Policy>,
    flags: Arc<FlagTable>,
}

impl Law {
    /// Those that the inputs name.
    ///
    /// # Errors
    /// They were made for other rules, or are not there.
    async fn of(engine: &Engine, inputs: &Inputs) -> Result<Self, Error> {
        let evidence = &inputs.evidence;
        if evidence.rules_version != RULES_VERSION {
            return Err(Error::OtherRules(evidence.rules_version.clone()));
        }
        let policy = if engine.policy.version() == evidence.policy_version {
            Arc::clone(&engine.policy)
        } else {
            let missing = || nopic_sql::Error::corrupt("policy", format!("no {}", evidence.policy_version));
            let text = engine
                .store
                .policy_text(&evidence.policy_version)
                .await?
                .ok_or_else(missing)?;
            let policy =
                Policy::parse(&text).map_err(|error| nopic_sql::Error::corrupt("policy.content", error))?;
            Arc::new(policy)
        };
        let serving = engine.flags.table();
        let flags = if serving.version() == evidence.flags_version {
            serving
        } else {
            let missing =
                || nopic_sql::Error::corrupt("flag_table", format!("no {}", evidence.flags_version));
            let table = engine
                .store
                .flag_table(&evidence.flags_version)
                .await?
                .ok_or_else(missing)?;
            Arc::new(table)
        };
        Ok(Self { policy, flags })
    }
}

impl From<&Known> for Law {
    fn from(known: &Known) -> Self {
        Self {
            policy: Arc::clone(&known.policy),
            flags: Arc::clone(&known.flags),
        }
    }
}

/// What was stored, or was answered by the ledger, cannot be.
fn inconsistent(error: Inconsistent) -> Error {
    let (what, detail) = match error {
        Inconsistent::Inputs(detail) => ("filing.inputs", detail),
        Inconsistent::Ledger(detail) => ("filing.ledger", detail),
    };
    nopic_sql::Error::corrupt(what, detail).into()
}

/// Files, or gives the answer that the request got before. Goes on to its end even where the caller leaves.
pub(crate) async fn file(engine: &Arc<Engine>, inquiry: &Inquiry, request: Request) -> Result<Filed, Error> {
    let (engine, inquiry) = (Arc::clone(engine), inquiry.clone());
    // In the caller's trace, but not bound by its deadline: what has begun is finished.
    let filing = async move { file_to_the_end(&engine, &inquiry, request).await };
    tokio::spawn(filing.in_current_span()).await?
}

async fn file_to_the_end(engine: &Engine, inquiry: &Inquiry, request: Request) -> Result<Filed, Error> {
    let tenant = &inquiry.principal.tenant;
    let id = request.id.clone();
    let (filing, law, refused) = match begin(engine, inquiry, request).await? {
        Start::Answered(filed) => return Ok(filed),
        Start::Ours(filing, law, refused) => (*filing, law, refused),
    };
    crash_point("filing.begun").await;
    let filing_id = filing.filing_id;
    // Kept for what is given back where it is set aside.
    let (principal, entries) = (inquiry.principal.clone(), filing.inputs.entries.clone());
    let decisions = match go_on(engine, filing, law).await {
        Ok(Some(decisions)) => decisions,
        Ok(None) => engine.store.decisions_of(filing_id).await?,
        Err(error) => {
            abandon(engine, tenant, &id, &error);
            came_to_nothing(engine, filing_id, Some((&principal, &entries)), &error).await;
            return Err(error);
        }
    };
    Ok(Filed { decisions, refused })
}

/// Notes a filing whose worker ended with this error, if another attempt may end better.
fn abandon(engine: &Engine, tenant: &str, request_id: &str, error: &Error) {
    if may_end_better(error) {
        engine.abandoned.note(tenant, request_id);
    }
}

/// Whether something was away or in the way, of which the filing knows nothing.
fn may_end_better(error: &Error) -> bool {
    match error {
        Error::Unavailable(_) | Error::Busy(_) => true,
        Error::Store(error) => error.is_transient(),
        _ => false,
    }
}

/// Ends the leases of all filings that were abandoned. One that another worker has taken over meanwhile is not touched,
/// and one that was never begun is not there.
async fn release_abandoned(engine: &Engine) -> Result<(), Error> {
    while let Some(filing) = engine.abandoned.last() {
        let (tenant, request_id) = &filing;
        engine
            .store
            .abandon_filing(tenant, request_id, &engine.worker, engine.clock.now())
            .await?;
        engine.abandoned.forget(&filing);
    }
    Ok(())
}

/// Finishes every filing that its worker left. How many there were. One that cannot be finished keeps none of the others
/// from it, and is set aside in the end.
///
/// # Errors
/// The first that was met; where another service is away, nothing further is tried.
pub(crate) async fn recover(engine: &Engine) -> Result<u32, Error> {
    let mut recovered = 0;
    let mut failed = None;
    release_abandoned(engine).await?;
    // What is taken is nobody else's for a while, so each is met once.
    while let Some(taken) = engine.store.take_left_filing(lease(engine)).await? {
        let (filing_id, tenant, request_id) = (taken.filing_id, taken.tenant, taken.request_id);
        let drawn = taken.read.as_ref().ok().map(|filing| {
            let inputs = &filing.inputs;
            (inputs.principal.clone(), inputs.entries.clone())
        });
        let finished = match taken.read {
            Ok(filing) => finish_left(engine, filing).await,
            Err(error) => Err(error.into()),
        };
        match finished {
            Ok(()) => {
                tracing::info!(filing_id, "finished a filing that was left");
                recovered += 1;
            }
            Err(error) => {
                abandon(engine, &tenant, &request_id, &error);
                if matches!(error, Error::Unavailable(_)) {
                    return Err(error);
                }
                let drawn = drawn
                    .as_ref()
                    .map(|(principal, entries)| (principal, &entries[..]));
                if came_to_nothing(engine, filing_id, drawn, &error).await {
                    continue;
                }
                tracing::warn!(
                    filing_id,
                    error = &error as &dyn std::error::Error,
                    "a filing that was left cannot be finished now"
                );
                failed.get_or_insert(error);
            }
        }
    }
    engine.set_aside.there_are(engine.store.count_set_aside().await?);
    failed.map_or(Ok(recovered), Err)
}

async fn finish_left(engine: &Engine, mut filing: OpenFiling) -> Result<(), Error> {
    let law = match Law::of(engine, &filing.inputs).await {
        // Begun by a program of other rules: judged by those of now, as where its certificates changed on the way.
        Err(Error::OtherRules(_)) => match freeze_anew(engine, &mut filing).await? {
            Some(law) => law,
            None => return Ok(()),
        },
        law => law?,
    };
    go_on(engine, filing, law).await.map(drop)
}

/// Freezes what is known now in place of what was; absent where another worker has taken the filing over and ended it.
async fn freeze_anew(engine: &Engine, filing: &mut OpenFiling) -> Result<Option<Law>, Error> {
    let inquiry = Inquiry::to_file(filing.inputs.principal.clone(), None);
    let known = engine.know(&inquiry, &filing.inputs.lines).await?;
    filing.inputs.freeze(Arc::clone(&known.evidence), &known);
    if !engine.store.freeze_anew(filing, lease(engine)).await? {
        wait_for(engine, filing.filing_id).await?;
        return Ok(None);
    }
    filing.attempt += 1;
    crash_point("filing.frozen_anew").await;
    Ok(Some(Law::from(&known)))
}

fn lease(engine: &Engine) -> Lease<'_> {
    let now = engine.clock.now();
    Lease {
        holder: &engine.worker,
        now,
        until: now + LEASE,
    }
}

/// From the frozen inputs to the decisions on record; absent where another worker recorded them.
async fn go_on(
    engine: &Engine,
    mut filing: OpenFiling,
    mut law: Law,
) -> Result<Option<Vec<StoredDecision>>, Error> {
    // Of this turn alone: what the ledger answered to an attempt it answers for good, so whoever goes on later needs
    // others.
    let last_attempt = filing.attempt.saturating_add(ATTEMPTS);
    loop {
        let asked = draws(&filing.inputs, &law.policy, &law.flags).map_err(inconsistent)?;
        let answer = set_draws(engine, &filing, asked).await?;
        crash_point("filing.drawn").await;
        if let SetDraws::Set(answers) = answer {
            let decided = decide(&filing.inputs, &law.policy, &law.flags, &answers).map_err(inconsistent)?;
            crash_point("filing.decided").await;
            let counted: Vec<_> = decided
                .iter()
                .map(|decision| (decision.verdict.outcome, decision.codes.clone()))
                .collect();
            let filing_id = filing.filing_id;
            let finished = engine
                .store
                .finish_filing(filing, decided, &answers, lease(engine))
                .await?;
            crash_point("filing.finished").await;
            if finished.is_some() {
                for (outcome, codes) in counted {
                    engine.verdicts.count(Purpose::Filing, outcome, codes);
                }
            } else {
                wait_for(engine, filing_id).await?;
            }
            return Ok(finished);
        }
        if filing.attempt >= last_attempt {
            return Err(Error::Busy(
                "certificates change faster than they can be filed on: ask again with the same request_id"
                    .to_owned(),
            ));
        }
        law = match freeze_anew(engine, &mut filing).await? {
            Some(law) => law,
            None => return Ok(None),
        };
    }
}

/// Another worker has taken the filing over, and ends it.
async fn wait_for(engine: &Engine, filing_id: i64) -> Result<(), Error> {
    let mut waited = Duration::ZERO;
    while waited < WAIT {
        if engine.store.filing(filing_id).await?.is_some() {
            return Ok(());
        }
        tokio::time::sleep(WAIT_STEP).await;
        waited += WAIT_STEP;
    }
    Err(Error::Busy(
        "another worker has taken this filing over: ask again with the same request_id".to_owned(),
    ))
}

async fn set_draws(engine: &Engine, filing: &OpenFiling, draws: Draws) -> Result<SetDraws, Error> {
    if draws.entries.is_empty() {
        return Ok(SetDraws::Set(Vec::new()));
    }
    // Entries that are new and draw nothing can be decided without the ledger.
    let needs_no_ledger = !filing.must_ask_ledger
        && draws.entries.iter().all(|entry| {
            entry.version == 1 && entry.lines.iter().all(|line| matches!(line.ask, Ask::Nothing(_)))
        });
    let entries = draws.entries.len();
    let request_id = format!("{IDS_OF_FILINGS}{}/{}", filing.filing_id, filing.attempt);
    match engine
        .ledger
        .set_draws(&filing.inputs.principal, request_id, draws)
        .await
    {
        Ok(answer) => Ok(answer),
        Err(NoAnswer::Unavailable) if needs_no_ledger => {
            Ok(SetDraws::Set(vec![EntryAnswer::default(); entries]))
        }
        Err(NoAnswer::Unavailable) => Err(Error::Unavailable(
            "the certificate service does not answer: the filing is kept and will be finished; ask again with the same \
             request_id"
                .to_owned(),
        )),
        Err(NoAnswer::Refused(status)) => Err(Error::Internal(format!(
            "the ledger refuses filing {}: {status}",
            filing.filing_id
        ))),
    }
}
