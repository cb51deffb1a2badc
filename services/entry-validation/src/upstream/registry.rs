//! Status shards from the registry, over its gRPC client.

use bytes::Bytes;
use nopic_cache::{Manifest, RevisionChoice, ShardHash, ShardSource, SourceError};
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::rpc::client::Client;
use nopic_domain::date::parse_iso;
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use nopic_proto::registry::{self as wire, revision_choice::Choice};
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Status};

/// The registry as the source of a status reader.
#[derive(Debug, Clone)]
pub(crate) struct RegistrySource {
    client: RegistryServiceClient<InterceptedService<Client, AttachPrincipal>>,
}

impl RegistrySource {
    pub(crate) fn new(client: Client, principal: AttachPrincipal) -> Self {
        let client = RegistryServiceClient::with_interceptor(client, principal);
        Self {
            client: client.max_decoding_message_size(nopic_chassis::transport::MAX_MESSAGE_BYTES),
        }
    }
}

impl ShardSource for RegistrySource {
    async fn manifest(&self, choice: RevisionChoice) -> Result<Manifest, SourceError> {
        let choice = match choice {
            RevisionChoice::Current => None,
            RevisionChoice::AtLeast(revision) => Some(Choice::AtLeast(revision)),
            RevisionChoice::Exact(revision) => Some(Choice::Exact(revision)),
        };
        let request = wire::GetStatusManifestRequest {
            revision: choice.map(|choice| wire::RevisionChoice { choice: Some(choice) }),
        };
        let answer = self
            .client
            .clone()
            .get_status_manifest(request)
            .await
            .map_err(source_error)?
            .into_inner();
        let revision = answer.revision.unwrap_or_default();
        let shard_hashes = answer
            .shard_hashes
            .iter()
            .map(|hash| ShardHash::from_slice(hash))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| SourceError::Unreachable("the registry's manifest is malformed".to_owned()))?;
        Ok(Manifest {
            revision: revision.revision,
            published_on: parse_iso(&revision.published_on),
            shard_hashes,
        })
    }

    async fn shards(&self, revision: u32, indexes: &[u8]) -> Result<Vec<Bytes>, SourceError> {
        let request = wire::GetStatusShardsRequest {
            revision,
            shards: indexes.iter().copied().map(u32::from).collect(),
        };
        let answer = self
            .client
            .clone()
            .get_status_shards(request)
            .await
            .map_err(source_error)?;
        Ok(answer.into_inner().shards)
    }
}

fn source_error(status: Status) -> SourceError {
    match status.code() {
        Code::NotFound | Code::OutOfRange | Code::FailedPrecondition => {
            SourceError::NoSuchRevision(status.message().to_owned())
        }
        _ => SourceError::Unreachable(status.message().to_owned()),
    }
}
