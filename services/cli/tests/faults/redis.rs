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
    report.during.assert_p99(LONGEST);
}

pub(crate) fn plan(url: String) -> Plan {
    Plan {
        redis: vec![
            ("NOPIC_REDIS_URL", url),
            ("NOPIC_REDIS_DEPLOYMENT", DEPLOYMENT.to_owned()),
        ],
        ..Plan::default()
    }
}

/// Waits until the registry's last import is in Redis.
pub(crate) async fn until_published(redis: &Redis) {
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
    let load = Load::begin(&world, Depth::Evidence, Name::Certificate).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_frozen() {
    let (redis, world, mut load) = with_redis().await;
    let processes = world.processes();
    load.fault_begins();
    redis.signal("STOP");
    load.fault_goes_on().await;
    world.assert_serves(Name::EntryValidation).await;
    redis.signal("CONT");
    load.fault_ends();
    until_read(&redis).await;
    end(world, processes, load, "Redis frozen").await;
}

/// How long an answer of a slow Redis takes.
const SLOW: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_answering_after_two_seconds() {
    let redis = Redis::start();
    let relay = Relay::to(redis.port).await;
    let world = World::start(plan(format!("redis://{}", relay.address))).await;
    until_published(&redis).await;
    let mut load = Load::begin(&world, Depth::Evidence, Name::Certificate).await;
    let processes = world.processes();
    load.fault_begins();
    relay.delay(SLOW);
    load.fault_goes_on().await;
    world.assert_serves(Name::EntryValidation).await;
    relay.delay(Duration::ZERO);
    load.fault_ends();
    until_read(&redis).await;
    end(world, processes, load, "Redis answering after 2 s").await;
}

/// How often what Redis holds is taken away or spoilt again.
const AGAIN: Duration = Duration::from_millis(200);

/// Does this to Redis again and again while the fault lasts.
pub(crate) async fn again_and_again(redis: &Redis, words: &[&str]) {
    let spoiling = async {
        let mut again = tokio::time::interval(AGAIN);
        loop {
            again.tick().await;
            redis.command::<::redis::Value>(words).unwrap();
        }
    };
    // It goes on until then.
    let _ = tokio::time::timeout(fault_time(), spoiling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_flushed() {
    let (redis, world, mut load) = with_redis().await;
    let processes = world.processes();
    load.fault_begins();
    again_and_again(&redis, &["FLUSHALL"]).await;
    world.assert_serves(Name::EntryValidation).await;
    load.fault_ends();
    until_read(&redis).await;
    end(world, processes, load, "Redis flushed").await;
}

/// Writes other bytes over each value: some short, some as long as a shard.
const SPOIL: &str = "local keys = redis.call('KEYS', 'oid:*')
    for _, key in ipairs(keys) do
        local bytes = {}
        for index = 1, math.random(1, 400) do bytes[index] = string.char(math.random(0, 255)) end
        redis.call('SET', key, table.concat(bytes))
    end
    return #keys";

/// The command for it.
pub(crate) const fn spoil() -> &'static [&'static str] {
    &["EVAL", SPOIL, "0"]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_holding_garbage() {
    let (redis, world, mut load) = with_redis().await;
    let processes = world.processes();
    let spoilt: u32 = redis.command(spoil()).unwrap();
    assert!(spoilt > 200, "shards, manifest and pointer are there: {spoilt}");
    load.fault_begins();
    again_and_again(&redis, spoil()).await;
    world.assert_serves(Name::EntryValidation).await;
    load.fault_ends();
    until_read(&redis).await;
    end(world, processes, load, "Redis holding garbage").await;
}

/// Sentinels, and how many must agree that the primary is gone.
const SENTINELS: u32 = 3;
const QUORUM: u32 = 2;
const PRIMARY: &str = "oid";

/// Waits until the sentinels know each other and the replica, which has all that the primary has.
async fn until_ready(primary: &Redis, sentinels: &[Redis]) {
    let ready = async {
        for sentinel in sentinels {
            while sentinel
                .command::<String>(&["SENTINEL", "CKQUORUM", PRIMARY])
                .is_err()
                || known(sentinel, "SENTINELS") < SENTINELS as usize - 1
                || known(sentinel, "REPLICAS") < 1
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while primary.command::<u32>(&["WAIT", "1", "1000"]).unwrap() < 1 {}
    };
    let within = Duration::from_secs(30);
    tokio::time::timeout(within, ready)
        .await
        .expect("the sentinels know each other");
}

fn known(sentinel: &Redis, what: &str) -> usize {
    let known: ::redis::Value = sentinel.command(&["SENTINEL", what, PRIMARY]).unwrap();
    match known {
        ::redis::Value::Array(known) => known.len(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_primary_failed_over() {
    let mut primary = Redis::start();
    let replica = Redis::replica_of(&primary);
    let sentinels: Vec<_> = (0..SENTINELS)
        .map(|_| Redis::sentinel(PRIMARY, primary.port, QUORUM))
        .collect();
    let urls: Vec<_> = sentinels.iter().map(Redis::url).collect();
    let world = World::start(Plan {
        redis: vec![
            ("NOPIC_REDIS_SENTINELS", urls.join(",")),
            ("NOPIC_REDIS_PRIMARY", PRIMARY.to_owned()),
            ("NOPIC_REDIS_DEPLOYMENT", DEPLOYMENT.to_owned()),
        ],
        ..Plan::default()
    })
    .await;
    until_published(&primary).await;
    until_ready(&primary, &sentinels).await;
    let mut load = Load::begin(&world, Depth::Evidence, Name::Certificate).await;
    let processes = world.processes();
    load.fault_begins();
    primary.kill();
    load.fault_goes_on().await;
    world.assert_serves(Name::EntryValidation).await;
    load.fault_ends();
    // Sentinels have made the replica the primary by now, and it is the one that is asked.
    let role: ::redis::Value = replica.command(&["ROLE"]).unwrap();
    assert!(format!("{role:?}").contains("master"), "{role:?}");
    until_read(&replica).await;
    end(world, processes, load, "Redis primary failed over").await;
}
