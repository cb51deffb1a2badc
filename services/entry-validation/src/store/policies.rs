//! Every policy that served, so that the evidence of a verdict can be read again.

use chrono::{DateTime, SecondsFormat, Utc};

use super::Store;

const SELECT: &str = "SELECT 1 FROM policy WHERE version = $1";
const INSERT: &str = "INSERT INTO policy (version, content, first_served_at) VALUES ($1, $2, $3) \
    ON CONFLICT (version) DO NOTHING";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SELECT, INSERT];

impl Store {
    /// Keeps the text of a policy under its version.
    pub(crate) async fn keep_policy(
        &self,
        version: &str,
        content: &str,
        now: DateTime<Utc>,
    ) -> Result<(), nopic_sql::Error> {
        let known: Option<(i64,)> = sqlx::query_as(SELECT)
            .bind(version)
            .fetch_optional(self.0.readers())
            .await?;
        if known.is_none() {
            sqlx::query(INSERT)
                .bind(version)
                .bind(content)
                .bind(now.to_rfc3339_opts(SecondsFormat::Secs, true))
                .execute(self.0.writer())
                .await?;
        }
        Ok(())
    }
}
