//! The gRPC service: converts, asks, converts.

mod changes;
mod convert;
mod operations;
mod search;
mod upload;

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use nopic_chassis::answers::AnswerStream;
use nopic_chassis::principal;
use nopic_chassis::requests::{Page, page_token};
use nopic_proto::registry as wire;
use nopic_proto::registry::registry_service_server::RegistryService;
use tonic::{Request, Response, Status, Streaming};

use crate::current::Core;
use crate::error::Error;
use crate::release;
use crate::store::Who;
use convert::{choice, revision, snapshot};

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

#[tonic::async_trait]
impl RegistryService for Service {
    type ImportSnapshotStream = AnswerStream<wire::ImportSnapshotResponse>;
    type WatchChangesStream = Answers<wire::WatchChangesResponse>;

    async fn import_snapshot(
        &self,
        request: Request<Streaming<wire::ImportSnapshotRequest>>,
    ) -> Result<Response<Self::ImportSnapshotStream>, Status> {
        let who = Who::from(principal::of(request.extensions())?);
        let answers = upload::import(Arc::clone(&self.core), request.into_inner(), who);
        Ok(Response::new(answers))
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
        let page = Page::of(request.page_size)?;
        let token = |token: &str| token.strip_prefix("below-")?.parse().ok();
        let below = page_token(&request.page_token, token)?.unwrap_or(u32::MAX);
        let current = self.core.current.load_full();
        let mut snapshots: Vec<_> = current
            .snapshots
            .iter()
            .rev()
            .filter(|snapshot| snapshot.revision < below)
            .take(page.to_read() as usize)
            .collect();
        let next = page.cut(&mut snapshots, |last| format!("below-{}", last.revision));
        Ok(Response::new(wire::ListSnapshotsResponse {
            snapshots: snapshots.into_iter().map(snapshot).collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
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
