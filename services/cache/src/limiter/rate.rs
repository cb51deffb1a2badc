//! How much may be taken, decided from one number and the time: the generic cell rate algorithm.

use std::time::Duration;

/// So much a second, and so much at once. Neither is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

/// A rate of nothing would let nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate lets at least one through a second, and at once")]
pub struct NoRate;

/// What was taken, or when it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is taken; so much is left at this moment.
    Allowed {
        /// Units.
        left: u32,
    },
    /// It is not; asked again after this time it is, if nobody else takes of it.
    Refused {
        /// How long to wait.
        retry_after: Duration,
    },
}

/// When an account will be even again: nobody owes anything then, and a whole burst may be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EvenAt(pub(crate) Duration);

impl Rate {
    /// So much a second, and so much at once.
    ///
    /// # Errors
    /// One of them is zero.
    pub const fn new(per_second: u32, burst: u32) -> Result<Self, NoRate> {
        if per_second == 0 || burst == 0 {
            return Err(NoRate);
        }
        Ok(Self { per_second, burst })
    }

    /// Units a second.
    #[must_use]
    pub const fn per_second(self) -> u32 {
        self.per_second
    }

    /// Units at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// One of so many equal parts of it, but never nothing.
    #[must_use]
    pub fn share(self, parts: u32) -> Self {
        let of = |whole: u32| (whole / parts.max(1)).max(1);
        Self {
            per_second: of(self.per_second),
            burst: of(self.burst),
        }
    }

    /// How long it takes until so many units have come back.
    pub(super) fn time_of(self, units: u32) -> Duration {
        Duration::from_nanos(u64::from(units) * 1_000_000_000 / u64::from(self.per_second))
    }

    /// How many units come back within this time.
    fn units_in(self, time: Duration) -> u32 {
        let units = time.as_nanos() * u128::from(self.per_second) / 1_000_000_000;
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    /// Takes this of an account at this time. More than a burst is taken where a whole one is there: the account is in
    /// debt then, and nothing more is given until that is paid.
    pub(crate) fn take(self, account: &mut EvenAt, now: Duration, cost: u32) -> Taken {
        let even_at = account.0.max(now);
        let most_owed = self.time_of(self.burst);
        let owed = even_at - now + self.time_of(cost.min(self.burst));
        if let Some(wait) = owed.checked_sub(most_owed).filter(|wait| !wait.is_zero()) {
            return Taken::Refused { retry_after: wait };
        }
        account.0 = even_at + self.time_of(cost);
        Taken::Allowed {
            left: self.left(*account, now),
        }
    }

    /// An account of which so much can be taken at this time.
    pub(crate) fn with_left(self, left: u32, now: Duration) -> EvenAt {
        EvenAt(now + self.time_of(self.burst.saturating_sub(left)))
    }

    /// What can be taken a while after so much could.
    pub(crate) fn left_after(self, left: u32, time: Duration) -> u32 {
        left.saturating_add(self.units_in(time)).min(self.burst)
    }

    /// What can be taken at this time.
    pub(crate) fn left(self, account: EvenAt, now: Duration) -> u32 {
        let owed = account.0.saturating_sub(now);
        self.units_in(self.time_of(self.burst).saturating_sub(owed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_at_once_and_the_rate_after_it() {
        let rate = Rate::new(10, 20).unwrap();
        let mut account = EvenAt::default();
        for left in (0..20).rev() {
            assert_eq!(rate.take(&mut account, SECOND, 1), Taken::Allowed { left });
        }
        let retry_after = Duration::from_millis(100);
        assert_eq!(rate.take(&mut account, SECOND, 1), Taken::Refused { retry_after });
        assert_eq!(
            rate.take(&mut account, SECOND + retry_after, 1),
            Taken::Allowed { left: 0 }
        );
    }

    #[test]
    fn more_than_a_burst_goes_into_debt_once() {
        let rate = Rate::new(10, 20).unwrap();
        let mut account = EvenAt::default();
        assert_eq!(rate.take(&mut account, SECOND, 100), Taken::Allowed { left: 0 });
        let Taken::Refused { retry_after } = rate.take(&mut account, SECOND, 1) else {
            panic!("it is in debt");
        };
        assert_eq!(retry_after, Duration::from_millis(8_100));
    }

    proptest! {
        /// Whatever is asked when: over any time no more is given than that time brings, a burst, and one debt.
        #[test]
        fn no_more_is_given_than_time_brings(
            per_second in 1..1_000_u32,
            burst in 1..1_000_u32,
            asked in prop::collection::vec((0..500_u64, 1..1_500_u32), 1..200),
        ) {
            let rate = Rate::new(per_second, burst).unwrap();
            let (mut account, mut now) = (EvenAt::default(), SECOND);
            let (mut given, mut largest) = (0_u64, 0);
            for (pause, cost) in asked {
                now += Duration::from_millis(pause);
                match rate.take(&mut account, now, cost) {
                    Taken::Allowed { .. } => {
                        given += u64::from(cost);
                        largest = largest.max(cost.saturating_sub(burst));
                    }
                    Taken::Refused { retry_after } => {
                        let mut later = account;
                        let is_allowed = matches!(rate.take(&mut later, now + retry_after, cost), Taken::Allowed { .. });
                        prop_assert!(is_allowed, "after the wait that was told it is given");
                    }
                }
                let brought = u64::try_from((now - SECOND).as_millis()).unwrap() * u64::from(per_second) / 1_000;
                // One for the rounding of each of the two.
                prop_assert!(given <= brought + u64::from(burst) + u64::from(largest) + 2);
            }
        }
    }
}
