//! What snapshots say about operations: reading it.
//!
//! Whole revisions are read as one pass in the order of the key.

use futures::TryStreamExt as _;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::Observation;
use nopic_domain::registry::Timeline;
use nopic_sql::Error;
use rustc_hash::FxHashMap;
use sqlx::Row as _;

use super::engine::rows;
use super::{Row, Store, hash, nop_id, small};
use crate::status::StatusIndexBuilder;
use crate::store::row::{Heading, Kind, StoredObservation, statement_from_json, status_of_json};
use crate::store::{
    AllLatest, BlockRef, Change, ChangedOperation, Latest, ObservationStore, Order, Ranks, Seen, corrupt,
};

/// Operations of one statement that reads by key.
const KEYS: usize = 1_000;

nopic_sql::statements! {
    // `+revision` keeps SQLite on the order of the key instead of sorting what the other index finds.
    const SELECT_TIMELINES: &str =
        "SELECT nop_id, revision, kind, statement FROM observation
        WHERE +revision <= $1 ORDER BY nop_id, revision";
    const SELECT_LATEST: &str =
        "SELECT nop_id, revision, kind, content_hash, block, slot, heading,
            statement
        FROM observation WHERE +revision <= $1 ORDER BY nop_id, revision";
    const SELECT_SEEN: &str = "SELECT nop_id, revision, kind, content_hash FROM observation
        ORDER BY nop_id, revision";
    const SELECT_SOME: &str = concat!(
        "SELECT nop_id, revision, kind, statement, block, slot, heading FROM observation
        WHERE nop_id IN (SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
        rows!("$1"),
        ") AND revision <= $2 ORDER BY nop_id, revision"
    );
    const SELECT_CHANGES: &str =
        "SELECT nop_id, change, statement, heading FROM observation
        WHERE revision = $1 AND nop_id > $2 AND change > 0 ORDER BY nop_id LIMIT $3";
    const SELECT_HEADINGS: &str = concat!(
        "SELECT nop_id, revision, heading FROM observation
        WHERE nop_id IN (SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
        rows!("$1"),
        ") AND revision <= $2 AND kind = 0"
    );
}

fn place(row: &Row, block: usize) -> Result<Option<BlockRef>, Error> {
    let (block, slot): (Option<i64>, Option<i64>) = (row.try_get(block)?, row.try_get(block + 1)?);
    block
        .zip(slot)
        .map(|(block, slot)| {
            let slot = u32::try_from(slot).map_err(|_| corrupt("observation.slot", slot.to_string()))?;
            Ok(BlockRef { block, slot })
        })
        .transpose()
}

fn observation(kind: Kind, statement: Option<&str>) -> Result<Observation, Error> {
    Ok(match kind {
        Kind::Listed => Observation::Listed(statement_from_json(
            statement.ok_or_else(|| corrupt("observation.statement", "it is missing"))?,
        )?),
        Kind::Refused => Observation::Refused,
        Kind::Absent => Observation::Absent,
    })
}

#[tonic::async_trait]
impl ObservationStore for Store {
    async fn timelines(
        &self,
        order: &Order,
        revision: u32,
        into: &mut StatusIndexBuilder,
    ) -> Result<(), Error> {
        let ranks = Ranks::of(order);
        let mut resolve = |id: Option<NopId>, said: &mut Vec<(usize, Observation)>| {
            said.sort_by_key(|(rank, _)| *rank);
            let dated = said
                .iter()
                .map(|(rank, observation)| (order.snapshots()[*rank].published_on, observation));
            if let Some((id, timeline)) = id.zip(Timeline::resolve(dated)) {
                into.push(id, timeline);
            }
            said.clear();
        };
        let mut rows = sqlx::query(SELECT_TIMELINES)
            .bind(i64::from(revision))
            .fetch(self.database.readers());
        let (mut current, mut said) = (None, Vec::new());
        while let Some(row) = rows.try_next().await? {
            let id = nop_id(&row)?;
            if current != Some(id) {
                resolve(current, &mut said);
                current = Some(id);
            }
            if let Some(rank) = ranks.get(small(&row, 1, "observation.revision")?) {
                said.push((
                    rank,
                    observation(Kind::from_code(row.try_get(2)?)?, row.try_get(3)?)?,
                ));
            }
        }
        resolve(current, &mut said);
        Ok(())
    }

    async fn latest(&self, order: &Order, revision: u32) -> Result<AllLatest, Error> {
        let ranks = Ranks::of(order);
        let mut all: Vec<(NopId, Latest)> = Vec::new();
        // Ranks of what was last said of the last operation, and of its heading.
        let (mut last_rank, mut heading_rank) = (0, None);
        let mut rows = sqlx::query(SELECT_LATEST)
            .bind(i64::from(revision))
            .fetch(self.database.readers());
        while let Some(row) = rows.try_next().await? {
            let said_by = small(&row, 1, "observation.revision")?;
            let Some(rank) = ranks.get(said_by) else { continue };
            let id = nop_id(&row)?;
            let kind = Kind::from_code(row.try_get(2)?)?;
            let text = |column: usize| row.try_get::<Option<&str>, _>(column);
            let is_new = all.last().is_none_or(|(last, _)| *last != id);
            if is_new {
                all.push((id, Latest::default()));
                heading_rank = None;
            }
            // Pushed above where it was missing.
            let Some((_, latest)) = all.last_mut() else {
                continue;
            };
            if is_new || rank > last_rank {
                last_rank = rank;
                latest.kind = kind;
                latest.revision = said_by;
                latest.content_hash = hash(&row, 3)?;
                latest.content = place(&row, 4)?;
                latest.status = text(7)?.map(status_of_json).transpose()?;
            }
            if kind == Kind::Listed && heading_rank.is_none_or(|known| rank > known) {
                heading_rank = Some(rank);
                latest.heading = text(6)?.unwrap_or_default().into();
            }
        }
        Ok(AllLatest(all))
    }

    async fn seen(&self, order: &Order) -> Result<FxHashMap<NopId, Vec<Seen>>, Error> {
        let ranks = Ranks::of(order);
        let mut all: FxHashMap<NopId, Vec<Seen>> = FxHashMap::default();
        let mut rows = sqlx::query(SELECT_SEEN).fetch(self.database.readers());
        while let Some(row) = rows.try_next().await? {
            let revision = small(&row, 1, "observation.revision")?;
            if let Some(rank) = ranks.get(revision) {
                all.entry(nop_id(&row)?).or_default().push(Seen {
                    rank,
                    revision,
                    kind: Kind::from_code(row.try_get(2)?)?,
                    content_hash: hash(&row, 3)?,
                });
            }
        }
        for seen in all.values_mut() {
            seen.sort_by_key(|seen| seen.rank);
        }
        Ok(all)
    }

    async fn observations_of(
        &self,
        ids: &[NopId],
        order: &Order,
        revision: u32,
    ) -> Result<FxHashMap<NopId, Vec<StoredObservation>>, Error> {
        let ranks = Ranks::of(order);
        let mut all: FxHashMap<NopId, Vec<StoredObservation>> = FxHashMap::default();
        for ids in ids.chunks(KEYS) {
            let mut rows = sqlx::query(SELECT_SOME)
                .bind(keys(ids))
                .bind(i64::from(revision))
                .fetch(self.database.readers());
            while let Some(row) = rows.try_next().await? {
                let revision = small(&row, 1, "observation.revision")?;
                if ranks.get(revision).is_none() {
                    continue;
                }
                let heading: Option<&str> = row.try_get(6)?;
                all.entry(nop_id(&row)?).or_default().push(StoredObservation {
                    revision,
                    observation: observation(Kind::from_code(row.try_get(2)?)?, row.try_get(3)?)?,
                    content: place(&row, 4)?,
                    heading: heading.map(Heading::from_json).transpose()?,
                });
            }
        }
        for said in all.values_mut() {
            said.sort_by_key(|said| ranks.get(said.revision));
        }
        Ok(all)
    }

    async fn changes(
        &self,
        revision: u32,
        after: Option<NopId>,
        limit: u32,
    ) -> Result<Vec<ChangedOperation>, Error> {
        let after = after.map_or(-1, |id| i64::try_from(id.number()).unwrap_or(i64::MAX));
        let rows = sqlx::query(SELECT_CHANGES)
            .bind(i64::from(revision))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(ChangedOperation {
                    nop_id: nop_id(row)?,
                    change: Change::from_code(row.try_get(1)?)?,
                    statement: row
                        .try_get::<Option<&str>, _>(2)?
                        .map(statement_from_json)
                        .transpose()?,
                    heading: row
                        .try_get::<Option<&str>, _>(3)?
                        .map(Heading::from_json)
                        .transpose()?,
                })
            })
            .collect()
    }

    async fn headings(
        &self,
        ids: &[NopId],
        order: &Order,
        revision: u32,
    ) -> Result<FxHashMap<NopId, Heading>, Error> {
        let ranks = Ranks::of(order);
        let mut all: FxHashMap<NopId, (usize, Heading)> = FxHashMap::default();
        for ids in ids.chunks(KEYS) {
            let rows = sqlx::query(SELECT_HEADINGS)
                .bind(keys(ids))
                .bind(i64::from(revision))
                .fetch_all(self.database.readers())
                .await?;
            for row in &rows {
                let said_by = small(row, 1, "observation.revision")?;
                let (Some(rank), Some(heading)) = (ranks.get(said_by), row.try_get::<Option<&str>, _>(2)?)
                else {
                    continue;
                };
                let id = nop_id(row)?;
                if all.get(&id).is_none_or(|(known, _)| rank > *known) {
                    all.insert(id, (rank, Heading::from_json(heading)?));
                }
            }
        }
        Ok(all.into_iter().map(|(id, (_, heading))| (id, heading)).collect())
    }
}

fn keys(ids: &[NopId]) -> String {
    let numbers: Vec<[u64; 1]> = ids.iter().map(|id| [id.number()]).collect();
    serde_json::to_string(&numbers).unwrap_or_default()
}
