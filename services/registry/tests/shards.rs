//! Statuses as other services get them: in shards.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use nopic_cache::{
    Manifest, ReaderOptions, RevisionChoice, ShardHash, ShardSource, SourceError, StatusReader,
};
use nopic_domain::date::parse_iso;
use nopic_proto::registry as wire;
use nopic_sql::testing::Engine;
use rstest::rstest;
use support::{Client, two_revisions};

/// The registry as entry-validation sees it.
struct OverGrpc(Client);

fn unreachable(status: tonic::Status) -> SourceError {
    SourceError::Unreachable(status.to_string())
}

impl ShardSource for OverGrpc {
    async fn manifest(&self, choice: RevisionChoice) -> Result<Manifest, SourceError> {
        let choice = match choice {
            RevisionChoice::Current => None,
            RevisionChoice::Exact(revision) => Some(wire::revision_choice::Choice::Exact(revision)),
            RevisionChoice::AtLeast(revision) => Some(wire::revision_choice::Choice::AtLeast(revision)),
        };
        let request = wire::GetStatusManifestRequest {
            revision: choice.map(|choice| wire::RevisionChoice { choice: Some(choice) }),
        };
        let answer = self
            .0
            .clone()
            .get_status_manifest(request)
            .await
            .map_err(unreachable)?
            .into_inner();
        let revision = answer.revision.unwrap();
        Ok(Manifest {
            revision: revision.revision,
            published_on: parse_iso(&revision.published_on),
            shard_hashes: answer
                .shard_hashes
                .iter()
                .map(|hash| ShardHash::from_slice(hash).unwrap())
                .collect(),
        })
    }

    async fn shards(&self, revision: u32, indexes: &[u8]) -> Result<Vec<bytes::Bytes>, SourceError> {
        let request = wire::GetStatusShardsRequest {
            revision,
            shards: indexes.iter().map(|index| u32::from(*index)).collect(),
        };
        let answer = self
            .0
            .clone()
            .get_status_shards(request)
            .await
            .map_err(unreachable)?;
        Ok(answer.into_inner().shards)
    }
}

#[rstest]
#[tokio::test]
async fn a_reader_of_shards_sees_what_the_registry_says(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let registry = two_revisions(engine).await;
    let reader = StatusReader::new(OverGrpc(registry.client.clone()), ReaderOptions::default());
    let on = parse_iso("2024-01-25").unwrap();
    let certified = |view: &nopic_cache::StatusView, id: &str| {
        view.timeline(id.parse().unwrap())
            .map(|timeline| timeline.is_certified_on(on))
    };
    let view = reader.view(RevisionChoice::Current).await.unwrap();
    assert_eq!(
        (view.revision(), view.published_on()),
        (2, parse_iso("2024-02-01"))
    );
    assert_eq!(certified(&view, "0150000001"), Some(true));
    assert_eq!(certified(&view, "0150000002"), Some(false));
    assert_eq!(certified(&view, "0150000009"), None);
    let old = reader.view(RevisionChoice::Exact(1)).await.unwrap();
    assert_eq!(certified(&old, "0150000002"), Some(true));
}
