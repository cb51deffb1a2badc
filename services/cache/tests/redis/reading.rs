//! What readers see: one revision, whole, and never one that they do not accept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nopic_cache::redis::{CachedSource, PointerMove, Publisher};
use nopic_cache::{ReaderOptions, RevisionChoice, Stats, StatusReader, Unavailable};
use rand::{RngExt as _, SeedableRng as _};
use rstest::rstest;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::world::*;

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_the_old_or_the_new_revision_and_never_a_mixture(#[case] servers: Servers) {
    const LAST: u32 = 30;
    let options = options(servers);
    let registry = Arc::new(Registry::default());
    let mut content = operations(600);
    registry.import(1, &content);
    publish(&registry, &options, OLD, 1).await;
    let ended = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (reader, stats) = reader(&registry, &options);
            let (registry, ended) = (Arc::clone(&registry), Arc::clone(&ended));
            tokio::spawn(async move {
                let mut last = 0;
                loop {
                    let no_more = ended.load(Ordering::SeqCst);
                    let view = reader.view(RevisionChoice::Current).await.unwrap();
                    assert!(view.revision() >= last, "{} after {last}", view.revision());
                    last = view.revision();
                    assert_shows(&view, &registry.content(last));
                    if no_more {
                        return (last, stats);
                    }
                }
            })
        })
        .collect();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(20_251_122);
    let publisher = Publisher::new(options.clone()).unwrap();
    for revision in 2..=LAST {
        for _ in 0..random.random_range(1..200) {
            content.insert(random.random_range(1..700), revision);
        }
        registry.import(revision, &content);
        let (manifest, shards) = registry.encoded(revision);
        publisher.publish(OLD, &manifest, &shards).await.unwrap();
    }
    ended.store(true, Ordering::SeqCst);
    for reader in readers {
        let (last, stats) = reader.await.unwrap();
        assert_eq!(last, LAST);
        assert_eq!(stats.damaged.get(), 0);
        assert!(stats.shards_redis.get() > 256);
    }
}

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test]
async fn at_least_is_never_served_by_an_older_revision(#[case] servers: Servers) {
    let options = options(servers);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(100));
    publish(&registry, &options, OLD, 1).await;
    let (reader, _) = reader(&registry, &options);
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 1);
    // Imported, not yet published.
    registry.import(2, &operations(101));
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 1);
    let view = reader.view(RevisionChoice::AtLeast(2)).await.unwrap();
    assert_eq!(view.revision(), 2);
    assert_shows(&view, &registry.content(2));
    assert_eq!(
        reader.view(RevisionChoice::AtLeast(3)).await.unwrap_err(),
        Unavailable::Behind {
            current: 2,
            wanted: 3
        }
    );
    // The pointer still names 1: nobody goes back to it.
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 2);
    // With the registry away the pointer cannot stand in for it either.
    registry.down.store(true, Ordering::SeqCst);
    assert!(reader.view(RevisionChoice::AtLeast(3)).await.is_err());
    assert_eq!(
        reader.view(RevisionChoice::AtLeast(2)).await.unwrap().revision(),
        2
    );
    let asked = registry.manifests();
    registry.down.store(false, Ordering::SeqCst);
    publish(&registry, &options, OLD, 2).await;
    assert_eq!(
        reader.view(RevisionChoice::AtLeast(2)).await.unwrap().revision(),
        2
    );
    assert_eq!(registry.manifests(), asked, "the pointer answers again");
}

#[tokio::test]
async fn what_an_exact_revision_holds_the_registry_says() {
    let options = options(Servers::Single);
    let registry = Arc::new(Registry::default());
    for revision in 1..=3 {
        registry.import(revision, &operations(u64::from(revision) * 10));
        publish(&registry, &options, OLD, revision).await;
    }
    let (reader, _) = reader(&registry, &options);
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 3);
    let asked = registry.manifests();
    let view = reader.view(RevisionChoice::Exact(2)).await.unwrap();
    assert_shows(&view, &registry.content(2));
    // The manifest from the registry, the shards from Redis.
    assert_eq!((registry.manifests(), registry.shards()), (asked + 1, 0));
    assert!(matches!(
        reader.view(RevisionChoice::Exact(9)).await,
        Err(Unavailable::NoSuchRevision(_))
    ));
}

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test]
async fn a_restored_registry_that_reuses_numbers_is_followed(#[case] servers: Servers) {
    let options = options(servers);
    let registry = Arc::new(Registry::default());
    for revision in 1..=3 {
        registry.import(revision, &operations(100 + u64::from(revision)));
        publish(&registry, &options, OLD, revision).await;
    }
    let (reader, _) = reader(&registry, &options);
    reader.view(RevisionChoice::Current).await.unwrap();
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 3);
    // Restored to 2 and imported differently: 3 means something else now.
    registry.restore(2);
    let published = publish(&registry, &options, NEW, 2).await;
    assert_eq!(
        (published.shards_written, published.pointer),
        (0, PointerMove::Moved)
    );
    let view = reader.view(RevisionChoice::Current).await.unwrap();
    assert_eq!(view.revision(), 2, "the lineage says that going back is meant");
    assert_shows(&view, &registry.content(2));
    let mut other = operations(102);
    other.insert(5, 9);
    registry.import(3, &other);
    assert_eq!(
        publish(&registry, &options, NEW, 3).await.pointer,
        PointerMove::Moved
    );
    let view = reader.view(RevisionChoice::Current).await.unwrap();
    assert_eq!(view.revision(), 3);
    assert_shows(&view, &other);
    // A new process sees the same, and exact revisions of the old history are gone.
    let (fresh, _) = self::reader(&registry, &options);
    assert_shows(&fresh.view(RevisionChoice::Exact(3)).await.unwrap(), &other);
}

#[tokio::test]
async fn the_pointer_of_a_lost_history_is_not_believed() {
    let options = options(Servers::Single);
    let registry = Arc::new(Registry::default());
    for revision in 1..=3 {
        registry.import(revision, &operations(100 + u64::from(revision)));
        publish(&registry, &options, OLD, revision).await;
    }
    // The registry comes back from a backup with another 3, and does not get to publish.
    let mut other = operations(102);
    other.insert(5, 9);
    registry.restore(2);
    registry.import(3, &other);
    let (reader, _) = reader(&registry, &options);
    for _ in 0..3 {
        assert_shows(&reader.view(RevisionChoice::Current).await.unwrap(), &other);
    }
    // Even if it goes away: what it contradicted is no answer, what it last said is.
    registry.down.store(true, Ordering::SeqCst);
    assert_shows(&reader.view(RevisionChoice::Current).await.unwrap(), &other);
}

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test]
async fn a_message_wakes_readers_before_their_time(#[case] servers: Servers) {
    let options = options(servers);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(100));
    publish(&registry, &options, OLD, 1).await;
    let stats = Arc::new(Stats::default());
    let source =
        CachedSource::new(Origin(Arc::clone(&registry)), options.clone(), Arc::clone(&stats)).unwrap();
    let mut wakes = source.wakes();
    // Without a message nobody would ask again.
    let bounds = ReaderOptions {
        confirm_every: Duration::from_secs(3600),
        ..ReaderOptions::default()
    };
    let reader = StatusReader::with_stats(source, bounds, stats);
    // The subscription has begun; one that breaks and begins anew wakes, too.
    wakes.wait_for(|wakes| *wakes > 0).await.unwrap();
    for _ in 0..3 {
        assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 1);
    }
    registry.import(2, &operations(101));
    let before = *wakes.borrow_and_update();
    publish(&registry, &options, OLD, 2).await;
    wakes.wait_for(|wakes| *wakes > before).await.unwrap();
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 2);
    assert_eq!(registry.manifests(), 1);
}

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test]
async fn ten_thousand_lookups_make_one_load_and_a_cancelled_one_harms_nobody(#[case] servers: Servers) {
    // Redis is empty: everything comes from the registry, once.
    let options = options(servers);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(1000));
    let gate = Arc::new(Semaphore::new(0));
    *registry.gate.lock().unwrap() = Some(Arc::clone(&gate));
    // The usual options: one confirmation serves a second.
    let (reader, stats) = reader_with(&registry, &options, ReaderOptions::default());
    let ask = || {
        let reader = reader.clone();
        tokio::spawn(async move { reader.view(RevisionChoice::Current).await })
    };
    let leader = ask();
    while registry.manifests() == 0 {
        tokio::task::yield_now().await;
    }
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    let followers: Vec<_> = (0..10_000).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    gate.add_permits(1000);
    for follower in followers {
        let view = timeout(Duration::from_secs(30), follower)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!((view.revision(), view.operations()), (1, 1000));
    }
    assert_eq!((registry.manifests(), registry.shards()), (1, 256));
    assert_eq!(stats.shards_origin.get(), 256);
}

#[tokio::test]
async fn another_registrys_pointer_and_manifest_are_not_followed() {
    let options = options(Servers::Single);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(100));
    publish(&registry, &options, OLD, 1).await;
    let (reader, _) = reader(&registry, &options);
    reader.view(RevisionChoice::Current).await.unwrap();
    // One that was restored elsewhere publishes into the same deployment, and is ahead.
    let stranger = Registry::default();
    stranger.import(2, &operations(50));
    publish(&stranger, &options, NEW, 2).await;
    assert_shows(
        &reader.view(RevisionChoice::Current).await.unwrap(),
        &registry.content(1),
    );
    let mut redis = bare(&options).await;
    let key = format!("oid:{}:manifest:2", options.deployment);
    let foreign: Vec<u8> = redis::cmd("GET").arg(&key).query_async(&mut redis).await.unwrap();
    // The registry's own 2, under whose number the other's manifest stands again.
    publish(&registry, &options, OLD, 1).await;
    reader.view(RevisionChoice::Current).await.unwrap();
    registry.import(2, &operations(101));
    publish(&registry, &options, OLD, 2).await;
    let () = redis::cmd("SET")
        .arg(&key)
        .arg(foreign)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_shows(
        &reader.view(RevisionChoice::Current).await.unwrap(),
        &registry.content(2),
    );
}
