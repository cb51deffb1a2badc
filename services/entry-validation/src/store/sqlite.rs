//! The store on SQLite.

use nopic_sql::sqlite as engine;

mod insert_decisions;
#[path = "statements/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one body for both engines")]
mod statements;

pub(super) use statements::Store;
#[cfg(test)]
pub(super) use statements::{STATEMENTS, query_plans};
