//! Statuses from the registry, by way of the shared cache where there is one.

use std::sync::Arc;

use bytes::Bytes;
use nopic_cache::redis::{CachedSource, Options, OptionsError};
use nopic_cache::{Confirmed, Manifest, RevisionChoice, ShardSource, SourceError, Stats};
use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::Principal;

use super::Upstream;
use super::registry::RegistrySource;

/// Where statuses come from.
#[derive(Debug)]
pub(crate) enum Statuses {
    Registry(Box<RegistrySource>),
    Cached(Box<CachedSource<RegistrySource>>),
}

impl Statuses {
    /// # Errors
    /// The cache cannot be used as it is configured.
    pub(crate) fn new(
        upstream: &Upstream,
        redis: Option<Options>,
        stats: Arc<Stats>,
    ) -> Result<Self, OptionsError> {
        // Statuses are the same for everyone, so the service asks for them in its own name.
        let itself = AttachPrincipal::new(&Principal::built_in("entry-validation"));
        let registry = RegistrySource::new(upstream.registry.clone(), itself);
        Ok(match redis {
            None => Self::Registry(Box::new(registry)),
            Some(options) => Self::Cached(Box::new(CachedSource::new(registry, options, stats)?)),
        })
    }
}

impl ShardSource for Statuses {
    async fn manifest(&self, choice: RevisionChoice) -> Result<Manifest, SourceError> {
        match self {
            Self::Registry(source) => source.manifest(choice).await,
            Self::Cached(source) => source.manifest(choice).await,
        }
    }

    async fn shards(&self, revision: u32, indexes: &[u8]) -> Result<Vec<Bytes>, SourceError> {
        match self {
            Self::Registry(source) => source.shards(revision, indexes).await,
            Self::Cached(source) => source.shards(revision, indexes).await,
        }
    }

    async fn confirm(&self, at_least: u32) -> Result<Confirmed, SourceError> {
        match self {
            Self::Registry(source) => source.confirm(at_least).await,
            Self::Cached(source) => source.confirm(at_least).await,
        }
    }

    async fn shards_of(&self, manifest: &Manifest, indexes: &[u8]) -> Result<Vec<Bytes>, SourceError> {
        match self {
            Self::Registry(source) => source.shards_of(manifest, indexes).await,
            Self::Cached(source) => source.shards_of(manifest, indexes).await,
        }
    }

    fn shards_a_call(&self) -> Option<usize> {
        match self {
            Self::Registry(source) => source.shards_a_call(),
            Self::Cached(source) => source.shards_a_call(),
        }
    }

    fn wake_count(&self) -> u64 {
        match self {
            Self::Registry(source) => source.wake_count(),
            Self::Cached(source) => source.wake_count(),
        }
    }
}
