//! The registry behind Redis: how it is asked, and what its answers say about what Redis holds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::options::Options;
use super::record::{ManifestHash, Pointer, encode_manifest, hash_of};
use super::trust::Trust;
use crate::reader::{Confirmed, Manifest, RevisionChoice, ShardSource, SourceError};
use crate::shard::ShardHash;
use crate::stats::Stats;

/// The registry: so many calls at once, and each of them bounded.
#[derive(Debug)]
pub(super) struct Origin<S> {
    source: S,
    stats: Arc<Stats>,
    every: Duration,
    limit: Duration,
    calls: Semaphore,
    /// Held while the registry is asked beside answers from Redis.
    beside: Arc<Semaphore>,
    pub(super) trust: Mutex<Trust>,
    /// The manifest that was read last, which is most often the next one asked for.
    last: Mutex<Option<(ManifestHash, Manifest)>>,
}

impl<S: ShardSource> Origin<S> {
    pub(super) fn new(source: S, options: &Options, stats: Arc<Stats>) -> Self {
        Self {
            source,
            stats,
            every: options.registry_every,
            limit: options.registry_timeout,
            calls: Semaphore::new(options.registry_calls),
            beside: Arc::new(Semaphore::new(1)),
            trust: Mutex::default(),
            last: Mutex::default(),
        }
    }

    pub(super) fn remember(&self, hash: ManifestHash, manifest: &Manifest) {
        *lock(&self.last) = Some((hash, manifest.clone()));
    }

    /// The manifest with this hash, if it was the last one.
    pub(super) fn remembered(&self, hash: &ManifestHash) -> Option<Manifest> {
        let last = lock(&self.last);
        let (known, manifest) = last.as_ref()?;
        (known == hash).then(|| manifest.clone())
    }

    pub(super) async fn manifest(&self, choice: RevisionChoice) -> Result<Manifest, SourceError> {
        let manifest = self.bounded(self.source.manifest(choice)).await?;
        self.stats.manifests_origin.add(1);
        Ok(manifest)
    }

    /// Which revision is current, and what that says about this pointer, which was read before.
    pub(super) async fn current(&self, pointer: Option<&Pointer>) -> Result<Confirmed, SourceError> {
        let answer = self.manifest(RevisionChoice::Current).await;
        lock(&self.trust).asked(Instant::now());
        let manifest = answer?;
        let hash = self.learn(&manifest)?;
        let lineage = lock(&self.trust).judge(pointer, manifest.revision, hash);
        Ok(Confirmed { manifest, lineage })
    }

    /// Asks which revision is current if that is due, while this pointer, which was followed, goes on answering.
    pub(super) fn ask_beside_when_due(self: &Arc<Self>, pointer: Pointer) {
        if !lock(&self.trust).is_registry_due(self.every, Instant::now()) {
            return;
        }
        let Ok(turn) = Arc::clone(&self.beside).try_acquire_owned() else {
            return;
        };
        let origin = Arc::clone(self);
        tokio::spawn(async move {
            let answer = origin.manifest(RevisionChoice::Current).await;
            let mut trust = lock(&origin.trust);
            trust.asked(Instant::now());
            match answer {
                // What was followed since then is later than this answer, or was learnt from another one.
                Ok(manifest) if trust.stands_at(&pointer) => {
                    if let Ok(hash) = origin.learn(&manifest) {
                        trust.judge(Some(&pointer), manifest.revision, hash);
                    }
                }
                Ok(_) => {}
                Err(reason) => {
                    tracing::warn!(%reason, "the registry does not confirm what Redis says: Redis goes on answering");
                }
            }
            drop(turn);
        });
    }

    fn learn(&self, manifest: &Manifest) -> Result<ManifestHash, SourceError> {
        let encoded = encode_manifest(manifest).ok_or_else(|| {
            SourceError::Unreachable(format!("its manifest has {} shards", manifest.shard_hashes.len()))
        })?;
        let hash = hash_of(&encoded);
        self.remember(hash, manifest);
        Ok(hash)
    }

    pub(super) async fn shards(
        &self,
        manifest: &Manifest,
        indexes: &[u8],
    ) -> Result<Vec<Bytes>, SourceError> {
        let shards = self.bounded(self.source.shards_of(manifest, indexes)).await?;
        let all_sound = shards.len() == indexes.len()
            && indexes.iter().zip(&shards).all(|(index, shard)| {
                manifest.shard_hashes.get(usize::from(*index)) == Some(&ShardHash::of(shard))
            });
        if !all_sound {
            // The manifest may be of another history than the registry's: ask it before Redis is believed again.
            lock(&self.trust).doubt();
            return Err(SourceError::Unreachable(format!(
                "its shards are not those of the manifest of revision {}",
                manifest.revision
            )));
        }
        self.stats.shards_origin.add(shards.len());
        Ok(shards)
    }

    async fn bounded<T>(&self, call: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
        let limit = self.limit;
        let call = async {
            // Never closed; were it so, the call would only be unbounded.
            let _permit = self.calls.acquire().await;
            call.await
        };
        timeout(limit, call).await.unwrap_or_else(|_| {
            Err(SourceError::Unreachable(format!(
                "it did not answer within {limit:?}"
            )))
        })
    }
}

/// A panic elsewhere leaves a state that is still whole: every change of it is one assignment.
pub(super) fn lock<T>(state: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
