//! What the service keeps: importer links, flag tables, policies.

mod flags;
mod links;
mod policies;

use nopic_sql::{Database, Migration};

pub(crate) use links::Link;

/// The schema of the service.
const MIGRATIONS: &[Migration] = &[Migration {
    name: "create_links_and_flags",
    sql: include_str!("../../migrations/sqlite/0001_create_links_and_flags.sql"),
    oldest_compatible: 1,
}];

/// The database of the service.
#[derive(Debug, Clone)]
pub(crate) struct Store(Database);

impl Store {
    pub(crate) async fn open(path: &std::path::Path) -> Result<Self, nopic_sql::Error> {
        Database::open(path, MIGRATIONS).await.map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{Executor as _, SqlSafeStr as _};

    #[tokio::test]
    async fn every_statement_can_be_prepared() {
        let store = Store(Database::in_memory(MIGRATIONS).await.unwrap());
        for statement in [flags::STATEMENTS, links::STATEMENTS, policies::STATEMENTS].concat() {
            store
                .0
                .writer()
                .prepare(statement.into_sql_str())
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }
}
