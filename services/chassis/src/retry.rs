//! Pauses before something is tried again. Calls are made again by the balancer alone ([`crate::balance`]), which knows
//! whether they were taken, and what they are allowed to cost.

use std::time::Duration;

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
}
