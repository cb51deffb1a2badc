//! Lists of certified items, and where they stand.

use futures::TryStreamExt as _;
use nopic_domain::identifier::NopId;
use nopic_sql::Error;
use rustc_hash::FxHashMap;
use sqlx::Row as _;

use super::engine::{Connection, bytes, rows};
use super::{Repetition, Store, hash, nop_id, small, write_repeated, write_rows};
use crate::store::audited::{ITEM_LIST, Leaves, item_list_columns};
use crate::store::item_list::runs;
use crate::store::row::Kind;
use crate::store::{BlockRef, ItemStore, NewItems, Order, Ranks, Seen};

nopic_sql::statements! {
    const SELECT_ALL_ITEMS: &str =
        "SELECT nop_id, revision, content_hash FROM item_list
        ORDER BY nop_id, revision";
    const SELECT_RUNS: &str =
        "SELECT runs FROM item_list WHERE nop_id = $1 AND revision = $2";
    const SELECT_ALL_RUNS: &str =
        "SELECT nop_id, revision, runs FROM item_list WHERE revision <= $1";
    const SELECT_ITEMS: &str =
        "SELECT revision, runs FROM item_list WHERE nop_id = $1 AND revision <= $2";
    const INSERT_ITEMS: &str = concat!(
        "INSERT INTO item_list (nop_id, revision, content_hash, runs, written_by)
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT), ",
        bytes!("r.value ->> 2"),
        ", r.value ->> 3, $1 FROM ",
        rows!("$2")
    );
    const REPEAT_ITEMS: &str = concat!(
        "INSERT INTO item_list (nop_id, revision, content_hash, runs, written_by)
        SELECT said.nop_id, CAST(r.value ->> 2 AS BIGINT), said.content_hash, said.runs, $1
        FROM ",
        rows!("$2"),
        " JOIN item_list AS said ON said.nop_id = CAST(r.value ->> 0 AS BIGINT)
            AND said.revision = CAST(r.value ->> 1 AS BIGINT)"
    );
    const READ_BACK_ITEMS: &str = concat!(
        "",
        item_list_columns!(),
        rows!("$1"),
        " JOIN item_list AS o ON o.nop_id = CAST(r.value ->> 0 AS BIGINT) AND o.revision = CAST(r.value ->> 2 AS BIGINT)"
    );
    const DELETE_ITEMS: &str =
        "DELETE FROM item_list WHERE written_by = $1 RETURNING nop_id, revision";
}

const REPETITION: Repetition = Repetition {
    write: REPEAT_ITEMS,
    read_back: READ_BACK_ITEMS,
    audited: &ITEM_LIST,
};

/// Lists of one statement that writes.
const BATCH: usize = 500;

#[tonic::async_trait]
impl ItemStore for Store {
    async fn item_lists(&self, order: &Order) -> Result<FxHashMap<NopId, Vec<Seen>>, Error> {
        let ranks = Ranks::of(order);
        let mut all: FxHashMap<NopId, Vec<Seen>> = FxHashMap::default();
        let mut rows = sqlx::query(SELECT_ALL_ITEMS).fetch(self.database.readers());
        while let Some(row) = rows.try_next().await? {
            let revision = small(&row, 1, "item_list.revision")?;
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

    async fn items_of(&self, id: NopId, order: &Order, revision: u32) -> Result<Vec<BlockRef>, Error> {
        let ranks = Ranks::of(order);
        let rows = sqlx::query(SELECT_ITEMS)
            .bind(i64::try_from(id.number()).unwrap_or(i64::MAX))
            .bind(i64::from(revision))
            .fetch_all(self.database.readers())
            .await?;
        let mut newest: Option<(usize, Vec<BlockRef>)> = None;
        for row in &rows {
            let Some(rank) = ranks.get(small(row, 0, "item_list.revision")?) else {
                continue;
            };
            if newest.as_ref().is_none_or(|(known, _)| rank > *known) {
                newest = Some((rank, runs(row.try_get(1)?)?));
            }
        }
        Ok(newest.map(|(_, runs)| runs).unwrap_or_default())
    }

    async fn all_item_runs(
        &self,
        order: &Order,
        revision: u32,
    ) -> Result<FxHashMap<NopId, Vec<BlockRef>>, Error> {
        let ranks = Ranks::of(order);
        let mut all: FxHashMap<NopId, (usize, Vec<BlockRef>)> = FxHashMap::default();
        let mut rows = sqlx::query(SELECT_ALL_RUNS)
            .bind(i64::from(revision))
            .fetch(self.database.readers());
        while let Some(row) = rows.try_next().await? {
            let id = nop_id(&row)?;
            let Some(rank) = ranks.get(small(&row, 1, "item_list.revision")?) else {
                continue;
            };
            if all.get(&id).is_none_or(|(known, _)| rank > *known) {
                all.insert(id, (rank, runs(row.try_get(2)?)?));
            }
        }
        Ok(all.into_iter().map(|(id, (_, runs))| (id, runs)).collect())
    }

    async fn item_runs(&self, id: NopId, revision: u32) -> Result<Vec<BlockRef>, Error> {
        let json: String = sqlx::query_scalar(SELECT_RUNS)
            .bind(i64::try_from(id.number()).unwrap_or(i64::MAX))
            .bind(i64::from(revision))
            .fetch_one(self.database.readers())
            .await?;
        runs(&json)
    }
}

/// Saves lists of items; `by` is the import that writes them.
pub(super) async fn insert(
    connection: &mut Connection,
    leaves: &mut Leaves,
    by: u32,
    lists: &[NewItems],
) -> Result<(), Error> {
    let (mut new, mut repeated) = (Vec::with_capacity(BATCH), Vec::new());
    for list in lists {
        let id = list.nop_id.number();
        if let Some(same_as) = list.same_as {
            repeated.push(serde_json::json!([id, same_as, list.revision]));
        } else {
            let runs: Vec<(i64, u32)> = list.runs.iter().map(|run| (run.block, run.slot)).collect();
            let runs = serde_json::to_string(&runs).unwrap_or_default();
            leaves.item_list(by, list, &runs);
            new.push(serde_json::json!([
                id,
                list.revision,
                format!("{:032x}", list.content_hash),
                runs
            ]));
        }
        if new.len() >= BATCH {
            write_rows(connection, INSERT_ITEMS, by, &mut new).await?;
        }
        if repeated.len() >= BATCH {
            write_repeated(connection, leaves, &REPETITION, by, &mut repeated).await?;
        }
    }
    write_rows(connection, INSERT_ITEMS, by, &mut new).await?;
    write_repeated(connection, leaves, &REPETITION, by, &mut repeated).await
}

/// Deletes what an import wrote, and names it.
pub(super) async fn delete(connection: &mut Connection, by: u32) -> Result<Vec<(i64, Option<i64>)>, Error> {
    Ok(sqlx::query_as(DELETE_ITEMS)
        .bind(i64::from(by))
        .fetch_all(connection)
        .await?)
}
