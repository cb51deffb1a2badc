//! The store's statements and what runs them: compiled for each engine.

mod cases;
mod deliveries;
mod intake;
mod letters;
mod messages;
mod notices;
mod receivers;
mod receivers_read;
mod sending;
mod subscriptions;

use async_trait::async_trait;
use nopic_sql::audit::Rows;
use nopic_sql::row::json;
use nopic_sql::{Error as StoreError, Journal, SchemaUpdate};
use serde::Serialize;
use serde_json::Value;

use super::engine::{self, WriteTransaction, audit, requests};
use crate::cases::CaseRules;
use crate::store::{Act, NotificationStore, SCHEMA};

/// The database of the service.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: engine::Database,
    /// By which cases go.
    rules: CaseRules,
}

impl Store {
    pub(crate) async fn open(
        place: &engine::Place,
        update: SchemaUpdate,
        rules: CaseRules,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            database: engine::Database::open(place, &SCHEMA, update).await?,
            rules,
        })
    }

    /// Begins a change that somebody asks for; with its answer, where it was made before.
    async fn begin(
        &self,
        name: &'static str,
        act: &Act,
    ) -> Result<(WriteTransaction, Option<Vec<u8>>), StoreError> {
        let mut transaction = self.database.write(name).await?;
        // Changes of one tenant are few: one comes after the other, so that what each has looked at stays as it is.
        engine::hold(&mut transaction, &["notification", &act.principal.tenant]).await?;
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
) -> Result<(), StoreError> {
    let by = &act.principal;
    let detail = detail.to_string();
    let change = audit::Change {
        at: act.now,
        tenant: &by.tenant,
        actor: &by.actor,
        action,
        subject,
        reason: "",
        detail: &detail,
    };
    audit::record_rows(&mut transaction, &change, by.role.as_str(), rows).await?;
    let answer = json(answer)?;
    requests::answer(
        &mut transaction,
        &by.tenant,
        &act.request_id,
        &act.hash,
        answer.as_bytes(),
        act.now,
    )
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// An answer that was kept.
fn kept<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(answer).map_err(|error| StoreError::corrupt("request.answer", error))
}

#[async_trait]
impl NotificationStore for Store {
    fn journal(&self) -> Journal {
        self.database.journal(&SCHEMA)
    }
}

/// Every statement of the service.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&[&str]] = &[
    cases::STATEMENTS,
    deliveries::STATEMENTS,
    intake::STATEMENTS,
    letters::STATEMENTS,
    messages::STATEMENTS,
    notices::STATEMENTS,
    receivers::STATEMENTS,
    receivers_read::STATEMENTS,
    sending::STATEMENTS,
    subscriptions::STATEMENTS,
];
