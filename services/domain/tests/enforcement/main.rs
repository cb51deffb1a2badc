//! The enforcement ladder: each sentence of RULES as an example, and random histories against a model that walks
//! through every day.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod closing;
mod counting;
mod histories;
mod model;
mod steps;
mod support;
mod texts;
mod withdrawing;
