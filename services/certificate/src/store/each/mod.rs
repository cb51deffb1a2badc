//! The store's statements and what runs them: compiled for each engine.

mod import;
mod issue;
mod ledger;
mod ledger_sql;
mod life;
mod life_read;
mod life_sql;
mod moving;
#[cfg(test)]
pub(crate) mod plans;
mod read;
mod sql;

use std::sync::Arc;

use nopic_sql::audit::AuditLog;
use nopic_sql::{Error, SchemaUpdate};

use super::engine;
use crate::store::{CertificateStore, SCHEMA};

/// The certificates of one database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: engine::Database,
}

impl Store {
    pub(crate) async fn open(place: &engine::Place, update: SchemaUpdate) -> Result<Self, Error> {
        Ok(Self {
            database: engine::Database::open(place, &SCHEMA, update).await?,
        })
    }
}

#[tonic::async_trait]
impl CertificateStore for Store {
    fn audit_log(&self) -> Arc<dyn AuditLog> {
        self.database.audit_log(&SCHEMA)
    }

    async fn close(&self) {
        self.database.close().await;
    }
}

/// Prepares every statement.
#[cfg(test)]
pub(crate) async fn prepare_all(place: &engine::Place) {
    use sqlx::{Executor as _, SqlSafeStr as _};

    let store = Store::open(place, SchemaUpdate::Apply).await.unwrap();
    let mut transaction = store.database.write().await.unwrap();
    let of_certificates = sql::STATEMENTS.iter().chain(ledger_sql::STATEMENTS);
    for statement in of_certificates.chain(life_sql::STATEMENTS) {
        let statement: &'static str = statement;
        (*transaction)
            .prepare(statement.into_sql_str())
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}
