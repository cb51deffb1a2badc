//! Importer-of-record numbers and the operations behind them.

use chrono::{DateTime, SecondsFormat, Utc};
use nopic_domain::identifier::NopId;
use rustc_hash::FxHashMap;

use super::Store;

const SELECT_ONE: &str = "SELECT importer_of_record, nop_id, linked_by, linked_at FROM importer_link \
    WHERE tenant = $1 AND importer_of_record = $2";
const UPSERT: &str = "INSERT INTO importer_link (tenant, importer_of_record, nop_id, linked_by, linked_at) \
    VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (tenant, importer_of_record) DO UPDATE \
    SET nop_id = excluded.nop_id, linked_by = excluded.linked_by, linked_at = excluded.linked_at";
const DELETE: &str = "DELETE FROM importer_link WHERE tenant = $1 AND importer_of_record = $2";
const SELECT_PAGE: &str = "SELECT importer_of_record, nop_id, linked_by, linked_at FROM importer_link \
    WHERE tenant = $1 AND importer_of_record > $2 ORDER BY importer_of_record LIMIT $3";
const SELECT_MANY: &str = "SELECT importer_of_record, nop_id FROM importer_link \
    WHERE tenant = $1 AND importer_of_record IN (SELECT value FROM json_each($2))";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SELECT_ONE, UPSERT, DELETE, SELECT_PAGE, SELECT_MANY];

/// One link, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) importer_of_record: String,
    pub(crate) nop_id: NopId,
    pub(crate) linked_by: String,
    /// RFC 3339.
    pub(crate) linked_at: String,
}

type Row = (String, String, String, String);

fn link((importer_of_record, nop_id, linked_by, linked_at): Row) -> Result<Link, nopic_sql::Error> {
    Ok(Link {
        importer_of_record,
        nop_id: read_nop_id(&nop_id)?,
        linked_by,
        linked_at,
    })
}

fn read_nop_id(text: &str) -> Result<NopId, nopic_sql::Error> {
    text.parse().map_err(|_| nopic_sql::Error::Corrupt {
        what: "importer_link.nop_id",
        detail: text.to_owned(),
    })
}

impl Store {
    /// Links the number; gives the link and the operation that it was linked to before.
    pub(crate) async fn link_importer(
        &self,
        tenant: &str,
        importer_of_record: &str,
        nop_id: NopId,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(Link, Option<NopId>), nopic_sql::Error> {
        let new = Link {
            importer_of_record: importer_of_record.to_owned(),
            nop_id,
            linked_by: actor.to_owned(),
            linked_at: now.to_rfc3339_opts(SecondsFormat::Secs, true),
        };
        let mut transaction = self.0.writer().begin_with("BEGIN IMMEDIATE").await?;
        let before: Option<Row> = sqlx::query_as(SELECT_ONE)
            .bind(tenant)
            .bind(importer_of_record)
            .fetch_optional(&mut *transaction)
            .await?;
        let before = before.map(link).transpose()?;
        if let Some(before) = before.as_ref().filter(|before| before.nop_id == nop_id) {
            // Linked already: who did it first stays.
            return Ok((before.clone(), None));
        }
        sqlx::query(UPSERT)
            .bind(tenant)
            .bind(&new.importer_of_record)
            .bind(nop_id.to_string())
            .bind(&new.linked_by)
            .bind(&new.linked_at)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok((new, before.map(|before| before.nop_id)))
    }

    /// Takes the link away; `None` where there is none.
    pub(crate) async fn unlink_importer(
        &self,
        tenant: &str,
        importer_of_record: &str,
    ) -> Result<Option<Link>, nopic_sql::Error> {
        let mut transaction = self.0.writer().begin_with("BEGIN IMMEDIATE").await?;
        let row: Option<Row> = sqlx::query_as(SELECT_ONE)
            .bind(tenant)
            .bind(importer_of_record)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        sqlx::query(DELETE)
            .bind(tenant)
            .bind(importer_of_record)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        link(row).map(Some)
    }

    /// At most `limit` links behind that number, in the order of their numbers.
    pub(crate) async fn list_links(
        &self,
        tenant: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Link>, nopic_sql::Error> {
        let rows: Vec<Row> = sqlx::query_as(SELECT_PAGE)
            .bind(tenant)
            .bind(after)
            .bind(limit)
            .fetch_all(self.0.readers())
            .await?;
        rows.into_iter().map(link).collect()
    }

    /// The operations behind those of these numbers that are linked.
    pub(crate) async fn linked(
        &self,
        tenant: &str,
        numbers: &[String],
    ) -> Result<FxHashMap<String, NopId>, nopic_sql::Error> {
        let numbers = serde_json::Value::from(numbers.to_vec()).to_string();
        let rows: Vec<(String, String)> = sqlx::query_as(SELECT_MANY)
            .bind(tenant)
            .bind(numbers)
            .fetch_all(self.0.readers())
            .await?;
        rows.into_iter()
            .map(|(number, nop_id)| Ok((number, read_nop_id(&nop_id)?)))
            .collect()
    }
}
