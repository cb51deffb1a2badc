//! Databases of the services: opening, migrating, and the transactions of both engines.
//!
//! SQLite is the embedded engine, PostgreSQL the one of production. A store's statements are written once, in modules
//! that are compiled for each engine:
//!
//! ```text
//! store/mod.rs           the store's traits and types, and `open`, which chooses
//! store/sqlite.rs        `use nopic_sql::sqlite as engine; #[path = "statements/mod.rs"] mod statements;`
//! store/postgres.rs      the same with `nopic_sql::postgres`
//! store/statements/*.rs  the bodies: `use super::engine::{Connection, rows, …}`
//! ```
//!
//! Statements are declared by [`statements!`], which makes each say where it is from. A change is a transaction with a
//! name ([`sqlite::Database::write`]): how long it takes and how it ends is counted under that.
//!
//! Both engine modules have the same names: [`sqlite::Database`], [`sqlite::Connection`], [`sqlite::WriteTransaction`], and
//! the macros for the few words in which their SQL differs ([`sqlite::rows`], [`sqlite::for_update`]). Parameters are
//! `$1`, `$2` … on both. What both understand alike: whole numbers are `BIGINT` and `i64`, moments are
//! `DateTime<Utc>`, dates `NaiveDate`, rows come and go in bulk as one JSON text.

pub mod audit;
mod error;
mod journal;
mod location;
mod migration;
mod naming;
pub mod outbox;
pub mod postgres;
pub mod row;
pub mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;
mod transactions;

pub use crate::transactions::{Connections, Outcome, TransactionCount};
pub use error::{Error, Refusal};
pub use journal::Journal;
pub use location::{Location, LocationError};
pub use migration::{AUDIT_ROWS, Migration, OUTBOX_FLOOR, SHARED, Schema, SchemaUpdate};
