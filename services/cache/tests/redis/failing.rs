//! Redis empty, gone, frozen or lying: the registry answers, with equal results.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nopic_cache::redis::CachedSource;
use nopic_cache::{ReaderOptions, RevisionChoice, ShardSource as _, Stats, Unavailable};
use rstest::rstest;
use tokio::time::{Instant, timeout};

use super::world::*;

/// Asks until the breaker is in this state; each question is right whatever the state.
async fn until_tripped(reader: &Reader, stats: &Stats, registry: &Registry, tripped: bool) {
    let asking = async {
        while stats.is_tripped() != tripped {
            let view = reader.view(RevisionChoice::Current).await.unwrap();
            assert_shows(&view, &registry.content(view.revision()));
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), asking)
        .await
        .expect("the breaker did not change");
}

/// A lie in each kind of value: garbage, a cut value, a flipped bit, another version, nothing, another type of key.
#[rstest]
#[tokio::test]
async fn garbage_is_a_miss(
    #[values("revision", "manifest", "shard")] kind: &str,
    #[values("garbage", "cut", "flipped", "version", "empty", "type")] lie: &str,
) {
    let options = options(Servers::Single);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    publish(&registry, &options, OLD, 1).await;
    let (reader, stats) = reader(&registry, &options);
    reader.view(RevisionChoice::Current).await.unwrap();
    let content: Content = (1..=500).map(|number| (number, 2)).collect();
    registry.import(2, &content);
    publish(&registry, &options, OLD, 2).await;
    let (manifest, shards) = registry.encoded(2);
    let suffixes: Vec<String> = match kind {
        "manifest" => vec!["manifest:2".to_owned()],
        "shard" => manifest
            .shard_hashes
            .iter()
            .map(|hash| format!("shard:{hash:?}"))
            .collect(),
        _ => vec!["revision".to_owned()],
    };
    let changed = shards
        .iter()
        .zip(registry.encoded(1).1)
        .filter(|(new, old)| *new != old)
        .count();
    let mut redis = bare(&options).await;
    for suffix in suffixes {
        let key = format!("oid:{}:{suffix}", options.deployment);
        let mut value: Vec<u8> = redis::cmd("GET").arg(&key).query_async(&mut redis).await.unwrap();
        let at = value.len() / 2;
        match lie {
            "garbage" => value = b"no such thing".to_vec(),
            "cut" => value.truncate(at),
            "flipped" => value[at] ^= 4,
            "version" => value[4] = 99,
            _ => value.clear(),
        }
        let () = redis::cmd("DEL").arg(&key).query_async(&mut redis).await.unwrap();
        let mut write = redis::cmd(if lie == "type" { "RPUSH" } else { "SET" });
        let () = write.arg(&key).arg(value).query_async(&mut redis).await.unwrap();
    }
    for _ in 0..3 {
        let view = reader.view(RevisionChoice::Current).await.unwrap();
        assert_eq!(view.revision(), 2);
        assert_shows(&view, &content);
    }
    assert!(stats.misses.get() > 0);
    // A key of another type is an error to `GET`, and nothing to `MGET`.
    assert!(stats.damaged.get() + stats.failures.get() > 0 || (kind, lie) == ("shard", "type"));
    assert_eq!(registry.shards(), if kind == "shard" { changed } else { 0 });
}

#[tokio::test]
async fn damaged_shards_are_written_anew() {
    let options = options(Servers::Single);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    publish(&registry, &options, OLD, 1).await;
    let mut redis = bare(&options).await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("oid:{}:shard:*", options.deployment))
        .query_async(&mut redis)
        .await
        .unwrap();
    for key in &keys[..100] {
        let () = redis::cmd("SET")
            .arg(key)
            .arg("lie")
            .query_async(&mut redis)
            .await
            .unwrap();
    }
    let stats = Arc::new(Stats::default());
    let source =
        CachedSource::new(Origin(Arc::clone(&registry)), options.clone(), Arc::clone(&stats)).unwrap();
    let (manifest, shards) = registry.encoded(1);
    let all: Vec<u8> = (0..=u8::MAX).collect();
    assert_eq!(source.shards_of(&manifest, &all).await.unwrap(), shards);
    assert_eq!((registry.shards(), stats.damaged.get()), (100, 100));
    source.written_back().await;
    assert_eq!(source.shards_of(&manifest, &all).await.unwrap(), shards);
    assert_eq!((registry.shards(), stats.damaged.get()), (100, 100));
    assert_eq!(stats.shards_redis.get(), 156 + 256);
}

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test]
async fn an_empty_redis_is_filled_with_shards_and_never_with_a_pointer(#[case] servers: Servers) {
    let options = options(servers);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    let stats = Arc::new(Stats::default());
    let source =
        CachedSource::new(Origin(Arc::clone(&registry)), options.clone(), Arc::clone(&stats)).unwrap();
    let (manifest, shards) = registry.encoded(1);
    let all: Vec<u8> = (0..=u8::MAX).collect();
    assert_eq!(source.confirm(0).await.unwrap().manifest, manifest);
    assert_eq!(source.shards_of(&manifest, &all).await.unwrap(), shards);
    source.written_back().await;
    // The next process finds the shards; which revision is current the registry must still say.
    let (reader, stats) = reader(&registry, &options);
    for _ in 0..2 {
        assert_shows(
            &reader.view(RevisionChoice::Current).await.unwrap(),
            &registry.content(1),
        );
    }
    assert_eq!((stats.shards_redis.get(), stats.shards_origin.get()), (256, 0));
    assert_eq!(stats.manifests_origin.get(), 2);
}

#[tokio::test]
async fn a_flushed_redis_costs_nothing_but_calls() {
    let server = server();
    let options = patient(mode(&server));
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    publish(&registry, &options, OLD, 1).await;
    let (reader, stats) = reader(&registry, &options);
    reader.view(RevisionChoice::Current).await.unwrap();
    let () = redis::cmd("FLUSHALL")
        .query_async(&mut bare(&options).await)
        .await
        .unwrap();
    registry.import(2, &operations(501));
    let view = reader.view(RevisionChoice::Current).await.unwrap();
    assert_eq!(view.revision(), 2);
    assert_shows(&view, &registry.content(2));
    assert_eq!((registry.shards(), stats.failures.get()), (1, 0));
    // Publishing brings everything back.
    assert_eq!(publish(&registry, &options, OLD, 2).await.shards_written, 255);
}

#[tokio::test]
async fn a_killed_redis_trips_the_breaker_and_is_found_again() {
    let mut server = server();
    let mut options = patient(mode(&server));
    options.probe_every = Duration::from_millis(50);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    publish(&registry, &options, OLD, 1).await;
    let (reader, stats) = reader(&registry, &options);
    reader.view(RevisionChoice::Current).await.unwrap();
    server.kill();
    registry.import(2, &operations(501));
    until_tripped(&reader, &stats, &registry, true).await;
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 2);
    assert_eq!(stats.trips.get(), 1);
    server.restart();
    until_tripped(&reader, &stats, &registry, false).await;
    publish(&registry, &options, OLD, 2).await;
    // Once both agree the pointer answers again.
    reader.view(RevisionChoice::Current).await.unwrap();
    let asked = registry.manifests();
    reader.view(RevisionChoice::Current).await.unwrap();
    assert_eq!(registry.manifests(), asked);
}

#[tokio::test]
async fn a_frozen_redis_delays_a_question_by_its_limit_and_not_for_long() {
    let server = server();
    let mut options = patient(mode(&server));
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    publish(&registry, &options, OLD, 1).await;
    options.call_timeout = Duration::from_millis(50);
    options.probe_every = Duration::from_secs(2);
    let (reader, stats) = reader(&registry, &options);
    reader.view(RevisionChoice::Current).await.unwrap();
    server.signal("STOP");
    registry.import(2, &operations(501));
    let begun = Instant::now();
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 2);
    // Twice 50 ms, once for the pointer and once for a shard; the rest is a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    until_tripped(&reader, &stats, &registry, true).await;
    // Now it is not waited for at all.
    let failures = stats.failures.get();
    for _ in 0..20 {
        reader.view(RevisionChoice::Current).await.unwrap();
    }
    assert!(stats.failures.get() <= failures + 1);
    server.signal("CONT");
    until_tripped(&reader, &stats, &registry, false).await;
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 2);
}

#[rstest]
#[case(Servers::Single)]
#[case(Servers::Cluster)]
#[tokio::test]
async fn redis_bridges_a_registry_that_is_away(#[case] servers: Servers) {
    let options = options(servers);
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    publish(&registry, &options, OLD, 1).await;
    registry.down.store(true, Ordering::SeqCst);
    // A process that has never seen the registry: the pointer and all that hangs on it is proved by hashes.
    let (reader, stats) = reader(&registry, &options);
    let view = reader.view(RevisionChoice::Current).await.unwrap();
    assert_shows(&view, &registry.content(1));
    assert_eq!((stats.shards_redis.get(), registry.shards()), (256, 0));
}

#[tokio::test]
async fn with_both_away_there_is_the_last_answer_for_a_time_and_then_none() {
    let mut server = server();
    let options = patient(mode(&server));
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    publish(&registry, &options, OLD, 1).await;
    let bounds = ReaderOptions {
        max_staleness: Duration::from_secs(300),
        ..eager()
    };
    let (known, _) = reader_with(&registry, &options, bounds);
    known.view(RevisionChoice::Current).await.unwrap();
    let none = ReaderOptions {
        max_staleness: Duration::ZERO,
        ..eager()
    };
    let (strict, _) = reader_with(&registry, &options, none);
    strict.view(RevisionChoice::Current).await.unwrap();
    let (unknown, _) = reader(&registry, &options);
    server.kill();
    registry.down.store(true, Ordering::SeqCst);
    assert_shows(
        &known.view(RevisionChoice::Current).await.unwrap(),
        &registry.content(1),
    );
    for reader in [strict, unknown] {
        assert!(matches!(
            reader.view(RevisionChoice::Current).await,
            Err(Unavailable::Unreachable(_))
        ));
    }
}

#[tokio::test]
async fn a_registry_that_hangs_is_asked_beside_redis_and_believed_when_it_answers() {
    let mut options = options(Servers::Single);
    // Due at every question.
    options.registry_every = Duration::ZERO;
    let registry = Arc::new(Registry::default());
    registry.import(1, &operations(500));
    publish(&registry, &options, OLD, 1).await;
    let (reader, _) = reader(&registry, &options);
    reader.view(RevisionChoice::Current).await.unwrap();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    *registry.manifest_gate.lock().unwrap() = Some(Arc::clone(&gate));
    let asked = registry.manifests();
    // A revision that was never published: only the registry knows of it, and it hangs.
    registry.import(2, &operations(501));
    let answered = async {
        for _ in 0..20 {
            assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 1);
        }
    };
    // Less than the registry is waited for.
    assert!(options.registry_timeout >= Duration::from_secs(3));
    timeout(Duration::from_secs(2), answered)
        .await
        .expect("nobody waits for the registry");
    assert_eq!(registry.manifests(), asked + 1, "one asks at a time");
    gate.add_permits(1000);
    let heard = async {
        while reader.view(RevisionChoice::Current).await.unwrap().revision() != 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), heard)
        .await
        .expect("what the registry says counts from then on");
}
