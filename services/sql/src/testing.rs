//! Databases for tests: a new one for each test, on each engine.
//!
//! PostgreSQL is one server that `tests/with-postgres` starts and names in [`SERVER`]; a test that finds none fails and
//! says so. Nothing is skipped.
#![allow(clippy::expect_used, reason = "a test may fail where it stands")]

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

use crate::Location;

/// The environment variable with the URL of the server: its user may create databases.
pub const SERVER: &str = "NOPIC_TEST_POSTGRES";

/// The engine that a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file in a temporary folder.
    Sqlite,
    /// A database of its own on the server of the test run.
    Postgres,
}

/// An empty database of one test.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    /// Where it is.
    pub location: Location,
    /// For what a test needs beside the database; removed with the last clone.
    pub folder: Arc<TempDir>,
}

impl Engine {
    /// Both, for tests that take them in turn.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// An empty database.
    pub async fn database(self) -> TestDatabase {
        match self {
            Self::Sqlite => sqlite(),
            Self::Postgres => postgres().await,
        }
    }
}

fn sqlite() -> TestDatabase {
    let folder = TempDir::new().expect("a temporary folder can be made");
    TestDatabase {
        location: Location::Folder(folder.path().to_owned()),
        folder: Arc::new(folder),
    }
}

/// The server is thrown away after the run, and its databases with it.
async fn postgres() -> TestDatabase {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let url = std::env::var(SERVER).unwrap_or_else(|_| {
        panic!(
            "{SERVER} names no PostgreSQL server: run tests with `tests/run` or `tests/with-postgres COMMAND`"
        )
    });
    let server = PgConnectOptions::from_str(&url).expect("the server's URL can be read");
    #[allow(
        clippy::disallowed_methods,
        reason = "only makes a name that no other test has"
    )]
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970")
        .as_nanos();
    let name = format!(
        "test_{}_{now}_{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    let mut connection = PgConnection::connect_with(&server)
        .await
        .expect("the test server answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .expect("the test server makes a database");
    connection.close().await.expect("the test server lets go");
    TestDatabase {
        location: Location::Postgres(Box::new(server.database(&name))),
        folder: Arc::new(TempDir::new().expect("a temporary folder can be made")),
    }
}
