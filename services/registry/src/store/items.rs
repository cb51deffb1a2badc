//! Lists of certified items, and where they stand.

use futures::TryStreamExt as _;
use nopic_domain::identifier::NopId;
use nopic_sql::Error;
use rustc_hash::FxHashMap;
use sqlx::Row as _;

use super::observations::{Ranks, Seen, hash, nop_id};
use super::row::Kind;
use super::snapshots::Order;
use super::writes::{BATCH, write};
use super::{BlockRef, Store, Writing, corrupt};

const SELECT_ALL_ITEMS: &str =
    "SELECT nop_id, revision, content_hash FROM item_list ORDER BY nop_id, revision";
const SELECT_RUNS: &str = "SELECT runs FROM item_list WHERE nop_id = $1 AND revision = $2";
const SELECT_ALL_RUNS: &str = "SELECT nop_id, revision, runs FROM item_list WHERE revision <= $1";
const SELECT_ITEMS: &str = "SELECT revision, runs FROM item_list WHERE nop_id = $1 AND revision <= $2";
const INSERT_ITEMS: &str = "INSERT INTO item_list (nop_id, revision, content_hash, runs, written_by)
    SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, $1 FROM json_each($2)";
const REPEAT_ITEMS: &str = "INSERT INTO item_list (nop_id, revision, content_hash, runs, written_by)
    SELECT said.nop_id, repeated.value ->> 2, said.content_hash, said.runs, $1
    FROM json_each($2) AS repeated
    JOIN item_list AS said ON said.nop_id = repeated.value ->> 0 AND said.revision = repeated.value ->> 1";
const DELETE_ITEMS: &str = "DELETE FROM item_list WHERE written_by = $1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    SELECT_ALL_ITEMS,
    SELECT_RUNS,
    SELECT_ALL_RUNS,
    SELECT_ITEMS,
    INSERT_ITEMS,
    REPEAT_ITEMS,
    DELETE_ITEMS,
];

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

impl Store {
    /// Every list of items of every operation, each operation's by rank.
    pub(crate) async fn item_lists(&self, order: &Order) -> Result<FxHashMap<NopId, Vec<Seen>>, Error> {
        let ranks = Ranks::of(order);
        let mut all: FxHashMap<NopId, Vec<Seen>> = FxHashMap::default();
        let mut rows = sqlx::query(SELECT_ALL_ITEMS).fetch(self.readers());
        while let Some(row) = rows.try_next().await? {
            let revision = row.try_get(1)?;
            if let Some(rank) = ranks.get(revision) {
                all.entry(nop_id(&row)?).or_default().push(Seen {
                    rank,
                    revision,
                    kind: Kind::Listed,
                    content_hash: hash(&row, 2)?,
                });
            }
        }
        for lists in all.values_mut() {
            lists.sort_by_key(|list| list.rank);
        }
        Ok(all)
    }

    /// Where the items of an operation stand, as known at a revision.
    pub(crate) async fn items_of(
        &self,
        id: NopId,
        order: &Order,
        revision: u32,
    ) -> Result<Vec<BlockRef>, Error> {
        let ranks = Ranks::of(order);
        let rows = sqlx::query(SELECT_ITEMS)
            .bind(i64::try_from(id.number()).unwrap_or(i64::MAX))
            .bind(revision)
            .fetch_all(self.readers())
            .await?;
        let mut newest: Option<(usize, Vec<BlockRef>)> = None;
        for row in &rows {
            let Some(rank) = ranks.get(row.try_get(0)?) else {
                continue;
            };
            if newest.as_ref().is_none_or(|(known, _)| rank > *known) {
                newest = Some((rank, runs(row.try_get(1)?)?));
            }
        }
        Ok(newest.map(|(_, runs)| runs).unwrap_or_default())
    }

    /// Where the items of every operation stand, as known at a revision.
    pub(crate) async fn all_item_runs(
        &self,
        order: &Order,
        revision: u32,
    ) -> Result<FxHashMap<NopId, Vec<BlockRef>>, Error> {
        let ranks = Ranks::of(order);
        let mut all: FxHashMap<NopId, (usize, Vec<BlockRef>)> = FxHashMap::default();
        let mut rows = sqlx::query(SELECT_ALL_RUNS).bind(revision).fetch(self.readers());
        while let Some(row) = rows.try_next().await? {
            let id = nop_id(&row)?;
            let Some(rank) = ranks.get(row.try_get(1)?) else {
                continue;
            };
            if all.get(&id).is_none_or(|(known, _)| rank > *known) {
                all.insert(id, (rank, runs(row.try_get(2)?)?));
            }
        }
        Ok(all.into_iter().map(|(id, (_, runs))| (id, runs)).collect())
    }

    /// Where the list of items that this revision brought stands.
    pub(crate) async fn item_runs(&self, id: NopId, revision: u32) -> Result<Vec<BlockRef>, Error> {
        let json: String = sqlx::query_scalar(SELECT_RUNS)
            .bind(i64::try_from(id.number()).unwrap_or(i64::MAX))
            .bind(revision)
            .fetch_one(self.readers())
            .await?;
        runs(&json)
    }
}

fn runs(json: &str) -> Result<Vec<BlockRef>, Error> {
    let runs: Vec<(i64, u32)> =
        serde_json::from_str(json).map_err(|error| corrupt("item_list.runs", error.to_string()))?;
    Ok(runs
        .into_iter()
        .map(|(block, slot)| BlockRef { block, slot })
        .collect())
}

/// Saves lists of items; `by` is the import that writes them.
pub(crate) async fn insert_items(writing: &mut Writing, by: u32, lists: &[NewItems]) -> Result<(), Error> {
    let (mut new, mut repeated) = (Vec::with_capacity(BATCH), Vec::new());
    for list in lists {
        let id = list.nop_id.number();
        if let Some(same_as) = list.same_as {
            repeated.push(serde_json::json!([id, same_as, list.revision]));
        } else {
            let runs: Vec<(i64, u32)> = list.runs.iter().map(|run| (run.block, run.slot)).collect();
            let runs = serde_json::to_string(&runs).unwrap_or_default();
            new.push(serde_json::json!([
                id,
                list.revision,
                format!("{:032x}", list.content_hash),
                runs
            ]));
        }
        if new.len() >= BATCH {
            write(writing, INSERT_ITEMS, by, &mut new).await?;
        }
        if repeated.len() >= BATCH {
            write(writing, REPEAT_ITEMS, by, &mut repeated).await?;
        }
    }
    write(writing, INSERT_ITEMS, by, &mut new).await?;
    write(writing, REPEAT_ITEMS, by, &mut repeated).await
}

/// Deletes what an import wrote.
pub(super) async fn delete(writing: &mut Writing, by: u32) -> Result<(), Error> {
    sqlx::query(DELETE_ITEMS).bind(by).execute(&mut **writing).await?;
    Ok(())
}
