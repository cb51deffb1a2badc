//! A transaction that is given up while it begins leaves nothing behind on its connection.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use nopic_sql::testing::Engine;
use nopic_sql::{Location, SHARED, Schema, SchemaUpdate, postgres};

const SCHEMA: Schema = Schema {
    name: "some_service",
    migrations: &[SHARED],
};
/// More than there are connections, at every moment of a beginning.
const ATTEMPTS: u64 = 400;
const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'";

#[tokio::test]
async fn a_beginning_that_is_given_up_leaves_no_transaction_open() {
    let database = Engine::Postgres.database().await;
    let Location::Postgres(options) = &database.location else {
        panic!("the engine is PostgreSQL");
    };
    let opened = postgres::Database::open(options, &SCHEMA, SchemaUpdate::Apply)
        .await
        .unwrap();
    // So that connections are there, and what is given up is the beginning.
    drop(opened.read().await.unwrap());
    for attempt in 0..ATTEMPTS {
        let patience = Duration::from_micros(10 * (attempt % 100));
        // Whether it began in time is chance; either way it is given up.
        let _ = tokio::time::timeout(patience, opened.read()).await;
    }
    // A rollback of one that had begun is under way at most for a moment.
    let none_open = async {
        loop {
            let count: i64 = sqlx::query_scalar(OPEN).fetch_one(opened.readers()).await.unwrap();
            if count == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), none_open)
        .await
        .expect("no transaction is left open");
    // None of them is read-only for whoever comes next, either.
    for _ in 0..20 {
        let mut transaction = opened.write().await.unwrap();
        let read_only: String = sqlx::query_scalar("SHOW transaction_read_only")
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(read_only, "off");
    }
}
