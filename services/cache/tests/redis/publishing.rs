//! What the publisher writes, and what it leaves alone.

use std::sync::Arc;

use nopic_cache::RevisionChoice;
use nopic_cache::redis::{PointerMove, PublishError, Published, Publisher};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rstest::rstest;
use tokio::time::Instant;

use super::world::*;

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test]
async fn a_published_revision_is_read_without_the_registrys_shards(#[case] servers: Servers) {
    let options = options(servers);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(2000));
    let published = publish(&registry, &options, OLD, 1).await;
    assert_eq!(
        published,
        Published {
            shards_written: 256,
            pointer: PointerMove::Moved
        }
    );
    let (reader, stats) = reader(&registry, &options);
    for _ in 0..3 {
        let view = reader.view(RevisionChoice::Current).await.unwrap();
        assert_eq!(view.revision(), 1);
        assert_shows(&view, &registry.content(1));
    }
    // The first question is the registry's, to learn its lineage; the others are answered by the pointer.
    assert_eq!((registry.manifests(), registry.shards()), (1, 0));
    assert_eq!((stats.shards_redis.get(), stats.shards_origin.get()), (256, 0));
    assert_eq!(
        (stats.manifests_origin.get(), stats.manifests_redis.get()),
        (1, 2)
    );
    assert_eq!(
        (stats.misses.get(), stats.damaged.get(), stats.failures.get()),
        (0, 0, 0)
    );
}

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test]
async fn three_changed_operations_write_at_most_three_shards(#[case] servers: Servers) {
    let options = options(servers);
    let registry = Arc::new(Registry::default());
    let mut content = operations(2000);
    registry.import(1, &content);
    publish(&registry, &options, OLD, 1).await;
    let (reader, stats) = reader(&registry, &options);
    reader.view(RevisionChoice::Current).await.unwrap();
    for number in [7, 700, 1700] {
        content.insert(number, 2);
    }
    registry.import(2, &content);
    let published = publish(&registry, &options, OLD, 2).await;
    assert!((1..=3).contains(&published.shards_written), "{published:?}");
    assert_shows(&reader.view(RevisionChoice::Current).await.unwrap(), &content);
    // Readers load no more than was written either.
    assert_eq!(
        stats.shards_redis.get(),
        256 + u64::try_from(published.shards_written).unwrap()
    );
    assert_eq!((registry.manifests(), registry.shards()), (1, 0));
}

#[tokio::test]
async fn keeping_alive_renews_restores_and_tells_nobody() {
    let options = options(Servers::Single);
    let registry = Registry::default();
    registry.import(1, &operations(2000));
    publish(&registry, &options, OLD, 1).await;
    let (manifest, shards) = registry.encoded(1);
    let publisher = Publisher::new(options.clone()).unwrap();
    let mut redis = bare(&options).await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("oid:{}:*", options.deployment))
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(keys.len(), 258);
    for key in &keys {
        let () = redis::cmd("EXPIRE")
            .arg(key)
            .arg(100)
            .query_async(&mut redis)
            .await
            .unwrap();
    }
    let lost = keys.iter().find(|key| key.contains(":shard:")).unwrap();
    let () = redis::cmd("DEL").arg(lost).query_async(&mut redis).await.unwrap();
    let kept = publisher.publish(OLD, &manifest, &shards).await.unwrap();
    assert_eq!((kept.shards_written, kept.pointer), (1, PointerMove::Unchanged));
    for key in &keys {
        let left: i64 = redis::cmd("TTL").arg(key).query_async(&mut redis).await.unwrap();
        assert!(left > 29 * 24 * 60 * 60, "{key} has {left} s left");
    }
}

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test]
async fn the_pointer_never_falls_within_a_lineage(#[case] servers: Servers) {
    const LAST: u32 = 24;
    let options = options(servers);
    let registry = Arc::new(Registry::default());
    for revision in 1..=LAST {
        registry.import(revision, &operations(u64::from(revision)));
    }
    // Many publishers at once, each with all revisions in an order of its own.
    let publishers: Vec<_> = (0..4)
        .map(|seed| {
            let (options, registry) = (options.clone(), Arc::clone(&registry));
            let mut order: Vec<u32> = (1..=LAST).collect();
            order.shuffle(&mut rand_chacha::ChaCha8Rng::seed_from_u64(seed));
            tokio::spawn(async move {
                let publisher = Publisher::new(options).unwrap();
                let mut highest = 0;
                for revision in order {
                    let (manifest, shards) = registry.encoded(revision);
                    let published = publisher.publish(OLD, &manifest, &shards).await.unwrap();
                    let now = match published.pointer {
                        PointerMove::Later(later) => {
                            assert!(later > revision);
                            later
                        }
                        PointerMove::Moved | PointerMove::Unchanged => {
                            assert!(revision >= highest, "{revision} after {highest}");
                            revision
                        }
                    };
                    // What this publisher once saw the pointer at it never sees it below again.
                    assert!(now >= highest, "{now} after {highest}");
                    highest = now;
                }
                highest
            })
        })
        .collect();
    for publisher in publishers {
        assert_eq!(publisher.await.unwrap(), LAST);
    }
    let (reader, _) = reader(&registry, &options);
    reader.view(RevisionChoice::Current).await.unwrap();
    assert_eq!(
        reader.view(RevisionChoice::Current).await.unwrap().revision(),
        LAST
    );
    assert_eq!(registry.manifests(), 1, "the pointer is where the registry is");
    // Another lineage may go anywhere.
    assert_eq!(
        publish(&registry, &options, NEW, 3).await.pointer,
        PointerMove::Moved
    );
    assert_eq!(
        publish(&registry, &options, NEW, 2).await.pointer,
        PointerMove::Later(3)
    );
}

#[tokio::test]
async fn shards_that_are_not_the_manifests_are_not_published() {
    let options = options(Servers::Single);
    let registry = Registry::default();
    registry.import(1, &operations(10));
    let (manifest, mut shards) = registry.encoded(1);
    let publisher = Publisher::new(options).unwrap();
    shards.swap(3, 4);
    assert!(matches!(
        publisher.publish(OLD, &manifest, &shards).await,
        Err(PublishError::Malformed { revision: 1, .. })
    ));
    shards.pop();
    assert!(publisher.publish(OLD, &manifest, &shards).await.is_err());
}

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test]
async fn the_whole_registry_is_published_well_under_a_second(#[case] servers: Servers) {
    let options = options(servers);
    let mut content = operations(76_000);
    let shards = encode(&content);
    let bytes: usize = shards.iter().map(bytes::Bytes::len).sum();
    let publisher = Publisher::new(options).unwrap();
    let begun = Instant::now();
    let first = manifest(1, &shards);
    assert_eq!(
        publisher
            .publish(OLD, &first, &shards)
            .await
            .unwrap()
            .shards_written,
        256
    );
    let whole = begun.elapsed();
    for number in [7, 700, 70_000] {
        content.insert(number, 2);
    }
    let shards = encode(&content);
    let second = manifest(2, &shards);
    let begun = Instant::now();
    let written = publisher
        .publish(OLD, &second, &shards)
        .await
        .unwrap()
        .shards_written;
    eprintln!(
        "{servers:?}: 256 shards, {bytes} bytes in {whole:?}; {written} shards in {:?}",
        begun.elapsed()
    );
    assert!(written <= 3);
    assert!(whole.as_millis() < 1000, "it took {whole:?}");
}
