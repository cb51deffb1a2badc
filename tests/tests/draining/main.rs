//! Streams that a server ends while it drains, and what resumes them: together they are one undisturbed stream.
#![allow(clippy::print_stderr, reason = "the seeds of a run are told")]
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod calls;
mod documents;
mod filing;
#[path = "../filing/support.rs"]
mod support;
mod validating;
