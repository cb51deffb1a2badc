//! The breaker: after failures in a row another server is left alone, and tried again now and then by one call.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
enum State {
    /// Every call goes through; so many have failed in a row.
    Admitting { failures: u32 },
    /// No call goes through before this.
    Tripped { until: Instant },
}

/// Decides whether a call goes through. It takes the time as an argument and keeps no call waiting.
#[derive(Debug)]
pub struct Breaker {
    failures_to_trip: u32,
    probe_every: Duration,
    state: State,
}

impl Breaker {
    /// One that lets calls through.
    #[must_use]
    pub fn new(failures_to_trip: u32, probe_every: Duration) -> Self {
        Self {
            failures_to_trip,
            probe_every,
            state: State::Admitting { failures: 0 },
        }
    }

    /// Whether a call may go through now. While tripped, the first one after a pause is let through as the probe; the
    /// next pause begins with it, so a probe that is never reported on blocks nothing.
    pub fn admits(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Admitting { .. } => true,
            State::Tripped { until } if now < *until => false,
            State::Tripped { until } => {
                *until = now + self.probe_every;
                true
            }
        }
    }

    /// Notes a success: calls go through.
    pub fn succeeded(&mut self) {
        self.state = State::Admitting { failures: 0 };
    }

    /// Notes a failure; true: this one tripped it.
    pub fn failed(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Admitting { failures } => {
                *failures += 1;
                if *failures < self.failures_to_trip {
                    return false;
                }
                self.state = State::Tripped {
                    until: now + self.probe_every,
                };
                true
            }
            State::Tripped { until } => {
                *until = now + self.probe_every;
                false
            }
        }
    }

    /// Whether calls are kept back.
    #[must_use]
    pub fn is_tripped(&self) -> bool {
        matches!(self.state, State::Tripped { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_trips_after_failures_in_a_row_and_lets_one_probe_through_a_pause() {
        let pause = Duration::from_secs(1);
        let mut breaker = Breaker::new(3, pause);
        let start = Instant::now();
        assert!(!breaker.failed(start) && !breaker.failed(start));
        breaker.succeeded();
        assert!(!breaker.failed(start) && !breaker.failed(start) && breaker.admits(start));
        assert!(breaker.failed(start) && breaker.is_tripped());
        assert!(!breaker.admits(start));
        // The probe, and nobody beside it.
        assert!(breaker.admits(start + pause) && !breaker.admits(start + pause));
        assert!(!breaker.failed(start + pause));
        assert!(!breaker.admits(start + pause + pause / 2));
        // A probe that nobody reported on is followed by another.
        assert!(breaker.admits(start + 2 * pause));
        assert!(breaker.admits(start + 3 * pause));
        breaker.succeeded();
        assert!(!breaker.is_tripped() && breaker.admits(start) && breaker.admits(start));
    }
}
