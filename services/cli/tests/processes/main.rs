//! Each service as a process of its own, with certificates on both sides.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod certificates;
mod deciding;
mod draining;
#[path = "../support/draws.rs"]
mod draws;
mod going_on;
mod readiness;
mod refusing;
mod running;
#[path = "../support/mod.rs"]
mod support;
