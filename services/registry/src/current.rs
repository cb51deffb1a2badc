//! What serves now, and the parts that every call shares.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use nopic_cache::RevisionChoice;
use nopic_chassis::clock::Clock;
use nopic_chassis::worker::Worker;
use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use rustc_hash::FxHashSet;
use tokio::sync::{Mutex, OnceCell, watch};

use crate::Config;
use crate::error::Error;
use crate::import::Next;
use crate::metrics::Publications;
use crate::search::{Product, SearchIndex};
use crate::status::{StatusIndex, StatusIndexBuilder};
use crate::store::{self, Heading, Order, SnapshotRow, State, Store};

/// How often a process looks for what another has imported.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// Older revisions whose statuses are kept in memory.
const OLD_REVISIONS_KEPT: usize = 2;

/// One revision as it serves. Never changes: a new revision is a new one of these.
#[derive(Debug)]
pub(crate) struct Current {
    /// Every snapshot by revision, the held one too.
    pub(crate) snapshots: Vec<SnapshotRow>,
    /// Those that serve, in the order in which they count.
    pub(crate) order: Order,
    /// 0: no snapshot.
    pub(crate) revision: u32,
    /// Built when first needed, or handed over by the import.
    status: OnceCell<Arc<StatusIndex>>,
    search: OnceCell<Arc<SearchIndex>>,
}

impl Current {
    /// What these snapshots make.
    pub(crate) fn new(
        snapshots: Vec<SnapshotRow>,
        status: Option<Arc<StatusIndex>>,
        search: Option<Arc<SearchIndex>>,
    ) -> Self {
        let serving = |snapshot: &&SnapshotRow| snapshot.state == State::Serving;
        let revision = snapshots
            .iter()
            .filter(serving)
            .map(|snapshot| snapshot.revision)
            .max()
            .unwrap_or_default();
        Self {
            order: Order::at(&snapshots, revision),
            snapshots,
            revision,
            status: status.map_or_else(OnceCell::new, |status| OnceCell::new_with(Some(status))),
            search: search.map_or_else(OnceCell::new, |search| OnceCell::new_with(Some(search))),
        }
    }

    /// The snapshot that waits for an operator.
    pub(crate) fn held(&self) -> Option<&SnapshotRow> {
        self.snapshots
            .iter()
            .find(|snapshot| snapshot.state == State::Held)
    }

    /// The statuses if they are in memory already.
    pub(crate) fn loaded_status(&self) -> Option<&Arc<StatusIndex>> {
        self.status.get()
    }

    /// The index of names if it is in memory already.
    pub(crate) fn loaded_search(&self) -> Option<&Arc<SearchIndex>> {
        self.search.get()
    }

    /// The statuses of this revision.
    pub(crate) async fn status(&self, store: &Store) -> Result<&Arc<StatusIndex>, Error> {
        self.status
            .get_or_try_init(|| load_status(store, &self.order, self.revision))
            .await
    }

    /// The index of names of this revision.
    pub(crate) async fn search(&self, store: &Store) -> Result<&Arc<SearchIndex>, Error> {
        self.search
            .get_or_try_init(|| async {
                let status = Arc::clone(self.status(store).await?);
                let latest = store.latest(&self.order, self.revision).await?;
                let today = self.order.newest_on().unwrap_or_default();
                let revision = self.revision;
                let index = tokio::task::spawn_blocking(move || {
                    let mut builder = SearchIndex::builder(revision, today);
                    status.for_each(|id, timeline| {
                        if let Some(latest) = latest.get(id).filter(|latest| !latest.heading.is_empty()) {
                            builder.push(id, &Heading::from_json(&latest.heading)?, &timeline);
                        }
                        Ok::<_, Error>(())
                    })?;
                    Ok::<_, Error>(builder.finish())
                })
                .await??;
                Ok(Arc::new(index))
            })
            .await
    }
}

async fn load_status(store: &Store, order: &Order, revision: u32) -> Result<Arc<StatusIndex>, Error> {
    let mut builder = StatusIndexBuilder::default();
    store.timelines(order, revision, &mut builder).await?;
    let index = tokio::task::spawn_blocking(move || builder.finish()).await?;
    Ok(Arc::new(index))
}

/// The operations that have a product at a revision.
#[derive(Debug, Clone)]
pub(crate) struct ProductOperations {
    pub(crate) revision: u32,
    pub(crate) product: Product,
    pub(crate) operations: Arc<FxHashSet<NopId>>,
}

/// What every call shares.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) publications: Publications,
    pub(crate) store: Arc<Store>,
    pub(crate) current: ArcSwap<Current>,
    /// Held by whoever changes snapshots: one import, release or discard at a time.
    pub(crate) changing: Arc<Mutex<()>>,
    /// Held from before a change is committed, or looked for, until it serves.
    pub(crate) refreshing: Mutex<()>,
    /// The current revision, for those who wait for the next.
    pub(crate) revision: watch::Sender<u32>,
    /// Statuses of older revisions, the last used at the end.
    old: Mutex<Vec<(u32, Arc<StatusIndex>)>>,
    /// Operations by products that were searched for, the last found at the end.
    pub(crate) products: Mutex<Vec<ProductOperations>>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

/// One revision that answers a call.
pub(crate) struct Answering {
    pub(crate) current: Arc<Current>,
    pub(crate) revision: u32,
    /// The snapshots that this revision holds.
    pub(crate) order: Order,
}

impl Answering {
    /// Publication date of its newest full snapshot.
    pub(crate) fn published_on(&self) -> Option<Date> {
        self.order.newest_full().map(|snapshot| snapshot.published_on)
    }

    /// Whether it is the current one.
    pub(crate) fn is_current(&self) -> bool {
        self.revision == self.current.revision
    }
}

impl Core {
    pub(crate) async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        crate::import::remove_leftovers(&config.spool);
        let store = store::open(&config.location, config.schema_update).await?;
        let current = Current::new(store.snapshots().await?, None, None);
        Ok(Self {
            revision: watch::Sender::new(current.revision),
            current: ArcSwap::from_pointee(current),
            changing: Arc::default(),
            refreshing: Mutex::default(),
            old: Mutex::default(),
            products: Mutex::default(),
            config,
            clock,
            publications: Publications::default(),
            store,
        })
    }

    /// Lets a new state serve.
    pub(crate) fn publish(&self, current: Current) {
        let revision = current.revision;
        self.current.store(Arc::new(current));
        self.revision.send_replace(revision);
    }

    /// Looks whether another process has changed the snapshots, and lets what it left serve.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        if !self.store.is_shared() {
            return Ok(());
        }
        let _one_at_a_time = self.refreshing.lock().await;
        let current = self.current.load_full();
        if self.store.newest_is(current.snapshots.last()).await? {
            return Ok(());
        }
        let snapshots = self.store.snapshots().await?;
        let next = Current::new(snapshots, None, None);
        let next = if next.revision == current.revision {
            // A snapshot was held or thrown away: nothing else has changed.
            Next::Ready(Current::new(
                next.snapshots,
                current.loaded_status().cloned(),
                current.loaded_search().cloned(),
            ))
        } else {
            Next::Built {
                snapshots: next.snapshots,
                indexes: None,
            }
        };
        let next = next.ready(self).await;
        self.publish(next);
        Ok(())
    }

    /// Goes on looking for what other processes import, until the registry closes.
    pub(crate) fn follow(self: &Arc<Self>) {
        if !self.store.is_shared() {
            return;
        }
        let core = Arc::downgrade(self);
        let draining = self.config.draining.clone();
        let mut revision = self.revision.subscribe();
        tokio::spawn(async move {
            // Where nobody says anything any more, the registry is gone.
            let gone = async { while revision.changed().await.is_ok() {} };
            let refresh = async || match core.upgrade() {
                Some(core) => core.refresh().await,
                None => Ok(()),
            };
            tokio::select! {
                // The database may be closed by then: no failure to be told of.
                biased;
                () = draining.begun() => {}
                () = gone => {}
                () = Worker::new("looking for a new revision", FOLLOW_EVERY).run_alone(refresh) => {}
            }
        });
    }

    /// The revision that answers a call. One that is not known here may be known to another process.
    pub(crate) async fn answering(&self, choice: RevisionChoice) -> Result<Answering, Error> {
        let (RevisionChoice::AtLeast(wanted) | RevisionChoice::Exact(wanted)) = choice else {
            return self.answering_now(choice);
        };
        if wanted > self.current.load().revision {
            self.refresh().await?;
        }
        self.answering_now(choice)
    }

    fn answering_now(&self, choice: RevisionChoice) -> Result<Answering, Error> {
        let current = self.current.load_full();
        let revision = match choice {
            RevisionChoice::Current => current.revision,
            RevisionChoice::AtLeast(wanted) if wanted > current.revision => {
                return Err(Error::NotNow(format!(
                    "the registry is at revision {}, revision {wanted} or later was asked for: import it first",
                    current.revision
                )));
            }
            RevisionChoice::AtLeast(_) => current.revision,
            RevisionChoice::Exact(0) => {
                return Err(Error::Invalid("revisions are numbered from 1".to_owned()));
            }
            RevisionChoice::Exact(wanted) if wanted > current.revision => {
                return Err(Error::NotFound(format!(
                    "there is no revision {wanted}: the newest is {}",
                    current.revision
                )));
            }
            RevisionChoice::Exact(wanted) => wanted,
        };
        let order = if revision == current.revision {
            current.order.clone()
        } else {
            Order::at(&current.snapshots, revision)
        };
        Ok(Answering {
            current,
            revision,
            order,
        })
    }

    /// As [`Core::answering`], where nothing can be said without a snapshot.
    pub(crate) async fn answering_with_content(&self, choice: RevisionChoice) -> Result<Answering, Error> {
        let answering = self.answering(choice).await?;
        if answering.revision == 0 {
            return Err(Error::NotNow(
                "the registry holds no snapshot yet: import one (`nopic registry import FILE`)".to_owned(),
            ));
        }
        Ok(answering)
    }

    /// The statuses of a revision, from memory or built from the database.
    pub(crate) async fn status_of(&self, answering: &Answering) -> Result<Arc<StatusIndex>, Error> {
        if answering.is_current() {
            return answering.current.status(&*self.store).await.cloned();
        }
        // Held while it is built: a second caller finds what the first has built.
        let mut old = self.old.lock().await;
        if let Some(index) = old
            .iter()
            .position(|(revision, _)| *revision == answering.revision)
        {
            let entry = old.remove(index);
            old.push(entry.clone());
            return Ok(entry.1);
        }
        let status = load_status(&*self.store, &answering.order, answering.revision).await?;
        old.push((answering.revision, Arc::clone(&status)));
        if old.len() > OLD_REVISIONS_KEPT {
            old.remove(0);
        }
        Ok(status)
    }
}
