//! PostgreSQL, the engine of production: one schema for each service in one database.

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::transactions::Transactions;
use crate::{Error, Schema, SchemaUpdate};

// So that the modules below find their engine by the same name in both.
use self as engine;

#[path = "statements/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one body for both engines")]
mod statements;

#[cfg(feature = "testing")]
pub use statements::prepare_all;
pub use statements::{WriteTransaction, audit, lease, outbox, requests};

/// The engine, as sqlx names it.
pub type Engine = sqlx::Postgres;
/// One connection: what statements run on.
pub type Connection = sqlx::PgConnection;
/// Connections to take from.
pub type Pool = sqlx::PgPool;
/// A transaction: dropped, it is rolled back.
pub type Transaction = sqlx::Transaction<'static, Engine>;
/// Where the database is, and as whom to go there.
pub type Place = PgConnectOptions;

pub use crate::{
    postgres_bytes as bytes, postgres_date as date, postgres_for_update as for_update,
    postgres_json_of as json_of, postgres_look_up as look_up, postgres_moment as moment,
    postgres_one_of as one_of, postgres_rows as rows, postgres_skip_locked as skip_locked,
};

/// The elements of a JSON list that is bound as text, as rows `r (value)`: `rows!("$1")` behind `FROM`. Parts are
/// `CAST(r.value ->> 0 AS BIGINT)` or `r.value ->> 0`.
#[doc(hidden)]
#[macro_export]
macro_rules! postgres_rows {
    ($parameter:literal) => {
        concat!("jsonb_array_elements(CAST(", $parameter, " AS jsonb)) r (value)")
    };
}

/// Joins each row before it with the rows of a table that fit, by an index of that table:
/// `look_up!("draw", "d", "d.entry_number = r.value ->> 0")`. A plain join would read the table from end to end wherever
/// the planner knows no better, and keep that plan while the table grows.
#[doc(hidden)]
#[macro_export]
macro_rules! postgres_look_up {
    ($table:literal, $name:literal, $condition:literal) => {
        concat!(
            " JOIN LATERAL (SELECT * FROM ",
            $table,
            " ",
            $name,
            " WHERE ",
            $condition,
            " OFFSET 0) ",
            $name,
            " ON true"
        )
    };
}

/// Whether a value is one of those that a statement of one column selects, for a look-up by index:
/// `one_of!("draw_id", "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ", rows!("$1"))`. See `look_up!`.
#[doc(hidden)]
#[macro_export]
macro_rules! postgres_one_of {
    ($value:literal, $($select:expr),+ $(,)?) => {
        concat!($value, " = ANY(ARRAY(", $($select),+, "))")
    };
}

/// Bytes that a JSON text holds as hexadecimal digits: `bytes!("r.value ->> 2")`.
#[doc(hidden)]
#[macro_export]
macro_rules! postgres_bytes {
    ($text:literal) => {
        concat!("decode(", $text, ", 'hex')")
    };
}

/// A date that a JSON text holds as `YYYY-MM-DD`, for a column of dates: `date!("r.value ->> 2")`.
#[doc(hidden)]
#[macro_export]
macro_rules! postgres_date {
    ($text:literal) => {
        concat!("CAST(", $text, " AS date)")
    };
}

/// A moment that a JSON text holds as RFC 3339 in UTC, for a column of moments: `moment!("r.value ->> 2")`.
#[doc(hidden)]
#[macro_export]
macro_rules! postgres_moment {
    ($text:literal) => {
        concat!("CAST(", $text, " AS timestamptz)")
    };
}

/// A value as JSON text, `null` for none: `json_of!("c.first_drawer")`.
#[doc(hidden)]
#[macro_export]
macro_rules! postgres_json_of {
    ($value:literal) => {
        concat!("coalesce(CAST(to_jsonb(", $value, ") AS text), 'null')")
    };
}

/// Holds the rows that a `SELECT` finds until the transaction ends; the one writer of SQLite holds everything.
#[doc(hidden)]
#[macro_export]
macro_rules! postgres_for_update {
    () => {
        " FOR UPDATE"
    };
}

const HOLD: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";

/// Holds a name, made of these parts, until the transaction ends: another transaction that wants it waits.
///
/// # Errors
/// What the engine reports.
pub async fn hold(connection: &mut Connection, parts: &[&str]) -> Result<(), Error> {
    // Names that share a lock by accident only wait for each other.
    let name = parts.join("\u{1f}");
    sqlx::query(HOLD).bind(name).execute(connection).await?;
    Ok(())
}

/// Holds the rows that a `SELECT` finds and passes over those that another transaction holds.
#[doc(hidden)]
#[macro_export]
macro_rules! postgres_skip_locked {
    () => {
        " FOR UPDATE SKIP LOCKED"
    };
}

/// How long [`hold_soon`] waits: longer than it takes until a transaction that was given up has ended. What it holds
/// may then stand still for as long as it takes.
const WAIT_SOON: &str = "SET LOCAL lock_timeout = '1s'; SET LOCAL idle_in_transaction_session_timeout = 0";
const WAIT_LONG: &str = "SET LOCAL lock_timeout TO DEFAULT";
/// PostgreSQL's code of a lock that was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// As [`hold`], where whoever waits gives up soon; whether it is held. If not, the transaction is good for nothing
/// more.
///
/// # Errors
/// What the engine reports.
pub async fn hold_soon(connection: &mut Connection, parts: &[&str]) -> Result<bool, Error> {
    sqlx::raw_sql(WAIT_SOON).execute(&mut *connection).await?;
    match hold(connection, parts).await {
        Err(Error::Database(sqlx::Error::Database(error)))
            if error.code().as_deref() == Some(LOCK_NOT_AVAILABLE) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
        Ok(()) => {
            sqlx::query(WAIT_LONG).execute(connection).await?;
            Ok(true)
        }
    }
}

/// Whether several processes may have a database open.
pub const IS_SHARED: bool = true;

/// Connections of one service.
const CONNECTIONS: u32 = 16;
/// How long a call waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a minute of silence the server knows that a machine is gone, and frees what it held.
const KEEP_ALIVE: [(&str, &str); 3] = [
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];
/// For how long a connection that was given back needs no look whether it lives.
const FRESH: Duration = Duration::from_secs(1);
/// Statements that a connection keeps prepared.
const PREPARED: usize = 128;
/// Held by whoever changes a schema of the database.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('nopic migration', 0))";
/// Whether the table of applied steps is there.
const HAS_TABLE: &str = "SELECT to_regclass('schema_migration') IS NOT NULL";

/// A change that is undone keeps its ids.
const IDS_HAVE_NO_GAPS: bool = false;

crate::statements! {
    /// Records that wait for a seal and before which none can be committed any more: all transactions up to theirs have
    /// ended. Those of transactions that this server has not begun yet come from the dump of another one.
    const SELECT_UNSEALED: &str = "SELECT audit_id, recorded_at, tenant, actor, action, subject, \
        reason, detail, role, row_hashes FROM audit_record WHERE sequence IS NULL \
        AND (transaction_id < pg_snapshot_xmin(pg_current_snapshot()) \
        OR transaction_id >= pg_snapshot_xmax(pg_current_snapshot())) ORDER BY audit_id LIMIT $1";
    /// The highest id that a record ever had, or a change that was undone.
    const HIGHEST_AUDIT_ID: &str = "SELECT COALESCE(pg_sequence_last_value(CAST(\
        pg_get_serial_sequence('audit_record', 'audit_id') AS regclass)), 0)";
    /// Messages behind a position and before which none can be committed any more: by transaction, and only of those before
    /// the oldest that is open.
    const SELECT_MESSAGES: &str = "SELECT CAST(CAST(transaction_id AS text) AS bigint), outbox_id, \
        recorded_at, tenant, topic, subject, content FROM outbox \
        WHERE (transaction_id, outbox_id) > (CAST(CAST(CAST($1 AS bigint) AS text) AS xid8), $2) \
        AND transaction_id < pg_snapshot_xmin(pg_current_snapshot()) \
        ORDER BY transaction_id, outbox_id LIMIT $3";
    /// The same of one tenant and of everybody.
    const SELECT_MESSAGES_OF: &str = "SELECT CAST(CAST(transaction_id AS text) AS bigint), outbox_id, \
        recorded_at, tenant, topic, subject, content FROM (\
        (SELECT * FROM outbox WHERE tenant = $4 \
        AND (transaction_id, outbox_id) > (CAST(CAST(CAST($1 AS bigint) AS text) AS xid8), $2) \
        AND transaction_id < pg_snapshot_xmin(pg_current_snapshot()) \
        ORDER BY transaction_id, outbox_id LIMIT $3) UNION ALL \
        (SELECT * FROM outbox WHERE tenant = '' \
        AND (transaction_id, outbox_id) > (CAST(CAST(CAST($1 AS bigint) AS text) AS xid8), $2) \
        AND transaction_id < pg_snapshot_xmin(pg_current_snapshot()) \
        ORDER BY transaction_id, outbox_id LIMIT $3)) AS own ORDER BY transaction_id, outbox_id LIMIT $3";
    /// The last message.
    const SELECT_END: &str = "SELECT CAST(CAST(transaction_id AS text) AS bigint), outbox_id FROM outbox \
        WHERE transaction_id < pg_snapshot_xmin(pg_current_snapshot()) \
        ORDER BY transaction_id DESC, outbox_id DESC LIMIT 1";
    /// Rows of transactions that this server has not begun yet.
    const IS_OF_ANOTHER_SERVER: &str = "SELECT EXISTS (SELECT 1 FROM outbox \
        WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())) OR EXISTS (SELECT 1 FROM outbox_floor \
        WHERE transaction_id >= CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint))";
    const COUNT_MESSAGES_ANEW: &str = "UPDATE outbox SET transaction_id = CAST('0' AS xid8)";
    const COUNT_FLOOR_ANEW: &str = "UPDATE outbox_floor SET transaction_id = 0";
    /// Messages up to a position.
    const DELETE_MESSAGES: &str = "DELETE FROM outbox \
        WHERE (transaction_id, outbox_id) <= (CAST(CAST(CAST($1 AS bigint) AS text) AS xid8), $2)";
}

/// One service's database.
#[derive(Debug, Clone)]
pub struct Database {
    pool: Pool,
    transactions: Transactions,
}

impl Database {
    /// Connects; the schema is brought up to date, or refused where it is not, as asked.
    ///
    /// # Errors
    /// The server cannot be reached, or the schema is one that this program cannot use.
    pub async fn open(place: &Place, schema: &Schema, update: SchemaUpdate) -> Result<Self, Error> {
        let pool = connect(place, schema, CONNECTIONS).await?;
        match update {
            SchemaUpdate::Apply => drop(apply(&pool, schema).await?),
            SchemaUpdate::Refuse => statements::migrate::refuse_outdated(&pool, schema).await?,
        }
        count_messages_anew(&pool, schema).await?;
        Ok(Self {
            pool,
            transactions: Transactions::default(),
        })
    }

    /// Begins the transaction of a change.
    ///
    /// # Errors
    /// The server fails, or every connection is taken for too long.
    pub(crate) async fn begin_write(&self) -> Result<Transaction, Error> {
        self.begun("BEGIN").await
    }

    /// Begins a transaction that reads one state of the database.
    ///
    /// # Errors
    /// As for [`Database::write`].
    pub async fn read(&self) -> Result<Transaction, Error> {
        self.begun("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
    }

    /// A transaction that begins to its end, also where the caller goes away: given up half way, sqlx would take the
    /// connection for one outside of a transaction, and whoever gets it next would be inside.
    async fn begun(&self, begin: &'static str) -> Result<Transaction, Error> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move { pool.begin_with(begin).await }).await;
        match begun {
            Ok(begun) => Ok(begun?),
            // It is not aborted by anyone, and panics where sqlx does.
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Begins a transaction that reads one state of the database and keeps notes in a temporary table.
    pub(crate) async fn read_with_notes(&self) -> Result<Transaction, Error> {
        self.begun("BEGIN ISOLATION LEVEL REPEATABLE READ").await
    }

    /// Connections for single statements that only read.
    #[must_use]
    pub fn readers(&self) -> &Pool {
        &self.pool
    }

    /// Ends every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Where messages are of transactions that this server has not begun yet, they come from the dump of another one: they are
/// counted as before all of this one's.
async fn count_messages_anew(pool: &Pool, schema: &Schema) -> Result<(), Error> {
    let has_outbox = schema
        .migrations
        .iter()
        .any(|step| step.name == crate::OUTBOX_FLOOR.name);
    if !has_outbox || !is_of_another_server(&mut *pool.acquire().await?).await? {
        return Ok(());
    }
    let mut transaction = pool.begin().await?;
    hold(&mut transaction, &["restored outbox", schema.name]).await?;
    // Another process may have done it meanwhile.
    if !is_of_another_server(&mut transaction).await? {
        return Ok(());
    }
    for statement in [COUNT_MESSAGES_ANEW, COUNT_FLOOR_ANEW] {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    tracing::warn!(
        schema = schema.name,
        "this database comes from the dump of another server: whoever reads its events begins again"
    );
    Ok(())
}

async fn is_of_another_server(connection: &mut Connection) -> Result<bool, Error> {
    Ok(sqlx::query_scalar(IS_OF_ANOTHER_SERVER)
        .fetch_one(connection)
        .await?)
}

async fn connect(place: &Place, schema: &Schema, connections: u32) -> Result<Pool, Error> {
    let options = place
        .clone()
        .application_name(concat!("nopic ", env!("CARGO_PKG_VERSION")))
        .options([("search_path", schema.name)])
        .options(KEEP_ALIVE)
        .statement_cache_capacity(PREPARED);
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        // As the pool does before each use by itself, but for connections that were in use just now: they have shown
        // that they live.
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move {
                if state.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// Brings a schema up to date; gives the names of the steps that were missing.
pub(crate) async fn migrate(place: &Place, schema: &Schema) -> Result<Vec<&'static str>, Error> {
    let pool = connect(place, schema, 1).await?;
    let applied = apply(&pool, schema).await;
    pool.close().await;
    applied
}

/// How many steps a schema lacks.
pub(crate) async fn missing(place: &Place, schema: &Schema) -> Result<usize, Error> {
    let pool = connect(place, schema, 1).await?;
    let missing = statements::migrate::missing_steps(&pool, schema).await;
    pool.close().await;
    missing
}

async fn apply(pool: &Pool, schema: &Schema) -> Result<Vec<&'static str>, Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query(MIGRATION_LOCK).execute(&mut *transaction).await?;
    // The name is a constant of this program, made of letters and underscores.
    let create = format!("CREATE SCHEMA IF NOT EXISTS {}", schema.name);
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut *transaction)
        .await?;
    let applied =
        statements::migrate::apply(&mut transaction, schema, |migration| migration.postgres).await?;
    transaction.commit().await?;
    Ok(applied)
}
