//! Whether an endpoint is asked: out after failures in a row, back by steps. Time and chance are arguments.

use std::time::Duration;

use tokio::time::Instant;

use crate::retry::Backoff;

/// Failures in a row that put an endpoint out: fewer are met by chance where one call in ten fails.
pub(super) const FAILURES: u32 = 5;
/// For how long it is left alone at first and at most. It must be back soon once it works again.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
/// A call that tries it out and of which nothing is heard for so long is followed by another.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// So long it waits to be tried out by a call that may be made twice. Where none such comes, another one must.
const WAIT_FOR_HARMLESS: Duration = Duration::from_secs(2);
/// Who was in for so long begins with the shortest pause when it is put out again.
const STEADY: Duration = Duration::from_secs(30);

/// In or out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It is asked.
    In {
        /// In a row.
        failures: u32,
        /// When it was let in after it had been out, and how often it was out in a row.
        returned: Option<(Instant, u32)>,
    },
    /// It is not asked.
    Out {
        /// What began before says nothing about how it is now.
        since: Instant,
        /// Before this nothing is asked of it.
        until: Instant,
        /// How often it was put out, or found silent, in a row.
        rounds: u32,
        /// Half open: it has shown signs of life, so that a call may try it out.
        lives: bool,
    },
}

impl Health {
    /// As one begins.
    pub(super) const NEW: Self = Self::In {
        failures: 0,
        returned: None,
    };

    pub(super) const fn is_in(&self) -> bool {
        matches!(self, Self::In { .. })
    }

    /// Whether a call may try it out; one that may be made twice may do so sooner, for it costs its caller nothing.
    pub(super) fn is_to_be_tried(&self, may_be_made_twice: bool, now: Instant) -> bool {
        let wait = if may_be_made_twice {
            Duration::ZERO
        } else {
            WAIT_FOR_HARMLESS
        };
        matches!(self, Self::Out { until, lives: true, .. } if *until + wait <= now)
    }

    /// When the balancer itself asks whether it lives.
    pub(super) const fn is_asked_at(&self) -> Option<Instant> {
        match self {
            Self::Out {
                until, lives: false, ..
            } => Some(*until),
            _ => None,
        }
    }

    /// Notes that a call tries it out.
    pub(super) fn is_tried(&mut self, now: Instant) {
        if let Self::Out { until, .. } = self {
            *until = now + TRY_AGAIN;
        }
    }

    /// Notes the success of a call that began then.
    pub(super) fn succeeded(&mut self, began: Instant, now: Instant) {
        match self {
            Self::In { failures, .. } => *failures = 0,
            Self::Out { since, rounds, .. } if *since <= began => {
                *self = Self::In {
                    failures: 0,
                    returned: Some((now, *rounds)),
                };
            }
            Self::Out { .. } => {}
        }
    }

    /// Notes the failure of a call that began then; true: it was put out by it.
    pub(super) fn failed(&mut self, began: Instant, now: Instant, may_go_out: bool, chance: f64) -> bool {
        match self {
            Self::In { failures, .. } => {
                *failures = failures.saturating_add(1);
                *failures >= FAILURES && self.was_silent(now, may_go_out, chance)
            }
            Self::Out { since, .. } if *since <= began => self.was_silent(now, may_go_out, chance),
            Self::Out { .. } => false,
        }
    }

    /// Notes that it does not live: it goes out at once, where it may, or stays out for longer. True: it was put out by it.
    pub(super) fn was_silent(&mut self, now: Instant, may_go_out: bool, chance: f64) -> bool {
        let (was_in, rounds) = match self {
            Self::In { .. } if !may_go_out => return false,
            Self::In { returned, .. } => {
                let rounds = returned.filter(|(at, _)| now.saturating_duration_since(*at) < STEADY);
                (true, rounds.map_or(0, |(_, rounds)| rounds))
            }
            Self::Out { rounds, .. } => (false, *rounds),
        };
        let rounds = rounds.saturating_add(1);
        *self = Self::Out {
            since: now,
            until: now + PAUSES.pause_by(rounds, chance),
            rounds,
            lives: false,
        };
        was_in
    }

    /// Notes that it lives.
    pub(super) fn lives(&mut self, now: Instant) {
        if let Self::Out { until, lives, .. } = self
            && !*lives
        {
            (*lives, *until) = (true, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_out(now: Instant) -> Health {
        let mut health = Health::NEW;
        let outs: Vec<_> = (0..FAILURES)
            .map(|_| health.failed(now, now, true, 1.0))
            .collect();
        assert_eq!(outs, [false, false, false, false, true]);
        health
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_put_it_out_where_it_may_go() {
        let now = Instant::now();
        assert!(!put_out(now).is_in());
        let mut mixed = Health::NEW;
        for call in 0..100 {
            if call % 4 == 0 {
                mixed.succeeded(now, now);
            } else {
                assert!(!mixed.failed(now, now, true, 1.0));
            }
        }
        let mut kept = Health::NEW;
        for _ in 0..100 {
            assert!(!kept.failed(now, now, false, 1.0) && kept.is_in());
        }
        assert!(kept.failed(now, now, true, 1.0), "as soon as it may");
    }

    #[tokio::test(start_paused = true)]
    async fn it_comes_back_by_a_sign_of_life_and_one_good_call() {
        let start = Instant::now();
        let mut health = put_out(start);
        let asked = health.is_asked_at().unwrap();
        assert_eq!(asked, start + Duration::from_secs(1));
        assert!(!health.is_to_be_tried(true, asked), "it may be frozen");
        health.lives(asked);
        assert!(health.is_to_be_tried(true, asked) && health.is_asked_at().is_none());
        health.is_tried(asked);
        assert!(!health.is_to_be_tried(true, asked), "one at a time");
        assert!(health.is_to_be_tried(true, asked + TRY_AGAIN));
        // Calls from before say nothing.
        let early = start - Duration::from_secs(1);
        health.succeeded(early, asked);
        assert!(!health.failed(early, asked, true, 1.0));
        assert!(health.is_to_be_tried(true, asked + TRY_AGAIN));
        health.succeeded(asked, asked);
        assert!(health.is_in());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_a_bound_and_begin_anew_after_a_steady_time() {
        let mut now = Instant::now();
        let mut health = put_out(now);
        let mut pauses = Vec::new();
        for _ in 0..5 {
            let asked = health.is_asked_at().unwrap();
            pauses.push((asked - now).as_secs());
            now = asked;
            health.lives(now);
            assert!(!health.failed(now, now, true, 1.0), "it was out already");
        }
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        health.succeeded(now, now);
        for (in_for, pause) in [(Duration::ZERO, 5), (STEADY, 1)] {
            now += in_for;
            let mut health = health;
            assert!(health.was_silent(now, true, 1.0));
            assert_eq!(health.is_asked_at(), Some(now + Duration::from_secs(pause)));
            health.was_silent(now, true, 0.0);
            assert!(health.is_asked_at().unwrap() >= now + Duration::from_millis(500));
        }
    }
}
