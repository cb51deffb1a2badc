//! Flag tables by content; one of them serves.

use chrono::{DateTime, SecondsFormat, Utc};
use nopic_domain::flags::FlagTable;

use super::Store;

const SELECT_SERVING: &str = "SELECT flag_table.content FROM serving_flag_table \
    JOIN flag_table ON flag_table.version = serving_flag_table.version";
const INSERT: &str = "INSERT INTO flag_table (version, content, first_served_by, first_served_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (version) DO NOTHING";
const SERVE: &str = "INSERT INTO serving_flag_table (only, version) VALUES (1, $1) \
    ON CONFLICT (only) DO UPDATE SET version = excluded.version";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SELECT_SERVING, INSERT, SERVE];

impl Store {
    /// The table that serves: the one last imported, else the shipped one.
    pub(crate) async fn serving_flags(&self) -> Result<FlagTable, nopic_sql::Error> {
        let content: Option<(String,)> = sqlx::query_as(SELECT_SERVING)
            .fetch_optional(self.0.readers())
            .await?;
        match content {
            None => Ok(FlagTable::shipped()),
            Some((content,)) => FlagTable::from_text(&content).map_err(|error| nopic_sql::Error::Corrupt {
                what: "flag_table.content",
                detail: error.to_string(),
            }),
        }
    }

    /// Keeps a table and lets it serve.
    pub(crate) async fn serve_flags(
        &self,
        table: &FlagTable,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(), nopic_sql::Error> {
        let mut transaction = self.0.writer().begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(INSERT)
            .bind(table.version())
            .bind(table.to_text())
            .bind(actor)
            .bind(now.to_rfc3339_opts(SecondsFormat::Secs, true))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(SERVE)
            .bind(table.version())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
