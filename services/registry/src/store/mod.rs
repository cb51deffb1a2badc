//! The registry's database: snapshots, what they say about operations, and their complete rows.

mod blocks;
mod items;
mod observations;
mod row;
mod snapshots;
mod writes;

use std::path::Path;

use nopic_sql::sqlite::Database;
use nopic_sql::{Migration, Schema, SchemaUpdate};
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};

pub(crate) use blocks::{BlockBuilder, BlockRef, entries_of, insert as insert_block};
pub(crate) use items::{NewItems, insert_items};
pub(crate) use observations::{AllLatest, Change, ChangedOperation, Seen};
pub(crate) use row::{
    Heading, Kind, StoredObservation, statement_from_json, statement_to_json, status_of_json,
};
pub(crate) use snapshots::{
    Listed, Order, SnapshotRow, State, discard as discard_snapshot, insert as insert_snapshot,
    release as release_snapshot,
};
pub(crate) use writes::{NewContent, NewObservation, WhatIsNew, insert as insert_observations};

/// The schema of the service; on SQLite only, so far.
const SCHEMA: Schema = Schema {
    name: "registry",
    migrations: &[Migration {
        name: "create_snapshots",
        sqlite: include_str!("../../migrations/sqlite/0001_create_snapshots.sql"),
        postgres: "",
        oldest_compatible: 1,
    }],
};

/// A transaction of the one writer. Dropped without a commit, it leaves nothing.
pub(crate) type Writing = Transaction<'static, Sqlite>;

/// The registry's database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// Opens the database in this folder.
    pub(crate) async fn open(folder: &Path) -> Result<Self, nopic_sql::Error> {
        Ok(Self {
            database: Database::open(folder, &SCHEMA, SchemaUpdate::Apply).await?,
        })
    }

    /// Begins to write. Readers go on with what was there before.
    pub(crate) async fn write(&self) -> Result<Writing, nopic_sql::Error> {
        self.database.write().await
    }

    /// Bytes of the database.
    #[cfg(test)]
    pub(crate) async fn size(&self) -> i64 {
        let (pages, bytes): (i64, i64) =
            sqlx::query_as("SELECT page_count, page_size FROM pragma_page_count, pragma_page_size")
                .fetch_one(self.readers())
                .await
                .unwrap();
        pages * bytes
    }

    /// How many observations, item lists and blocks there are.
    #[cfg(test)]
    pub(crate) async fn counts(&self) -> (i64, i64, i64) {
        sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM observation), (SELECT COUNT(*) FROM item_list), (SELECT COUNT(*) FROM block)",
        )
        .fetch_one(self.readers())
        .await
        .unwrap()
    }

    /// Folds the log of writes into the file and lets it go.
    pub(crate) async fn close(&self) {
        self.database.close().await;
    }

    fn readers(&self) -> &SqlitePool {
        self.database.readers()
    }
}

/// A stored value that this program did not write.
fn corrupt(what: &'static str, detail: impl Into<String>) -> nopic_sql::Error {
    nopic_sql::Error::Corrupt {
        what,
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_statement_is_accepted() {
        use sqlx::{Executor as _, SqlStr};
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let mut connection = store.database.write().await.unwrap();
        for sql in [
            snapshots::STATEMENTS,
            observations::STATEMENTS,
            writes::STATEMENTS,
            items::STATEMENTS,
            blocks::STATEMENTS,
        ]
        .concat()
        {
            if let Err(error) = (*connection).prepare(SqlStr::from_static(sql)).await {
                panic!("{sql}\n{error}");
            }
        }
    }
}
