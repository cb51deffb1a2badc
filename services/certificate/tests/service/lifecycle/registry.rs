//! A registry that says what a test wants, and what follows from its answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use nopic_chassis::roles::{RoleTable, Row};
use nopic_chassis::transport::in_memory;
use nopic_domain::policy::{Policy, SHIPPED};
use nopic_domain::principal::Principal;
use nopic_proto::certificate as certificate_wire;
use nopic_proto::registry as wire;
use nopic_proto::registry::registry_service_server::{RegistryService, RegistryServiceServer};
use nopic_sql::testing::Engine;
use rstest::rstest;
use tokio_stream::Empty;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};

use super::support::{EXPORTER, IMPORTER, Known, OTHER_EXPORTER, World, approve, assert_refused, request};

/// Revision of every answer.
const REVISION: u32 = 3;

pub(super) struct FakeRegistry(Known);

impl FakeRegistry {
    pub(super) fn channel(known: Known) -> Channel {
        let rows = [
            Row::any_role("nopic.registry.v1.RegistryService/GetCurrentRevision"),
            Row::any_role("nopic.registry.v1.RegistryService/GetOperation"),
        ];
        let table = RoleTable::new(&[&rows]).unwrap();
        let routes = Routes::new(RegistryServiceServer::new(Self(known)));
        in_memory(
            table.protect(routes, Some(Principal::built_in("test"))),
            "certificate",
        )
    }

    fn known(&self) -> Result<HashMap<String, wire::Operation>, Status> {
        let known = self.0.lock().unwrap().clone();
        // A registry that knows nobody is one that does not answer.
        if known.is_empty() {
            return Err(Status::unavailable("down"));
        }
        Ok(known)
    }
}

fn operation(nop_id: &str, name: &str, scopes: &[(&str, &str)], products: &[&str]) -> wire::Operation {
    let since = |status: &str| wire::StatusPeriod {
        from: "2020-01-01".into(),
        status: status.into(),
    };
    let field = |name: &str, value: &str| wire::Field {
        name: name.into(),
        value: value.into(),
    };
    wire::Operation {
        nop_id: nop_id.into(),
        name: name.into(),
        history: vec![since("Certified")],
        scopes: scopes
            .iter()
            .map(|(scope, status)| wire::ScopeHistory {
                scope: (*scope).into(),
                history: vec![since(status)],
            })
            .collect(),
        items: products
            .iter()
            .map(|product| wire::Item {
                fields: vec![
                    field("ci_nopScope", "Crops"),
                    field("ci_nopCatName", "Nuts"),
                    field("CI_ITEMLIST", product),
                    field("ci_status", "certified "),
                ],
            })
            .collect(),
        ..wire::Operation::default()
    }
}

pub(super) fn certified_operations() -> Known {
    let crops: &[(&str, &str)] = &[("CROPS", "Certified")];
    let operations = [
        operation(EXPORTER, "Nut Farm", crops, &["Almonds, walnuts"]),
        operation(OTHER_EXPORTER, "Nut Farm", crops, &["Almonds"]),
        operation(IMPORTER, "Green Ridge LLC", &[("HANDLING", "Certified")], &[]),
    ];
    let known = operations
        .into_iter()
        .map(|operation| (operation.nop_id.clone(), operation))
        .collect();
    Arc::new(Mutex::new(known))
}

type Answer<T> = Result<Response<T>, Status>;

fn not_asked<T>() -> Answer<T> {
    Err(Status::unimplemented("not asked here"))
}

#[tonic::async_trait]
impl RegistryService for FakeRegistry {
    type ImportSnapshotStream = Empty<Result<wire::ImportSnapshotResponse, Status>>;
    type WatchChangesStream = Empty<Result<wire::WatchChangesResponse, Status>>;

    async fn get_current_revision(
        &self,
        _: Request<wire::GetCurrentRevisionRequest>,
    ) -> Answer<wire::GetCurrentRevisionResponse> {
        self.known()?;
        Ok(Response::new(wire::GetCurrentRevisionResponse {
            revision: Some(wire::Revision {
                revision: REVISION,
                published_on: "2026-01-20".into(),
            }),
        }))
    }

    async fn get_operation(
        &self,
        request: Request<wire::GetOperationRequest>,
    ) -> Answer<wire::GetOperationResponse> {
        let request = request.into_inner();
        let exact = wire::revision_choice::Choice::Exact(REVISION);
        assert_eq!(request.revision.unwrap().choice, Some(exact));
        let operation = self.known()?.remove(&request.nop_id);
        Ok(Response::new(wire::GetOperationResponse {
            operation: Some(operation.ok_or_else(|| Status::not_found("never listed"))?),
            revision: None,
        }))
    }

    async fn import_snapshot(
        &self,
        _: Request<Streaming<wire::ImportSnapshotRequest>>,
    ) -> Answer<Self::ImportSnapshotStream> {
        not_asked()
    }

    async fn release_snapshot(
        &self,
        _: Request<wire::ReleaseSnapshotRequest>,
    ) -> Answer<wire::ReleaseSnapshotResponse> {
        not_asked()
    }

    async fn discard_snapshot(
        &self,
        _: Request<wire::DiscardSnapshotRequest>,
    ) -> Answer<wire::DiscardSnapshotResponse> {
        not_asked()
    }

    async fn list_snapshots(
        &self,
        _: Request<wire::ListSnapshotsRequest>,
    ) -> Answer<wire::ListSnapshotsResponse> {
        not_asked()
    }

    async fn batch_get_status(
        &self,
        _: Request<wire::BatchGetStatusRequest>,
    ) -> Answer<wire::BatchGetStatusResponse> {
        not_asked()
    }

    async fn search_operations(
        &self,
        _: Request<wire::SearchOperationsRequest>,
    ) -> Answer<wire::SearchOperationsResponse> {
        not_asked()
    }

    async fn watch_changes(&self, _: Request<wire::WatchChangesRequest>) -> Answer<Self::WatchChangesStream> {
        not_asked()
    }

    async fn get_status_manifest(
        &self,
        _: Request<wire::GetStatusManifestRequest>,
    ) -> Answer<wire::GetStatusManifestResponse> {
        not_asked()
    }

    async fn get_status_shards(
        &self,
        _: Request<wire::GetStatusShardsRequest>,
    ) -> Answer<wire::GetStatusShardsResponse> {
        not_asked()
    }
}

fn outcome<'a>(state: &'a certificate_wire::RequestState, code: &str) -> &'a certificate_wire::RequestCheck {
    state.checks.iter().find(|check| check.code == code).unwrap()
}

#[rstest]
#[tokio::test]
async fn what_the_registry_says_is_shown_with_its_evidence(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let answer = world.exporter().request_certificate(request("r")).await.unwrap();
    let state = answer.into_inner().state.unwrap();
    for check in &state.checks {
        assert_eq!(check.outcome, "PASSED", "{check:?}");
    }
    assert_eq!(
        outcome(&state, "PRODUCT_CERTIFIED").evidence,
        ["\"Almonds, walnuts\" (ci_itemList, CROPS)"]
    );
    assert_eq!(state.due_on, "2026-03-03");
}

#[rstest]
#[tokio::test]
async fn checks_follow_the_policy_of_the_deployment(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let now = "2026-02-01T12:00:00Z";
    // The registry was published twelve days ago.
    for (days, recent) in [(11, "FINDING"), (12, "PASSED")] {
        let policy = SHIPPED.replace("stale_after_days = 35", &format!("stale_after_days = {days}"));
        let world = World::with_policy(engine, now, Policy::parse(&policy).unwrap()).await;
        let answer = world.exporter().request_certificate(request("r")).await.unwrap();
        let state = answer.into_inner().state.unwrap();
        assert_eq!(outcome(&state, "REGISTRY_RECENT").outcome, recent, "{days}");
    }
    // The country of origin has an arrangement only where the policy says so.
    for (country, has_arrangement) in [("JP", false), ("TR", true)] {
        let policy = SHIPPED.replace(r#"countries = ["JP"]"#, &format!("countries = [\"{country}\"]"));
        let world = World::with_policy(engine, now, Policy::parse(&policy).unwrap()).await;
        world.known.lock().unwrap().remove(EXPORTER);
        let answer = world.exporter().request_certificate(request("r")).await;
        let refused = answer.err().map(|status| status.code());
        assert_eq!(refused, (!has_arrangement).then_some(Code::FailedPrecondition));
    }
}

#[rstest]
#[tokio::test]
async fn no_match_is_for_the_reviewer_to_accept(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    world
        .known
        .lock()
        .unwrap()
        .get_mut(EXPORTER)
        .unwrap()
        .items
        .clear();
    let number = world.under_review("r").await;
    let mut certifier = world.certifier();
    assert_refused(
        certifier.approve_certificate(approve("r", number, 2)).await,
        Code::FailedPrecondition,
        &["PRODUCT_CERTIFIED", "accept each"],
    );
    let accepting = certificate_wire::ApproveCertificateRequest {
        accepted: vec!["PRODUCT_CERTIFIED".into()],
        ..approve("accepting", number, 2)
    };
    let state = certifier
        .approve_certificate(accepting)
        .await
        .unwrap()
        .into_inner()
        .state
        .unwrap();
    assert_eq!(
        (state.status.as_str(), &state.accepted[..]),
        ("ISSUED", &["PRODUCT_CERTIFIED".to_owned()][..])
    );
}

#[rstest]
#[tokio::test]
async fn an_importer_that_is_not_certified_is_refused_at_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    world.known.lock().unwrap().get_mut(IMPORTER).unwrap().history[0].status = "Suspended".into();
    let mut exporter = world.exporter();
    assert_refused(
        exporter.request_certificate(request("r")).await,
        Code::FailedPrecondition,
        &["IMPORTER_CERTIFIED", "Suspended"],
    );
    // Nothing was kept: once the registry says otherwise, the same request is made.
    world.known.lock().unwrap().get_mut(IMPORTER).unwrap().history[0].status = "Certified".into();
    exporter.request_certificate(request("r")).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_registry_that_does_not_answer_is_no_yes(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let number = world.under_review("r").await;
    let known = std::mem::take(&mut *world.known.lock().unwrap());
    let mut certifier = world.certifier();
    assert_refused(
        certifier.approve_certificate(approve("r", number, 2)).await,
        Code::FailedPrecondition,
        &["EXPORTER_CERTIFIED", "IMPORTER_HANDLER", "did not answer"],
    );
    let state = world
        .exporter()
        .request_certificate(request("while down"))
        .await
        .unwrap();
    let state = state.into_inner().state.unwrap();
    assert_eq!(outcome(&state, "EXPORTER_CERTIFIED").outcome, "INDETERMINATE");
    // The refusal was not kept as the answer.
    *world.known.lock().unwrap() = known;
    certifier
        .approve_certificate(approve("r", number, 2))
        .await
        .unwrap();
}
