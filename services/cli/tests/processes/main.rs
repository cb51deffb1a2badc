//! Each service as a process of its own, with certificates on both sides.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod access_log;
mod addresses;
mod cases;
mod certificates;
mod deadlines;
mod deciding;
mod draining;
#[path = "../support/draws.rs"]
mod draws;
mod going_on;
mod lookups;
mod readiness;
mod refusing;
mod running;
mod staleness;
#[path = "../support/mod.rs"]
mod support;
mod telemetry;
