//! The certificate service through its client, over a database in a file.
// Helpers of tests stop a test as tests do.
#![allow(clippy::print_stdout, reason = "seeds and times of a run are printed")]
#![allow(clippy::unwrap_used)]

mod import;
mod ledger;
mod lifecycle;
mod reading;
mod support;
mod volume;
