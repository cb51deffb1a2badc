//! Where a reader's manifests and shards come from.

use std::fmt;
use std::future::Future;

use bytes::Bytes;
use nopic_domain::date::Date;
use thiserror::Error;

use super::RevisionChoice;
use crate::shard::ShardHash;

/// What the registry says about a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The revision; 0: the registry holds no snapshot.
    pub revision: u32,
    /// Publication date of its newest full snapshot.
    pub published_on: Option<Date>,
    /// Hashes of the shards by index: [`SHARD_COUNT`] of them, or none at revision 0.
    pub shard_hashes: Vec<ShardHash>,
}

/// One history of revision numbers. A registry draws it at random when it is set up and again when it is restored from
/// a backup, because it then gives numbers a second time.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lineage(pub [u8; 16]);

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Why a source gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceError {
    /// It cannot be reached, or failed; asking again may help.
    #[error("{0}")]
    Unreachable(String),
    /// It answered that there is no such revision.
    #[error("{0}")]
    NoSuchRevision(String),
}

/// The manifest of the current revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The manifest.
    pub manifest: Manifest,
    /// The history that its number belongs to, where the source knows and the registry has vouched for it.
    pub lineage: Option<Lineage>,
}

impl Confirmed {
    pub(super) fn into_parts(self) -> (Manifest, Option<Lineage>) {
        (self.manifest, self.lineage)
    }
}

/// Where manifests and shards come from: the registry's gRPC client, or Redis before it.
pub trait ShardSource: Send + Sync + 'static {
    /// The manifest of a revision.
    fn manifest(&self, choice: RevisionChoice) -> impl Future<Output = Result<Manifest, SourceError>> + Send;

    /// The encoded shards with these indexes (at most [`ShardSource::shards_a_call`]), in the order asked.
    fn shards(
        &self,
        revision: u32,
        indexes: &[u8],
    ) -> impl Future<Output = Result<Vec<Bytes>, SourceError>> + Send;

    /// The manifest of the current revision. A source that can be behind the registry asks it when it is behind
    /// `at_least`; the answer may still be less, if the registry's own revision is.
    fn confirm(&self, at_least: u32) -> impl Future<Output = Result<Confirmed, SourceError>> + Send {
        let _ = at_least;
        async {
            Ok(Confirmed {
                manifest: self.manifest(RevisionChoice::Current).await?,
                lineage: None,
            })
        }
    }

    /// The encoded shards of this manifest with these indexes, in the order asked: like [`ShardSource::shards`], for
    /// sources that find shards by their hash.
    fn shards_of(
        &self,
        manifest: &Manifest,
        indexes: &[u8],
    ) -> impl Future<Output = Result<Vec<Bytes>, SourceError>> + Send {
        self.shards(manifest.revision, indexes)
    }

    /// Shards that may be asked for in one call; `None`: what the reader's options say.
    fn shards_a_call(&self) -> Option<usize> {
        None
    }

    /// How often the source was told that there is news: when it rises, a reader confirms at once.
    fn wake_count(&self) -> u64 {
        0
    }
}
