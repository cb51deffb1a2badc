//! The layer in Redis against real servers: run it with `tests/with-redis`.

// Helpers outside of test functions count as no test to the lint; a measured time is printed.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod failing;
mod limiting;
mod publishing;
mod reading;
mod secured;
mod sentinel;
mod world;
