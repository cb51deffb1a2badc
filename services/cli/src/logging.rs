//! The log: for those who ask, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Environment variable with the filter, in the form of `tracing-subscriber` (`debug`, `nopic_registry=trace`, …).
const FILTER: &str = "NOPIC_LOG";
/// What users see without asking: trouble of the services. The database's remarks on slow statements are none.
const DEFAULT: &str = "warn,sqlx=error";

/// Starts logging. A filter that cannot be read is said and left out.
pub(crate) fn start(terminal: &crate::output::Terminal) {
    let wanted = std::env::var(FILTER).unwrap_or_default();
    let filter = if wanted.trim().is_empty() {
        EnvFilter::new(DEFAULT)
    } else {
        EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
            terminal.note(&format!("{FILTER} is not understood and left aside: {error}"));
            EnvFilter::new(DEFAULT)
        })
    };
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && terminal.may_colour())
        .with_target(true)
        .try_init();
    // Only a second start in one process fails, and then the first one logs.
    let _ = started;
}
