//! The store's statements and what runs them: compiled for each engine.

mod decisions;
mod entries;
mod filings;
mod filings_sql;
mod flags;
mod links;
mod policies;
#[cfg(test)]
pub(crate) mod query_plans;
mod recording;
mod trails;

use nopic_sql::Journal;
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
    decisions::STATEMENTS,
    entries::STATEMENTS,
    filings_sql::STATEMENTS,
    flags::STATEMENTS,
    links::STATEMENTS,
    policies::STATEMENTS,
    trails::STATEMENTS,
    insert_decisions::STATEMENTS,
];
