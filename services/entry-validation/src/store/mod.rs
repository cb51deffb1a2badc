//! What the service keeps: importer links, flag tables, policies.

mod postgres;
mod sqlite;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use nopic_domain::flags::FlagTable;
use nopic_domain::identifier::NopId;
use nopic_sql::{Error, Location, Migration, SHARED, Schema, SchemaUpdate};
use rustc_hash::FxHashMap;

/// The schema of the service.
pub const SCHEMA: Schema = Schema {
    name: "entry_validation",
    migrations: &[
        SHARED,
        Migration {
            name: "create_links_and_flags",
            sqlite: include_str!("../../migrations/sqlite/0001_create_links_and_flags.sql"),
            postgres: include_str!("../../migrations/postgres/0001_create_links_and_flags.sql"),
            oldest_compatible: 1,
        },
    ],
};

/// One link, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) importer_of_record: String,
    pub(crate) nop_id: NopId,
    pub(crate) linked_by: String,
    pub(crate) linked_at: DateTime<Utc>,
}

/// Importer-of-record numbers and the operations behind them.
#[tonic::async_trait]
pub(crate) trait Links: Send + Sync {
    /// Links the number; gives the link and the operation that it was linked to before.
    async fn link_importer(&self, tenant: &str, new: Link) -> Result<(Link, Option<NopId>), Error>;

    /// Takes the link away; `None` where there is none.
    async fn unlink_importer(&self, tenant: &str, importer_of_record: &str) -> Result<Option<Link>, Error>;

    /// At most `limit` links behind that number, in the order of their numbers.
    async fn list_links(&self, tenant: &str, after: &str, limit: u32) -> Result<Vec<Link>, Error>;

    /// The operations behind those of these numbers that are linked.
    async fn linked(&self, tenant: &str, numbers: &[String]) -> Result<FxHashMap<String, NopId>, Error>;
}

/// Flag tables by content; one of them serves.
#[tonic::async_trait]
pub(crate) trait Flags: Send + Sync {
    /// The table that serves: the one last imported, else the shipped one.
    async fn serving_flags(&self) -> Result<FlagTable, Error>;

    /// Keeps a table and lets it serve.
    async fn serve_flags(&self, table: &FlagTable, actor: &str, now: DateTime<Utc>) -> Result<(), Error>;
}

/// Every policy that served, so that the evidence of a verdict can be read again.
#[tonic::async_trait]
pub(crate) trait Policies: Send + Sync {
    /// Keeps the text of a policy under its version.
    async fn keep_policy(&self, version: &str, content: &str, now: DateTime<Utc>) -> Result<(), Error>;
}

/// All of the store.
#[tonic::async_trait]
pub(crate) trait Store: Links + Flags + Policies {
    /// Ends every connection.
    async fn close(&self);
}

/// Opens the store where it is.
pub(crate) async fn open(location: &Location, update: SchemaUpdate) -> Result<Arc<dyn Store>, Error> {
    Ok(match location {
        Location::Folder(folder) => Arc::new(sqlite::Store::open(folder, update).await?),
        Location::Postgres(options) => Arc::new(postgres::Store::open(options, update).await?),
    })
}

#[cfg(test)]
mod tests {
    use nopic_sql::testing::Engine;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[tokio::test]
    async fn every_statement_can_be_prepared(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
        let database = engine.database().await;
        match &database.location {
            Location::Folder(folder) => sqlite::prepare_all(folder).await,
            Location::Postgres(options) => postgres::prepare_all(options).await,
        }
    }
}
