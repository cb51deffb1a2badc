//! Asking again: only what may be asked twice, only where the service could not be reached, only a few times, with
//! pauses of chance length, and within a budget, so that retries never multiply the load on a service in trouble.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};
use tower::retry::budget::{Budget, TpsBudget};

use crate::deadline;

/// Attempts beside the first one.
const AGAIN: u32 = 2;
const PAUSES: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
/// Retries are at most this share of the calls of the last ten seconds, and this many a second where there are few.
const SHARE: f32 = 0.1;
const A_SECOND: u32 = 10;
const COUNTED_FOR: Duration = Duration::from_secs(10);

/// Pauses between attempts: each at most twice the one before, up to the longest, and up to half of it shorter by chance, so
/// that those who failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// The first pause is at most `first`, no pause is longer than `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause behind attempt number `attempt`, from 1.
    #[must_use]
    pub fn pause(&self, attempt: u32) -> Duration {
        self.pause_by(attempt, chance())
    }

    /// The same by a chance from 0 to 1.
    pub(crate) fn pause_by(&self, attempt: u32, chance: f64) -> Duration {
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.first.saturating_mul(doubled).min(self.longest);
        longest.mul_f64(0.5 + 0.5 * chance)
    }
}

/// The retries to one service. Clones share the budget. A path of calls has one of these, at its last hop: the services
/// in between do not ask again for each other.
#[derive(Debug, Clone)]
pub struct Retry(Arc<TpsBudget>);

impl Default for Retry {
    fn default() -> Self {
        Self(Arc::new(TpsBudget::new(COUNTED_FOR, A_SECOND, SHARE)))
    }
}

impl Retry {
    /// Makes a call that may be made twice, and again where the service was not reached.
    ///
    /// # Errors
    /// The status of the last attempt.
    pub async fn call<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        for attempt in 1..=AGAIN {
            match call().await {
                Err(status) if status.code() == Code::Unavailable && self.0.withdraw() => {
                    tracing::debug!(%status, "a call is made again");
                }
                answer => {
                    if answer.is_ok() {
                        self.0.deposit();
                    }
                    return answer;
                }
            }
            let pause = PAUSES.pause(attempt);
            match deadline::within(pause) {
                Some(time) if time == pause => tokio::time::sleep(pause).await,
                _ => return Err(Status::deadline_exceeded("no time is left to ask again")),
            }
        }
        call().await
    }
}

/// A number from 0 to 1 that differs from process to process and from call to call.
pub(crate) fn chance() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    // 53 bits fit.
    #[allow(clippy::cast_precision_loss)]
    let share = bits as f64 / (1_u64 << 53) as f64;
    share
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn pauses_rise_and_differ_within_bounds() {
        let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(3));
        for (attempt, longest) in [(1, 500), (2, 1_000), (3, 2_000), (4, 3_000), (99, 3_000)] {
            let longest = Duration::from_millis(longest);
            for _ in 0..100 {
                let pause = backoff.pause(attempt);
                assert!(pause >= longest / 2 && pause <= longest, "{attempt}: {pause:?}");
            }
        }
        let several: std::collections::BTreeSet<_> = (0..20).map(|_| backoff.pause(3)).collect();
        assert!(several.len() > 1);
    }

    async fn attempts(retry: &Retry, answer: Result<(), Status>) -> u32 {
        let count = AtomicU32::new(0);
        let again = retry
            .call(|| {
                count.fetch_add(1, Ordering::Relaxed);
                let answer = answer.clone();
                async move { answer }
            })
            .await;
        assert_eq!(again.is_ok(), answer.is_ok());
        count.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_service_that_was_not_reached_is_asked_again() {
        let retry = Retry::default();
        assert_eq!(attempts(&retry, Ok(())).await, 1);
        assert_eq!(attempts(&retry, Err(Status::unavailable("gone"))).await, 3);
        for status in [
            Status::invalid_argument("wrong"),
            Status::deadline_exceeded("late"),
            Status::resource_exhausted("later"),
            Status::internal("broken"),
        ] {
            assert_eq!(attempts(&retry, Err(status)).await, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retries_end_with_their_budget() {
        let retry = Retry::default();
        let mut made = 0;
        for _ in 0..1_000 {
            made += attempts(&retry, Err(Status::unavailable("gone"))).await;
        }
        // Time stands still for the budget: what it holds for ten seconds, and no more.
        assert!((1_001..=1_000 + 110).contains(&made), "{made} attempts");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_time_is_not_made_again() {
        let deadline = tokio::time::Instant::now() + Duration::from_millis(25);
        let retry = Retry::default();
        let made = deadline::scope(Some(deadline), attempts(&retry, Err(Status::unavailable("gone"))));
        assert_eq!(made.await, 1);
    }
}
