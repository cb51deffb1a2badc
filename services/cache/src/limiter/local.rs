//! Accounts of this process alone: for one that has no Redis, and for the time that Redis is gone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::Account;
use super::rate::{EvenAt, Rate, Taken};

/// Accounts that are kept before those are forgotten that are even: what nobody owes need not be kept.
const KEPT: usize = 10_000;

/// Accounts of this process.
#[derive(Debug)]
pub struct LocalLimiter {
    began: Instant,
    accounts: Mutex<FxHashMap<Account, EvenAt>>,
}

impl Default for LocalLimiter {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            accounts: Mutex::default(),
        }
    }
}

impl LocalLimiter {
    /// Takes this of an account.
    pub fn take(&self, account: &Account, rate: Rate, cost: u32) -> Taken {
        let now = self.now();
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(even_at) = accounts.get_mut(account) {
            return rate.take(even_at, now, cost);
        }
        if accounts.len() >= KEPT {
            accounts.retain(|_, even_at| even_at.0 > now);
        }
        let mut even_at = EvenAt::default();
        let taken = rate.take(&mut even_at, now, cost);
        accounts.insert(account.clone(), even_at);
        taken
    }

    /// Begins an account of which so much can be taken now.
    pub(super) fn begin(&self, account: &Account, rate: Rate, left: u32) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.insert(account.clone(), rate.with_left(left, self.now()));
    }

    /// What can be taken of an account now.
    pub fn left(&self, account: &Account, rate: Rate) -> u32 {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let even_at = accounts.get(account).copied().unwrap_or_default();
        rate.left(even_at, self.now())
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn accounts_are_apart_and_come_back_with_time() {
        let limiter = LocalLimiter::default();
        let rate = Rate::new(1, 2).unwrap();
        let of = |tenant: &str| Account::new("requests", tenant);
        let is_allowed = |tenant: &str| matches!(limiter.take(&of(tenant), rate, 1), Taken::Allowed { .. });
        assert!(is_allowed("a") && is_allowed("a") && !is_allowed("a"));
        assert!(is_allowed("b"));
        assert_eq!(
            (limiter.left(&of("a"), rate), limiter.left(&of("c"), rate)),
            (0, 2)
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(is_allowed("a") && !is_allowed("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_that_owe_nothing_are_forgotten() {
        let limiter = LocalLimiter::default();
        let rate = Rate::new(1, 1).unwrap();
        for number in 0..KEPT {
            limiter.take(&Account::new("requests", &number.to_string()), rate, 1);
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        limiter.take(&Account::new("requests", "one more"), rate, 1);
        assert_eq!(limiter.accounts.lock().unwrap().len(), 1);
    }
}
