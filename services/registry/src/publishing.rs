//! The registry's revisions in the shared cache: published when they begin to serve, and kept there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nopic_cache::Manifest;
use nopic_cache::reader::Lineage;
use nopic_cache::redis::{PointerMove, PublishError, Published, Publisher};
use nopic_chassis::retry::Backoff;
use nopic_chassis::worker::Worker;
use thiserror::Error;

use crate::current::Core;
use crate::error::Error;

/// What Redis lost comes back after so long, and what would expire is renewed.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const AFTER_FAILURE: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));

/// Why a revision was not published.
#[derive(Debug, Error)]
enum PublishingError {
    #[error(transparent)]
    Registry(#[from] Error),
    #[error(transparent)]
    Cache(#[from] PublishError),
    #[error("no random number is to be had: {0}")]
    Random(#[from] getrandom::Error),
}

/// Publishes the current revision and each that follows, until the registry closes.
pub(crate) async fn publish_forever(core: Arc<Core>, publisher: Publisher) {
    let tried = AtomicU32::new(0);
    let work = || async {
        // What comes while this one is published is published next.
        tried.store(*core.revision.borrow(), Ordering::Relaxed);
        let published = publish(&core, &publisher).await;
        match &published {
            Ok(()) => core.publications.published.add(),
            Err(_) => core.publications.failed.add(),
        }
        published
    };
    let news = || async {
        let is_new = |revision: &u32| *revision != tried.load(Ordering::Relaxed);
        // Where nobody says anything any more, the registry closes.
        let _ = core.revision.subscribe().wait_for(is_new).await;
    };
    let publishing = Worker::new("publishing to the cache", KEEP_ALIVE)
        .after_failure(AFTER_FAILURE)
        .run(work, news);
    tokio::select! {
        () = core.config.draining.begun() => {}
        () = publishing => {}
    }
}

async fn publish(core: &Core, publisher: &Publisher) -> Result<(), PublishingError> {
    let lineage = core.store.lineage(random()?).await.map_err(Error::from)?;
    let Some(published) = publish_as(core, publisher, lineage).await? else {
        return Ok(());
    };
    let PointerMove::Later(later) = published.pointer else {
        return Ok(());
    };
    // Another process may have imported it. If the database does not know it either, it was restored from a backup,
    // and its numbers are given again: a history of another name.
    core.refresh().await?;
    if core.current.load().revision >= later {
        return Ok(());
    }
    tracing::warn!(
        cached = later,
        "the cache knows a later revision than the database: it was restored, and its revisions get another lineage"
    );
    core.store
        .replace_lineage(lineage, random()?)
        .await
        .map_err(Error::from)?;
    let lineage = core.store.lineage(random()?).await.map_err(Error::from)?;
    publish_as(core, publisher, lineage).await?;
    Ok(())
}

/// `None`: there is no snapshot yet.
async fn publish_as(
    core: &Core,
    publisher: &Publisher,
    lineage: [u8; 16],
) -> Result<Option<Published>, PublishingError> {
    let current = core.current.load_full();
    if current.revision == 0 {
        return Ok(None);
    }
    let status = current.status(&*core.store).await?;
    let manifest = Manifest {
        revision: current.revision,
        published_on: current.order.newest_full().map(|snapshot| snapshot.published_on),
        shard_hashes: status.hashes().collect(),
    };
    let shards: Vec<_> = (0..=u8::MAX).map(|index| status.encoded(index)).collect();
    let published = publisher.publish(Lineage(lineage), &manifest, &shards).await?;
    tracing::debug!(
        revision = manifest.revision,
        shards = published.shards_written,
        "published to the cache"
    );
    Ok(Some(published))
}

fn random() -> Result<[u8; 16], getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
