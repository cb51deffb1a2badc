//! What is drawn, and what decisions say of it: read from the databases, behind the program's back.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeMap;
use std::path::Path;

use nopic_sql::Location;
use sqlx::{Connection as _, Row as _};

/// Weights by entry, line and PGA line.
pub(crate) type Lines = BTreeMap<(String, i64, i64), Vec<i64>>;

macro_rules! lines_of {
    ($connection:expr, $statement:expr) => {{
        let mut lines = Lines::new();
        for row in sqlx::query($statement).fetch_all($connection).await.unwrap() {
            lines
                .entry((row.get(0), row.get(1), row.get(2)))
                .or_default()
                .push(row.get(3));
        }
        lines
    }};
}

async fn of_sqlite(file: &Path, statement: &'static str) -> Lines {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    lines_of!(&mut connection, statement)
}

async fn of_postgres(
    options: &sqlx::postgres::PgConnectOptions,
    schema: &str,
    statement: &'static str,
) -> Lines {
    let options = options.clone().options([("search_path", schema)]);
    let mut connection = sqlx::PgConnection::connect_with(&options).await.unwrap();
    lines_of!(&mut connection, statement)
}

/// Draws in force by filing, and decisions that say that they draw: by entry, line and PGA line.
pub(crate) async fn draws_and_decisions(location: &Location, data: &Path) -> (Lines, Lines) {
    const DRAWS: &str = "SELECT entry_number, line_number, pga_line_number, weight_units FROM draw
        WHERE ended_at IS NULL AND source = 'FILING'";
    const DECISIONS: &str = "SELECT e.entry_number, d.line_number, d.pga_line_number, d.drawn_units
        FROM decision d JOIN entry e ON e.entry_id = d.entry_id
        WHERE d.ended_at IS NULL AND d.drawn_units IS NOT NULL";
    match location {
        Location::Folder(_) => (
            of_sqlite(&data.join("certificate.sqlite"), DRAWS).await,
            of_sqlite(&data.join("entry-validation.sqlite"), DECISIONS).await,
        ),
        Location::Postgres(options) => (
            of_postgres(options, "certificate", DRAWS).await,
            of_postgres(options, "entry_validation", DECISIONS).await,
        ),
    }
}

/// Whatever happened, what decisions say is drawn is drawn, once, and nothing else.
#[track_caller]
pub(crate) fn assert_alike(run: &str, (draws, decisions): &(Lines, Lines)) {
    assert!(!draws.is_empty(), "{run}: nothing was drawn");
    assert_eq!(draws, decisions, "{run}: draws and decisions");
    assert!(
        draws.values().all(|draws| draws.len() == 1),
        "{run}: something is drawn twice"
    );
}
