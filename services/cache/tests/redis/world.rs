//! A registry whose revisions, health and speed a test sets, and a deployment of its own on the servers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use nopic_cache::reader::Lineage;
use nopic_cache::redis::{CachedSource, Mode, Options, Publisher};
use nopic_cache::{
    Manifest, ReaderOptions, RevisionChoice, Shard, ShardHash, ShardSource, SourceError, Stats, StatusReader,
    StatusView, shard_of,
};
use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::{Segment, Status, Timeline};
use nopic_testing::redis::Redis;
use tokio::sync::Semaphore;

/// Operations by number: the revision that changed each one last.
pub(crate) type Content = BTreeMap<u64, u32>;

pub(crate) const OLD: Lineage = Lineage([1; 16]);
pub(crate) const NEW: Lineage = Lineage([2; 16]);

fn id(number: u64) -> NopId {
    NopId::from_number(number).unwrap()
}

fn timeline(changed: u32) -> Timeline {
    let from = Date::from_ymd_opt(2024, 1, 1).unwrap() + chrono::Days::new(u64::from(changed));
    let segments = |status: Status| vec![Segment { from, status }];
    Timeline {
        status: segments(Status::Other(format!("changed by {changed}"))),
        scopes: [
            segments(Status::Certified),
            segments(Status::Unlisted),
            segments(Status::Certified),
            Vec::new(),
        ],
    }
}

pub(crate) fn encode(content: &Content) -> Vec<Bytes> {
    let mut shards = vec![Vec::new(); 256];
    for (number, changed) in content {
        shards[usize::from(shard_of(id(*number)))].push((id(*number), timeline(*changed)));
    }
    let encoded = (0..=u8::MAX).zip(shards);
    encoded
        .map(|(index, entries)| Shard::new(entries).encode(index))
        .collect()
}

pub(crate) fn manifest(revision: u32, shards: &[Bytes]) -> Manifest {
    Manifest {
        revision,
        published_on: Date::from_ymd_opt(2025, 1, 1),
        shard_hashes: shards.iter().map(|shard| ShardHash::of(shard)).collect(),
    }
}

/// The view holds exactly this.
pub(crate) fn assert_shows(view: &StatusView, content: &Content) {
    assert_eq!(view.operations(), content.len(), "revision {}", view.revision());
    for (number, changed) in content {
        assert_eq!(
            view.timeline(id(*number)),
            Some(&timeline(*changed)),
            "operation {number} of revision {}",
            view.revision()
        );
    }
}

#[derive(Debug, Default)]
pub(crate) struct Registry {
    revisions: Mutex<BTreeMap<u32, (Content, Vec<Bytes>)>>,
    current: AtomicU32,
    pub(crate) down: AtomicBool,
    pub(crate) manifests: AtomicUsize,
    pub(crate) shards: AtomicUsize,
    /// Calls for shards wait while this is set, until the test gives permits.
    pub(crate) gate: Mutex<Option<Arc<Semaphore>>>,
    /// Calls for manifests wait while this is set, until the test gives permits.
    pub(crate) manifest_gate: Mutex<Option<Arc<Semaphore>>>,
}

impl Registry {
    /// Makes a revision the current one.
    pub(crate) fn import(&self, revision: u32, content: &Content) {
        let shards = encode(content);
        self.revisions
            .lock()
            .unwrap()
            .insert(revision, (content.clone(), shards));
        self.current.store(revision, Ordering::SeqCst);
    }

    /// What a backup brings back: this revision, and none after it.
    pub(crate) fn restore(&self, revision: u32) {
        self.revisions
            .lock()
            .unwrap()
            .retain(|known, _| *known <= revision);
        self.current.store(revision, Ordering::SeqCst);
    }

    pub(crate) fn content(&self, revision: u32) -> Content {
        self.revisions.lock().unwrap()[&revision].0.clone()
    }

    pub(crate) fn encoded(&self, revision: u32) -> (Manifest, Vec<Bytes>) {
        let shards = self.revisions.lock().unwrap()[&revision].1.clone();
        (manifest(revision, &shards), shards)
    }

    pub(crate) fn manifests(&self) -> usize {
        self.manifests.load(Ordering::SeqCst)
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.load(Ordering::SeqCst)
    }

    fn answers(&self) -> Result<(), SourceError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(SourceError::Unreachable("refused".into()));
        }
        Ok(())
    }
}

/// The registry as a source.
#[derive(Debug, Clone)]
pub(crate) struct Origin(pub(crate) Arc<Registry>);

impl ShardSource for Origin {
    async fn manifest(&self, choice: RevisionChoice) -> Result<Manifest, SourceError> {
        self.0.manifests.fetch_add(1, Ordering::SeqCst);
        let gate = self.0.manifest_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            let _open = gate.acquire().await;
        }
        tokio::task::yield_now().await;
        self.0.answers()?;
        let current = self.0.current.load(Ordering::SeqCst);
        let revision = match choice {
            RevisionChoice::Exact(revision) if revision > current => {
                return Err(SourceError::NoSuchRevision(format!("no revision {revision}")));
            }
            RevisionChoice::Exact(revision) => revision,
            _ => current,
        };
        Ok(self.0.encoded(revision).0)
    }

    async fn shards(&self, revision: u32, indexes: &[u8]) -> Result<Vec<Bytes>, SourceError> {
        let gate = self.0.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            let _open = gate.acquire().await;
        }
        self.0.answers()?;
        self.0.shards.fetch_add(indexes.len(), Ordering::SeqCst);
        let (_, shards) = self.0.encoded(revision);
        Ok(indexes
            .iter()
            .map(|index| shards[usize::from(*index)].clone())
            .collect())
    }
}

/// The servers that `tests/with-redis` starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Servers {
    Single,
    Cluster,
}

pub(crate) fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: this test needs Redis, run it as `tests/with-redis cargo nextest run -p nopic-cache`")
    })
}

/// A deployment of the test's own.
pub(crate) fn options(servers: Servers) -> Options {
    let mode = match servers {
        Servers::Single => Mode::Single {
            url: environment("NOPIC_TEST_REDIS"),
        },
        Servers::Cluster => Mode::Cluster {
            nodes: environment("NOPIC_TEST_REDIS_CLUSTER")
                .split(',')
                .map(str::to_owned)
                .collect(),
        },
    };
    patient(mode)
}

/// Options under which a busy machine makes no failures, and the registry is asked only when it must be.
pub(crate) fn patient(mode: Mode) -> Options {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    let mut options = Options::new(mode, format!("test-{}-{number}", std::process::id()));
    options.call_timeout = Duration::from_secs(5);
    options.registry_every = Duration::from_secs(3600);
    options
}

/// Confirms at each question, and waits for it however busy the machine is.
pub(crate) fn eager() -> ReaderOptions {
    ReaderOptions {
        confirm_every: Duration::ZERO,
        patience: Duration::from_secs(60),
        ..ReaderOptions::default()
    }
}

pub(crate) type Reader = StatusReader<CachedSource<Origin>>;

/// A reader of its own process, as it were.
pub(crate) fn reader(registry: &Arc<Registry>, options: &Options) -> (Reader, Arc<Stats>) {
    reader_with(registry, options, eager())
}

pub(crate) fn reader_with(
    registry: &Arc<Registry>,
    options: &Options,
    bounds: ReaderOptions,
) -> (Reader, Arc<Stats>) {
    let stats = Arc::new(Stats::default());
    let source =
        CachedSource::new(Origin(Arc::clone(registry)), options.clone(), Arc::clone(&stats)).unwrap();
    (
        StatusReader::with_stats(source, bounds, Arc::clone(&stats)),
        stats,
    )
}

pub(crate) async fn publish(
    registry: &Registry,
    options: &Options,
    lineage: Lineage,
    revision: u32,
) -> nopic_cache::redis::Published {
    let (manifest, shards) = registry.encoded(revision);
    let publisher = Publisher::new(options.clone()).unwrap();
    publisher.publish(lineage, &manifest, &shards).await.unwrap()
}

/// So many operations, as revision 1 made them.
pub(crate) fn operations(count: u64) -> Content {
    (1..=count).map(|number| (number, 1)).collect()
}

/// A bare connection to look behind the cache with.
pub(crate) async fn bare(options: &Options) -> redis::aio::MultiplexedConnection {
    let Mode::Single { url } = &options.mode else {
        panic!("only the single server is looked at");
    };
    let client = redis::Client::open(url.as_str()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// A server of this test alone.
pub(crate) fn server() -> Redis {
    // Fails with advice where the others do, also if only these tests are run.
    environment("NOPIC_TEST_REDIS");
    Redis::start()
}

pub(crate) fn mode(server: &Redis) -> Mode {
    Mode::Single { url: server.url() }
}
