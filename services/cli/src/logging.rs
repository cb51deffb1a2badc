//! The log: for those who ask, on standard error.

use std::io::IsTerminal as _;

use nopic_chassis::telemetry::{DEFAULT_FILTER, filter};
use tracing_subscriber::EnvFilter;

/// Environment variable with the filter, in the form of `tracing-subscriber` (`debug`, `nopic_registry=trace`, …).
const FILTER: &str = "NOPIC_LOG";

/// The filter that the environment asks for; empty: none.
pub(crate) fn wanted() -> String {
    std::env::var(FILTER).unwrap_or_default()
}

/// Starts the log of a command. A filter that cannot be read is said and left out.
pub(crate) fn start(terminal: &crate::output::Terminal) {
    let filter = filter(&wanted()).unwrap_or_else(|error| {
        terminal.note(&format!("{FILTER} is left aside: {error}"));
        EnvFilter::new(DEFAULT_FILTER)
    });
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && terminal.may_colour())
        .with_target(true)
        .try_init();
    // Only a second start in one process fails, and then the first one logs.
    let _ = started;
}
