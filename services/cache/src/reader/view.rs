//! One revision, whole.

use std::sync::Arc;

use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::Timeline;

use super::Manifest;
use crate::shard::{Shard, ShardHash, shard_of};

/// Every status of exactly one revision. Immutable; clones share it.
#[derive(Debug, Clone)]
pub struct StatusView(Arc<Content>);

#[derive(Debug)]
struct Content {
    revision: u32,
    published_on: Option<Date>,
    hashes: Vec<ShardHash>,
    /// By shard index; empty at revision 0.
    shards: Box<[Arc<Shard>]>,
}

impl StatusView {
    /// A registry that holds no snapshot.
    pub(super) fn empty() -> Self {
        Self(Arc::new(Content {
            revision: 0,
            published_on: None,
            hashes: Vec::new(),
            shards: Box::default(),
        }))
    }

    pub(super) fn new(manifest: &Manifest, shards: Box<[Arc<Shard>]>) -> Self {
        Self(Arc::new(Content {
            revision: manifest.revision,
            published_on: manifest.published_on,
            hashes: manifest.shard_hashes.clone(),
            shards,
        }))
    }

    pub(super) fn is_of(&self, manifest: &Manifest) -> bool {
        self.0.revision == manifest.revision
            && self.0.published_on == manifest.published_on
            && self.0.hashes == manifest.shard_hashes
    }

    /// The revision; 0: the registry holds no snapshot, so nothing it lacks means anything.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.0.revision
    }

    /// Publication date of the revision's newest full snapshot: what staleness goes by.
    #[must_use]
    pub fn published_on(&self) -> Option<Date> {
        self.0.published_on
    }

    /// Whether the registry holds no snapshot yet: then there is no answer, not the answer "not listed".
    #[must_use]
    pub fn has_no_snapshot(&self) -> bool {
        self.0.revision == 0
    }

    /// The timeline of an operation; `None`: no snapshot of the revision ever listed it (unless there is none).
    #[must_use]
    pub fn timeline(&self, id: NopId) -> Option<&Timeline> {
        self.0.shards.get(usize::from(shard_of(id)))?.get(id)
    }

    /// Number of operations.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.len()).sum()
    }
}
