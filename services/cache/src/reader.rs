//! The reader of the services that decide: every shard of one revision in the process, confirmed with its source
//! (the registry, or Redis before it) at most once a second, or when the source says that there is news.
//!
//! Whatever asks the registry runs as a task of its own and its result is shared, so a caller that goes away takes
//! nobody with it. A registry that does not answer is bridged by what was last confirmed, for a bounded time; after
//! that there is no answer: never a yes from nothing. Whoever can be answered so waits for it only a moment.

mod l1;
mod source;
mod view;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::shard::{SHARD_COUNT, Shard, ShardHash};
use crate::stats::Stats;
use l1::L1;
pub use source::{Confirmed, Lineage, Manifest, ShardSource, SourceError};
pub use view::StatusView;

/// Which revision a caller is content with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RevisionChoice {
    /// The current one; at most [`ReaderOptions::confirm_every`] behind while the registry answers.
    #[default]
    Current,
    /// This one or a later one: being behind it is not allowed.
    AtLeast(u32),
    /// This one exactly.
    Exact(u32),
}

/// Bounds of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderOptions {
    /// How long a confirmed pointer is believed without asking; also the pause after a failed confirmation.
    pub confirm_every: Duration,
    /// How long the last confirmed view answers when the registry does not.
    pub max_staleness: Duration,
    /// How long callers wait for a confirmation while they can be answered by what was confirmed before; it goes on
    /// beside them. Once it took longer, or failed, they wait for a tenth of this until one is quick again.
    pub patience: Duration,
    /// How long the registry may take to load what is missing.
    pub load_timeout: Duration,
    /// Decoded shards that are kept, over all revisions.
    pub max_shards: usize,
    /// Shards that are asked for in one call.
    pub shards_a_call: usize,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            confirm_every: Duration::from_secs(1),
            max_staleness: Duration::from_secs(300),
            patience: Duration::from_millis(500),
            load_timeout: Duration::from_secs(10),
            max_shards: 4 * SHARD_COUNT,
            shards_a_call: 64,
        }
    }
}

/// Why there is no view.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// The registry does not answer, and what was last confirmed is too old.
    #[error("the registry cannot be reached: {0}")]
    Unreachable(String),
    /// The registry answers, and has not reached the revision asked for.
    #[error("the registry is at revision {current}, revision {wanted} was asked for")]
    Behind {
        /// The registry's revision.
        current: u32,
        /// What the caller asked for.
        wanted: u32,
    },
    /// The registry answers that there is no such revision.
    #[error("{0}")]
    NoSuchRevision(String),
}

impl From<SourceError> for Unavailable {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Unreachable(reason) => Self::Unreachable(reason),
            SourceError::NoSuchRevision(reason) => Self::NoSuchRevision(reason),
        }
    }
}

type Answer = Result<StatusView, Unavailable>;

/// A load under way.
#[derive(Debug, Clone)]
struct Pending {
    answer: watch::Receiver<Option<Answer>>,
    /// Until then callers wait for it that have an answer at hand.
    patient_until: Instant,
}

/// Whether a load was begun for its caller, or had begun before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joined {
    Began,
    UnderWay,
}

/// Keeps the views of a registry. Clones share everything.
#[derive(Debug)]
pub struct StatusReader<S>(Arc<Inner<S>>);

impl<S> Clone for StatusReader<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Inner<S> {
    source: S,
    options: ReaderOptions,
    stats: Arc<Stats>,
    state: Mutex<State>,
    /// Held while shards are fetched: what one load has fetched the next one finds, so no shard is loaded twice.
    l1: tokio::sync::Mutex<L1>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest view, and when the registry last said that it is the current one.
    current: Option<(StatusView, Instant)>,
    /// The history that its number belongs to, where the source knows.
    lineage: Option<Lineage>,
    /// How often the source had woken its readers before it was last asked.
    wakes: u64,
    /// When a confirmation last failed.
    failed_at: Option<(Instant, Unavailable)>,
    /// Whether the last confirmation failed, or took longer than callers are patient.
    is_late: bool,
    /// Views of older revisions that were asked for exactly, the last used at the end.
    exact: Vec<StatusView>,
    /// Loads under way.
    pending: FxHashMap<RevisionChoice, Pending>,
}

impl State {
    /// Whether the registry has begun to count revisions anew since it was last asked.
    fn is_another_history(&self, lineage: Option<Lineage>) -> bool {
        lineage.is_some() && self.lineage.is_some() && lineage != self.lineage
    }
}

/// Views of older revisions that are kept beside the current one.
const EXACT_VIEWS_KEPT: usize = 2;

impl<S: ShardSource> StatusReader<S> {
    /// A reader that has asked nothing yet.
    #[must_use]
    pub fn new(source: S, options: ReaderOptions) -> Self {
        Self::with_stats(source, options, Arc::default())
    }

    /// The same, counting into what its source counts into.
    #[must_use]
    pub fn with_stats(source: S, options: ReaderOptions, stats: Arc<Stats>) -> Self {
        Self(Arc::new(Inner {
            source,
            stats,
            state: Mutex::default(),
            l1: tokio::sync::Mutex::new(L1::new(options.max_shards)),
            options,
        }))
    }

    /// Every status of one revision. Costs no call while the pointer was confirmed lately.
    ///
    /// # Errors
    /// The registry cannot say, and what it said before is too old or not what was asked for.
    pub async fn view(&self, choice: RevisionChoice) -> Result<StatusView, Unavailable> {
        match choice {
            RevisionChoice::Current => self.current().await,
            RevisionChoice::AtLeast(wanted) => {
                let known = match self.current().await {
                    Ok(view) if view.revision() >= wanted => view,
                    // Not there yet, or not reachable a moment ago: the caller does not accept less, so ask now. A
                    // load that was under way may have asked before the revision came to be: ask once more after it.
                    _ => match self.load(choice).await {
                        Ok((view, Joined::Began)) => view,
                        Ok((view, Joined::UnderWay)) if view.revision() >= wanted => view,
                        Ok((_, Joined::UnderWay)) => self.load(choice).await?.0,
                        Err(why) => return Err(why),
                    },
                };
                if known.revision() < wanted {
                    return Err(Unavailable::Behind {
                        current: known.revision(),
                        wanted,
                    });
                }
                Ok(known)
            }
            RevisionChoice::Exact(revision) => match self.known_exact(revision) {
                Some(view) => Ok(view),
                None => Ok(self.load(choice).await?.0),
            },
        }
    }

    /// The newest view, and how long ago it was confirmed to be the current one; `None`: there is none yet.
    #[must_use]
    pub fn confirmed(&self) -> Option<(StatusView, Duration)> {
        let state = self.lock();
        let (view, at) = state.current.as_ref()?;
        Some((view.clone(), at.elapsed()))
    }

    async fn current(&self) -> Answer {
        let options = self.0.options;
        let last = {
            let state = self.lock();
            let recently = |at: &Instant| at.elapsed() < options.confirm_every;
            let no_news = self.0.source.wake_count() == state.wakes;
            match (&state.current, &state.failed_at) {
                (Some((view, at)), _) if recently(at) && no_news => return Ok(view.clone()),
                // The registry was asked a moment ago and did not answer: do not make every caller wait for it.
                (Some((view, at)), Some((failed, _)))
                    if recently(failed) && at.elapsed() < options.max_staleness =>
                {
                    return Ok(view.clone());
                }
                (_, Some((failed, why))) if recently(failed) => return Err(why.clone()),
                (current, _) => current.clone(),
            }
        };
        let is_good = |at: &Instant| at.elapsed() < options.max_staleness;
        let (pending, _) = self.join(RevisionChoice::Current);
        let patient_until = pending.patient_until;
        let mut loading = std::pin::pin!(ended(pending));
        let Some((view, at)) = last.filter(|(_, at)| is_good(at)) else {
            return loading.await;
        };
        match timeout_at(patient_until, &mut loading).await {
            Ok(Ok(view)) => Ok(view),
            Ok(Err(_)) | Err(_) if is_good(&at) => Ok(view),
            Ok(Err(why)) => Err(why),
            // What was at hand has become too old meanwhile.
            Err(_) => loading.await,
        }
    }

    fn known_exact(&self, revision: u32) -> Option<StatusView> {
        let mut state = self.lock();
        if let Some((view, _)) = &state.current
            && view.revision() == revision
        {
            // A revision never changes, so it need not be confirmed.
            return Some(view.clone());
        }
        let index = state.exact.iter().position(|view| view.revision() == revision)?;
        let view = state.exact.remove(index);
        state.exact.push(view.clone());
        Some(view)
    }

    /// The answer of the load that is under way, or of one that begins.
    async fn load(&self, choice: RevisionChoice) -> Result<(StatusView, Joined), Unavailable> {
        let (pending, joined) = self.join(choice);
        Ok((ended(pending).await?, joined))
    }

    /// Joins the load that is under way, or begins one.
    fn join(&self, choice: RevisionChoice) -> (Pending, Joined) {
        let mut state = self.lock();
        if let Some(pending) = state.pending.get(&choice) {
            return (pending.clone(), Joined::UnderWay);
        }
        let (sender, answer) = watch::channel(None);
        let patience = self.0.options.patience / if state.is_late { 10 } else { 1 };
        let pending = Pending {
            answer,
            patient_until: Instant::now() + patience,
        };
        state.pending.insert(choice, pending.clone());
        let reader = self.clone();
        let load = async move {
            // Dropped whatever happens, so that a panic leaves no load that never ends.
            let _ended = Ended(&reader.0.state, choice);
            let answer = reader.fetch(choice).await;
            sender.send_replace(Some(answer));
        };
        // In the trace of the caller who began it, and of none of the others.
        tokio::spawn(load.in_current_span());
        (pending, Joined::Began)
    }

    async fn fetch(&self, choice: RevisionChoice) -> Answer {
        let limit = self.0.options.load_timeout;
        // Before the source is asked: news that comes later is not in its answer.
        let wakes = self.0.source.wake_count();
        let began = Instant::now();
        let answer = tokio::time::timeout(limit, self.fetch_unbounded(choice))
            .await
            .unwrap_or_else(|_| {
                Err(Unavailable::Unreachable(format!(
                    "it did not answer within {} s",
                    limit.as_secs_f32()
                )))
            });
        let mut state = self.lock();
        if choice == RevisionChoice::Current {
            state.is_late = answer.is_err() || began.elapsed() > self.0.options.patience;
        }
        match (answer, choice) {
            (Ok((view, _)), RevisionChoice::Exact(_)) => {
                state.exact.push(view.clone());
                if state.exact.len() > EXACT_VIEWS_KEPT {
                    state.exact.remove(0);
                }
                Ok(view)
            }
            (Ok((view, lineage)), _) => {
                if state.is_another_history(lineage) {
                    // The same numbers mean something else now.
                    state.exact.clear();
                } else if let Some((newer, _)) = &state.current
                    && newer.revision() > view.revision()
                {
                    // Another load was faster and got further.
                    return Ok(newer.clone());
                }
                state.current = Some((view.clone(), Instant::now()));
                state.lineage = lineage.or(state.lineage);
                state.wakes = wakes;
                state.failed_at = None;
                Ok(view)
            }
            (Err(why), RevisionChoice::Current) => {
                state.failed_at = Some((Instant::now(), why.clone()));
                state.wakes = wakes;
                if let Some((view, _)) = &state.current {
                    tracing::warn!(
                        reason = %why,
                        revision = view.revision(),
                        "the registry does not answer: its last confirmed revision goes on serving for a time"
                    );
                }
                Err(why)
            }
            (Err(why), _) => Err(why),
        }
    }

    async fn fetch_unbounded(
        &self,
        choice: RevisionChoice,
    ) -> Result<(StatusView, Option<Lineage>), Unavailable> {
        let source = &self.0.source;
        let (manifest, lineage) = match choice {
            RevisionChoice::Exact(wanted) => {
                let manifest = source.manifest(choice).await?;
                if manifest.revision != wanted {
                    return Err(Unavailable::Unreachable(format!(
                        "it answered with revision {} to a question about revision {wanted}",
                        manifest.revision
                    )));
                }
                (manifest, None)
            }
            RevisionChoice::Current => source.confirm(0).await?.into_parts(),
            RevisionChoice::AtLeast(wanted) => source.confirm(wanted).await?.into_parts(),
        };
        if !matches!(choice, RevisionChoice::Exact(_)) {
            let state = self.lock();
            match &state.current {
                Some((last, _))
                    if manifest.revision < last.revision() && !state.is_another_history(lineage) =>
                {
                    // A replica that lags or a database that was set back: a withdrawn certification must not come
                    // back.
                    return Err(Unavailable::Behind {
                        current: manifest.revision,
                        wanted: last.revision(),
                    });
                }
                Some((last, _)) if last.is_of(&manifest) => return Ok((last.clone(), lineage)),
                _ => {}
            }
        }
        Ok((self.assemble(&manifest).await?, lineage))
    }

    /// The view of a manifest, from the shards at hand and those that the source has to bring.
    async fn assemble(&self, manifest: &Manifest) -> Answer {
        if manifest.revision == 0 {
            return Ok(StatusView::empty());
        }
        if manifest.shard_hashes.len() != SHARD_COUNT {
            return Err(Unavailable::Unreachable(format!(
                "its manifest has {} shards instead of {SHARD_COUNT}",
                manifest.shard_hashes.len()
            )));
        }
        let mut l1 = self.0.l1.lock().await;
        let mut shards: Vec<Option<Arc<Shard>>> =
            manifest.shard_hashes.iter().map(|hash| l1.get(hash)).collect();
        let missing: Vec<u8> = (0..=u8::MAX)
            .filter(|index| shards[usize::from(*index)].is_none())
            .collect();
        self.0.stats.shards_l1.add(SHARD_COUNT - missing.len());
        let source = &self.0.source;
        let shards_a_call = source.shards_a_call().unwrap_or(self.0.options.shards_a_call);
        for indexes in missing.chunks(shards_a_call.max(1)) {
            let fetched = source.shards_of(manifest, indexes).await?;
            if fetched.len() != indexes.len() {
                return Err(Unavailable::Unreachable(format!(
                    "it sent {} shards instead of {}",
                    fetched.len(),
                    indexes.len()
                )));
            }
            for (index, encoded) in indexes.iter().zip(fetched) {
                let hash = manifest.shard_hashes[usize::from(*index)];
                if ShardHash::of(&encoded) != hash {
                    return Err(Unavailable::Unreachable(format!(
                        "status shard {index} is not the one that its manifest names"
                    )));
                }
                let shard = Shard::decode(*index, &encoded)
                    .map_err(|error| Unavailable::Unreachable(format!("shard {index}: {error}")))?;
                let shard = Arc::new(shard);
                l1.put(hash, Arc::clone(&shard));
                shards[usize::from(*index)] = Some(shard);
            }
        }
        // Every missing index was fetched above, so none is left out here.
        Ok(StatusView::new(manifest, shards.into_iter().flatten().collect()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

/// A panic elsewhere leaves a state that is still whole: every change of it is one assignment.
fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answer of a load, once there is one.
async fn ended(mut pending: Pending) -> Answer {
    match pending.answer.wait_for(Option::is_some).await {
        Ok(answer) => answer
            .clone()
            .unwrap_or_else(|| Err(Unavailable::Unreachable("it gave no answer".to_owned()))),
        Err(_) => Err(Unavailable::Unreachable(
            "its answer could not be read".to_owned(),
        )),
    }
}

struct Ended<'a>(&'a Mutex<State>, RevisionChoice);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        lock(self.0).pending.remove(&self.1);
    }
}

#[cfg(test)]
mod tests;
