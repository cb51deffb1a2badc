//! What the tests of several crates share: servers that a test may kill, certificates, ports, other languages.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

pub mod certificates;
pub mod languages;
pub mod process;
pub mod redis;
