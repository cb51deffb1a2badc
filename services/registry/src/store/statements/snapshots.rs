//! SnapshotStore.

use nopic_sql::Error;
use sqlx::Row as _;

use super::engine::{Connection, audit, rows};
use super::{Row, Store, small};
use crate::store::audited::{Leaves, SNAPSHOT, json, snapshot_columns};
use crate::store::{Listed, SnapshotRow, SnapshotStore, State, corrupt};

nopic_sql::statements! {
    const SELECT_SNAPSHOTS: &str =
        "SELECT revision, state, published_on, is_full, form, files,
            content_hash, rows, items, rejected_rows, states_items, certifiers, listed, imported_at, imported_by,
            source_url, entity_tag, last_modified
        FROM snapshot ORDER BY revision";
    const SELECT_NEWEST_SNAPSHOT: &str =
        "SELECT revision, state, content_hash, published_on FROM snapshot
        ORDER BY revision DESC LIMIT 1";
    const INSERT_SNAPSHOT: &str =
        "INSERT INTO snapshot (revision, state, published_on, is_full, form, files,
            content_hash, rows, items, rejected_rows, states_items, certifiers, listed, imported_at, imported_by,
            source_url, entity_tag, last_modified)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    const RELEASE_SNAPSHOT: &str =
        "UPDATE snapshot SET state = 'SERVING' WHERE revision = $1 AND state = 'HELD'";
    const READ_BACK_SNAPSHOT: &str = concat!(
        "",
        snapshot_columns!(),
        "revision IN (SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
        rows!("$1"),
        ")"
    );
    const DELETE_SNAPSHOT: &str = "DELETE FROM snapshot WHERE revision = $1 AND state = 'HELD'";
}

fn from_row(row: &Row) -> Result<SnapshotRow, Error> {
    let texts = |what: &'static str, json: &str| -> Result<Vec<String>, Error> {
        serde_json::from_str(json).map_err(|error| corrupt(what, error.to_string()))
    };
    Ok(SnapshotRow {
        revision: small(row, 0, "snapshot.revision")?,
        state: State::from_stored(row.try_get(1)?)?,
        published_on: row.try_get(2)?,
        is_full: row.try_get(3)?,
        form: row.try_get(4)?,
        files: texts("snapshot.files", row.try_get(5)?)?,
        content_hash: row.try_get(6)?,
        rows: small(row, 7, "snapshot.rows")?,
        items: small(row, 8, "snapshot.items")?,
        rejected_rows: small(row, 9, "snapshot.rejected_rows")?,
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

#[tonic::async_trait]
impl SnapshotStore for Store {
    async fn snapshots(&self) -> Result<Vec<SnapshotRow>, Error> {
        let rows = sqlx::query(SELECT_SNAPSHOTS)
            .fetch_all(self.database.readers())
            .await?;
        rows.iter().map(from_row).collect()
    }

    async fn newest_is(&self, known: Option<&SnapshotRow>) -> Result<bool, Error> {
        let newest = sqlx::query(SELECT_NEWEST_SNAPSHOT)
            .fetch_optional(self.database.readers())
            .await?;
        let (Some(newest), Some(known)) = (&newest, known) else {
            return Ok(newest.is_none() && known.is_none());
        };
        Ok(small(newest, 0, "snapshot.revision")? == known.revision
            && State::from_stored(newest.try_get(1)?)? == known.state
            && newest.try_get::<&str, _>(2)? == known.content_hash
            && newest.try_get::<nopic_domain::date::Date, _>(3)? == known.published_on)
    }
}

/// Saves a snapshot.
pub(super) async fn insert(connection: &mut Connection, snapshot: &SnapshotRow) -> Result<(), Error> {
    sqlx::query(INSERT_SNAPSHOT)
        .bind(i64::from(snapshot.revision))
        .bind(snapshot.state.as_str())
        .bind(snapshot.published_on)
        .bind(snapshot.is_full)
        .bind(&snapshot.form)
        .bind(json(&snapshot.files))
        .bind(&snapshot.content_hash)
        .bind(i64::from(snapshot.rows))
        .bind(i64::from(snapshot.items))
        .bind(i64::from(snapshot.rejected_rows))
        .bind(snapshot.states_items)
        .bind(json(&snapshot.certifiers))
        .bind(snapshot.listed.as_ref().map(Listed::to_bytes))
        .bind(snapshot.imported_at)
        .bind(&snapshot.imported_by)
        .bind(&snapshot.source_url)
        .bind(&snapshot.entity_tag)
        .bind(&snapshot.last_modified)
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets the held snapshot serve.
pub(super) async fn release(
    connection: &mut Connection,
    leaves: &mut Leaves,
    revision: u32,
) -> Result<(), Error> {
    sqlx::query(RELEASE_SNAPSHOT)
        .bind(i64::from(revision))
        .execute(&mut *connection)
        .await?;
    let list = nopic_sql::row::json([[revision]])?;
    audit::read_back(connection, leaves.rows(), &SNAPSHOT, READ_BACK_SNAPSHOT, list).await
}

/// Deletes the held snapshot itself, which nothing refers to any more.
pub(super) async fn delete(connection: &mut Connection, revision: u32) -> Result<(), Error> {
    sqlx::query(DELETE_SNAPSHOT)
        .bind(i64::from(revision))
        .execute(connection)
        .await?;
    Ok(())
}
