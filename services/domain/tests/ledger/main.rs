//! The decision on draws: held against a model that only adds up, and against the rules.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod model;
mod rules;
#[path = "../support/mod.rs"]
mod support;
