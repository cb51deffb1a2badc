//! Bringing a schema up to date, in one transaction that only one process has at a time.

use super::audit::record_rows;
use super::engine::{Connection, HAS_TABLE, Pool};
use super::rows::{BASELINE, Pages};
use crate::Error;
use crate::audit::{Audited, Change, Rows};
use crate::migration::{AUDIT_ROWS, Applied, Schema, missing, not_up_to_date};

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    oldest_compatible BIGINT NOT NULL
)";
const SELECT_APPLIED: &str = "SELECT number, name, oldest_compatible FROM schema_migration ORDER BY number";
const INSERT_APPLIED: &str =
    "INSERT INTO schema_migration (number, name, oldest_compatible) VALUES ($1, $2, $3)";

/// Bytes of rows in one note of the baseline.
const BASELINE_BYTES: usize = 256 * 1024;

/// Applies what is missing; gives its names.
pub(crate) async fn apply(
    connection: &mut Connection,
    schema: &Schema,
    statements: impl Fn(&crate::Migration) -> &'static str,
) -> Result<Vec<&'static str>, Error> {
    sqlx::query(CREATE_TABLE).execute(&mut *connection).await?;
    let applied = applied(connection).await?;
    let missing = missing(schema, &applied)?;
    let mut takes_baseline = false;
    for (number, migration) in (1i64..).zip(schema.migrations).skip(applied.len()) {
        sqlx::raw_sql(statements(migration))
            .execute(&mut *connection)
            .await?;
        if migration.name == AUDIT_ROWS.name && number > 1 {
            takes_baseline = true;
        }
        sqlx::query(INSERT_APPLIED)
            .bind(number)
            .bind(migration.name)
            .bind(i64::from(migration.oldest_compatible))
            .execute(&mut *connection)
            .await?;
    }
    // What is there by then was not noted row by row. A new database has nothing.
    if takes_baseline && !schema.audited.is_empty() {
        #[allow(
            clippy::disallowed_methods,
            reason = "when the step was applied, which decides nothing"
        )]
        let now = chrono::Utc::now();
        note_baseline(connection, schema.audited, now).await?;
    }
    let known = schema.migrations.len();
    Ok(schema.migrations[known - missing..]
        .iter()
        .map(|migration| migration.name)
        .collect())
}

/// Refuses a schema that lacks steps.
pub(crate) async fn refuse_outdated(pool: &Pool, schema: &Schema) -> Result<(), Error> {
    match missing_steps(pool, schema).await? {
        0 => Ok(()),
        missing => Err(not_up_to_date(schema, missing)),
    }
}

/// How many steps a schema lacks.
pub(crate) async fn missing_steps(pool: &Pool, schema: &Schema) -> Result<usize, Error> {
    let mut connection = pool.acquire().await?;
    let has_table: bool = sqlx::query_scalar(HAS_TABLE).fetch_one(&mut *connection).await?;
    let applied = if has_table {
        applied(&mut connection).await?
    } else {
        Vec::new()
    };
    missing(schema, &applied)
}

async fn applied(connection: &mut Connection) -> Result<Vec<Applied>, Error> {
    Ok(sqlx::query_as(SELECT_APPLIED).fetch_all(connection).await?)
}

/// Notes every row that is there, for a database that is older than the notes which say what they leave.
async fn note_baseline(
    connection: &mut Connection,
    audited: &[&'static Audited],
    at: chrono::DateTime<chrono::Utc>,
) -> Result<(), Error> {
    for audited in audited {
        let mut pages = Pages::of(audited);
        let mut rows = Rows::new();
        loop {
            let page = pages.next(connection).await?;
            if (page.is_none() && !rows.is_empty()) || rows.size() >= BASELINE_BYTES {
                let change = Change {
                    at,
                    tenant: "",
                    actor: "nopic migrate",
                    action: BASELINE,
                    subject: audited.kind,
                    reason: "the rows that were there before notes said what they leave",
                    detail: "{}",
                };
                record_rows(connection, &change, "", &rows).await?;
                rows = Rows::new();
            }
            match page {
                None => break,
                Some(page) => rows.append(audited.kind, &page)?,
            }
        }
    }
    Ok(())
}
