//! What the registry tells of itself: how old its newest snapshot is, and how the cache is provided.

use std::sync::{Arc, Weak};

use chrono::NaiveTime;
use nopic_chassis::metrics::{Count, Metrics};

use crate::current::Core;

/// Attempts to give the current revision to the cache.
#[derive(Debug, Default)]
pub(crate) struct Publications {
    pub(crate) published: Count,
    pub(crate) failed: Count,
}

/// Adds its numbers, for as long as the registry is open.
pub(crate) fn add(metrics: &Metrics, core: &Arc<Core>) {
    let core: Weak<Core> = Arc::downgrade(core);
    metrics.add_read(move |reading| {
        let Some(core) = core.upgrade() else {
            return Ok(());
        };
        let current = core.current.load();
        reading.gauge(
            "registry_revision",
            "The current revision; 0: there is no snapshot",
            &[(&[], current.revision.into())],
        )?;
        reading.counter(
            "registry_publications",
            "Times that the current revision was given to the cache, or could not be",
            &[
                (&[("result", "published")], core.publications.published.get()),
                (&[("result", "failed")], core.publications.failed.get()),
            ],
        )?;
        let Some(newest) = current.order.newest_full() else {
            return Ok(());
        };
        let age = core.clock.now() - newest.published_on.and_time(NaiveTime::MIN).and_utc();
        reading.seconds(
            "registry_snapshot_age",
            "Time since the day on which the newest full snapshot was published",
            &[(&[], age.num_seconds())],
        )
    });
}
