//! A transaction that is given up while it begins leaves nothing behind on its connection.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use nopic_sql::testing::Engine;
use nopic_sql::{Location, SHARED, Schema, SchemaUpdate, postgres};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

const SCHEMA: Schema = Schema {
    name: "some_service",
    migrations: &[SHARED],
    audited: &[],
};
/// Many more than there are connections.
const ATTEMPTS: usize = 200;
const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND state LIKE 'idle in transaction%'";

#[tokio::test]
async fn a_beginning_that_is_given_up_leaves_no_transaction_open() {
    let database = Engine::Postgres.database().await;
    let Location::Postgres(options) = &database.location else {
        panic!("the engine is PostgreSQL");
    };
    let opened = postgres::Database::open(options, &SCHEMA, SchemaUpdate::Apply)
        .await
        .unwrap();
    for _ in 0..ATTEMPTS {
        // A connection is there, so the first look sends the beginning, and nobody waits for the answer.
        let mut beginning = Box::pin(opened.read());
        poll_fn(|context| Poll::Ready(beginning.as_mut().poll(context).is_ready())).await;
        drop(beginning);
        tokio::task::yield_now().await;
    }
    // Beside the pool, whose connections are looked at.
    let mut beside = PgConnection::connect_with(options).await.unwrap();
    let none_open = async {
        loop {
            let count: i64 = sqlx::query_scalar(OPEN).fetch_one(&mut beside).await.unwrap();
            if count == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), none_open)
        .await
        .expect("no transaction is left open");
}
