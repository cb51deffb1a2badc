//! What breaks while brokers go on asking: each test takes one thing away from running services, asks all the time,
//! and states how many answers must be what they were without the fault. None may be another one: it is the same, or
//! it says that it cannot be told now.
//!
//! Every test starts its own services from the program itself, with certificates on both sides, and its own Redis,
//! PostgreSQL or network where that is what it breaks. The fault lasts 10 s, with `NOPIC_TESTS_FULL` 60 s.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(clippy::print_stderr, reason = "each test prints its figures")]

mod certificate;
mod database;
mod filing;
mod lines;
mod load;
mod network;
mod postgres;
mod redis;
mod registry;
mod relay;
mod servers;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod world;
