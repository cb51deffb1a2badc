//! The registry's side: shards first, then the manifest, the pointer last, then a message.

use std::sync::Arc;

use ::redis::{Cmd, Value, cmd, from_redis_value};
use bytes::Bytes;
use thiserror::Error;

use super::keys::Keys;
use super::link::{Failure, Link, Purpose};
use super::options::{Options, OptionsError};
use super::record::{Pointer, encode_manifest, hash_of};
use crate::reader::{Lineage, Manifest};
use crate::shard::ShardHash;
use crate::stats::Stats;

/// Sets the pointer if it still is what it was judged by, so that no decision is made on an old one. The judging needs
/// a checksum, which is why it is done outside: a damaged pointer must not hold its place.
/// Arguments: what it was ('' if absent), what it becomes, seconds to keep it. Answers what it was, or nothing if set.
const MOVE_POINTER: &str = "
local now = redis.call('GET', KEYS[1])
if (now or '') ~= ARGV[1] then return now or '' end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return false
";

/// How often a pointer that others move at the same time is judged anew.
const POINTER_ATTEMPTS: usize = 16;

/// Commands that go out together: bounds what waits in memory.
const COMMANDS_AT_ONCE: usize = 64;

/// What became of the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointerMove {
    /// It names this revision now, and readers were told.
    Moved,
    /// It named this revision already; its time to live was renewed.
    Unchanged,
    /// It names a later revision of the same lineage, and stays there.
    Later(u32),
}

/// What publishing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Shards that Redis lacked. The rest only had their time to live renewed.
    pub shards_written: usize,
    /// What became of the pointer.
    pub pointer: PointerMove,
}

/// Why nothing, or not all, was published. Publishing again is always safe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublishError {
    /// The caller's manifest and shards do not belong together.
    #[error("revision {revision} cannot be published: {reason}")]
    Malformed {
        /// The manifest's revision.
        revision: u32,
        /// What is wrong.
        reason: String,
    },
    /// Redis failed; readers go on with what they have and ask the registry.
    #[error("revision {revision} is not published: {reason}")]
    Unreachable {
        /// The manifest's revision.
        revision: u32,
        /// What Redis did.
        reason: String,
    },
}

/// Writes revisions to Redis.
#[derive(Debug, Clone)]
pub struct Publisher {
    link: Arc<Link>,
    keys: Keys,
}

impl Publisher {
    /// A publisher that has made no connection yet.
    ///
    /// # Errors
    /// The options cannot be meant.
    pub fn new(mut options: Options) -> Result<Self, OptionsError> {
        // Publishing is rare and its caller repeats it: it always tries.
        options.failures_to_trip = u32::MAX;
        let keys = Keys::new(&options.deployment);
        let link = Link::new(options, Arc::new(Stats::default()), Purpose::Publishing)?;
        Ok(Self { link, keys })
    }

    /// Publishes a revision: its shards by index, as encoded. Shards that Redis has are not sent again. Published again,
    /// a revision has its time to live renewed and what Redis lost brought back, and wakes nobody if the pointer stands.
    ///
    /// # Errors
    /// The shards are not those of the manifest, or Redis failed.
    pub async fn publish(
        &self,
        lineage: Lineage,
        manifest: &Manifest,
        shards: &[Bytes],
    ) -> Result<Published, PublishError> {
        let revision = manifest.revision;
        let malformed = |reason: String| PublishError::Malformed { revision, reason };
        let encoded = encode_manifest(manifest)
            .ok_or_else(|| malformed(format!("it has {} shard hashes", manifest.shard_hashes.len())))?;
        if shards.len() != manifest.shard_hashes.len() {
            return Err(malformed(format!(
                "{} shards came with {} hashes",
                shards.len(),
                manifest.shard_hashes.len()
            )));
        }
        for (index, (shard, hash)) in shards.iter().zip(&manifest.shard_hashes).enumerate() {
            if ShardHash::of(shard) != *hash {
                return Err(malformed(format!("shard {index} is not the one that it names")));
            }
        }
        let pointer = Pointer {
            lineage,
            revision,
            manifest: hash_of(&encoded),
        };
        self.write(manifest, shards, &encoded, &pointer)
            .await
            .map_err(|failure| PublishError::Unreachable {
                revision,
                reason: failure.to_string(),
            })
    }

    async fn write(
        &self,
        manifest: &Manifest,
        shards: &[Bytes],
        encoded: &[u8],
        pointer: &Pointer,
    ) -> Result<Published, Failure> {
        let keep_for = self.link.options.keep_for.as_secs();
        let known = self.pointer().await?;
        if let Some(current) = Pointer::decode(&known).ok()
            && !current.may_become(pointer)
        {
            return Ok(Published {
                shards_written: 0,
                pointer: PointerMove::Later(current.revision),
            });
        }
        let shards_written = self.write_missing(manifest, shards, keep_for).await?;
        // A number that was given before (by a registry that is now restored) may hold another manifest: overwrite it.
        let key = self.keys.manifest(manifest.revision);
        self.ask(&[set(&key, encoded, keep_for)]).await?;
        let pointer = self.move_pointer(known, pointer, keep_for).await?;
        if pointer == PointerMove::Moved {
            let mut message = cmd("PUBLISH");
            message.arg(self.keys.channel()).arg(manifest.revision);
            // Lost messages are made good by confirmation in time, so a failure here is none of the publication.
            if let Err(failure) = self.ask(&[message]).await {
                tracing::warn!(reason = %failure, "readers were not told of the new revision, they will ask");
            }
        }
        Ok(Published {
            shards_written,
            pointer,
        })
    }

    /// Renews every shard's time to live, which also tells which ones are there, and writes the others.
    async fn write_missing(
        &self,
        manifest: &Manifest,
        shards: &[Bytes],
        keep_for: u64,
    ) -> Result<usize, Failure> {
        let keys: Vec<_> = manifest
            .shard_hashes
            .iter()
            .map(|hash| self.keys.shard(hash))
            .collect();
        let renewals: Vec<_> = keys
            .iter()
            .map(|key| {
                let mut renew = cmd("EXPIRE");
                renew.arg(key).arg(keep_for);
                renew
            })
            .collect();
        let there = self.ask(&renewals).await?;
        let mut missing: Vec<_> = keys
            .iter()
            .zip(shards)
            .zip(there)
            .filter(|(_, there)| *there != Value::Int(1))
            .map(|(missing, _)| missing)
            .collect();
        // Shards without an operation can only be equal within one index, yet equal keys cost nothing to merge.
        missing.sort_unstable_by_key(|(key, _)| *key);
        missing.dedup_by_key(|(key, _)| *key);
        for some in missing.chunks(COMMANDS_AT_ONCE) {
            let writes: Vec<_> = some
                .iter()
                .map(|(key, shard)| set(key, shard, keep_for))
                .collect();
            self.ask(&writes).await?;
        }
        Ok(missing.len())
    }

    async fn move_pointer(
        &self,
        mut known: Vec<u8>,
        next: &Pointer,
        keep_for: u64,
    ) -> Result<PointerMove, Failure> {
        for _ in 0..POINTER_ATTEMPTS {
            // One that is damaged protects nothing.
            let current = Pointer::decode(&known).ok();
            if let Some(current) = current
                && !current.may_become(next)
            {
                return Ok(PointerMove::Later(current.revision));
            }
            let mut script = cmd("EVAL");
            script
                .arg(MOVE_POINTER)
                .arg(1)
                .arg(self.keys.pointer())
                .arg(&known[..])
                .arg(next.encode())
                .arg(keep_for);
            match self.ask(&[script]).await?.pop() {
                Some(Value::Nil) if current == Some(*next) => return Ok(PointerMove::Unchanged),
                Some(Value::Nil) => return Ok(PointerMove::Moved),
                Some(Value::BulkString(now)) => known = now,
                other => {
                    return Err(Failure::Failed(format!(
                        "the pointer's script answered {other:?}"
                    )));
                }
            }
        }
        Err(Failure::Failed("others move the pointer all the time".to_owned()))
    }

    /// The pointer's bytes; empty if there is none.
    async fn pointer(&self) -> Result<Vec<u8>, Failure> {
        let mut get = cmd("GET");
        get.arg(self.keys.pointer());
        match self.ask(&[get]).await?.pop() {
            Some(value) => Ok(from_redis_value::<Option<Vec<u8>>>(value)
                .map_err(|error| Failure::Failed(error.to_string()))?
                .unwrap_or_default()),
            None => Ok(Vec::new()),
        }
    }

    async fn ask(&self, commands: &[Cmd]) -> Result<Vec<Value>, Failure> {
        self.link.ask(commands, self.link.options.publish_timeout).await
    }
}

/// Writes a value that goes when nobody renews it.
pub(super) fn set(key: &str, value: &[u8], keep_for: u64) -> Cmd {
    let mut set = cmd("SET");
    set.arg(key).arg(value).arg("EX").arg(keep_for);
    set
}
