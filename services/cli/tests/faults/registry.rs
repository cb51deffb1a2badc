//! The registry killed, frozen and slow, with Redis beside it and without, and a new revision in the middle of trouble:
//! operations that a process has in its memory are decided as before, for as long as `max_staleness` (5 min).

use std::time::Duration;

use tokio::time::{Instant, interval};

use crate::load::{Load, Report};
use crate::redis::{again_and_again, plan, spoil, until_published};
use crate::relay::Relay;
use crate::servers::Redis;
use crate::tally::Depth;
use crate::world::{Name, Plan, World, fault_time, free_port};

/// A registry that refuses is noticed at once.
const LONGEST_REFUSED: Duration = Duration::from_millis(250);
/// One that does not answer is waited for half a second, once; the rest is a busy machine.
const LONGEST_SILENT: Duration = Duration::from_millis(750);
/// Beside Redis it is not waited for at all.
const LONGEST_BESIDE_REDIS: Duration = Duration::from_millis(250);
/// On the way to a slow registry, and on the way back.
const SLOW: Duration = Duration::from_secs(2);

const OTHERS: [Name; 2] = [Name::Certificate, Name::EntryValidation];

fn check(report: &Report, fault: &str, longest: Duration) {
    report.check(fault);
    report.during.assert_all_equal();
    report.after.assert_all_equal();
    report.during.assert_p99(longest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_killed() {
    let mut world = World::start(Plan::default()).await;
    let processes = world.processes();
    let mut load = Load::begin(&world, Depth::Evidence, Name::Certificate).await;
    load.fault_begins();
    world.kill(Name::Registry);
    load.fault_goes_on().await;
    world.assert_serves(Name::EntryValidation).await;
    world.start_one(Name::Registry);
    load.fault_ends();
    check(&load.end().await, "registry killed", LONGEST_REFUSED);
    world.assert_still(&OTHERS, processes);
}

async fn frozen(mut world: World, fault: &str, longest: Duration) {
    let processes = world.processes();
    let mut load = Load::begin(&world, Depth::Evidence, Name::Certificate).await;
    load.fault_begins();
    world.signal(Name::Registry, "STOP");
    load.fault_goes_on().await;
    world.assert_serves(Name::EntryValidation).await;
    world.signal(Name::Registry, "CONT");
    load.fault_ends();
    check(&load.end().await, fault, longest);
    world.assert_still(&OTHERS, processes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_frozen_without_redis() {
    let world = World::start(Plan::default()).await;
    frozen(world, "registry frozen, without Redis", LONGEST_SILENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_frozen_beside_redis() {
    let redis = Redis::start();
    let world = World::start(plan(redis.url())).await;
    until_published(&redis).await;
    frozen(world, "registry frozen, beside Redis", LONGEST_BESIDE_REDIS).await;
}

/// A deployment whose registry is reached through a relay.
async fn behind_relay(plan: Plan) -> (World, Relay) {
    let port = free_port();
    let relay = Relay::to(port).await;
    let world = World::start(Plan {
        ways: vec![(Name::Registry, port, relay.address)],
        ..plan
    })
    .await;
    (world, relay)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_slow() {
    let (mut world, relay) = behind_relay(Plan::default()).await;
    let processes = world.processes();
    let mut load = Load::begin(&world, Depth::Evidence, Name::Certificate).await;
    load.fault_begins();
    relay.delay(SLOW);
    load.fault_goes_on().await;
    world.assert_serves(Name::EntryValidation).await;
    relay.delay(Duration::ZERO);
    load.fault_ends();
    let report = load.end().await;
    check(&report, "registry answering after 4 s", LONGEST_SILENT);
    world.assert_still(&OTHERS, processes);
}

/// The way to the registry while a revision comes: it takes many calls, so there is much time for a half of it.
const LESS_SLOW: Duration = Duration::from_millis(200);
/// The revision that the newest snapshot becomes.
const NEWER: u32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_that_comes_in_trouble_is_seen_whole_or_not_at_all() {
    let redis = Redis::start();
    let (mut world, relay) = behind_relay(plan(redis.url())).await;
    until_published(&redis).await;
    let processes = world.processes();
    let mut load = Load::begin(&world, Depth::Evidence, Name::Certificate).await;
    load.fault_begins();
    relay.delay(LESS_SLOW);
    // Redis lies all the time, and the registry stands still again and again once the revision has come.
    let spoiling = again_and_again(&redis, spoil());
    let stumbling = async {
        let mut import = world.command(&World::NEWER);
        let imported = tokio::task::spawn_blocking(move || import.output().unwrap());
        let imported = imported.await.unwrap();
        assert!(imported.status.success(), "{imported:?}");
        let began = Instant::now();
        let mut turns = interval(Duration::from_millis(300));
        while began.elapsed() < fault_time() / 2 {
            turns.tick().await;
            world.signal(Name::Registry, "STOP");
            turns.tick().await;
            world.signal(Name::Registry, "CONT");
        }
    };
    tokio::join!(spoiling, stumbling);
    world.assert_serves(Name::EntryValidation).await;
    relay.delay(Duration::ZERO);
    load.fault_ends();
    let report = load.end_with_revision(&world, NEWER).await;
    check(&report, "a revision in the middle of trouble", LONGEST_SILENT);
    let seen: Vec<_> = report.during.revisions.iter().copied().collect();
    assert_eq!(seen, [crate::load::REVISION, NEWER]);
    assert!(
        report.changed > 10,
        "the revision changes {} answers",
        report.changed
    );
    world.assert_still(&[Name::Registry, OTHERS[0], OTHERS[1]], processes);
}
