//! Redis killed, frozen, slow, flushed, full of garbage, and failed over: every answer is what it was.

use std::time::Duration;

use crate::load::{Load, RECOVERY, REVISION, Report};
use crate::relay::Relay;
use crate::servers::Redis;
use crate::tally::Depth;
use crate::world::{Name, Plan, World, fault_time};

/// Whatever Redis does, the registry answers in its place, so every answer is equal to what it rests on, and few wait:
/// a call to Redis is given up after 50 ms, and after some failures it is not called at all.
const LONGEST: Duration = Duration::from_millis(250);
const DEPLOYMENT: &str = "faults";

fn check(report: &Report, fault: &str) {
    report.check(fault);
    report.during.assert_all_equal();
    report.after.assert_all_equal();
    let p99 = report.during.percentile(99);
    assert!(p99 <= LONGEST, "p99 {p99:?} while Redis is away");
}

fn plan(url: String) -> Plan {
    Plan {
        redis: vec![
            ("NOPIC_REDIS_URL", url),
            ("NOPIC_REDIS_DEPLOYMENT", DEPLOYMENT.to_owned()),
        ],
        ..Plan::default()
    }
}

/// Waits until the registry's last import is in Redis.
async fn until_published(redis: &Redis) {
    let published = async {
        let manifest = format!("oid:{DEPLOYMENT}:manifest:{REVISION}");
        let pointer = format!("oid:{DEPLOYMENT}:revision");
        // The pointer moves last, and goes with the number of its revision.
        while redis.command::<u32>(&["EXISTS", &manifest, &pointer]).unwrap() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let within = Duration::from_secs(20);
    tokio::time::timeout(within, published)
        .await
        .expect("the registry publishes");
}

/// Waits until Redis is asked again: it was found, and not only done without.
async fn until_read(redis: &Redis) {
    let before = redis.reads();
    let read = async {
        while redis.reads() == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(RECOVERY, read)
        .await
        .expect("Redis is asked again");
}

async fn with_redis() -> (Redis, World, Load) {
    let redis = Redis::start();
    let world = World::start(plan(redis.url())).await;
    until_published(&redis).await;
    let load = Load::begin(&world, Depth::Evidence).await;
    (redis, world, load)
}

async fn end(mut world: World, processes: [u32; 3], load: Load, fault: &str) {
    check(&load.end().await, fault);
    let all = [Name::Registry, Name::Certificate, Name::EntryValidation];
    world.assert_still(&all, processes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed() {
    let (mut redis, world, mut load) = with_redis().await;
    let processes = world.processes();
    load.fault_begins();
    redis.kill();
    load.fault_goes_on().await;
    world.assert_serves(Name::EntryValidation).await;
    redis.restart();
    load.fault_ends();
    until_read(&redis).await;
    end(world, processes, load, "Redis killed").await;
}
