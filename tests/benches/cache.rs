//! The shared cache of statuses: lookups from the process, confirmed by Redis, and confirmed by the registry, beside
//! what `redis-benchmark` gets from the same server in the same run; loading, publishing and holding 76,000 operations.
//!
//! Needs Redis: `tests/with-redis cargo bench -p nopic-tests --bench cache`. `NOPIC_BENCH_OPERATIONS` makes it smaller;
//! with `--test` each part runs for a moment only.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures are its result")]

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nopic_cache::reader::Lineage;
use nopic_cache::redis::{CachedSource, Mode, Options, Publisher};
use nopic_cache::{
    Manifest, ReaderOptions, RevisionChoice, SHARD_COUNT, ShardHash, ShardSource, SourceError, Stats,
    StatusReader,
};
use nopic_domain::date::parse_iso;
use nopic_domain::identifier::NopId;
use nopic_formats::sample::write_xlsx;
use nopic_proto::registry::import_options::Completeness;
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use nopic_proto::registry::{self as wire, revision_choice::Choice};
use nopic_tests::services::{Services, Setup};
use tokio::time::Instant;
use tonic::transport::Channel;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 7;
/// Readers that ask at once, and connections of `redis-benchmark`.
const READERS: usize = 16;
/// Readers that hold every status while memory is looked at.
const HELD: u64 = 10;

/// The registry over its gRPC, without a socket.
#[derive(Debug, Clone)]
struct Origin(RegistryServiceClient<Channel>);

impl ShardSource for Origin {
    async fn manifest(&self, choice: RevisionChoice) -> Result<Manifest, SourceError> {
        let choice = match choice {
            RevisionChoice::Exact(revision) => Some(Choice::Exact(revision)),
            RevisionChoice::AtLeast(revision) => Some(Choice::AtLeast(revision)),
            RevisionChoice::Current => None,
        };
        let request = wire::GetStatusManifestRequest {
            revision: choice.map(|choice| wire::RevisionChoice { choice: Some(choice) }),
        };
        let answer = self.0.clone().get_status_manifest(request).await;
        let answer = answer
            .map_err(|status| SourceError::Unreachable(status.to_string()))?
            .into_inner();
        let revision = answer.revision.unwrap_or_default();
        Ok(Manifest {
            revision: revision.revision,
            published_on: parse_iso(&revision.published_on),
            shard_hashes: answer
                .shard_hashes
                .iter()
                .filter_map(|hash| ShardHash::from_slice(hash))
                .collect(),
        })
    }

    async fn shards(&self, revision: u32, indexes: &[u8]) -> Result<Vec<Bytes>, SourceError> {
        let request = wire::GetStatusShardsRequest {
            revision,
            shards: indexes.iter().copied().map(u32::from).collect(),
        };
        let answer = self.0.clone().get_status_shards(request).await;
        Ok(answer
            .map_err(|status| SourceError::Unreachable(status.to_string()))?
            .into_inner()
            .shards)
    }
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    operations: u32,
    time: Duration,
}

impl Extent {
    fn of_this_run() -> Self {
        let is_trial = std::env::args().any(|argument| argument == "--test");
        let operations = std::env::var("NOPIC_BENCH_OPERATIONS").ok();
        let operations = operations.and_then(|text| text.parse().ok());
        Self {
            operations: operations.unwrap_or(if is_trial { 2_000 } else { 76_000 }),
            time: Duration::from_millis(if is_trial { 50 } else { 3_000 }),
        }
    }
}

/// Confirms before each answer.
fn eager() -> ReaderOptions {
    ReaderOptions {
        confirm_every: Duration::ZERO,
        ..ReaderOptions::default()
    }
}

fn options(url: &str) -> Options {
    let mode = Mode::Single { url: url.to_owned() };
    let mut options = Options::new(mode, format!("bench-{}", std::process::id()));
    // A busy machine is no failure here.
    options.call_timeout = Duration::from_secs(5);
    options.registry_every = Duration::from_secs(3_600);
    options
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

/// Answers a second of readers that each ask one after the other.
async fn rate<S: ShardSource>(readers: Vec<StatusReader<S>>, ids: &[NopId], time: Duration) -> f64 {
    let began = Instant::now();
    let asked = readers.into_iter().map(|reader| {
        let ids = ids.to_vec();
        tokio::spawn(async move {
            let mut count = 0_u32;
            for id in ids.iter().cycle() {
                let view = reader.view(RevisionChoice::Current).await.expect("a view");
                black_box(view.timeline(*id));
                count += 1;
                if began.elapsed() > time {
                    break;
                }
            }
            count
        })
    });
    let counts = futures::future::join_all(asked).await;
    let all: u32 = counts
        .into_iter()
        .map(|count| count.expect("a reader ends well"))
        .sum();
    f64::from(all) / began.elapsed().as_secs_f64()
}

/// `GET`s a second of a value as small as the pointer, as Redis' own tool measures them.
fn redis_benchmark(url: &str, time: Duration) -> f64 {
    let port = url.rsplit_once(':').expect("a port").1.trim_end_matches('/');
    let requests = if time < Duration::from_secs(1) {
        "1000"
    } else {
        "200000"
    };
    let output = Command::new("redis-benchmark")
        .args([
            "-p",
            port,
            "-t",
            "get",
            "-d",
            "64",
            "-n",
            requests,
            "--csv",
            "-c",
            &READERS.to_string(),
        ])
        .output()
        .expect("redis-benchmark runs: it comes with Debian's package redis-tools");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.starts_with("\"GET\""))
        .expect("a line for GET");
    let rate = line.split(',').nth(1).expect("a rate").trim_matches('"');
    rate.parse().expect("a number")
}

/// The view of a reader that knows nothing yet, and how long it took.
async fn cold<S: ShardSource>(source: S) -> (StatusReader<S>, Duration) {
    let reader = StatusReader::new(source, ReaderOptions::default());
    let began = Instant::now();
    let view = reader.view(RevisionChoice::Current).await.expect("a view");
    let took = began.elapsed();
    assert!(view.operations() > 0);
    (reader, took)
}

/// Publishes the current revision and says how long it took.
async fn publish(origin: &Origin, publisher: &Publisher, what: &str) {
    let manifest = origin
        .manifest(RevisionChoice::Current)
        .await
        .expect("a manifest");
    let mut shards = Vec::new();
    for indexes in (0..=u8::MAX).collect::<Vec<_>>().chunks(64) {
        shards.extend(origin.shards(manifest.revision, indexes).await.expect("shards"));
    }
    assert_eq!(shards.len(), SHARD_COUNT);
    let bytes: usize = shards.iter().map(Bytes::len).sum();
    let began = Instant::now();
    let published = publisher.publish(Lineage([7; 16]), &manifest, &shards).await;
    println!(
        "publish {what}: {:?}, {} shards written of {bytes} bytes in all",
        began.elapsed(),
        published.expect("published").shards_written
    );
}

#[tokio::main]
async fn main() {
    let Ok(url) = std::env::var("NOPIC_TEST_REDIS") else {
        eprintln!("cache: Redis is needed: tests/with-redis cargo bench -p nopic-tests --bench cache");
        std::process::exit(2);
    };
    let extent = Extent::of_this_run();
    let mut services = Services::start(&Setup::default()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("INTEGRITY_Export_20240301.xlsx");
    let file = std::fs::File::create(&path).expect("a file");
    write_xlsx(std::io::BufWriter::new(file), SEED, extent.operations, 0).expect("a sample");
    services
        .import_snapshot(&path, Completeness::Unspecified)
        .await
        .expect("the import works");
    let origin = Origin(services.registry.clone());
    let stats = || Arc::new(Stats::default());
    let options = options(&url);
    let cached = || CachedSource::new(origin.clone(), options.clone(), stats()).expect("a source");

    // Publishing: all of it, and what differs in three operations.
    let publisher = Publisher::new(options.clone()).expect("a publisher");
    publish(&origin, &publisher, &format!("{} operations", extent.operations)).await;
    let page = folder.path().join("page.json");
    let operations: Vec<_> = ["0159999991", "0159999992", "0159999993"]
        .map(|id| {
            serde_json::json!({"op_nopOpID": id, "op_name": "New Here", "op_status": "Certified",
                "op_statusEffectiveDate": "2024-01-02"})
        })
        .into();
    let content = serde_json::json!({"success": true, "operations": operations});
    std::fs::write(&page, content.to_string()).expect("a file");
    services
        .import_published(&page, Completeness::Partial, "2024-04-01")
        .await
        .expect("the import works");
    publish(&origin, &publisher, "3 changed operations").await;

    // Held in the process: several, so that what the loading itself freed does not hide what is held.
    let (warm, took) = cold(cached()).await;
    println!("every status from Redis, cold: {took:?}");
    let before = resident_kib();
    let mut held = vec![warm];
    for _ in 0..HELD {
        held.push(cold(cached()).await.0);
    }
    let view = held[0].view(RevisionChoice::Current).await.expect("a view");
    println!(
        "{} operations held in the process: {} KiB, by the mean of {HELD} readers",
        view.operations(),
        resident_kib().saturating_sub(before) / HELD
    );
    let (_, took) = cold(origin.clone()).await;
    println!("every status from the registry, cold: {took:?}");

    // Lookups.
    let ids: Vec<NopId> = (1..=1_000_u64)
        .filter_map(|number| NopId::from_number(number * 9_973))
        .collect();
    let l1 = rate(
        held.split_off(usize::try_from(HELD).unwrap_or_default()),
        &ids,
        extent.time,
    )
    .await;
    println!("lookups from the process, one reader: {l1:.0}/s");
    let floor = redis_benchmark(&url, extent.time);
    let readers = (0..READERS)
        .map(|_| StatusReader::new(cached(), eager()))
        .collect();
    let by_redis = rate(readers, &ids, extent.time).await;
    println!(
        "redis-benchmark GET, {READERS} connections: {floor:.0}/s; lookups confirmed by Redis each, {READERS} readers: \
         {by_redis:.0}/s = {:.2}",
        by_redis / floor
    );
    let readers = (0..READERS)
        .map(|_| StatusReader::new(origin.clone(), eager()))
        .collect();
    let by_origin = rate(readers, &ids, extent.time).await;
    println!("lookups confirmed by the registry each, {READERS} readers: {by_origin:.0}/s");
}
