//! Databases of the services: opening, migrating, and the transactions of the one writer.
//!
//! SQLite is the embedded engine: WAL, one writer connection and a few readers, so that a reader sees the old content
//! or the new and never waits for the writer.

mod migrate;

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use thiserror::Error;

pub use migrate::Migration;

/// Readers beside the one writer.
const READERS: u32 = 4;
/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a store reports.
#[derive(Debug, Error)]
pub enum Error {
    /// The engine refused or failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema is not one that this program can use.
    #[error("{0}")]
    Schema(String),
    /// A stored value is not what this program wrote.
    #[error("stored {what} cannot be read: {detail}")]
    Corrupt {
        /// Table and column.
        what: &'static str,
        /// What was found.
        detail: String,
    },
}

/// One service's database.
#[derive(Debug, Clone)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    /// Opens the database file, creates it where it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened, or its schema is one that this program cannot use.
    pub async fn open(path: &Path, migrations: &[Migration]) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(64);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        migrate::run(&writer, migrations).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self { writer, readers })
    }

    /// A private database in memory, for tests: one connection that is reader and writer.
    ///
    /// # Errors
    /// As for [`Database::open`].
    pub async fn in_memory(migrations: &[Migration]) -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str("sqlite::memory:")?.foreign_keys(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        migrate::run(&pool, migrations).await?;
        Ok(Self {
            writer: pool.clone(),
            readers: pool,
        })
    }

    /// The one connection that writes. Begin a transaction on it and commit; dropped, it is rolled back.
    #[must_use]
    pub fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// Connections that only read.
    #[must_use]
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Ends every connection; the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
