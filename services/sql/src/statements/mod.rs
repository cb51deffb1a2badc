//! What both engines do alike: compiled for each.

use super::engine;

pub mod audit;
pub mod lease;
pub(super) mod migrate;
pub mod outbox;
pub mod requests;
mod rows;
mod seal;
mod transaction;

pub use transaction::WriteTransaction;

/// Prepares the statements of a service, and those of the shared tables, on its database: each can be prepared, and says
/// in its comment where it is from, as no other does.
#[cfg(feature = "testing")]
#[allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]
pub async fn prepare_all(place: &engine::Place, schema: &crate::Schema, of_service: &[&[&'static str]]) {
    use sqlx::{Executor as _, SqlSafeStr as _};

    let shared = [
        audit::STATEMENTS,
        lease::STATEMENTS,
        outbox::STATEMENTS,
        requests::STATEMENTS,
        seal::STATEMENTS,
        engine::STATEMENTS,
    ];
    let pages: Vec<&str> = schema.audited.iter().map(|audited| audited.page).collect();
    let database = engine::Database::open(place, schema, crate::SchemaUpdate::Apply)
        .await
        .expect("a new database can be opened");
    let mut transaction = database.write("prepare").await.expect("it can be written to");
    let mut names = std::collections::HashSet::new();
    for statement in shared
        .iter()
        .chain(of_service)
        .chain([&&pages[..]])
        .copied()
        .flatten()
    {
        let statement: &'static str = statement;
        (*transaction)
            .prepare(statement.into_sql_str())
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
        let name = statement
            .strip_prefix("/* ")
            .and_then(|rest| rest.split_once(" */ "))
            .unwrap_or_else(|| panic!("{statement}: it does not say where it is from"));
        assert!(names.insert(name.0), "{statement}: another says the same");
    }
}
