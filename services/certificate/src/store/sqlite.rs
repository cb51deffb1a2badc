//! The store on SQLite.

use nopic_sql::sqlite as engine;

#[path = "each/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one body for both engines")]
mod each;

pub(super) use each::Store;
#[cfg(test)]
pub(super) use each::{plans, prepare_all};
