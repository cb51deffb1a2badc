//! A certificate service over a database in a folder of its own, and its client.

pub(crate) mod database;
pub(crate) mod ledger;
pub(crate) mod sample;

use std::sync::Arc;

use chrono::DateTime;
use nopic_certificate::{CertificateService, Config, ROLES};
use nopic_chassis::clock::ManualClock;
use nopic_chassis::metrics::Metrics;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::roles::{ENTRY_VALIDATION, RoleTable};
use nopic_chassis::transport::{MAX_MESSAGE_BYTES, in_memory};
use nopic_domain::certificate::{Certificate, Draw};
use nopic_domain::policy::Policy;
use nopic_domain::principal::{Principal, Role};
use nopic_formats::certificates::{CertificateEvent, read_certificates, write_certificate};
use nopic_proto::certificate as wire;
use nopic_proto::certificate::certificate_service_client::CertificateServiceClient;
use nopic_proto::certificate::import_certificates_request::Part as Request;
use nopic_proto::certificate::import_certificates_response::Part as Answer;
use nopic_proto::common;
use nopic_sql::SchemaUpdate;
use nopic_sql::testing::{Engine, TestDatabase};
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

pub(crate) type Client = CertificateServiceClient<InterceptedService<Channel, AttachPrincipal>>;

pub(crate) struct Deployment {
    pub(crate) database: TestDatabase,
    service: CertificateService,
    channel: Channel,
    pub(crate) clock: ManualClock,
}

/// All that an import answered.
#[derive(Debug, Default)]
pub(crate) struct ImportAnswers {
    pub(crate) rejects: Vec<common::Reject>,
    pub(crate) duplicates: Vec<wire::DuplicateCertificate>,
    pub(crate) overdrawn: Vec<wire::OverdrawnCertificate>,
    pub(crate) result: wire::ImportResult,
}

pub(crate) fn principal(tenant: &str, role: Role) -> Principal {
    Principal {
        tenant: tenant.to_owned(),
        role,
        ..Principal::built_in("test")
    }
}

/// As entry validation asks it: whoever calls is named by the call.
pub(crate) fn connect(service: &CertificateService) -> Channel {
    let table = RoleTable::new(&[ROLES]).unwrap();
    in_memory(table.protect(service.routes(), None), ENTRY_VALIDATION)
}

impl Deployment {
    pub(crate) async fn new(engine: Engine) -> Self {
        Self::open(engine.database().await).await
    }

    async fn open(database: TestDatabase) -> Self {
        let config = Config {
            location: database.location.clone(),
            schema_update: SchemaUpdate::Apply,
            issues_for: Vec::new(),
            policy: Arc::new(Policy::shipped()),
            metrics: Metrics::default(),
        };
        let clock = ManualClock::new(DateTime::from_timestamp(1_760_000_000, 0).unwrap());
        let service = CertificateService::open(config, Arc::new(clock.clone()))
            .await
            .unwrap();
        let channel = connect(&service);
        Self {
            database,
            service,
            channel,
            clock,
        }
    }

    pub(crate) async fn reopen(self) -> Self {
        self.service.close().await;
        Self::open(self.database).await
    }

    pub(crate) fn client(&self, principal: &Principal) -> Client {
        CertificateServiceClient::with_interceptor(self.channel.clone(), AttachPrincipal::new(principal))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn operator(&self) -> Client {
        self.client(&principal("default", Role::Operator))
    }

    pub(crate) async fn import(&self, file: &[u8]) -> ImportAnswers {
        import(&mut self.operator(), file).await.unwrap()
    }

    /// Every certificate that is known, in pages of this size.
    pub(crate) async fn list(&self, request: wire::ListCertificatesRequest) -> Vec<wire::CertificateState> {
        let mut client = self.operator();
        let mut states = Vec::new();
        let mut page_token = String::new();
        loop {
            let page = client
                .list_certificates(wire::ListCertificatesRequest {
                    page_token,
                    ..request.clone()
                })
                .await
                .unwrap()
                .into_inner();
            assert!(page.complete || !page.states.is_empty());
            assert_eq!(page.complete, page.next_page_token.is_empty());
            states.extend(page.states);
            if page.complete {
                return states;
            }
            page_token = page.next_page_token;
        }
    }

    pub(crate) async fn all(&self) -> Vec<wire::CertificateState> {
        self.list(wire::ListCertificatesRequest::default()).await
    }
}

pub(crate) fn options() -> Request {
    Request::Options(wire::ImportOptions {
        file_name: "certificates.jsonl".into(),
    })
}

pub(crate) fn chunks(file: &[u8], size: usize) -> Vec<Request> {
    file.chunks(size)
        .map(|chunk| Request::Chunk(chunk.to_vec().into()))
        .collect()
}

/// Sends these parts and hears the answers to the end.
pub(crate) async fn send(client: &mut Client, parts: Vec<Request>) -> Result<ImportAnswers, Status> {
    let requests = parts
        .into_iter()
        .map(|part| wire::ImportCertificatesRequest { part: Some(part) });
    let mut stream = client
        .import_certificates(tokio_stream::iter(requests))
        .await?
        .into_inner();
    let mut answers = ImportAnswers::default();
    let mut results = 0;
    while let Some(answer) = stream.message().await? {
        match answer.part.unwrap() {
            Answer::Progress(_) => {}
            Answer::Reject(reject) => answers.rejects.push(reject),
            Answer::Duplicate(duplicate) => answers.duplicates.push(duplicate),
            Answer::Overdrawn(overdrawn) => answers.overdrawn.push(overdrawn),
            Answer::Result(result) => {
                results += 1;
                answers.result = result;
            }
        }
    }
    assert_eq!(results, 1);
    Ok(answers)
}

pub(crate) async fn import(client: &mut Client, file: &[u8]) -> Result<ImportAnswers, Status> {
    let mut parts = vec![options()];
    parts.extend(chunks(file, 1 << 20));
    parts.push(Request::End(wire::ImportEnd {}));
    send(client, parts).await
}

/// The certificates that a file states, refused lines left out.
pub(crate) fn stated(file: &[u8]) -> Vec<(Certificate, Option<Vec<Draw>>)> {
    read_certificates(file)
        .unwrap()
        .into_iter()
        .filter_map(|event| match event {
            CertificateEvent::Certificate(record) => Some((record.certificate, record.draws)),
            CertificateEvent::Reject(_) => None,
        })
        .collect()
}

pub(crate) fn file_of(certificates: &[(Certificate, Option<Vec<Draw>>)]) -> Vec<u8> {
    let mut file = Vec::new();
    for (certificate, draws) in certificates {
        write_certificate(&mut file, certificate, draws.as_deref());
    }
    file
}

/// The file of cases that all parts of the product share; absent where only this repository is.
#[allow(clippy::print_stderr)]
pub(crate) fn cases() -> Option<Vec<u8>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/cases/certificates.jsonl"
    );
    match std::fs::read(path) {
        Ok(file) => Some(file),
        Err(error) => {
            eprintln!("NOT TESTED: the shared cases are missing: {path}: {error}");
            None
        }
    }
}
