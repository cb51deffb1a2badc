//! The store's statements and what runs them: compiled for each engine.

mod import;
mod import_known;
mod issue;
mod ledger;
mod ledger_sql;
mod lifecycle;
mod lifecycle_read;
mod lifecycle_sql;
mod moving;
#[cfg(test)]
pub(crate) mod query_plans;
mod read;
mod read_back;
mod sql;

use nopic_sql::Journal;
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
    fn journal(&self) -> Journal {
        self.database.journal(&SCHEMA)
    }

    async fn close(&self) {
        self.database.close().await;
    }
}

/// Every statement of the service.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&[&str]] = &[
    sql::STATEMENTS,
    ledger_sql::STATEMENTS,
    lifecycle_sql::STATEMENTS,
    read_back::STATEMENTS,
];
