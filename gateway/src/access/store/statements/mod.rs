//! The store's statements and what runs them: compiled for each engine.

mod keys;
mod look_up;
mod people;
mod tenants;

use async_trait::async_trait;
use nopic_sql::Journal;
use nopic_sql::SchemaUpdate;
use nopic_sql::audit::Rows;
use nopic_sql::row::json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::engine::{self, WriteTransaction, audit, requests};
use crate::access::error::Error;
use crate::access::store::{AccessStore, Act, SCHEMA};

/// The database of the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: engine::Database,
}

impl Store {
    pub(crate) async fn open(place: &engine::Place, update: SchemaUpdate) -> Result<Self, nopic_sql::Error> {
        Ok(Self {
            database: engine::Database::open(place, &SCHEMA, update).await?,
        })
    }

    /// Begins a change; with its answer, where it was made before.
    async fn begin(
        &self,
        name: &'static str,
        act: &Act,
    ) -> Result<(WriteTransaction, Option<Vec<u8>>), nopic_sql::Error> {
        let mut transaction = self.database.write(name).await?;
        // Changes here are few: one comes after the other, so that what each has looked at stays as it is.
        engine::hold(&mut transaction, &["access"]).await?;
        let (tenant, id) = (&act.principal.tenant, &act.request_id);
        let answer = requests::begin(&mut transaction, tenant, id, &act.hash).await?;
        Ok((transaction, answer))
    }
}

/// Ends a change: with its note, its answer and what it leaves of rows.
async fn end<T: Serialize>(
    mut transaction: WriteTransaction,
    act: &Act,
    (action, subject, detail): (&'static str, &str, Value),
    rows: &Rows,
    answer: &T,
) -> Result<(), nopic_sql::Error> {
    let by = &act.principal;
    let detail = detail.to_string();
    let change = audit::Change {
        at: act.now,
        tenant: &by.tenant,
        actor: &by.actor,
        action,
        subject,
        reason: &act.reason,
        detail: &detail,
    };
    if !rows.is_empty() {
        audit::record_rows(&mut transaction, &change, by.role.as_str(), rows).await?;
    }
    let (hash, answer) = (&act.hash, json(answer)?);
    let answer = answer.as_bytes();
    requests::answer(
        &mut transaction,
        &by.tenant,
        &act.request_id,
        hash,
        answer,
        act.now,
    )
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// An answer that was kept.
fn kept<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(answer).map_err(|error| nopic_sql::Error::corrupt("request.answer", error).into())
}

#[async_trait]
impl AccessStore for Store {
    fn journal(&self) -> Journal {
        self.database.journal(&SCHEMA)
    }
}

/// Every statement of the gateway.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&[&str]] = &[
    keys::STATEMENTS,
    look_up::STATEMENTS,
    people::STATEMENTS,
    tenants::STATEMENTS,
];
