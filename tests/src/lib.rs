//! Support of the tests: the worked cases, and a world that is loaded from files without any service.

pub mod cases;
pub mod memory;
pub mod program;
pub mod services;
pub mod world;

use std::path::PathBuf;

/// The folder of the worked cases beside the project, where it is there.
///
/// Says so loudly where it is not: those who have only the project still run its own cases.
#[must_use]
#[allow(clippy::print_stderr)]
pub fn worked_cases() -> Option<PathBuf> {
    beside_the_project("shared/cases-2")
}

/// A folder or file beside the project.
#[must_use]
#[allow(clippy::print_stderr)]
pub fn beside_the_project(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("NOT RUN: {} is not there", path.display());
    None
}
