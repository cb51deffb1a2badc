//! Entries on record, over the service's own calls.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod stored_before;
mod support;
