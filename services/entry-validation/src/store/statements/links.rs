//! Importer-of-record numbers and the operations behind them.

use chrono::{DateTime, Utc};
use nopic_domain::identifier::NopId;
use nopic_domain::principal::Principal;
use nopic_sql::Error;
use nopic_sql::audit::Rows;
use rustc_hash::FxHashMap;

use super::Store;
use super::engine::{audit, rows};
use crate::store::audited::LINK;
use crate::store::{Link, LinkStore};

nopic_sql::statements! {
    const SELECT_ONE: &str = "SELECT importer_of_record, nop_id, linked_by, linked_at FROM importer_link \
        WHERE tenant = $1 AND importer_of_record = $2";
    const UPSERT: &str = "INSERT INTO importer_link (tenant, importer_of_record, nop_id, linked_by, linked_at) \
        VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (tenant, importer_of_record) DO UPDATE \
        SET nop_id = excluded.nop_id, linked_by = excluded.linked_by, linked_at = excluded.linked_at";
    const DELETE: &str = "DELETE FROM importer_link WHERE tenant = $1 AND importer_of_record = $2";
    const SELECT_PAGE: &str = "SELECT importer_of_record, nop_id, linked_by, linked_at FROM importer_link \
        WHERE tenant = $1 AND importer_of_record > $2 ORDER BY importer_of_record LIMIT $3";
    /// The numbers are a JSON list of lists of one number.
    const SELECT_MANY: &str = concat!(
        "SELECT importer_of_record, nop_id FROM importer_link
        WHERE tenant = $1 AND importer_of_record IN (SELECT r.value ->> 0 FROM ",
        rows!("$2"),
        ")"
    );
}

type Row = (String, String, String, DateTime<Utc>);

fn link((importer_of_record, nop_id, linked_by, linked_at): Row) -> Result<Link, Error> {
    Ok(Link {
        importer_of_record,
        nop_id: read_nop_id(&nop_id)?,
        linked_by,
        linked_at,
    })
}

fn read_nop_id(text: &str) -> Result<NopId, Error> {
    text.parse().map_err(|_| Error::Corrupt {
        what: "importer_link.nop_id",
        detail: text.to_owned(),
    })
}

#[tonic::async_trait]
impl LinkStore for Store {
    async fn link_importer(&self, by: &Principal, new: Link) -> Result<(Link, Option<NopId>), Error> {
        let tenant = by.tenant.as_str();
        let mut transaction = self.database.write("link_importer").await?;
        let before: Option<Row> = sqlx::query_as(SELECT_ONE)
            .bind(tenant)
            .bind(&new.importer_of_record)
            .fetch_optional(&mut *transaction)
            .await?;
        let before = before.map(link).transpose()?;
        if let Some(before) = before.as_ref().filter(|before| before.nop_id == new.nop_id) {
            // Linked already: who did it first stays.
            return Ok((before.clone(), None));
        }
        sqlx::query(UPSERT)
            .bind(tenant)
            .bind(&new.importer_of_record)
            .bind(new.nop_id.to_string())
            .bind(&new.linked_by)
            .bind(new.linked_at)
            .execute(&mut *transaction)
            .await?;
        let before = before.map(|before| before.nop_id);
        let detail = serde_json::json!({ "nopId": new.nop_id, "replacedNopId": before }).to_string();
        let change = audit::Change {
            at: new.linked_at,
            tenant,
            actor: &new.linked_by,
            action: "IMPORTER_LINKED",
            subject: &new.importer_of_record,
            reason: "",
            detail: &detail,
        };
        let mut rows = Rows::new();
        rows.row(&LINK)
            .text(tenant)
            .text(new.importer_of_record.as_str())
            .text(new.nop_id.to_string().as_str())
            .text(new.linked_by.as_str())
            .moment(new.linked_at)
            .end();
        audit::record_rows(&mut transaction, &change, by.role.as_str(), &rows).await?;
        transaction.commit().await?;
        Ok((new, before))
    }

    async fn unlink_importer(
        &self,
        importer_of_record: &str,
        by: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Option<Link>, Error> {
        let tenant = by.tenant.as_str();
        let mut transaction = self.database.write("unlink_importer").await?;
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
        let link = link(row)?;
        let detail = serde_json::json!({ "nopId": link.nop_id }).to_string();
        let change = audit::Change {
            at: now,
            tenant,
            actor: &by.actor,
            action: "IMPORTER_UNLINKED",
            subject: importer_of_record,
            reason: "",
            detail: &detail,
        };
        let mut rows = Rows::new();
        rows.row(&LINK).text(tenant).text(importer_of_record).gone();
        audit::record_rows(&mut transaction, &change, by.role.as_str(), &rows).await?;
        transaction.commit().await?;
        Ok(Some(link))
    }

    async fn list_links(&self, tenant: &str, after: &str, limit: u32) -> Result<Vec<Link>, Error> {
        let rows: Vec<Row> = sqlx::query_as(SELECT_PAGE)
            .bind(tenant)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?;
        rows.into_iter().map(link).collect()
    }

    async fn linked(&self, tenant: &str, numbers: &[String]) -> Result<FxHashMap<String, NopId>, Error> {
        let numbers: Vec<[&str; 1]> = numbers.iter().map(|number| [number.as_str()]).collect();
        let numbers = serde_json::json!(numbers).to_string();
        let rows: Vec<(String, String)> = sqlx::query_as(SELECT_MANY)
            .bind(tenant)
            .bind(numbers)
            .fetch_all(self.database.readers())
            .await?;
        rows.into_iter()
            .map(|(number, nop_id)| Ok((number, read_nop_id(&nop_id)?)))
            .collect()
    }
}
