//! The gateway as those outside meet it: tenants that must not hear of each other, and what breaks behind it while calls go
//! on.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(clippy::print_stderr, reason = "tests print their seeds and figures")]

mod access_log;
mod audit;
mod deployment;
mod draining;
mod events;
mod forms;
mod isolation;
mod limits;
mod replicas;
mod rest;
#[path = "../support/mod.rs"]
mod support;
