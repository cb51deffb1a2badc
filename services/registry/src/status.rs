//! The status of every operation at one revision, as shards.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use nopic_cache::{SHARD_COUNT, Shard, ShardHash, shard_of};
use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::{Observation, Timeline};
use rustc_hash::FxHashMap;

use crate::error::Error;

/// One revision's timelines. Shards that a new revision leaves as they were are shared with the old one.
#[derive(Debug, Clone)]
pub(crate) struct StatusIndex {
    shards: Box<[Arc<EncodedShard>]>,
}

/// A shard as other services get it; unpacked when a question comes.
#[derive(Debug)]
struct EncodedShard {
    index: u8,
    encoded: Bytes,
    hash: ShardHash,
    decoded: OnceLock<Shard>,
}

impl EncodedShard {
    fn new(index: u8, shard: &Shard) -> Arc<Self> {
        let encoded = shard.encode(index);
        Arc::new(Self {
            index,
            hash: ShardHash::of(&encoded),
            encoded,
            decoded: OnceLock::new(),
        })
    }

    fn decoded(&self) -> &Shard {
        self.decoded.get_or_init(|| {
            // The bytes were encoded by `new` and never changed since.
            Shard::decode(self.index, &self.encoded).unwrap_or_default()
        })
    }
}

impl StatusIndex {
    /// The index once a snapshot is counted that is newer than all others, from what it says that is new: the
    /// operations, and what is said of each of them by its place among these.
    pub(crate) fn after(
        &self,
        published_on: Date,
        operations: impl IntoIterator<Item = NopId>,
        said: impl Fn(usize) -> Result<Observation, Error>,
    ) -> Result<Self, Error> {
        // Shard by shard, so that only one shard's worth of statements is unpacked at a time.
        let mut by_shard: Vec<Vec<(usize, NopId)>> = vec![Vec::new(); SHARD_COUNT];
        for (place, id) in operations.into_iter().enumerate() {
            by_shard[usize::from(shard_of(id))].push((place, id));
        }
        let mut shards = self.shards.clone();
        for (index, operations) in (0..=u8::MAX).zip(by_shard) {
            if operations.is_empty() {
                continue;
            }
            let old = &shards[usize::from(index)];
            let decoded = match old.decoded.get() {
                Some(shard) => shard.clone(),
                // Unpacked for this one use: no need to keep it.
                None => Shard::decode(index, &old.encoded).unwrap_or_default(),
            };
            let mut timelines: FxHashMap<NopId, Timeline> = decoded.into_entries().collect();
            for (place, id) in operations {
                let known = timelines.remove(&id);
                if let Some(timeline) = Timeline::after(known, published_on, &said(place)?) {
                    timelines.insert(id, timeline);
                }
            }
            shards[usize::from(index)] = EncodedShard::new(index, &Shard::new(timelines));
        }
        Ok(Self { shards })
    }

    /// The timeline of an operation; `None`: never listed.
    pub(crate) fn timeline(&self, id: NopId) -> Option<&Timeline> {
        self.shards[usize::from(shard_of(id))].decoded().get(id)
    }

    /// Content hashes by shard index.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = ShardHash> {
        self.shards.iter().map(|shard| shard.hash)
    }

    /// A shard as other services get it.
    pub(crate) fn encoded(&self, index: u8) -> Bytes {
        self.shards[usize::from(index)].encoded.clone()
    }

    /// Every operation; each shard is unpacked for this pass only.
    pub(crate) fn for_each<E>(&self, mut each: impl FnMut(NopId, Timeline) -> Result<(), E>) -> Result<(), E>
    where
        E: From<Error>,
    {
        for shard in &self.shards {
            let decoded = Shard::decode(shard.index, &shard.encoded)
                .map_err(|error| Error::Internal(error.to_string()))?;
            for (id, timeline) in decoded.into_entries() {
                each(id, timeline)?;
            }
        }
        Ok(())
    }
}

/// Gathers timelines into shards.
#[derive(Debug)]
pub(crate) struct StatusIndexBuilder(Vec<Vec<(NopId, Timeline)>>);

impl Default for StatusIndexBuilder {
    fn default() -> Self {
        Self((0..SHARD_COUNT).map(|_| Vec::new()).collect())
    }
}

impl StatusIndexBuilder {
    pub(crate) fn push(&mut self, id: NopId, timeline: Timeline) {
        self.0[usize::from(shard_of(id))].push((id, timeline));
    }

    pub(crate) fn finish(self) -> StatusIndex {
        StatusIndex {
            shards: (0..=u8::MAX)
                .zip(self.0)
                .map(|(index, entries)| EncodedShard::new(index, &Shard::new(entries)))
                .collect(),
        }
    }
}
