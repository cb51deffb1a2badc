//! The registry's revisions in the shared cache: published when they begin to serve, and kept there.

use std::sync::Arc;
use std::time::Duration;

use nopic_cache::Manifest;
use nopic_cache::redis::{Lineage, PointerMove, PublishError, Published, Publisher};
use thiserror::Error;

use crate::current::Core;
use crate::error::Error;

/// What Redis lost comes back after so long, and what would expire is renewed.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Pauses after a failure: each twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

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
    let mut revisions = core.revision.subscribe();
    let mut pause = FIRST_PAUSE;
    loop {
        // What comes while this one is published is published next.
        revisions.borrow_and_update();
        let wait = match publish(&core, &publisher).await {
            Ok(()) => {
                core.publications.published.add();
                pause = FIRST_PAUSE;
                KEEP_ALIVE
            }
            Err(error) => {
                core.publications.failed.add();
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the cache does not have the current revision"
                );
                let wait = pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
                wait
            }
        };
        tokio::select! {
            () = core.config.draining.begun() => return,
            _ = revisions.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
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
