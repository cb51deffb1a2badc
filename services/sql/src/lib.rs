//! Databases of the services: opening, migrating, and the transactions of both engines.
//!
//! SQLite is the embedded engine, PostgreSQL the one of production. A store's statements are written once, in modules
//! that are compiled for each engine:
//!
//! ```text
//! store/mod.rs       the store's traits and types, and `open`, which chooses
//! store/sqlite.rs    `use nopic_sql::sqlite as engine; #[path = "each/mod.rs"] mod each;`
//! store/postgres.rs  the same with `nopic_sql::postgres`
//! store/each/*.rs    the bodies: `use super::engine::{Connection, rows, …}`
//! ```
//!
//! Both engine modules have the same names: [`sqlite::Database`], [`sqlite::Connection`], [`sqlite::Transaction`], and
//! the macros for the few words in which their SQL differs ([`sqlite::rows`], [`sqlite::for_update`]). Parameters are
//! `$1`, `$2` … on both. What both understand alike: whole numbers are `BIGINT` and `i64`, moments are
//! `DateTime<Utc>`, dates `NaiveDate`, rows come and go in bulk as one JSON text.

pub mod audit;
mod error;
mod location;
mod migration;
pub mod outbox;
pub mod postgres;
pub mod row;
pub mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Error, Refusal};
pub use location::{Location, LocationError};
pub use migration::{Migration, SHARED, Schema, SchemaUpdate};
