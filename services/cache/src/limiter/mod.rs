//! How much a tenant may ask of the whole deployment: one limiter for every process that charges to it.
//!
//! Accounts are kept in Redis and taken from there in blocks ([`SharedLimiter`]), so that a call makes no round trip;
//! a process without Redis goes by accounts of its own ([`LocalLimiter`]) at the same rate. One from which Redis is gone
//! does so by its share: the rate, parted among as many processes as took of the account, so that all of them together give
//! what they gave before.

mod configured;
mod local;
mod rate;
mod shared;

use std::sync::Arc;

pub use configured::{LINES, lines, rate};
pub use local::LocalLimiter;
pub use rate::{NoRate, Rate, Taken};
pub use shared::{Answer, Block, Blocks, SharedLimiter};

/// What is counted, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    what: &'static str,
    tenant: Arc<str>,
}

impl Account {
    /// Of this, by this tenant.
    #[must_use]
    pub fn new(what: &'static str, tenant: &str) -> Self {
        Self {
            what,
            tenant: Arc::from(tenant),
        }
    }

    /// What is counted.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// For whom.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }
}
