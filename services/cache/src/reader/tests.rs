use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::{Segment, Status, Timeline};

use super::*;
use crate::shard::shard_of;

/// A registry of a few operations whose revision, health and speed a test sets.
#[derive(Debug, Default)]
struct Fake {
    revision: AtomicU32,
    down: AtomicBool,
    hanging: AtomicBool,
    lying: AtomicBool,
    /// The manifest that was current a second ago is what arrives.
    slow: AtomicBool,
    manifests: AtomicU32,
    shards: AtomicU32,
}

fn id(number: u64) -> NopId {
    NopId::from_number(number).unwrap()
}

/// Operation 1 is certified from revision 1 on, every revision adds one operation.
fn shards_at(revision: u32) -> Vec<Bytes> {
    (0..=u8::MAX)
        .map(|index| {
            let entries = (1..=u64::from(revision))
                .map(id)
                .filter(|id| shard_of(*id) == index);
            Shard::new(entries.map(|id| {
                let timeline = Timeline {
                    status: vec![Segment {
                        from: Date::from_ymd_opt(2024, 1, 1).unwrap(),
                        status: Status::Certified,
                    }],
                    ..Timeline::default()
                };
                (id, timeline)
            }))
            .encode(index)
        })
        .collect()
}

impl ShardSource for Arc<Fake> {
    async fn manifest(&self, choice: RevisionChoice) -> Result<Manifest, SourceError> {
        self.manifests.fetch_add(1, Ordering::SeqCst);
        if self.hanging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        if self.down.load(Ordering::SeqCst) {
            return Err(SourceError::Unreachable("refused".into()));
        }
        let current = self.revision.load(Ordering::SeqCst);
        let revision = match choice {
            RevisionChoice::Exact(revision) if revision > current => {
                return Err(SourceError::NoSuchRevision(format!("no revision {revision}")));
            }
            RevisionChoice::Exact(revision) => revision,
            _ => current,
        };
        let hashes = if revision == 0 {
            Vec::new()
        } else {
            shards_at(revision)
        };
        if self.slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(Manifest {
            revision,
            published_on: Date::from_ymd_opt(2024, 3, 1).filter(|_| revision > 0),
            shard_hashes: hashes.iter().map(|shard| ShardHash::of(shard)).collect(),
        })
    }

    async fn shards(&self, revision: u32, indexes: &[u8]) -> Result<Vec<Bytes>, SourceError> {
        self.shards
            .fetch_add(u32::try_from(indexes.len()).unwrap(), Ordering::SeqCst);
        let revision = if self.lying.load(Ordering::SeqCst) {
            revision + 1
        } else {
            revision
        };
        let all = shards_at(revision);
        Ok(indexes
            .iter()
            .map(|index| all[usize::from(*index)].clone())
            .collect())
    }
}

fn reader() -> (Arc<Fake>, StatusReader<Arc<Fake>>) {
    let fake = Arc::new(Fake::default());
    fake.revision.store(1, Ordering::SeqCst);
    let reader = StatusReader::new(Arc::clone(&fake), ReaderOptions::default());
    (fake, reader)
}

#[tokio::test(start_paused = true)]
async fn the_pointer_is_confirmed_once_a_second_and_only_changed_shards_are_loaded() {
    let (fake, reader) = reader();
    for _ in 0..100 {
        let view = reader.view(RevisionChoice::Current).await.unwrap();
        assert_eq!((view.revision(), view.operations()), (1, 1));
        assert!(view.timeline(id(1)).is_some() && view.timeline(id(2)).is_none());
    }
    assert_eq!(fake.manifests.load(Ordering::SeqCst), 1);
    assert_eq!(fake.shards.load(Ordering::SeqCst), 256);
    fake.revision.store(2, Ordering::SeqCst);
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 1);
    tokio::time::advance(Duration::from_millis(1001)).await;
    let view = reader.view(RevisionChoice::Current).await.unwrap();
    assert_eq!((view.revision(), view.operations()), (2, 2));
    assert_eq!(fake.shards.load(Ordering::SeqCst), 257);
}

#[tokio::test(start_paused = true)]
async fn at_least_asks_at_once_and_does_not_accept_less() {
    let (fake, reader) = reader();
    reader.view(RevisionChoice::Current).await.unwrap();
    fake.revision.store(2, Ordering::SeqCst);
    assert_eq!(
        reader.view(RevisionChoice::AtLeast(2)).await.unwrap().revision(),
        2
    );
    assert_eq!(
        reader.view(RevisionChoice::AtLeast(3)).await.unwrap_err(),
        Unavailable::Behind {
            current: 2,
            wanted: 3
        }
    );
}

#[tokio::test(start_paused = true)]
async fn at_least_is_not_answered_by_a_load_that_asked_before_the_revision_was() {
    let (fake, reader) = reader();
    reader.view(RevisionChoice::Current).await.unwrap();
    fake.slow.store(true, Ordering::SeqCst);
    let early = tokio::spawn({
        let reader = reader.clone();
        async move { reader.view(RevisionChoice::AtLeast(2)).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(fake.manifests.load(Ordering::SeqCst), 2);
    fake.revision.store(2, Ordering::SeqCst);
    let late = reader.view(RevisionChoice::AtLeast(2)).await.unwrap();
    assert_eq!(late.revision(), 2);
    assert_eq!(
        early.await.unwrap().unwrap_err(),
        Unavailable::Behind {
            current: 1,
            wanted: 2
        }
    );
}

#[tokio::test(start_paused = true)]
async fn an_exact_revision_stays_what_it_was() {
    let (fake, reader) = reader();
    fake.revision.store(3, Ordering::SeqCst);
    assert_eq!(
        reader.view(RevisionChoice::Current).await.unwrap().operations(),
        3
    );
    assert_eq!(
        reader.view(RevisionChoice::Exact(2)).await.unwrap().operations(),
        2
    );
    // Known revisions are answered without the registry.
    fake.down.store(true, Ordering::SeqCst);
    assert_eq!(
        reader.view(RevisionChoice::Exact(2)).await.unwrap().operations(),
        2
    );
    assert_eq!(
        reader.view(RevisionChoice::Exact(3)).await.unwrap().operations(),
        3
    );
    fake.down.store(false, Ordering::SeqCst);
    assert!(matches!(
        reader.view(RevisionChoice::Exact(9)).await,
        Err(Unavailable::NoSuchRevision(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_silent_registry_is_bridged_for_five_minutes() {
    let (fake, reader) = reader();
    reader.view(RevisionChoice::Current).await.unwrap();
    fake.down.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(299)).await;
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 1);
    // It was asked just now: nobody waits for it again within the second.
    let asked = fake.manifests.load(Ordering::SeqCst);
    reader.view(RevisionChoice::Current).await.unwrap();
    assert_eq!(fake.manifests.load(Ordering::SeqCst), asked);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(matches!(
        reader.view(RevisionChoice::Current).await,
        Err(Unavailable::Unreachable(_))
    ));
    fake.down.store(false, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_hangs_is_given_up() {
    let (fake, reader) = reader();
    fake.hanging.store(true, Ordering::SeqCst);
    assert!(matches!(
        reader.view(RevisionChoice::Current).await,
        Err(Unavailable::Unreachable(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_hangs_holds_nobody_up_who_can_be_answered() {
    let (fake, reader) = reader();
    let options = ReaderOptions::default();
    reader.view(RevisionChoice::Current).await.unwrap();
    fake.hanging.store(true, Ordering::SeqCst);
    fake.revision.store(2, Ordering::SeqCst);
    tokio::time::advance(2 * options.confirm_every).await;
    let waited = async || {
        let asked = Instant::now();
        assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 1);
        asked.elapsed()
    };
    assert_eq!(waited().await, options.patience);
    // The load goes on, and who comes later does not wait for it.
    assert_eq!(waited().await, Duration::ZERO);
    assert_eq!(fake.manifests.load(Ordering::SeqCst), 2);
    // It is given up in the end, and the next one has a tenth of the time.
    tokio::time::advance(options.load_timeout).await;
    tokio::time::sleep(2 * options.confirm_every).await;
    assert_eq!(waited().await, options.patience / 10);
    // Less than what was asked for is never an answer.
    assert!(matches!(
        reader.view(RevisionChoice::AtLeast(2)).await,
        Err(Unavailable::Unreachable(_))
    ));
    tokio::time::advance(options.max_staleness).await;
    assert!(matches!(
        reader.view(RevisionChoice::Current).await,
        Err(Unavailable::Unreachable(_))
    ));
    fake.hanging.store(false, Ordering::SeqCst);
    tokio::time::advance(2 * options.confirm_every).await;
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_callers_make_one_load_and_a_cancelled_one_harms_nobody() {
    let (fake, reader) = reader();
    let leader = tokio::spawn({
        let reader = reader.clone();
        async move { reader.view(RevisionChoice::Current).await }
    });
    tokio::task::yield_now().await;
    leader.abort();
    let followers: Vec<_> = (0..1000)
        .map(|_| {
            let reader = reader.clone();
            tokio::spawn(async move { reader.view(RevisionChoice::Current).await })
        })
        .collect();
    for follower in followers {
        assert_eq!(follower.await.unwrap().unwrap().revision(), 1);
    }
    assert_eq!(fake.manifests.load(Ordering::SeqCst), 1);
    assert_eq!(fake.shards.load(Ordering::SeqCst), 256);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_lies_or_goes_back_is_not_believed() {
    let (fake, reader) = reader();
    fake.lying.store(true, Ordering::SeqCst);
    assert!(matches!(
        reader.view(RevisionChoice::Current).await,
        Err(Unavailable::Unreachable(_))
    ));
    fake.lying.store(false, Ordering::SeqCst);
    fake.revision.store(2, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 2);
    fake.revision.store(1, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(reader.view(RevisionChoice::Current).await.unwrap().revision(), 2);
    tokio::time::advance(Duration::from_secs(300)).await;
    assert!(reader.view(RevisionChoice::Current).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_registry_without_a_snapshot_says_so() {
    let (fake, reader) = reader();
    fake.revision.store(0, Ordering::SeqCst);
    let view = reader.view(RevisionChoice::Current).await.unwrap();
    assert!(view.has_no_snapshot());
    assert!(view.timeline(id(1)).is_none());
}
