//! A request that is made again gets its first answer.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nopic_sql::testing::Engine;
use nopic_sql::{Error, Location, SHARED, Schema, SchemaUpdate, postgres, sqlite};
use rstest::rstest;

const SCHEMA: Schema = Schema {
    name: "some_service",
    migrations: &[SHARED],
    audited: &[],
};
const HASH: [u8; 32] = [1; 32];

macro_rules! requests_are_answered_once {
    ($engine:ident, $place:expr) => {{
        use $engine::requests;
        let now = chrono::DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let database = $engine::Database::open($place, &SCHEMA, SchemaUpdate::Apply)
            .await
            .unwrap();
        let mut transaction = database.write("test").await.unwrap();
        assert_eq!(
            requests::begin(&mut transaction, "t", "r", &HASH).await.unwrap(),
            None
        );
        requests::answer(&mut transaction, "t", "r", &HASH, b"first", now)
            .await
            .unwrap();
        transaction.commit().await.unwrap();

        let mut transaction = database.write("test").await.unwrap();
        let again = requests::begin(&mut transaction, "t", "r", &HASH).await.unwrap();
        assert_eq!(again.as_deref(), Some(&b"first"[..]));
        // Another tenant's request of that name is another request.
        assert_eq!(
            requests::begin(&mut transaction, "u", "r", &HASH).await.unwrap(),
            None
        );
        let other = requests::begin(&mut transaction, "t", "r", &[2; 32])
            .await
            .unwrap_err();
        assert!(matches!(other, Error::RequestReused(_)), "{other}");
    }};
}

#[rstest]
#[tokio::test]
async fn a_request_is_answered_once(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = engine.database().await;
    match &database.location {
        Location::Folder(folder) => requests_are_answered_once!(sqlite, folder),
        Location::Postgres(options) => requests_are_answered_once!(postgres, options),
    }
}
