//! Every policy that served, so that the evidence of a verdict can be read again.

use chrono::{DateTime, Utc};
use nopic_domain::principal::Principal;
use nopic_sql::Error;
use nopic_sql::audit::Rows;

use super::Store;
use super::engine::audit;
use crate::store::PolicyStore;
use crate::store::audited::POLICY;

nopic_sql::statements! {
    const IS_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM policy WHERE version = $1)";
    const SELECT_POLICY: &str = "SELECT content FROM policy WHERE version = $1";
    const INSERT_POLICY: &str = "INSERT INTO policy (version, content, first_served_at) VALUES ($1, $2, $3) \
        ON CONFLICT (version) DO NOTHING";
}

#[tonic::async_trait]
impl PolicyStore for Store {
    async fn keep_policy(&self, version: &str, content: &str, now: DateTime<Utc>) -> Result<(), Error> {
        let known: bool = sqlx::query_scalar(IS_KNOWN)
            .bind(version)
            .fetch_one(self.database.readers())
            .await?;
        if known {
            return Ok(());
        }
        let by = Principal::built_in("deployment");
        let mut transaction = self.database.write("keep_policy").await?;
        let inserted = sqlx::query(INSERT_POLICY)
            .bind(version)
            .bind(content)
            .bind(now)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        // Another process may have kept it meanwhile.
        if inserted == 1 {
            let change = audit::Change {
                at: now,
                tenant: &by.tenant,
                actor: &by.actor,
                action: "POLICY_KEPT",
                subject: version,
                reason: "",
                detail: "{}",
            };
            let mut rows = Rows::new();
            rows.row(&POLICY).text(version).text(content).moment(now).end();
            audit::record_rows(&mut transaction, &change, by.role.as_str(), &rows).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn policy_text(&self, version: &str) -> Result<Option<String>, Error> {
        Ok(sqlx::query_scalar(SELECT_POLICY)
            .bind(version)
            .fetch_optional(self.database.readers())
            .await?)
    }
}
