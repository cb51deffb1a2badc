//! A primary that sentinels name, and the one that follows it.

use std::sync::Arc;
use std::time::Duration;

use nopic_cache::RevisionChoice;
use nopic_cache::redis::{Mode, PublishError, Publisher};
use tokio::time::timeout;

use super::world::*;
use nopic_testing::redis::Redis;

#[tokio::test]
async fn after_a_failover_the_new_primary_is_used() {
    let mut primary = Redis::start();
    let replica = Redis::replica_of(&primary);
    let sentinel = Redis::sentinel("oid", primary.port(), 1);
    let mut options = patient(Mode::Sentinel {
        nodes: vec![sentinel.url()],
        primary: "oid".to_owned(),
        password: None,
    });
    options.probe_every = Duration::from_millis(50);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    publish(&registry, &options, OLD, 1).await;
    let (reader, stats) = reader(&registry, &options);
    reader.view(RevisionChoice::Current).await.unwrap();
    assert_eq!((stats.shards_redis.get(), registry.shards()), (256, 0));
    // A replica that lacks a write is not what is tested.
    primary.until_replicated();
    sentinel.until_replica_is_known("oid");
    primary.kill();
    registry.import(2, &operations(501));
    let publisher = Publisher::new(options.clone()).unwrap();
    let (manifest, shards) = registry.encoded(2);
    let publishing = async {
        loop {
            match publisher.publish(OLD, &manifest, &shards).await {
                Ok(published) => return published,
                Err(PublishError::Unreachable { .. }) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("{error}"),
            }
            // The registry answers meanwhile.
            assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 2);
        }
    };
    let published = timeout(Duration::from_secs(60), publishing).await.unwrap();
    // Only what the reader has not brought back by itself, and not what the replica had.
    assert!(published.shards_written <= 1, "{published:?}");
    let found = async {
        loop {
            let asked = registry.manifests();
            assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 2);
            if registry.manifests() == asked {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), found).await.unwrap();
    drop(replica);
}
