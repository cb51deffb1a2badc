//! What hostile callers do to a door: each test attacks a server of its own, the program itself with every service behind
//! its gateway, while another tenant goes on asking. It prints the server's peak of memory and the other tenant's waits,
//! quiet and under attack, and demands that the memory stays bounded, the other is served, and the server is ready at once
//! when the attack is over.
//!
//! With `NOPIC_TESTS_FULL` the attacks have their whole sizes.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(clippy::print_stderr, reason = "each test prints its figures")]

mod attacker;
mod bombs;
mod connections;
mod door;
mod floods;
mod forms;
mod frames;
#[path = "../support/mod.rs"]
mod support;
mod unread;
