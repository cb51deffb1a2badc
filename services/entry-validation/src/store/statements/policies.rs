//! Every policy that served, so that the evidence of a verdict can be read again.

use chrono::{DateTime, Utc};
use nopic_sql::Error;

use super::Store;
use crate::store::Policies;

const IS_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM policy WHERE version = $1)";
const SELECT: &str = "SELECT content FROM policy WHERE version = $1";
const INSERT: &str = "INSERT INTO policy (version, content, first_served_at) VALUES ($1, $2, $3) \
    ON CONFLICT (version) DO NOTHING";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[IS_KNOWN, SELECT, INSERT];

#[tonic::async_trait]
impl Policies for Store {
    async fn keep_policy(&self, version: &str, content: &str, now: DateTime<Utc>) -> Result<(), Error> {
        let known: bool = sqlx::query_scalar(IS_KNOWN)
            .bind(version)
            .fetch_one(self.database.readers())
            .await?;
        if known {
            return Ok(());
        }
        let mut transaction = self.database.write().await?;
        sqlx::query(INSERT)
            .bind(version)
            .bind(content)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn policy_text(&self, version: &str) -> Result<Option<String>, Error> {
        Ok(sqlx::query_scalar(SELECT)
            .bind(version)
            .fetch_optional(self.database.readers())
            .await?)
    }
}
