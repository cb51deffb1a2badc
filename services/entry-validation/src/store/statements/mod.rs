//! The store's statements and what runs them: compiled for each engine.

mod decisions;
mod filings;
mod filings_sql;
mod flags;
mod links;
mod policies;
#[cfg(test)]
pub(crate) mod query_plans;
mod trails;

use std::sync::Arc;

use nopic_sql::audit::AuditLog;
use nopic_sql::{Error, SchemaUpdate};

use super::{engine, insert_decisions};
use crate::store::{self, SCHEMA};

/// The database of the service.
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
impl store::Store for Store {
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
    let mut transaction = store.database.write("test").await.unwrap();
    for statement in [
        decisions::STATEMENTS,
        filings_sql::STATEMENTS,
        flags::STATEMENTS,
        links::STATEMENTS,
        policies::STATEMENTS,
        trails::STATEMENTS,
    ]
    .concat()
    {
        (*transaction)
            .prepare(statement.into_sql_str())
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}
