//! The store on PostgreSQL.

use nopic_sql::postgres as engine;

#[path = "statements/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one body for both engines")]
mod statements;

#[cfg(test)]
pub(super) use statements::STATEMENTS;
pub(super) use statements::Store;
