//! Schemas are brought up to date once, and only those that the program can use are used.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nopic_sql::testing::{Engine, TestDatabase};
use nopic_sql::{Error, Location, Migration, Schema, SchemaUpdate, postgres, sqlite};
use rstest::rstest;

const FIRST: Migration = Migration {
    name: "create_thing",
    sqlite: "CREATE TABLE thing (id INTEGER PRIMARY KEY) STRICT;",
    postgres: "CREATE TABLE thing (id BIGINT PRIMARY KEY);",
    oldest_compatible: 1,
};
/// Older programs can live with it.
const ADDED: Migration = Migration {
    name: "create_other",
    sqlite: "CREATE TABLE other (id INTEGER PRIMARY KEY) STRICT;",
    postgres: "CREATE TABLE other (id BIGINT PRIMARY KEY);",
    oldest_compatible: 1,
};
const BREAKING: Migration = Migration {
    oldest_compatible: 2,
    ..ADDED
};

const fn schema(migrations: &'static [Migration]) -> Schema {
    Schema {
        name: "some_service",
        migrations,
    }
}

const ONE: Schema = schema(&[FIRST]);
const BOTH: Schema = schema(&[FIRST, ADDED]);
const BOTH_BREAKING: Schema = schema(&[FIRST, BREAKING]);
const OF_ANOTHER: Schema = schema(&[ADDED]);

/// Opens and closes.
async fn open(database: &TestDatabase, schema: &Schema, update: SchemaUpdate) -> Result<(), Error> {
    match &database.location {
        Location::Folder(folder) => {
            sqlite::Database::open(folder, schema, update)
                .await?
                .close()
                .await
        }
        Location::Postgres(options) => {
            postgres::Database::open(options, schema, update)
                .await?
                .close()
                .await;
        }
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_schema_is_brought_up_to_date_once(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = engine.database().await;
    for schema in [&ONE, &BOTH, &BOTH] {
        open(&database, schema, SchemaUpdate::Apply).await.unwrap();
    }
    open(&database, &BOTH, SchemaUpdate::Refuse).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn an_older_program_lives_with_a_newer_schema_only_where_it_may(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = engine.database().await;
    open(&database, &BOTH, SchemaUpdate::Apply).await.unwrap();
    open(&database, &ONE, SchemaUpdate::Apply).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn an_older_program_is_shut_out_where_it_must(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = engine.database().await;
    open(&database, &BOTH_BREAKING, SchemaUpdate::Apply)
        .await
        .unwrap();
    let refused = open(&database, &ONE, SchemaUpdate::Apply).await.unwrap_err();
    assert!(refused.to_string().contains("too old"), "{refused}");
}

#[rstest]
#[tokio::test]
async fn another_services_database_is_refused(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = engine.database().await;
    open(&database, &ONE, SchemaUpdate::Apply).await.unwrap();
    let refused = open(&database, &OF_ANOTHER, SchemaUpdate::Apply)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("another program"), "{refused}");
}

#[tokio::test]
async fn a_service_does_not_change_the_schema_of_production() {
    let database = Engine::Postgres.database().await;
    let refused = open(&database, &ONE, SchemaUpdate::Refuse).await.unwrap_err();
    assert!(refused.to_string().contains("nopic migrate"), "{refused}");
    open(&database, &ONE, SchemaUpdate::Apply).await.unwrap();
    open(&database, &ONE, SchemaUpdate::Refuse).await.unwrap();
}

#[tokio::test]
async fn two_processes_migrate_at_once() {
    let database = Engine::Postgres.database().await;
    let open = |_| open(&database, &BOTH, SchemaUpdate::Apply);
    let (one, other) = tokio::join!(open(1), open(2));
    one.unwrap();
    other.unwrap();
}
