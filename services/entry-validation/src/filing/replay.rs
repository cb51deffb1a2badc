//! Proving a verdict on record again, from what it rested on.

use nopic_domain::decision::{EntryAnswer, Inputs, Verdict, decide};
use nopic_domain::identifier::EntryNumber;
use nopic_sql::Error as StoreError;

use super::{Law, inconsistent};
use crate::engine::Engine;
use crate::error::Error;
use crate::store::StoredDecision;

/// What a decision rested on, and what the same inputs give now.
pub(crate) struct Replayed {
    pub(crate) inputs: Inputs,
    pub(crate) ledger: Option<EntryAnswer>,
    /// Absent where other rules decided it.
    pub(crate) verdict: Result<Verdict, String>,
}

/// Judges again what was judged then: the same lines, certificates, operations and ledger, by the policy and the flags
/// of then.
pub(crate) async fn replay(engine: &Engine, decision: &StoredDecision) -> Result<Replayed, Error> {
    let corrupt = |detail: &str| Error::from(StoreError::corrupt("decision.filing_id", detail));
    let mut filing = engine
        .store
        .filing(decision.filing_id)
        .await?
        .ok_or_else(|| corrupt("the filing is not there"))?;
    let verdict = match Law::of(engine, &filing.inputs).await {
        Ok(law) => {
            let decided =
                decide(&filing.inputs, &law.policy, &law.flags, &filing.ledger).map_err(inconsistent)?;
            let again = decided.into_iter().nth(decision.place as usize);
            Ok(again
                .ok_or_else(|| corrupt("the filing has fewer lines"))?
                .verdict)
        }
        Err(error @ Error::OtherRules(_)) => Err(error.to_string()),
        Err(error) => return Err(error),
    };
    let place = filing
        .inputs
        .entries
        .iter()
        .filter(|entry| EntryNumber::parse(&entry.entry_number).is_some())
        .position(|entry| entry.entry_number == decision.verdict.entry_number);
    Ok(Replayed {
        ledger: place
            .filter(|place| *place < filing.ledger.len())
            .map(|place| filing.ledger.swap_remove(place)),
        inputs: filing.inputs,
        verdict,
    })
}
