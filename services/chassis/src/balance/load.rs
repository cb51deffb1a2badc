//! How much an endpoint has to do, as far as it shows from here.

use std::cmp::Ordering;
use std::time::Duration;

use tokio::time::Instant;

/// After so long without a new one, a third is left of what was seen (1/e): an endpoint that was slow gets calls again.
const FORGET: Duration = Duration::from_secs(1);
/// Below this the machine's own noise decides, so only calls in flight count.
const NOISE: f64 = 0.001;
/// What a refusal counts as: it comes fast, and would draw load to whoever has too much of it. Beside idle endpoints its
/// turn comes again after some 6 s.
pub(super) const NO_ANSWER: Duration = Duration::from_millis(250);

/// Calls in flight, whose bodies are not over, and a moving average of the time to an answer that rises at once and falls
/// slowly ("peak EWMA").
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) in_flight: u32,
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    seconds: f64,
    at: Instant,
}

impl Seen {
    fn weight(self, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at);
        (-since.as_secs_f64() / FORGET.as_secs_f64()).exp()
    }
}

impl Load {
    /// Notes how long an answer took.
    pub(super) fn took(&mut self, time: Duration, now: Instant) {
        let time = time.as_secs_f64();
        let seconds = self.seen.map_or(time, |seen| {
            let weight = seen.weight(now);
            time.max(seen.seconds * weight + time * (1.0 - weight))
        });
        self.seen = Some(Seen { seconds, at: now });
    }

    /// Begins anew: what was seen says nothing any more.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }

    /// Seconds until a further call would be answered, about; `None`: nothing is known.
    fn cost(&self, now: Instant) -> Option<f64> {
        let seen = self.seen?;
        let seconds = (seen.seconds * seen.weight(now)).max(NOISE);
        Some(seconds * (f64::from(self.in_flight) + 1.0))
    }

    /// Which of two has less to do. While one has answered nothing yet, calls in flight alone decide.
    pub(super) fn compare(&self, other: &Self, now: Instant) -> Ordering {
        match (self.cost(now), other.cost(now)) {
            (Some(cost), Some(others)) => cost.total_cmp(&others),
            _ => self.in_flight.cmp(&other.in_flight),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(in_flight: u32, millis: Option<u64>, now: Instant) -> Load {
        let mut load = Load {
            in_flight,
            seen: None,
        };
        if let Some(millis) = millis {
            load.took(Duration::from_millis(millis), now);
        }
        load
    }

    #[tokio::test(start_paused = true)]
    async fn calls_in_flight_weigh_by_the_time_that_answers_take() {
        let now = Instant::now();
        for (one, other, expected) in [
            ((0, Some(5)), (0, Some(50)), Ordering::Less),
            ((9, Some(5)), (0, Some(50)), Ordering::Equal),
            ((10, Some(5)), (0, Some(50)), Ordering::Greater),
            // Noise.
            ((1, Some(0)), (0, Some(1)), Ordering::Greater),
            // Nothing is known of one.
            ((1, None), (0, Some(900)), Ordering::Greater),
            ((0, None), (1, Some(1)), Ordering::Less),
        ] {
            let found = load(one.0, one.1, now).compare(&load(other.0, other.1, now), now);
            assert_eq!(found, expected, "{one:?} {other:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slowness_is_noted_at_once_and_forgotten_in_time() {
        let start = Instant::now();
        let (mut slow, fast) = (load(0, Some(5), start), load(3, Some(5), start));
        slow.took(NO_ANSWER, start);
        slow.took(Duration::from_millis(5), start);
        assert_eq!(slow.compare(&fast, start), Ordering::Greater);
        let later = start + 6 * FORGET;
        assert_eq!(slow.compare(&fast, later), Ordering::Less);
    }
}
