//! When to try again: rising pauses with jitter, bounded in count and in time.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// Bounds of trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retry {
    /// Attempts altogether, the first included.
    pub(crate) attempts: u32,
    /// The first pause is at most this; each later one at most twice the one before.
    pub(crate) first_pause: Duration,
    /// No pause is longer.
    pub(crate) longest_pause: Duration,
    /// All attempts and pauses together take at most this.
    pub(crate) most_time: Duration,
}

impl Retry {
    /// The pause behind attempt number `attempt` (from 1), or `None` where it was the last. A server's wish is
    /// granted where there is time for it.
    pub(crate) fn pause(&self, attempt: u32, wish: Option<Duration>, elapsed: Duration) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.first_pause.saturating_mul(doubled).min(self.longest_pause);
        let pause = longest.mul_f64(0.5 + random_fraction() / 2.0);
        let pause = wish.map_or(pause, |wish| wish.max(pause));
        (elapsed + pause < self.most_time).then_some(pause)
    }
}

/// A number from 0 to 1. Jitter needs no more than that processes differ, as their hash seeds do.
fn random_fraction() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        attempts: 6,
        first_pause: Duration::from_millis(500),
        longest_pause: Duration::from_secs(3),
        most_time: Duration::from_secs(60),
    };

    #[test]
    fn pauses_rise_and_differ_within_bounds() {
        for (attempt, longest) in [(1, 500), (2, 1_000), (3, 2_000), (4, 3_000), (5, 3_000)] {
            for _ in 0..100 {
                let pause = RETRY.pause(attempt, None, Duration::ZERO).unwrap();
                let longest = Duration::from_millis(longest);
                assert!(pause >= longest / 2 && pause <= longest, "{attempt}: {pause:?}");
            }
        }
        let many: std::collections::BTreeSet<_> = (0..20)
            .map(|_| RETRY.pause(3, None, Duration::ZERO).unwrap())
            .collect();
        assert!(many.len() > 1);
    }

    #[test]
    fn attempts_and_time_are_bounded() {
        assert_eq!(RETRY.pause(6, None, Duration::ZERO), None);
        assert_eq!(RETRY.pause(1, None, Duration::from_secs(60)), None);
        let wish = Some(Duration::from_secs(3_600));
        assert_eq!(RETRY.pause(1, wish, Duration::ZERO), None);
        let wish = Some(Duration::from_secs(5));
        assert_eq!(RETRY.pause(1, wish, Duration::ZERO), wish);
    }
}
