//! What both engines do alike: compiled for each.

use super::engine;

pub mod audit;
pub(super) mod migrate;
pub mod outbox;
pub mod requests;
