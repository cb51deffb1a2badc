//! When to try again: with pauses as every service makes them, bounded in count and in time.

use std::time::Duration;

use nopic_chassis::retry::Backoff;

/// Bounds of trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retry {
    /// Attempts altogether, the first included.
    pub(crate) attempts: u32,
    /// What is waited between them.
    pub(crate) pauses: Backoff,
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
        let pause = self.pauses.pause(attempt);
        let pause = wish.map_or(pause, |wish| wish.max(pause));
        (elapsed + pause < self.most_time).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        attempts: 6,
        pauses: Backoff::new(Duration::from_millis(500), Duration::from_secs(3)),
        most_time: Duration::from_secs(60),
    };

    #[test]
    fn attempts_and_time_are_bounded() {
        let pause = RETRY.pause(5, None, Duration::ZERO).unwrap();
        assert!(
            pause >= Duration::from_millis(1_500) && pause <= Duration::from_secs(3),
            "{pause:?}"
        );
        assert_eq!(RETRY.pause(6, None, Duration::ZERO), None);
        assert_eq!(RETRY.pause(1, None, Duration::from_secs(60)), None);
        let wish = Some(Duration::from_secs(3_600));
        assert_eq!(RETRY.pause(1, wish, Duration::ZERO), None);
        let wish = Some(Duration::from_secs(5));
        assert_eq!(RETRY.pause(1, wish, Duration::ZERO), wish);
    }
}
