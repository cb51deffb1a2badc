//! The store on SQLite.

use nopic_sql::sqlite as engine;

#[path = "statements/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one body for both engines")]
mod statements;

#[cfg(test)]
pub(super) use statements::STATEMENTS;
pub(super) use statements::Store;
