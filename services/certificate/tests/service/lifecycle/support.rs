//! A deployment that issues for certifier 015, its callers, and a registry that says what a test wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use nopic_certificate::{CertificateService, Config};
use nopic_chassis::clock::ManualClock;
use nopic_chassis::metrics::Metrics;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::rpc;
use nopic_domain::policy::Policy;
use nopic_domain::principal::{Principal, Role};
use nopic_proto::certificate as wire;
use nopic_proto::certificate::certificate_life_service_client::CertificateLifeServiceClient;
use nopic_proto::certificate::certificate_service_client::CertificateServiceClient;
use nopic_proto::certificate::ledger_service_client::LedgerServiceClient;
use nopic_sql::testing::{Engine, TestDatabase};
use nopic_sql::{Location, SchemaUpdate};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::registry::FakeRegistry;
use crate::support::{Client, connect, import};

pub(super) type Life = CertificateLifeServiceClient<InterceptedService<Channel, AttachPrincipal>>;

pub(super) const EXPORTER: &str = "0150000001";
pub(super) const IMPORTER: &str = "0620000002";
/// Of a certifier for which the deployment does not issue.
pub(super) const OTHER_EXPORTER: &str = "0990000001";

/// All is well, but for what a test changes: every operation by its number.
pub(super) type Known = Arc<Mutex<HashMap<String, nopic_proto::registry::Operation>>>;

pub(super) struct World {
    pub(super) database: TestDatabase,
    pub(super) clock: ManualClock,
    pub(super) known: Known,
    channel: Channel,
}

impl World {
    pub(super) async fn new(engine: Engine) -> Self {
        Self::at(engine, "2026-02-01T12:00:00Z").await
    }

    pub(super) async fn at(engine: Engine, now: &str) -> Self {
        Self::with_policy(engine, now, Policy::shipped()).await
    }

    pub(super) async fn with_policy(engine: Engine, now: &str, policy: Policy) -> Self {
        let database = engine.database().await;
        let clock = ManualClock::new(now.parse::<DateTime<Utc>>().unwrap());
        let known = super::registry::certified_operations();
        let config = Config {
            location: database.location.clone(),
            schema_update: SchemaUpdate::Apply,
            issues_for: vec!["015".parse().unwrap()],
            policy: Arc::new(policy),
            metrics: Metrics::default(),
        };
        let service = CertificateService::open(config, Arc::new(clock.clone()))
            .await
            .unwrap()
            .with_registry(rpc::client::Client::by_channel(
                FakeRegistry::channel(known.clone()),
                "registry",
            ));
        Self {
            database,
            clock,
            known,
            channel: connect(&service),
        }
    }

    pub(super) fn of(&self, principal: &Principal) -> Life {
        CertificateLifeServiceClient::with_interceptor(self.channel.clone(), AttachPrincipal::new(principal))
    }

    pub(super) fn exporter(&self) -> Life {
        self.of(&exporter(EXPORTER))
    }

    pub(super) fn certifier(&self) -> Life {
        self.of(&certifier("015"))
    }

    pub(super) fn operator(&self) -> Life {
        self.of(&Principal::built_in("operator"))
    }

    pub(super) fn certificates(&self) -> Client {
        let principal = AttachPrincipal::new(&Principal::built_in("operator"));
        CertificateServiceClient::with_interceptor(self.channel.clone(), principal)
    }

    /// The ledger, for a broker.
    pub(super) fn ledger(&self) -> LedgerServiceClient<InterceptedService<Channel, AttachPrincipal>> {
        self.ledger_of("default")
    }

    /// The ledger, for a broker of this tenant.
    pub(super) fn ledger_of(
        &self,
        tenant: &str,
    ) -> LedgerServiceClient<InterceptedService<Channel, AttachPrincipal>> {
        let broker = Principal {
            tenant: tenant.into(),
            role: Role::Broker,
            ..Principal::built_in("broker")
        };
        LedgerServiceClient::with_interceptor(self.channel.clone(), AttachPrincipal::new(&broker))
    }

    pub(super) async fn import(&self, line: &str) {
        let answers = import(&mut self.certificates(), line.as_bytes()).await.unwrap();
        assert_eq!(answers.result.rejected, 0, "{:?}", answers.rejects);
    }

    pub(super) async fn certificate(&self, number: &str) -> wire::GetCertificateResponse {
        let request = wire::GetCertificateRequest {
            number: number.into(),
            with_draws: true,
        };
        self.certificates()
            .get_certificate(request)
            .await
            .unwrap()
            .into_inner()
    }

    /// A new request; its number.
    pub(super) async fn requested(&self, id: &str) -> u64 {
        let answer = self.exporter().request_certificate(request(id)).await;
        answer.unwrap().into_inner().state.unwrap().request
    }

    /// A request whose review has begun: version 2.
    pub(super) async fn under_review(&self, id: &str) -> u64 {
        let number = self.requested(id).await;
        let start = wire::StartReviewRequest {
            request_id: format!("{id} start"),
            request: number,
            expected_version: 1,
        };
        self.certifier().start_review(start).await.unwrap();
        number
    }

    /// An issued certificate; its number.
    pub(super) async fn issued(&self, id: &str) -> String {
        let number = self.under_review(id).await;
        let answer = self.certifier().approve_certificate(approve(id, number, 2)).await;
        answer.unwrap().into_inner().state.unwrap().number
    }

    /// Every audit record and outbox message: action or topic, and subject.
    pub(super) async fn notes(&self) -> (Vec<(String, String)>, Vec<(String, String)>) {
        const AUDIT: &str = "SELECT action, subject FROM audit_record ORDER BY audit_id";
        const OUTBOX: &str = "SELECT topic, subject FROM outbox ORDER BY outbox_id";
        macro_rules! read {
            ($engine:ident, $place:expr) => {{
                let schema = &nopic_certificate::SCHEMA;
                let database = nopic_sql::$engine::Database::open($place, schema, SchemaUpdate::Refuse)
                    .await
                    .unwrap();
                let pool = database.readers();
                let notes = (
                    sqlx::query_as(AUDIT).fetch_all(pool).await.unwrap(),
                    sqlx::query_as(OUTBOX).fetch_all(pool).await.unwrap(),
                );
                database.close().await;
                notes
            }};
        }
        match &self.database.location {
            Location::Folder(folder) => read!(sqlite, folder),
            Location::Postgres(options) => read!(postgres, options),
        }
    }
}

pub(super) fn exporter(nop_id: &str) -> Principal {
    Principal {
        tenant: "nuts".into(),
        role: Role::Exporter,
        nop_ids: vec![nop_id.parse().unwrap()],
        ..Principal::built_in("Ana")
    }
}

pub(super) fn certifier(number: &str) -> Principal {
    Principal {
        tenant: format!("certifier {number}"),
        role: Role::Certifier,
        certifier_id: number.parse().ok(),
        ..Principal::built_in("Carl")
    }
}

pub(super) fn content() -> wire::RequestedCertificate {
    wire::RequestedCertificate {
        exporter_nop_id: EXPORTER.into(),
        importer_nop_id: IMPORTER.into(),
        product: "Organic almonds".into(),
        hts_code: "0802120015".into(),
        countries_of_origin: vec!["TR".into()],
        lots: vec!["LOT 1".into()],
        total_weight_kg: "20000".into(),
        kind: "TIME_FRAME".into(),
        valid_from: "2026-03-01".into(),
        valid_to: "2026-09-30".into(),
        port_of_lading: "Izmir".into(),
        containers: vec!["MSKU1234565".into()],
        contract: Some(wire::RequestContract {
            reference: "PO 77".into(),
            importer: "Green Ridge".into(),
            sha256: String::new(),
        }),
        ..wire::RequestedCertificate::default()
    }
}

pub(super) fn request(id: &str) -> wire::RequestCertificateRequest {
    wire::RequestCertificateRequest {
        request_id: id.into(),
        requested: Some(content()),
    }
}

pub(super) fn approve(id: &str, request: u64, version: u32) -> wire::ApproveCertificateRequest {
    wire::ApproveCertificateRequest {
        request_id: format!("{id} approve"),
        request,
        expected_version: version,
        ..wire::ApproveCertificateRequest::default()
    }
}

pub(super) fn void(id: &str, number: &str, version: u32) -> wire::VoidCertificateRequest {
    wire::VoidCertificateRequest {
        request_id: id.into(),
        number: number.into(),
        expected_version: version,
        reason: "wrong product".into(),
    }
}

/// Refused with this code, in words that hold each of these.
pub(super) fn assert_refused<A: std::fmt::Debug>(answer: Result<A, Status>, code: Code, words: &[&str]) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), code, "{status}");
    for word in words {
        assert!(status.message().contains(word), "{status}");
    }
}
