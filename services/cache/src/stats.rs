//! What the cache counts, as plain numbers that metrics read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }
}

/// Counts of one reader and its source since they were made. Shards are counted once each.
#[derive(Debug, Default)]
pub struct Stats {
    /// Shards that the process held.
    pub shards_l1: Count,
    /// Shards that Redis gave.
    pub shards_redis: Count,
    /// Shards that the registry gave.
    pub shards_origin: Count,
    /// Manifests that Redis gave, or that its pointer showed to be the one known.
    pub manifests_redis: Count,
    /// Manifests that the registry gave.
    pub manifests_origin: Count,
    /// Values that Redis lacked, damaged ones among them.
    pub misses: Count,
    /// Values of Redis that were not what they should be: garbage, another version, another content.
    pub damaged: Count,
    /// Calls to Redis that failed or took too long.
    pub failures: Count,
    /// Calls that the breaker did not let through to Redis.
    pub refused: Count,
    /// How often the breaker tripped.
    pub trips: Count,
    /// Messages that woke readers, and subscriptions that began.
    pub wakes: Count,
    pub(crate) tripped: AtomicBool,
}

impl Stats {
    /// Whether the breaker keeps calls from Redis now.
    #[must_use]
    pub fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Relaxed)
    }
}
