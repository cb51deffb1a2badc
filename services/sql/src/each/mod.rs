//! What both engines do alike: compiled for each.

use super::engine;

pub mod audit;
pub mod lease;
pub(super) mod migrate;
pub mod outbox;
pub mod requests;
mod seal;

/// Every statement of the shared tables, to be prepared by a test.
#[cfg(feature = "testing")]
pub fn statements() -> Vec<&'static str> {
    [
        audit::STATEMENTS,
        lease::STATEMENTS,
        outbox::STATEMENTS,
        requests::STATEMENTS,
        seal::STATEMENTS,
    ]
    .concat()
}
