//! How often changes are made, how they end and how long they take, by their names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// All of it is there.
    Committed,
    /// Given up: nothing of it is there.
    RolledBack,
    /// The engine refused to commit it, or went away.
    Failed,
}

impl Outcome {
    /// As a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
        }
    }
}

/// The transactions of one name that ended in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionCount {
    /// Their name: a constant of the code.
    pub name: &'static str,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub count: u64,
    /// How long they took, together.
    pub time: Duration,
}

/// The connections of a process to a database: those by which it reads, where it has another one to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// As many as there may be.
    pub most: u32,
    /// In use.
    pub busy: u32,
    /// Open and not in use.
    pub idle: u32,
}

/// How many, and how long they took together, by name and end.
type Counts = BTreeMap<(&'static str, Outcome), (u64, Duration)>;

/// Counts them, for one database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transactions(Arc<Mutex<Counts>>);

impl Transactions {
    pub(crate) fn ended(&self, name: &'static str, outcome: Outcome, time: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, sum) = counts.entry((name, outcome)).or_default();
        *count += 1;
        *sum += time;
    }

    pub(crate) fn counts(&self) -> Vec<TransactionCount> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|(&(name, outcome), &(count, time))| TransactionCount {
                name,
                outcome,
                count,
                time,
            })
            .collect()
    }
}
