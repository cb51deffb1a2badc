//! Snapshots: what was imported, and the order in which they count.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_sql::Error;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, Writing, blocks, corrupt, items, writes};

const SELECT_ALL: &str = "SELECT revision, state, published_on, is_full, form, files, content_hash, rows, items,
    rejected_rows, states_items, certifiers, listed, imported_at, imported_by, source_url, entity_tag, last_modified
    FROM snapshot ORDER BY revision";
const INSERT: &str =
    "INSERT INTO snapshot (revision, state, published_on, is_full, form, files, content_hash, rows,
    items, rejected_rows, states_items, certifiers, listed, imported_at, imported_by, source_url, entity_tag,
    last_modified)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
const RELEASE: &str = "UPDATE snapshot SET state = 'SERVING' WHERE revision = $1 AND state = 'HELD'";
const DELETE: &str = "DELETE FROM snapshot WHERE revision = $1 AND state = 'HELD'";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SELECT_ALL, INSERT, RELEASE, DELETE];

/// Whether a snapshot answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Serving,
    Held,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "SERVING",
            Self::Held => "HELD",
        }
    }
}

/// One imported snapshot.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotRow {
    pub(crate) revision: u32,
    pub(crate) state: State,
    pub(crate) published_on: Date,
    pub(crate) is_full: bool,
    /// `XLSX`, `XML` or `JSON`.
    pub(crate) form: String,
    pub(crate) files: Vec<String>,
    /// Hexadecimal.
    pub(crate) content_hash: String,
    pub(crate) rows: u32,
    pub(crate) items: u32,
    pub(crate) rejected_rows: u32,
    pub(crate) states_items: bool,
    pub(crate) certifiers: Vec<String>,
    /// Of a partial one: the operations that it holds, refused ones too.
    pub(crate) listed: Option<Listed>,
    pub(crate) imported_at: DateTime<Utc>,
    pub(crate) imported_by: String,
    pub(crate) source_url: String,
    pub(crate) entity_tag: String,
    pub(crate) last_modified: String,
}

/// A set of operations: rising numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed(Arc<[u64]>);

impl Listed {
    pub(crate) fn new(ids: impl IntoIterator<Item = NopId>) -> Self {
        let mut numbers: Vec<u64> = ids.into_iter().map(NopId::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Self(numbers.into())
    }

    pub(crate) fn contains(&self, id: NopId) -> bool {
        self.0.binary_search(&id.number()).is_ok()
    }

    /// Steps from one number to the next, seven bits a byte, the lowest first.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 2);
        let mut before = 0;
        for number in self.0.iter() {
            let mut step = number - before;
            before = *number;
            while step >= 0x80 {
                bytes.push(0x80 | (step & 0x7f) as u8);
                step >>= 7;
            }
            bytes.push((step & 0x7f) as u8);
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut numbers = Vec::new();
        let (mut before, mut step, mut shift) = (0u64, 0u64, 0u32);
        for byte in bytes {
            if shift > 35 {
                return Err(corrupt("snapshot.listed", "a step is too large"));
            }
            step |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                before += step;
                numbers.push(before);
                (step, shift) = (0, 0);
            }
        }
        Ok(Self(numbers.into()))
    }
}

fn from_row(row: &SqliteRow) -> Result<SnapshotRow, Error> {
    let texts = |what: &'static str, json: &str| -> Result<Vec<String>, Error> {
        serde_json::from_str(json).map_err(|error| corrupt(what, error.to_string()))
    };
    Ok(SnapshotRow {
        revision: row.try_get(0)?,
        state: match row.try_get(1)? {
            "SERVING" => State::Serving,
            "HELD" => State::Held,
            other => return Err(corrupt("snapshot.state", other)),
        },
        published_on: row.try_get(2)?,
        is_full: row.try_get(3)?,
        form: row.try_get(4)?,
        files: texts("snapshot.files", row.try_get(5)?)?,
        content_hash: row.try_get(6)?,
        rows: row.try_get(7)?,
        items: row.try_get(8)?,
        rejected_rows: row.try_get(9)?,
        states_items: row.try_get(10)?,
        certifiers: texts("snapshot.certifiers", row.try_get(11)?)?,
        listed: row
            .try_get::<Option<&[u8]>, _>(12)?
            .map(Listed::from_bytes)
            .transpose()?,
        imported_at: row.try_get(13)?,
        imported_by: row.try_get(14)?,
        source_url: row.try_get(15)?,
        entity_tag: row.try_get(16)?,
        last_modified: row.try_get(17)?,
    })
}

impl Store {
    /// Every snapshot by rising revision, the held one too.
    pub(crate) async fn snapshots(&self) -> Result<Vec<SnapshotRow>, Error> {
        let rows = sqlx::query(SELECT_ALL).fetch_all(self.readers()).await?;
        rows.iter().map(from_row).collect()
    }
}

/// Saves a snapshot.
pub(crate) async fn insert(writing: &mut Writing, snapshot: &SnapshotRow) -> Result<(), Error> {
    let json = |texts: &[String]| serde_json::to_string(texts).unwrap_or_default();
    sqlx::query(INSERT)
        .bind(snapshot.revision)
        .bind(snapshot.state.as_str())
        .bind(snapshot.published_on)
        .bind(snapshot.is_full)
        .bind(&snapshot.form)
        .bind(json(&snapshot.files))
        .bind(&snapshot.content_hash)
        .bind(snapshot.rows)
        .bind(snapshot.items)
        .bind(snapshot.rejected_rows)
        .bind(snapshot.states_items)
        .bind(json(&snapshot.certifiers))
        .bind(snapshot.listed.as_ref().map(Listed::to_bytes))
        .bind(snapshot.imported_at)
        .bind(&snapshot.imported_by)
        .bind(&snapshot.source_url)
        .bind(&snapshot.entity_tag)
        .bind(&snapshot.last_modified)
        .execute(&mut **writing)
        .await?;
    Ok(())
}

/// Lets the held snapshot serve.
pub(crate) async fn release(writing: &mut Writing, revision: u32) -> Result<(), Error> {
    sqlx::query(RELEASE)
        .bind(revision)
        .execute(&mut **writing)
        .await?;
    Ok(())
}

/// Throws the held snapshot away, with everything that its import wrote.
pub(crate) async fn discard(writing: &mut Writing, revision: u32) -> Result<(), Error> {
    writes::delete(writing, revision).await?;
    items::delete(writing, revision).await?;
    blocks::delete(writing, revision).await?;
    sqlx::query(DELETE).bind(revision).execute(&mut **writing).await?;
    Ok(())
}

/// The snapshots that a revision holds, in the order in which they count.
#[derive(Debug, Clone)]
pub(crate) struct Order(Vec<SnapshotRow>);

impl Order {
    /// Those up to this revision.
    pub(crate) fn at(snapshots: &[SnapshotRow], revision: u32) -> Self {
        let mut visible: Vec<_> = snapshots
            .iter()
            .filter(|snapshot| snapshot.revision <= revision && snapshot.state == State::Serving)
            .cloned()
            .collect();
        visible.sort_by_key(|snapshot| (snapshot.published_on, snapshot.revision));
        Self(visible)
    }

    /// By publication, the oldest first.
    pub(crate) fn snapshots(&self) -> &[SnapshotRow] {
        &self.0
    }

    /// Place of a revision in this order.
    pub(crate) fn rank(&self, revision: u32) -> Option<usize> {
        self.0.iter().position(|snapshot| snapshot.revision == revision)
    }

    /// The place that a new snapshot of this date takes: before those published later.
    pub(crate) fn position_of(&self, published_on: Date) -> usize {
        self.0
            .partition_point(|snapshot| snapshot.published_on <= published_on)
    }

    /// Publication date of the newest snapshot: the day for which the current status is shown.
    pub(crate) fn newest_on(&self) -> Option<Date> {
        self.0.last().map(|snapshot| snapshot.published_on)
    }

    /// The newest full snapshot before that place.
    pub(crate) fn full_before(&self, position: usize) -> Option<&SnapshotRow> {
        self.0[..position].iter().rev().find(|snapshot| snapshot.is_full)
    }

    /// The newest full snapshot: staleness goes by it.
    pub(crate) fn newest_full(&self) -> Option<&SnapshotRow> {
        self.0.iter().rev().find(|snapshot| snapshot.is_full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_of_operations_comes_back(numbers in proptest::collection::vec(0u64..10_000_000_000, 0..50)) {
            let listed = Listed::new(numbers.iter().filter_map(|number| NopId::from_number(*number)));
            prop_assert_eq!(&Listed::from_bytes(&listed.to_bytes()).unwrap(), &listed);
            for number in numbers {
                prop_assert!(listed.contains(NopId::from_number(number).unwrap()));
            }
        }
    }
}
