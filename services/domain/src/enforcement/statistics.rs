//! Figures as the public reports have them.

use super::step::{Step, StepState};
use super::view::{Case, End};

/// Counts over many cases. Those of several tenants or shards are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    sent: [u64; Step::ALL.len()],
    expected: [u64; Step::ALL.len()],
    due: [u64; Step::ALL.len()],
    overtaken: [u64; Step::ALL.len()],
    open: u64,
    cured: u64,
    withdrawn: u64,
}

impl Statistics {
    /// Counts one case.
    pub fn add(&mut self, case: &Case<'_>) {
        for taken in case.steps() {
            let round = taken.step as usize;
            match taken.state {
                StepState::Sent { .. } => self.sent[round] += 1,
                StepState::Expected { .. } => self.expected[round] += 1,
                StepState::Due { .. } => self.due[round] += 1,
                StepState::Overtaken { .. } => self.overtaken[round] += 1,
            }
        }
        match case.end() {
            None => self.open += 1,
            Some(End::Closed { .. }) => self.cured += 1,
            Some(End::Withdrawn { .. }) => self.withdrawn += 1,
        }
    }

    /// Counts what others counted.
    pub fn merge(&mut self, other: &Self) {
        let rounds = [
            (&mut self.sent, &other.sent),
            (&mut self.expected, &other.expected),
            (&mut self.due, &other.due),
            (&mut self.overtaken, &other.overtaken),
        ];
        for (counts, others) in rounds {
            for (count, more) in counts.iter_mut().zip(others) {
                *count += more;
            }
        }
        self.open += other.open;
        self.cured += other.cured;
        self.withdrawn += other.withdrawn;
    }

    /// Letters of this round that were sent.
    #[must_use]
    pub const fn sent(&self, step: Step) -> u64 {
        self.sent[step as usize]
    }

    /// Steps of this round that AMS is expected to have taken.
    #[must_use]
    pub const fn expected(&self, step: Step) -> u64 {
        self.expected[step as usize]
    }

    /// Letters of this round that wait.
    #[must_use]
    pub const fn due(&self, step: Step) -> u64 {
        self.due[step as usize]
    }

    /// Letters of this round that were due and never sent.
    #[must_use]
    pub const fn overtaken(&self, step: Step) -> u64 {
        self.overtaken[step as usize]
    }

    /// Cases that are open.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.open
    }

    /// Cases that closed: no finding followed in time, and the importer was certified.
    #[must_use]
    pub const fn cured(&self) -> u64 {
        self.cured
    }

    /// Cases that ended because nothing of them counts any more.
    #[must_use]
    pub const fn withdrawn(&self) -> u64 {
        self.withdrawn
    }
}

impl<'a, 'b: 'a> FromIterator<&'a Case<'b>> for Statistics {
    fn from_iter<I: IntoIterator<Item = &'a Case<'b>>>(cases: I) -> Self {
        let mut statistics = Self::default();
        for case in cases {
            statistics.add(case);
        }
        statistics
    }
}
