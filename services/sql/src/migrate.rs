//! Migrations: append-only, each applied once, in one transaction each.

use sqlx::sqlite::SqlitePool;

use crate::Error;

/// One step of a schema. Steps are numbered from 1 by their place in the list and never change once released.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// What it does, as a file name: `create_snapshots`.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
    /// The lowest schema number that a program must know to live with a database that has this step: a number below
    /// its own lets older programs go on, its own number shuts them out.
    pub oldest_compatible: u32,
}

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    oldest_compatible INTEGER NOT NULL
)";
const SELECT_APPLIED: &str = "SELECT number, name, oldest_compatible FROM schema_migration ORDER BY number";
const INSERT_APPLIED: &str =
    "INSERT INTO schema_migration (number, name, oldest_compatible) VALUES ($1, $2, $3)";

/// Applies what is missing. A newer schema is accepted where it says that this program can live with it.
pub(crate) async fn run(writer: &SqlitePool, migrations: &[Migration]) -> Result<(), Error> {
    sqlx::query(CREATE_TABLE).execute(writer).await?;
    // One writer a process; a second process waits for this lock and then finds the work done.
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let applied: Vec<(u32, String, u32)> = sqlx::query_as(SELECT_APPLIED)
        .fetch_all(&mut *transaction)
        .await?;
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    for (number, name, oldest_compatible) in &applied {
        match migrations.get(*number as usize - 1) {
            Some(migration) if migration.name == name => {}
            Some(migration) => {
                return Err(Error::Schema(format!(
                    "the database has the schema step {number} {name:?} where this program has {:?}: it belongs to \
                     another program or service",
                    migration.name
                )));
            }
            None if *oldest_compatible <= known => {}
            None => {
                return Err(Error::Schema(format!(
                    "the database has the schema step {number} {name:?}, which this program is too old for: use a \
                     newer nopic"
                )));
            }
        }
    }
    for (number, migration) in (1u32..).zip(migrations).skip(applied.len()) {
        sqlx::raw_sql(migration.sql).execute(&mut *transaction).await?;
        sqlx::query(INSERT_APPLIED)
            .bind(number)
            .bind(migration.name)
            .bind(migration.oldest_compatible)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    const FIRST: Migration = Migration {
        name: "create_thing",
        sql: "CREATE TABLE thing (id INTEGER PRIMARY KEY) STRICT;",
        oldest_compatible: 1,
    };

    fn added(name: &'static str, oldest_compatible: u32) -> Migration {
        Migration {
            name,
            sql: "CREATE TABLE other (id INTEGER PRIMARY KEY) STRICT;",
            oldest_compatible,
        }
    }

    #[tokio::test]
    async fn a_schema_is_brought_up_to_date_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.sqlite");
        Database::open(&path, &[FIRST]).await.unwrap().close().await;
        let both = [FIRST, added("create_other", 1)];
        Database::open(&path, &both).await.unwrap().close().await;
        let database = Database::open(&path, &both).await.unwrap();
        sqlx::query("INSERT INTO other VALUES (1)")
            .execute(database.writer())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn an_older_program_lives_with_a_newer_schema_only_where_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.sqlite");
        Database::open(&path, &[FIRST, added("create_other", 1)])
            .await
            .unwrap()
            .close()
            .await;
        Database::open(&path, &[FIRST]).await.unwrap().close().await;

        let path = folder.path().join("strict.sqlite");
        Database::open(&path, &[FIRST, added("create_other", 2)])
            .await
            .unwrap()
            .close()
            .await;
        let refused = Database::open(&path, &[FIRST]).await.unwrap_err();
        assert!(refused.to_string().contains("too old"), "{refused}");
    }

    #[tokio::test]
    async fn another_services_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.sqlite");
        Database::open(&path, &[FIRST]).await.unwrap().close().await;
        assert!(Database::open(&path, &[added("create_other", 1)]).await.is_err());
    }
}
