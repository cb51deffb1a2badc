//! Bringing a schema up to date, in one transaction that only one process has at a time.

use super::engine::{Connection, HAS_TABLE, Pool};
use crate::Error;
use crate::migration::{Applied, Schema, missing, not_up_to_date};

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    oldest_compatible BIGINT NOT NULL
)";
const SELECT_APPLIED: &str = "SELECT number, name, oldest_compatible FROM schema_migration ORDER BY number";
const INSERT_APPLIED: &str =
    "INSERT INTO schema_migration (number, name, oldest_compatible) VALUES ($1, $2, $3)";

/// Applies what is missing; gives its names.
pub(crate) async fn apply(
    connection: &mut Connection,
    schema: &Schema,
    statements: impl Fn(&crate::Migration) -> &'static str,
) -> Result<Vec<&'static str>, Error> {
    sqlx::query(CREATE_TABLE).execute(&mut *connection).await?;
    let applied = applied(connection).await?;
    let missing = missing(schema, &applied)?;
    for (number, migration) in (1i64..).zip(schema.migrations).skip(applied.len()) {
        sqlx::raw_sql(statements(migration))
            .execute(&mut *connection)
            .await?;
        sqlx::query(INSERT_APPLIED)
            .bind(number)
            .bind(migration.name)
            .bind(i64::from(migration.oldest_compatible))
            .execute(&mut *connection)
            .await?;
    }
    let known = schema.migrations.len();
    Ok(schema.migrations[known - missing..]
        .iter()
        .map(|migration| migration.name)
        .collect())
}

/// Refuses a schema that lacks steps.
pub(crate) async fn refuse_outdated(pool: &Pool, schema: &Schema) -> Result<(), Error> {
    let mut connection = pool.acquire().await?;
    let has_table: bool = sqlx::query_scalar(HAS_TABLE).fetch_one(&mut *connection).await?;
    let applied = if has_table {
        applied(&mut connection).await?
    } else {
        Vec::new()
    };
    match missing(schema, &applied)? {
        0 => Ok(()),
        missing => Err(not_up_to_date(schema, missing)),
    }
}

async fn applied(connection: &mut Connection) -> Result<Vec<Applied>, Error> {
    Ok(sqlx::query_as(SELECT_APPLIED).fetch_all(connection).await?)
}
