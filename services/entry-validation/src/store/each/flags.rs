//! Flag tables by content; one of them serves.

use chrono::{DateTime, Utc};
use nopic_domain::flags::FlagTable;
use nopic_sql::Error;

use super::Store;
use super::engine::audit;
use crate::store::Flags;

const SELECT_SERVING: &str = "SELECT flag_table.content FROM serving_flag_table \
    JOIN flag_table ON flag_table.version = serving_flag_table.version";
const SELECT: &str = "SELECT content FROM flag_table WHERE version = $1";
const INSERT: &str = "INSERT INTO flag_table (version, content, first_served_by, first_served_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (version) DO NOTHING";
const SERVE: &str = "INSERT INTO serving_flag_table (slot, version) VALUES (1, $1) \
    ON CONFLICT (slot) DO UPDATE SET version = excluded.version";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SELECT_SERVING, SELECT, INSERT, SERVE];

#[tonic::async_trait]
impl Flags for Store {
    async fn serving_flags(&self) -> Result<FlagTable, Error> {
        let content: Option<(String,)> = sqlx::query_as(SELECT_SERVING)
            .fetch_optional(self.database.readers())
            .await?;
        match content {
            None => Ok(FlagTable::shipped()),
            Some((content,)) => FlagTable::from_text(&content).map_err(|error| Error::Corrupt {
                what: "flag_table.content",
                detail: error.to_string(),
            }),
        }
    }

    async fn serve_flags(
        &self,
        table: &FlagTable,
        tenant: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        sqlx::query(INSERT)
            .bind(table.version())
            .bind(table.to_text())
            .bind(actor)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(SERVE)
            .bind(table.version())
            .execute(&mut *transaction)
            .await?;
        let change = audit::Change {
            at: now,
            tenant,
            actor,
            action: "FLAGS_IMPORTED",
            subject: table.version(),
            reason: "",
            detail: "{}",
        };
        audit::record(&mut transaction, &change).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn keep_flags(&self, table: &FlagTable, now: DateTime<Utc>) -> Result<(), Error> {
        if self.flag_table(table.version()).await?.is_some() {
            return Ok(());
        }
        let mut transaction = self.database.write().await?;
        sqlx::query(INSERT)
            .bind(table.version())
            .bind(table.to_text())
            .bind("shipped")
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn flag_table(&self, version: &str) -> Result<Option<FlagTable>, Error> {
        let content: Option<String> = sqlx::query_scalar(SELECT)
            .bind(version)
            .fetch_optional(self.database.readers())
            .await?;
        content
            .map(|content| {
                FlagTable::from_text(&content).map_err(|error| Error::corrupt("flag_table.content", error))
            })
            .transpose()
    }
}
