//! Proving a verdict on record again, from what it rested on.

use nopic_proto::certificate as ledger;
use nopic_proto::entry_validation as wire;
use nopic_sql::Error as StoreError;

use super::{judge, thaw};
use crate::engine::Engine;
use crate::error::Error;
use crate::store::StoredDecision;

/// What a decision rested on, and what the same inputs give now.
pub(crate) struct Replayed {
    pub(crate) inputs: wire::FilingInputs,
    pub(crate) ledger: Option<ledger::EntryDrawsResult>,
    pub(crate) verdict: wire::Verdict,
}

/// Judges again what was judged then: the same lines, certificates, operations and ledger, by the policy and the flags
/// of then.
pub(crate) async fn replay(engine: &Engine, decision: &StoredDecision) -> Result<Replayed, Error> {
    let corrupt = |detail: &str| Error::from(StoreError::corrupt("decision.filing_id", detail));
    let filing = engine
        .store
        .filing(decision.filing_id)
        .await?
        .ok_or_else(|| corrupt("the filing is not there"))?;
    let thawed = thaw(engine, &filing.inputs).await?;
    let decided = judge::decide(&thawed, &filing.inputs, &filing.ledger.entries)?;
    let again = decided
        .into_iter()
        .nth(decision.place as usize)
        .ok_or_else(|| corrupt("the filing has fewer lines"))?;
    let place = filing
        .inputs
        .entries
        .iter()
        .filter(|entry| nopic_domain::identifier::EntryNumber::parse(&entry.entry_number).is_some())
        .position(|entry| entry.entry_number == decision.verdict.entry_number);
    Ok(Replayed {
        ledger: place.and_then(|place| filing.ledger.entries.get(place).cloned()),
        inputs: filing.inputs,
        verdict: again.verdict,
    })
}
