//! What snapshots say about operations.
//!
//! Whole revisions are read as one pass in the order of the key.

use futures::TryStreamExt as _;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::{Observation, Status, Timeline};
use nopic_sql::Error;
use rustc_hash::FxHashMap;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::row::{Heading, Kind, StoredObservation, statement_from_json, status_of_json};
use super::snapshots::Order;
use super::{BlockRef, Store, corrupt};

/// Operations of one statement that reads by key.
const KEYS: usize = 1_000;

// `+revision` keeps the engine on the order of the key instead of sorting what the other index finds.
const SELECT_TIMELINES: &str = "SELECT nop_id, revision, kind, statement FROM observation
    WHERE +revision <= $1 ORDER BY nop_id, revision";
const SELECT_LATEST: &str = "SELECT nop_id, revision, kind, content_hash, block, slot, heading, statement
    FROM observation WHERE +revision <= $1 ORDER BY nop_id, revision";
const SELECT_SEEN: &str =
    "SELECT nop_id, revision, kind, content_hash FROM observation ORDER BY nop_id, revision";
const SELECT_SOME: &str = "SELECT nop_id, revision, kind, statement, block, slot, heading FROM observation
    WHERE nop_id IN (SELECT value FROM json_each($1)) AND revision <= $2 ORDER BY nop_id, revision";
const SELECT_CHANGES: &str = "SELECT nop_id, change, statement, heading FROM observation
    WHERE revision = $1 AND nop_id > $2 AND change > 0 ORDER BY nop_id LIMIT $3";
const SELECT_HEADINGS: &str = "SELECT nop_id, revision, heading FROM observation
    WHERE nop_id IN (SELECT value FROM json_each($1)) AND revision <= $2 AND kind = 0";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    SELECT_TIMELINES,
    SELECT_LATEST,
    SELECT_SEEN,
    SELECT_SOME,
    SELECT_CHANGES,
    SELECT_HEADINGS,
];

/// What an observation meant when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    Added,
    Changed,
    Unlisted,
}

impl Change {
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Added => 1,
            Self::Changed => 2,
            Self::Unlisted => 3,
        }
    }

    fn from_code(code: i64) -> Result<Self, Error> {
        match code {
            0 => Ok(Self::Nothing),
            1 => Ok(Self::Added),
            2 => Ok(Self::Changed),
            3 => Ok(Self::Unlisted),
            other => Err(corrupt("observation.change", other.to_string())),
        }
    }
}

/// The last thing said about an operation in the order of publication.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latest {
    pub(crate) kind: Kind,
    pub(crate) revision: u32,
    /// Of a listed one.
    pub(crate) content_hash: u128,
    pub(crate) content: Option<BlockRef>,
    /// Of a listed one.
    pub(crate) status: Option<Status>,
    /// As stored; of the last listed one, whatever was said after it. Empty: never listed.
    pub(crate) heading: Box<str>,
}

/// What was last said about every operation, by rising id: less memory than a map takes.
#[derive(Debug, Default)]
pub(crate) struct AllLatest(Vec<(NopId, Latest)>);

impl AllLatest {
    pub(crate) fn get(&self, id: NopId) -> Option<&Latest> {
        let place = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.0[place].1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NopId, &Latest)> {
        self.0.iter().map(|(id, latest)| (*id, latest))
    }
}

/// An observation as far as its place among others is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Place of its snapshot in the order of publication.
    pub(crate) rank: usize,
    pub(crate) revision: u32,
    pub(crate) kind: Kind,
    pub(crate) content_hash: u128,
}

/// An operation that a revision changed.
#[derive(Debug, Clone)]
pub(crate) struct ChangedOperation {
    pub(crate) nop_id: NopId,
    pub(crate) change: Change,
    pub(crate) statement: Option<nopic_domain::registry::Statement>,
    /// Of a listed one.
    pub(crate) heading: Option<Heading>,
}

pub(super) fn nop_id(row: &SqliteRow) -> Result<NopId, Error> {
    let number: i64 = row.try_get(0)?;
    u64::try_from(number)
        .ok()
        .and_then(NopId::from_number)
        .ok_or_else(|| corrupt("observation.nop_id", number.to_string()))
}

pub(super) fn hash(row: &SqliteRow, column: usize) -> Result<u128, Error> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    match bytes {
        None => Ok(0),
        Some(bytes) => bytes
            .try_into()
            .map(u128::from_be_bytes)
            .map_err(|_| corrupt("content_hash", format!("{} bytes", bytes.len()))),
    }
}

fn place(row: &SqliteRow, block: usize) -> Result<Option<BlockRef>, Error> {
    let (block, slot): (Option<i64>, Option<u32>) = (row.try_get(block)?, row.try_get(block + 1)?);
    Ok(block.zip(slot).map(|(block, slot)| BlockRef { block, slot }))
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

/// Places of snapshots in the order of publication, by revision.
pub(super) struct Ranks(Vec<Option<usize>>);

impl Ranks {
    pub(super) fn of(order: &Order) -> Self {
        let mut ranks = Vec::new();
        for (rank, snapshot) in order.snapshots().iter().enumerate() {
            let index = snapshot.revision as usize;
            if ranks.len() <= index {
                ranks.resize(index + 1, None);
            }
            ranks[index] = Some(rank);
        }
        Self(ranks)
    }

    /// `None`: not part of this order (a held snapshot, or a later revision).
    pub(super) fn get(&self, revision: u32) -> Option<usize> {
        self.0.get(revision as usize).copied().flatten()
    }
}

impl Store {
    /// The timeline of every operation as known at a revision, by rising NOP id.
    pub(crate) async fn timelines(
        &self,
        order: &Order,
        revision: u32,
        mut each: impl FnMut(NopId, Timeline) + Send,
    ) -> Result<(), Error> {
        let ranks = Ranks::of(order);
        let mut resolve = |id: Option<NopId>, said: &mut Vec<(usize, Observation)>| {
            said.sort_by_key(|(rank, _)| *rank);
            let dated = said
                .iter()
                .map(|(rank, observation)| (order.snapshots()[*rank].published_on, observation));
            if let Some((id, timeline)) = id.zip(Timeline::resolve(dated)) {
                each(id, timeline);
            }
            said.clear();
        };
        let mut rows = sqlx::query(SELECT_TIMELINES).bind(revision).fetch(self.readers());
        let (mut current, mut said) = (None, Vec::new());
        while let Some(row) = rows.try_next().await? {
            let id = nop_id(&row)?;
            if current != Some(id) {
                resolve(current, &mut said);
                current = Some(id);
            }
            if let Some(rank) = ranks.get(row.try_get(1)?) {
                said.push((
                    rank,
                    observation(Kind::from_code(row.try_get(2)?)?, row.try_get(3)?)?,
                ));
            }
        }
        resolve(current, &mut said);
        Ok(())
    }

    /// What was last said about every operation as known at a revision.
    pub(crate) async fn latest(&self, order: &Order, revision: u32) -> Result<AllLatest, Error> {
        let ranks = Ranks::of(order);
        let mut all: Vec<(NopId, Latest)> = Vec::new();
        // Ranks of what was last said of the last operation, and of its heading.
        let (mut last_rank, mut heading_rank) = (0, None);
        let mut rows = sqlx::query(SELECT_LATEST).bind(revision).fetch(self.readers());
        while let Some(row) = rows.try_next().await? {
            let said_by: u32 = row.try_get(1)?;
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

    /// Every observation of every operation, each operation's by rank.
    pub(crate) async fn seen(&self, order: &Order) -> Result<FxHashMap<NopId, Vec<Seen>>, Error> {
        let ranks = Ranks::of(order);
        let mut all: FxHashMap<NopId, Vec<Seen>> = FxHashMap::default();
        let mut rows = sqlx::query(SELECT_SEEN).fetch(self.readers());
        while let Some(row) = rows.try_next().await? {
            let revision = row.try_get(1)?;
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

    /// The observations of some operations as known at a revision, each operation's in the order of publication.
    pub(crate) async fn observations_of(
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
                .bind(revision)
                .fetch(self.readers());
            while let Some(row) = rows.try_next().await? {
                let revision = row.try_get(1)?;
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

    /// Some of the operations that a revision changed: those after this NOP id.
    pub(crate) async fn changes(
        &self,
        revision: u32,
        after: Option<NopId>,
        limit: u32,
    ) -> Result<Vec<ChangedOperation>, Error> {
        let after = after.map_or(-1, |id| i64::try_from(id.number()).unwrap_or(i64::MAX));
        let rows = sqlx::query(SELECT_CHANGES)
            .bind(revision)
            .bind(after)
            .bind(limit)
            .fetch_all(self.readers())
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

    /// The headings of some operations by their last listing at a revision.
    pub(crate) async fn headings(
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
                .bind(revision)
                .fetch_all(self.readers())
                .await?;
            for row in &rows {
                let (Some(rank), Some(heading)) =
                    (ranks.get(row.try_get(1)?), row.try_get::<Option<&str>, _>(2)?)
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
    let numbers: Vec<u64> = ids.iter().map(|id| id.number()).collect();
    serde_json::to_string(&numbers).unwrap_or_default()
}
