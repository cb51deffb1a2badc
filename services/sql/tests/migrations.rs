//! Schemas are brought up to date once, and only those that the program can use are used.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nopic_sql::testing::{Engine, TestDatabase};
use nopic_sql::{Error, Location, Migration, Refusal, Schema, SchemaUpdate, postgres, sqlite};
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
        audited: &[],
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
async fn what_is_missing_is_applied_and_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = engine.database().await;
    assert!(open(&database, &ONE, SchemaUpdate::Refuse).await.is_err());
    let location = &database.location;
    assert_eq!(location.migrate(&ONE).await.unwrap(), ["create_thing"]);
    assert_eq!(location.migrate(&BOTH).await.unwrap(), ["create_other"]);
    assert!(location.migrate(&BOTH).await.unwrap().is_empty());
    // An older program has nothing to do.
    assert!(location.migrate(&ONE).await.unwrap().is_empty());
    open(&database, &BOTH, SchemaUpdate::Refuse).await.unwrap();
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_says_why() {
    let TestDatabase { location, .. } = Engine::Postgres.database().await;
    location.check().await.unwrap();
    let Location::Postgres(options) = location else {
        panic!("it is on a server")
    };
    let check = async |options| {
        let error = Location::Postgres(Box::new(options)).check().await.unwrap_err();
        error.refusal().unwrap()
    };
    let nobody = (*options).clone().username("nobody_knows");
    assert_eq!(check(nobody).await.0, Refusal::Credentials);
    let nowhere = (*options).clone().database("no_such_database");
    assert_eq!(check(nowhere).await.0, Refusal::NoDatabase);
    let silent = (*options).clone().port(9);
    assert_eq!(
        check(silent).await,
        (Refusal::Unreachable, "Connection refused".to_owned())
    );
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
