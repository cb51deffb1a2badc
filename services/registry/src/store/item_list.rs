//! Lists of certified items.

use nopic_domain::identifier::NopId;
use nopic_sql::Error;

use super::{BlockRef, corrupt};

/// A list of items to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewItems {
    pub(crate) nop_id: NopId,
    pub(crate) revision: u32,
    pub(crate) content_hash: u128,
    pub(crate) runs: Vec<BlockRef>,
    /// Instead of hash and runs: those of the list of this revision.
    pub(crate) same_as: Option<u32>,
}

/// Reads where the items of a list stand.
pub(super) fn runs(json: &str) -> Result<Vec<BlockRef>, Error> {
    let runs: Vec<(i64, u32)> =
        serde_json::from_str(json).map_err(|error| corrupt("item_list.runs", error.to_string()))?;
    Ok(runs
        .into_iter()
        .map(|(block, slot)| BlockRef { block, slot })
        .collect())
}
