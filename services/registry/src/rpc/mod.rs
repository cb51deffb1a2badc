//! The gRPC service: converts, asks, converts.

mod changes;
mod convert;
mod operations;
mod search;
mod upload;

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use nopic_chassis::principal;
use nopic_proto::registry as wire;
use nopic_proto::registry::registry_service_server::RegistryService;
use tonic::{Request, Response, Status, Streaming};

use crate::current::Core;
use crate::error::Error;
use crate::release;
use crate::store::Who;
use convert::{choice, revision, snapshot};

/// Snapshots of a page where the caller does not say.
const USUAL_PAGE: usize = 100;
/// Snapshots, or hits, of the largest page.
const LARGEST_PAGE: usize = 1_000;
/// Shards of one answer: all there are.
const MOST_SHARDS: usize = nopic_cache::SHARD_COUNT;

/// The registry's RPCs.
#[derive(Debug, Clone)]
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

/// A stream of answers.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn page_size(asked: u32, usual: usize) -> Result<usize, Error> {
    match usize::try_from(asked).unwrap_or(usize::MAX) {
        0 => Ok(usual),
        size if size <= LARGEST_PAGE => Ok(size),
        _ => Err(Error::Invalid(format!(
            "page_size is {asked}: it may be 1 to {LARGEST_PAGE}, or 0 for the usual {usual}"
        ))),
    }
}

#[tonic::async_trait]
impl RegistryService for Service {
    type ImportSnapshotStream = Answers<wire::ImportSnapshotResponse>;
    type WatchChangesStream = Answers<wire::WatchChangesResponse>;

    async fn import_snapshot(
        &self,
        request: Request<Streaming<wire::ImportSnapshotRequest>>,
    ) -> Result<Response<Self::ImportSnapshotStream>, Status> {
        let who = Who::from(principal::of(request.extensions())?);
        let answers = upload::import(Arc::clone(&self.core), request.into_inner(), who);
        Ok(Response::new(Box::pin(answers)))
    }

    async fn release_snapshot(
        &self,
        request: Request<wire::ReleaseSnapshotRequest>,
    ) -> Result<Response<wire::ReleaseSnapshotResponse>, Status> {
        let principal = principal::of(request.extensions())?;
        let released = release::release(&self.core, principal.into()).await?;
        let actor = &principal.actor;
        tracing::info!(revision = released.revision, %actor, "a held snapshot was released");
        Ok(Response::new(wire::ReleaseSnapshotResponse {
            snapshot: Some(snapshot(&released)),
        }))
    }

    async fn discard_snapshot(
        &self,
        request: Request<wire::DiscardSnapshotRequest>,
    ) -> Result<Response<wire::DiscardSnapshotResponse>, Status> {
        let principal = principal::of(request.extensions())?;
        let discarded = release::discard(&self.core, principal.into()).await?;
        let actor = &principal.actor;
        tracing::info!(published_on = %discarded.published_on, %actor, "a held snapshot was discarded");
        Ok(Response::new(wire::DiscardSnapshotResponse {
            snapshot: Some(snapshot(&discarded)),
        }))
    }

    async fn list_snapshots(
        &self,
        request: Request<wire::ListSnapshotsRequest>,
    ) -> Result<Response<wire::ListSnapshotsResponse>, Status> {
        let request = request.into_inner();
        let size = page_size(request.page_size, USUAL_PAGE)?;
        let below = match request.page_token.as_str() {
            "" => u32::MAX,
            token => token
                .strip_prefix("below-")
                .and_then(|revision| revision.parse().ok())
                .ok_or_else(|| Error::Invalid("page_token is not one that this call gave".to_owned()))?,
        };
        let current = self.core.current.load_full();
        let mut rest = current
            .snapshots
            .iter()
            .rev()
            .filter(|snapshot| snapshot.revision < below);
        let page: Vec<_> = rest.by_ref().take(size).collect();
        let complete = rest.next().is_none();
        let next_page_token = match page.last() {
            Some(last) if !complete => format!("below-{}", last.revision),
            _ => String::new(),
        };
        Ok(Response::new(wire::ListSnapshotsResponse {
            snapshots: page.into_iter().map(snapshot).collect(),
            next_page_token,
            complete,
        }))
    }

    async fn get_current_revision(
        &self,
        _: Request<wire::GetCurrentRevisionRequest>,
    ) -> Result<Response<wire::GetCurrentRevisionResponse>, Status> {
        let answering = self.core.answering(nopic_cache::RevisionChoice::Current).await?;
        Ok(Response::new(wire::GetCurrentRevisionResponse {
            revision: Some(revision(&answering)),
        }))
    }

    async fn get_operation(
        &self,
        request: Request<wire::GetOperationRequest>,
    ) -> Result<Response<wire::GetOperationResponse>, Status> {
        let answer = operations::get(&self.core, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn batch_get_status(
        &self,
        request: Request<wire::BatchGetStatusRequest>,
    ) -> Result<Response<wire::BatchGetStatusResponse>, Status> {
        let answer = operations::batch_get_status(&self.core, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn search_operations(
        &self,
        request: Request<wire::SearchOperationsRequest>,
    ) -> Result<Response<wire::SearchOperationsResponse>, Status> {
        let answer = search::search(&self.core, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn watch_changes(
        &self,
        request: Request<wire::WatchChangesRequest>,
    ) -> Result<Response<Self::WatchChangesStream>, Status> {
        let changes = changes::watch(Arc::clone(&self.core), request.into_inner().since_revision).await?;
        Ok(Response::new(Box::pin(changes)))
    }

    async fn get_status_manifest(
        &self,
        request: Request<wire::GetStatusManifestRequest>,
    ) -> Result<Response<wire::GetStatusManifestResponse>, Status> {
        let answering = self.core.answering(choice(request.into_inner().revision)).await?;
        let shard_hashes = if answering.revision == 0 {
            Vec::new()
        } else {
            let status = self.core.status_of(&answering).await?;
            status
                .hashes()
                .map(|hash| hash.as_bytes().to_vec().into())
                .collect()
        };
        Ok(Response::new(wire::GetStatusManifestResponse {
            revision: Some(revision(&answering)),
            shard_hashes,
        }))
    }

    async fn get_status_shards(
        &self,
        request: Request<wire::GetStatusShardsRequest>,
    ) -> Result<Response<wire::GetStatusShardsResponse>, Status> {
        let request = request.into_inner();
        if request.shards.len() > MOST_SHARDS {
            return Err(Error::Invalid(format!(
                "{} shards were asked for: at most {MOST_SHARDS} in one call",
                request.shards.len()
            ))
            .into());
        }
        let answering = self
            .core
            .answering(nopic_cache::RevisionChoice::Exact(request.revision))
            .await?;
        let status = self.core.status_of(&answering).await?;
        let shards = request
            .shards
            .iter()
            .map(|index| {
                u8::try_from(*index)
                    .map(|index| status.encoded(index))
                    .map_err(|_| {
                        Error::Invalid(format!("there is no shard {index}: they are 0 to {}", u8::MAX))
                    })
            })
            .collect::<Result<_, _>>()?;
        Ok(Response::new(wire::GetStatusShardsResponse { shards }))
    }
}
