//! SQLite, the embedded engine: WAL, one writer connection and a few readers, so that a reader sees the old content or
//! the new and never waits for the writer.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::transactions::Transactions;
use crate::{Error, Schema, SchemaUpdate, location};

// So that the modules below find their engine by the same name in both.
use self as engine;

#[path = "statements/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one body for both engines")]
mod statements;

#[cfg(feature = "testing")]
pub use statements::prepare_all;
pub use statements::{WriteTransaction, audit, lease, outbox, requests};

/// The engine, as sqlx names it.
pub type Engine = sqlx::Sqlite;
/// One connection: what statements run on.
pub type Connection = sqlx::SqliteConnection;
/// Connections to take from.
pub type Pool = sqlx::SqlitePool;
/// A transaction: dropped, it is rolled back.
pub type Transaction = sqlx::Transaction<'static, Engine>;
/// Where databases are: a folder.
pub type Place = Path;

pub use crate::{
    sqlite_bytes as bytes, sqlite_date as date, sqlite_for_update as for_update, sqlite_json_of as json_of,
    sqlite_look_up as look_up, sqlite_moment as moment, sqlite_one_of as one_of, sqlite_rows as rows,
    sqlite_skip_locked as skip_locked,
};

/// The elements of a JSON list that is bound as text, as rows `r (value)`: `rows!("$1")` behind `FROM`. Parts are
/// `CAST(r.value ->> 0 AS BIGINT)` or `r.value ->> 0`.
#[doc(hidden)]
#[macro_export]
macro_rules! sqlite_rows {
    ($parameter:literal) => {
        concat!("json_each(", $parameter, ") r")
    };
}

/// Joins each row before it with the rows of a table that fit, by an index of that table:
/// `look_up!("draw", "d", "d.entry_number = r.value ->> 0")`.
#[doc(hidden)]
#[macro_export]
macro_rules! sqlite_look_up {
    ($table:literal, $name:literal, $condition:literal) => {
        concat!(" JOIN ", $table, " ", $name, " ON ", $condition)
    };
}

/// Whether a value is one of those that a statement of one column selects, for a look-up by index:
/// `one_of!("draw_id", "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ", rows!("$1"))`.
#[doc(hidden)]
#[macro_export]
macro_rules! sqlite_one_of {
    ($value:literal, $($select:expr),+ $(,)?) => {
        concat!($value, " IN (", $($select),+, ")")
    };
}

/// Bytes that a JSON text holds as hexadecimal digits: `bytes!("r.value ->> 2")`.
#[doc(hidden)]
#[macro_export]
macro_rules! sqlite_bytes {
    ($text:literal) => {
        concat!("unhex(", $text, ")")
    };
}

/// A date that a JSON text holds as `YYYY-MM-DD`, for a column of dates: `date!("r.value ->> 2")`.
#[doc(hidden)]
#[macro_export]
macro_rules! sqlite_date {
    ($text:literal) => {
        $text
    };
}

/// A moment that a JSON text holds as RFC 3339 in UTC, for a column of moments: `moment!("r.value ->> 2")`.
#[doc(hidden)]
#[macro_export]
macro_rules! sqlite_moment {
    ($text:literal) => {
        $text
    };
}

/// A value as JSON text, `null` for none: `json_of!("c.first_drawer")`.
#[doc(hidden)]
#[macro_export]
macro_rules! sqlite_json_of {
    ($value:literal) => {
        concat!("json_quote(", $value, ")")
    };
}

/// Holds the rows that a `SELECT` finds until the transaction ends; the one writer of SQLite holds everything.
#[doc(hidden)]
#[macro_export]
macro_rules! sqlite_for_update {
    () => {
        ""
    };
}

/// Holds a name until the transaction ends; the one writer of SQLite holds everything.
///
/// # Errors
/// None here; on the other engine, what it reports.
pub async fn hold(_: &mut Connection, _: &[&str]) -> Result<(), Error> {
    std::future::ready(Ok(())).await
}

/// Holds the rows that a `SELECT` finds and passes over those that another transaction holds.
#[doc(hidden)]
#[macro_export]
macro_rules! sqlite_skip_locked {
    () => {
        ""
    };
}

/// As [`hold`], where whoever waits gives up soon; whether it is held.
///
/// # Errors
/// None here; on the other engine, what it reports.
pub async fn hold_soon(_: &mut Connection, _: &[&str]) -> Result<bool, Error> {
    std::future::ready(Ok(true)).await
}

/// Whether several processes may have a database open: a folder has one.
pub const IS_SHARED: bool = false;

/// Readers beside the one writer.
const READERS: u32 = 4;
/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared.
const PREPARED: usize = 128;
/// Whether the table of applied steps is there.
const HAS_TABLE: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_migration')";

/// A change that is undone gives its ids back.
const IDS_HAVE_NO_GAPS: bool = true;

crate::statements! {
    /// Records that wait for a seal: transactions end one after the other, so none comes before these any more.
    const SELECT_UNSEALED: &str = "SELECT audit_id, recorded_at, tenant, actor, action, subject, \
        reason, detail, role, row_hashes FROM audit_record WHERE sequence IS NULL ORDER BY audit_id LIMIT $1";
    /// The highest id that a record ever had.
    const HIGHEST_AUDIT_ID: &str = "SELECT CAST(COALESCE(MAX(seq), 0) AS BIGINT) \
        FROM sqlite_sequence WHERE name = 'audit_record'";
    /// Messages behind a position: transactions end one after the other, so ids are in the order of commits.
    const SELECT_MESSAGES: &str = "SELECT 0, outbox_id, recorded_at, tenant, topic, subject, content \
        FROM outbox WHERE $1 >= 0 AND outbox_id > $2 ORDER BY outbox_id LIMIT $3";
    /// The same of one tenant and of everybody.
    const SELECT_MESSAGES_OF: &str = "SELECT * FROM (SELECT 0, outbox_id, recorded_at, tenant, topic, subject, content \
        FROM outbox WHERE tenant = $4 AND $1 >= 0 AND outbox_id > $2 ORDER BY outbox_id LIMIT $3) \
        UNION ALL SELECT * FROM (SELECT 0, outbox_id, recorded_at, tenant, topic, subject, content \
        FROM outbox WHERE tenant = '' AND outbox_id > $2 ORDER BY outbox_id LIMIT $3) ORDER BY 2 LIMIT $3";
    /// The last message.
    const SELECT_END: &str = "SELECT 0, outbox_id FROM outbox ORDER BY outbox_id DESC LIMIT 1";
    /// Messages up to a position.
    const DELETE_MESSAGES: &str = "DELETE FROM outbox WHERE $1 >= 0 AND outbox_id <= $2";
}

/// One service's database.
#[derive(Debug, Clone)]
pub struct Database {
    writer: Pool,
    readers: Pool,
    transactions: Transactions,
}

impl Database {
    /// Opens the schema's file in a folder, creates it where it is missing; it is brought up to date, or refused where
    /// it is not, as asked.
    ///
    /// # Errors
    /// The file cannot be opened, or its schema is one that this program cannot use.
    pub async fn open(folder: &Place, schema: &Schema, update: SchemaUpdate) -> Result<Self, Error> {
        let options = options(folder, schema);
        create_for_its_owner(&location::file(folder, schema.name)).map_err(sqlx::Error::Io)?;
        let writer = writer(options.clone()).await?;
        match update {
            SchemaUpdate::Apply => drop(apply(&writer, schema).await?),
            SchemaUpdate::Refuse => statements::migrate::refuse_outdated(&writer, schema).await?,
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self {
            writer,
            readers,
            transactions: Transactions::default(),
        })
    }

    /// A private database in memory, for tests: one connection that is reader and writer.
    ///
    /// # Errors
    /// As for [`Database::open`].
    pub async fn in_memory(schema: &Schema) -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str("sqlite::memory:")?.foreign_keys(true);
        let pool = writer(options).await?;
        apply(&pool, schema).await?;
        Ok(Self {
            writer: pool.clone(),
            readers: pool,
            transactions: Transactions::default(),
        })
    }

    /// Begins the transaction of a change; the next one waits for its end.
    ///
    /// # Errors
    /// The engine fails, or the one writer is taken for too long.
    pub(crate) async fn begin_write(&self) -> Result<Transaction, Error> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Begins a transaction that reads one state of the database.
    ///
    /// # Errors
    /// The engine fails.
    pub async fn read(&self) -> Result<Transaction, Error> {
        Ok(self.readers.begin().await?)
    }

    /// Begins a transaction that reads one state of the database and keeps notes in a temporary table.
    pub(crate) async fn read_with_notes(&self) -> Result<Transaction, Error> {
        self.read().await
    }

    /// Connections for single statements that only read.
    #[must_use]
    pub fn readers(&self) -> &Pool {
        &self.readers
    }

    /// Ends every connection; the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Makes the file, where it is not there, so that nobody else of this machine reads it: secrets that sign stand in it. What
/// the engine keeps beside it has the same rights.
fn create_for_its_owner(file: &std::path::Path) -> std::io::Result<()> {
    let mut create = std::fs::OpenOptions::new();
    create.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut create, 0o600);
    create.open(file).map(drop)
}

fn options(folder: &Place, schema: &Schema) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(location::file(folder, schema.name))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // What was answered is on the disk: the services' databases must agree after a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(PREPARED)
}

async fn writer(options: SqliteConnectOptions) -> Result<Pool, Error> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// Brings a schema up to date; gives the names of the steps that were missing.
pub(crate) async fn migrate(folder: &Place, schema: &Schema) -> Result<Vec<&'static str>, Error> {
    let writer = writer(options(folder, schema)).await?;
    let applied = apply(&writer, schema).await;
    writer.close().await;
    applied
}

async fn apply(writer: &Pool, schema: &Schema) -> Result<Vec<&'static str>, Error> {
    // A second process waits for this lock and then finds the work done.
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let applied = statements::migrate::apply(&mut transaction, schema, |migration| migration.sqlite).await?;
    transaction.commit().await?;
    Ok(applied)
}
