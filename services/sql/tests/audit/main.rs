//! The audit log on both engines: what is done to it by hand is found and named. And the outbox.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod baseline;
mod interleavings;
mod outbox;
mod properties;
mod sealing;
mod support;
mod tampering;
