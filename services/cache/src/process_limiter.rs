//! The limiter of a process: its own, or that of the deployment.

use std::sync::{Arc, LazyLock};

use crate::limiter::{Account, LocalLimiter, Rate, SharedLimiter, Taken};
use crate::redis::{Options, OptionsError, RedisBlocks};

/// What is counted in this process alone is counted in one place, whatever parts it serves.
static OWN: LazyLock<Arc<LocalLimiter>> = LazyLock::new(Arc::default);

/// The limiter of a process.
#[derive(Debug, Clone)]
pub enum Limiter {
    /// Its own.
    Local(Arc<LocalLimiter>),
    /// That of the deployment.
    Shared(Arc<SharedLimiter<RedisBlocks>>),
}

impl Limiter {
    /// That of the deployment by its Redis; without, this process's own.
    ///
    /// # Errors
    /// Options that cannot be used.
    pub fn of_process(redis: Option<Options>) -> Result<Self, OptionsError> {
        Ok(match redis {
            None => Self::Local(Arc::clone(&OWN)),
            Some(options) => Self::Shared(Arc::new(SharedLimiter::new(RedisBlocks::new(options)?))),
        })
    }

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
