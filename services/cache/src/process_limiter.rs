//! The limiter of a process: its own, or that of the deployment.

use std::sync::Arc;

use crate::limiter::{Account, LocalLimiter, Rate, SharedLimiter, Taken};
use crate::redis::RedisBlocks;

/// The limiter of a process.
#[derive(Debug, Clone)]
pub enum Limiter {
    /// Its own.
    Local(Arc<LocalLimiter>),
    /// That of the deployment.
    Shared(Arc<SharedLimiter<RedisBlocks>>),
}

impl Limiter {
    /// Takes this of an account.
    pub async fn take(&self, account: &Account, rate: Rate, cost: u32) -> Taken {
        match self {
            Self::Local(limiter) => limiter.take(account, rate, cost),
            Self::Shared(limiter) => limiter.take(account, rate, cost).await,
        }
    }

    /// What can be taken of an account now.
    pub async fn left(&self, account: &Account, rate: Rate) -> u32 {
        match self {
            Self::Local(limiter) => limiter.left(account, rate),
            Self::Shared(limiter) => limiter.left(account, rate).await,
        }
    }
}
