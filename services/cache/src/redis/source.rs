//! The registry's manifests and shards by way of Redis.

use std::sync::Arc;

use ::redis::{Value, cmd};
use bytes::Bytes;
use futures::future::try_join_all;
use tokio::sync::{Semaphore, watch};

use super::keys::Keys;
use super::link::{Link, Purpose};
use super::options::{Options, OptionsError};
use super::origin::{Origin, lock};
use super::publisher::set;
use super::record::{Pointer, decode_manifest, hash_of};
use super::subscriber::Subscriber;
use crate::reader::{Confirmed, Manifest, RevisionChoice, ShardSource, SourceError};
use crate::shard::ShardHash;
use crate::stats::Stats;

/// Loads whose shards are written back at once; of more, the shards are not written back.
const WRITE_BACKS: u32 = 4;

/// A [`ShardSource`] that asks Redis, and `S` (the registry) wherever Redis has no answer that can be proved.
///
/// Which revision is current the registry says at first; from then on the pointer says it, if it is of the registry's
/// lineage, and every [`Options::registry_every`] the registry is asked beside it, so that one that does not answer
/// holds nobody up. What it says then counts from the next confirmation on. A revision asked for exactly is the
/// registry's to know. While the registry is away a sound pointer goes on confirming.
#[derive(Debug)]
pub struct CachedSource<S> {
    origin: Arc<Origin<S>>,
    link: Arc<Link>,
    keys: Keys,
    write_backs: Arc<Semaphore>,
    subscriber: Subscriber,
}

impl<S: ShardSource> CachedSource<S> {
    /// A source that has asked nothing yet. It begins to listen, so it must be made within a tokio runtime.
    ///
    /// # Errors
    /// The options cannot be meant.
    pub fn new(origin: S, options: Options, stats: Arc<Stats>) -> Result<Self, OptionsError> {
        let keys = Keys::new(&options.deployment);
        let origin = Arc::new(Origin::new(origin, &options, Arc::clone(&stats)));
        let link = Link::new(options, stats, Purpose::Reading)?;
        let subscriber = Subscriber::new(Arc::clone(&link), keys.channel());
        Ok(Self {
            origin,
            link,
            keys,
            write_backs: Arc::new(Semaphore::new(WRITE_BACKS as usize)),
            subscriber,
        })
    }

    /// What is counted.
    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.link.stats
    }

    /// Counts the publisher's messages (and each subscription that begins), for whoever wants to ask at once.
    #[must_use]
    pub fn wakes(&self) -> watch::Receiver<u64> {
        self.subscriber.wakes()
    }

    /// Waits until what the registry gave is written to Redis, or could not be.
    pub async fn written_back(&self) {
        // Never closed, so all its permits come back.
        let _ = self.write_backs.acquire_many(WRITE_BACKS).await;
    }

    /// The pointer, if Redis has a sound one.
    async fn pointer(&self) -> Option<Pointer> {
        let bytes = self.value(&self.keys.pointer()).await?;
        match Pointer::decode(&bytes) {
            Ok(pointer) => {
                self.link.sound();
                Some(pointer)
            }
            Err(error) => self.damaged(&error),
        }
    }

    /// The manifest that a pointer names, if Redis has it.
    async fn manifest_of(&self, pointer: &Pointer) -> Option<Manifest> {
        if let Some(manifest) = self.origin.remembered(&pointer.manifest) {
            return Some(manifest);
        }
        let bytes = self.value(&self.keys.manifest(pointer.revision)).await?;
        if hash_of(&bytes) != pointer.manifest {
            return self.damaged(&"the manifest is not the one that the pointer names");
        }
        match decode_manifest(&bytes) {
            Ok(manifest) if manifest.revision == pointer.revision => {
                self.link.sound();
                self.origin.remember(pointer.manifest, &manifest);
                Some(manifest)
            }
            Ok(_) => self.damaged(&"the manifest is of another revision"),
            Err(error) => self.damaged(&error),
        }
    }

    async fn value(&self, key: &str) -> Option<Vec<u8>> {
        let mut get = cmd("GET");
        get.arg(key);
        let answer = self.link.ask(&[get], self.link.options.call_timeout).await;
        match answer.ok().and_then(|mut values| values.pop()) {
            Some(Value::BulkString(bytes)) => return Some(bytes),
            // That there is none is an answer too.
            Some(Value::Nil) => self.link.sound(),
            _ => {}
        }
        self.stats().misses.add(1);
        None
    }

    fn damaged<T>(&self, why: &dyn std::fmt::Display) -> Option<T> {
        self.stats().damaged.add(1);
        self.stats().misses.add(1);
        self.link.unsound(why);
        None
    }

    /// The shards with these hashes, where Redis has them: one round trip to each of its servers.
    async fn shards_in_redis(&self, hashes: &[ShardHash]) -> Vec<Option<Bytes>> {
        let nothing = vec![None; hashes.len()];
        if hashes.is_empty() {
            return nothing;
        }
        let mut get = cmd("MGET");
        for hash in hashes {
            get.arg(self.keys.shard(hash));
        }
        let limit = self.link.options.bulk_timeout(hashes.len());
        let answer = self.link.ask(&[get], limit).await;
        let stats = self.stats();
        let found = match answer.ok().and_then(|mut values| values.pop()) {
            Some(Value::Array(values)) if values.len() == hashes.len() => values,
            _ => {
                stats.misses.add(hashes.len());
                return nothing;
            }
        };
        let mut damaged = 0;
        let shards: Vec<_> = found
            .into_iter()
            .zip(hashes)
            .map(|(value, hash)| match value {
                Value::BulkString(bytes) if ShardHash::of(&bytes) == *hash => Some(Bytes::from(bytes)),
                Value::Nil => None,
                _ => {
                    damaged += 1;
                    None
                }
            })
            .collect();
        let hits = shards.iter().flatten().count();
        stats.shards_redis.add(hits);
        stats.misses.add(hashes.len() - hits);
        stats.damaged.add(damaged);
        if damaged == 0 {
            self.link.sound();
        } else {
            self.link.unsound(&"shards are not what their keys say");
        }
        shards
    }

    /// Gives Redis what it lacked or had damaged, while the caller goes on.
    fn write_back(&self, shards: Vec<(ShardHash, Bytes)>) {
        let Ok(permit) = Arc::clone(&self.write_backs).try_acquire_owned() else {
            return;
        };
        let link = Arc::clone(&self.link);
        let keys = self.keys.clone();
        tokio::spawn(async move {
            let keep_for = link.options.keep_for.as_secs();
            let writes: Vec<_> = shards
                .iter()
                .map(|(hash, shard)| set(&keys.shard(hash), shard, keep_for))
                .collect();
            if let Err(failure) = link.ask(&writes, link.options.bulk_timeout(shards.len())).await {
                tracing::debug!(reason = %failure, "shards were not written back to Redis");
            }
            drop(permit);
        });
    }
}

impl<S: ShardSource> ShardSource for CachedSource<S> {
    async fn manifest(&self, choice: RevisionChoice) -> Result<Manifest, SourceError> {
        match choice {
            RevisionChoice::Current => Ok(self.confirm(0).await?.manifest),
            RevisionChoice::AtLeast(revision) => Ok(self.confirm(revision).await?.manifest),
            // The number alone does not say which content is meant; the registry does.
            RevisionChoice::Exact(_) => self.origin.manifest(choice).await,
        }
    }

    async fn confirm(&self, at_least: u32) -> Result<Confirmed, SourceError> {
        // Before the registry, so that a pointer ahead of its answer is known to be of another history.
        let pointer = self.pointer().await;
        let trust = || lock(&self.origin.trust);
        let accepted = pointer.filter(|pointer| pointer.revision >= at_least && trust().accepts(pointer));
        if let Some(pointer) = accepted
            && let Some(manifest) = self.manifest_of(&pointer).await
        {
            trust().follow(&pointer);
            self.stats().manifests_redis.add(1);
            self.origin.ask_beside_when_due(pointer);
            return Ok(Confirmed {
                manifest,
                lineage: Some(pointer.lineage),
            });
        }
        match self.origin.current(pointer.as_ref()).await {
            Err(SourceError::Unreachable(reason)) => {
                let unreachable = SourceError::Unreachable(reason);
                let pointer = pointer
                    .filter(|pointer| pointer.revision >= at_least && trust().bridges(pointer))
                    .ok_or_else(|| unreachable.clone())?;
                let manifest = self.manifest_of(&pointer).await.ok_or(unreachable)?;
                trust().follow(&pointer);
                self.stats().manifests_redis.add(1);
                Ok(Confirmed {
                    manifest,
                    lineage: Some(pointer.lineage),
                })
            }
            answer => answer,
        }
    }

    async fn shards(&self, revision: u32, indexes: &[u8]) -> Result<Vec<Bytes>, SourceError> {
        let manifest = self.origin.manifest(RevisionChoice::Exact(revision)).await?;
        self.shards_of(&manifest, indexes).await
    }

    async fn shards_of(&self, manifest: &Manifest, indexes: &[u8]) -> Result<Vec<Bytes>, SourceError> {
        let hashes = indexes
            .iter()
            .map(|index| manifest.shard_hashes.get(usize::from(*index)).copied())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| {
                SourceError::NoSuchRevision(format!("revision {} has no shards", manifest.revision))
            })?;
        let mut shards = self.shards_in_redis(&hashes).await;
        let missing: Vec<usize> = (0..shards.len()).filter(|at| shards[*at].is_none()).collect();
        let calls = missing
            .chunks(self.link.options.registry_shards_a_call)
            .map(|some| async move {
                let some_indexes: Vec<u8> = some.iter().map(|at| indexes[*at]).collect();
                self.origin.shards(manifest, &some_indexes).await
            });
        let loaded: Vec<Bytes> = try_join_all(calls).await?.into_iter().flatten().collect();
        let mut returned = Vec::with_capacity(loaded.len());
        for (at, shard) in missing.iter().zip(loaded) {
            returned.push((hashes[*at], shard.clone()));
            shards[*at] = Some(shard);
        }
        if !returned.is_empty() {
            self.write_back(returned);
        }
        // Each gap was filled above: a call that brings too few shards is an error.
        Ok(shards.into_iter().flatten().collect())
    }

    fn shards_a_call(&self) -> Option<usize> {
        Some(crate::shard::SHARD_COUNT)
    }

    fn wake_count(&self) -> u64 {
        self.stats().wakes.get()
    }
}
