//! Every service in this process, on a database of its own, reached by the gRPC clients.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nopic_chassis::clock::{Clock, ManualClock, SystemClock};
use nopic_chassis::draining::Draining;
use nopic_chassis::metrics::Metrics;
use nopic_chassis::roles::{ENTRY_VALIDATION, RoleTable, Row};
use nopic_chassis::rpc::client::Client;
use nopic_chassis::transport::in_memory;
use nopic_domain::policy::{Policy, SHIPPED};
use nopic_domain::principal::Principal;
use nopic_entry_validation::{EntryValidation, Upstream};
use nopic_proto::certificate::certificate_service_client::CertificateServiceClient;
use nopic_proto::certificate::ledger_service_client::LedgerServiceClient;
use nopic_proto::certificate::{
    self, ImportCertificatesRequest, import_certificates_request, import_certificates_response,
};
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::entry_trail_service_client::EntryTrailServiceClient;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::{
    DocumentOptions, EntryLine, ImportFlagsEnd, ImportFlagsOptions, ImportFlagsRequest, ImportFlagsResponse,
    ValidateDocumentRequest, ValidateDocumentResponse, ValidateEntriesRequest, ValidateEntryRequest,
    ValidateStreamRequest, Verdict, document_options, import_flags_request, validate_document_request,
};
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use nopic_proto::registry::{
    self, FileStart, ImportSnapshotRequest, import_options::Completeness, import_snapshot_request,
    import_snapshot_response,
};
use nopic_sql::testing::{Engine, TestDatabase};
use nopic_sql::{Location, SchemaUpdate};
use tokio_stream::StreamExt as _;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// On what the services run, which of them answer, and by which policy lines are judged.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the data are.
    pub engine: Engine,
    /// Whether entry validation reaches the registry.
    pub registry_answers: bool,
    /// Whether entry validation reaches the certificate service.
    pub certificates_answer: bool,
    /// A policy file in place of the shipped one.
    pub policy: Option<PathBuf>,
    /// How often a filing that cannot be finished is tried.
    pub filing_attempts: u32,
    /// The clock of all of them, in place of the system's.
    pub clock: Option<ManualClock>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            engine: Engine::Sqlite,
            registry_answers: true,
            certificates_answer: true,
            policy: None,
            filing_attempts: 20,
            clock: None,
        }
    }
}

impl Setup {
    fn clock(&self) -> Arc<dyn Clock> {
        match &self.clock {
            Some(clock) => Arc::new(clock.clone()),
            None => Arc::new(SystemClock),
        }
    }

    /// The policy by which lines are judged, and its text.
    fn policy(&self) -> (Arc<Policy>, Arc<str>) {
        let text = self.policy.as_ref().map_or_else(any_filing_day, |path| {
            std::fs::read_to_string(path).expect("the policy is there")
        });
        (Arc::new(Policy::parse(&text).expect("a policy")), text.into())
    }
}

/// The shipped policy under which what was entered years ago is filed today: tests file samples of fixed dates.
fn any_filing_day() -> String {
    let days = SHIPPED
        .replace("days_before = 300", "days_before = 36500")
        .replace("days_after = 60", "days_after = 36500");
    assert_eq!(
        days.matches("36500").count(),
        2,
        "the policy has its days elsewhere"
    );
    days
}

/// The running services.
pub struct Services {
    /// Removed with the services.
    pub database: TestDatabase,
    /// The registry.
    pub registry: RegistryServiceClient<Channel>,
    /// Certificates.
    pub certificates: CertificateServiceClient<Channel>,
    /// Entry validation.
    pub entries: EntryValidationServiceClient<Channel>,
    /// Entries on record.
    pub records: EntryRecordServiceClient<Channel>,
    /// Trails of entries.
    pub trails: EntryTrailServiceClient<Channel>,
    /// What was drawn from certificates.
    pub ledger: LedgerServiceClient<Channel>,
    /// Whether the ledger refuses every call as one that is away does; the rest of the certificate service answers.
    pub ledger_is_away: Arc<AtomicBool>,
    /// Whether the ledger refuses every call as one that makes no sense.
    pub ledger_refuses: Arc<AtomicBool>,
    entry_validation: EntryValidation,
    channels: Upstream,
}

/// One of several entry validations on the same data.
#[derive(Debug)]
pub struct Replica {
    /// Entry validation.
    pub entries: EntryValidationServiceClient<Channel>,
    /// Entries on record.
    pub records: EntryRecordServiceClient<Channel>,
    /// Says that its streams are to end.
    pub draining: Draining,
    /// The service behind them. What a server does beside its calls is done only where a test has it done.
    pub service: EntryValidation,
}

/// Where nobody listens.
fn nobody() -> Channel {
    Endpoint::from_static("http://127.0.0.1:9").connect_lazy()
}

fn channel_to(service: &EntryValidation) -> Channel {
    let routes = Routes::new(service.service())
        .add_service(service.record_service())
        .add_service(service.trail_service());
    connect(nopic_entry_validation::ROLES, routes, "test")
}

/// Services behind their table of roles, for a caller of this name, who calls as operator where a call does not say.
fn connect(roles: &[Row], routes: Routes, caller: &str) -> Channel {
    let table = RoleTable::new(&[roles]).expect("a method has one row");
    in_memory(table.protect(routes, Some(Principal::built_in("test"))), caller)
}

fn entry_client(channel: Channel) -> EntryValidationServiceClient<Channel> {
    EntryValidationServiceClient::new(channel).max_decoding_message_size(BOUND)
}

/// Largest chunk of an upload, in bytes.
const CHUNK: usize = 1 << 20;
const BOUND: usize = nopic_chassis::transport::MAX_MESSAGE_BYTES;

impl Services {
    /// Opens them all, empty.
    ///
    /// # Panics
    /// Where a service does not start: the test has failed.
    pub async fn start(setup: &Setup) -> Self {
        let database = setup.engine.database().await;
        let mut config = nopic_registry::Config::new(database.location.clone(), database.folder.path());
        config.schema_update = SchemaUpdate::Apply;
        let registry = nopic_registry::Registry::open(config, setup.clock())
            .await
            .expect("the registry starts");
        let config = nopic_certificate::Config {
            location: database.location.clone(),
            schema_update: SchemaUpdate::Apply,
            issues_for: Vec::new(),
            policy: Arc::new(Policy::shipped()),
            metrics: Metrics::default(),
        };
        let registry_channel = connect(nopic_registry::ROLES, Routes::new(registry.service()), "test");
        let certificates = nopic_certificate::CertificateService::open(config, setup.clock())
            .await
            .expect("the certificate service starts")
            .with_registry(Client::by_channel(registry_channel.clone(), "registry"));
        let ledger_is_away = Arc::new(AtomicBool::new(false));
        let is_away = Arc::clone(&ledger_is_away);
        let ledger_refuses = Arc::new(AtomicBool::new(false));
        let refuses = Arc::clone(&ledger_refuses);
        let ledger = InterceptedService::new(certificates.ledger(), move |request: Request<()>| {
            if is_away.load(Ordering::Relaxed) {
                return Err(Status::unavailable("the test has taken the ledger away"));
            }
            if refuses.load(Ordering::Relaxed) {
                return Err(Status::invalid_argument(
                    "the test has the ledger refuse everything",
                ));
            }
            Ok(request)
        });
        let routes = Routes::new(certificates.service())
            .add_service(ledger)
            .add_service(certificates.lifecycle_service());
        let certificate_channel = connect(nopic_certificate::ROLES, routes, ENTRY_VALIDATION);
        let channels = Upstream {
            registry: Client::by_channel(registry_channel.clone(), "registry"),
            certificate: Client::by_channel(certificate_channel.clone(), "certificate"),
        };
        let draining = Draining::default();
        let entry_validation = Self::entry_validation(&database.location, &channels, setup, draining).await;
        let channel = channel_to(&entry_validation);
        Self {
            registry: RegistryServiceClient::new(registry_channel).max_decoding_message_size(BOUND),
            certificates: CertificateServiceClient::new(certificate_channel.clone()),
            ledger: LedgerServiceClient::new(certificate_channel).max_decoding_message_size(BOUND),
            entries: entry_client(channel.clone()),
            records: EntryRecordServiceClient::new(channel.clone()).max_decoding_message_size(BOUND),
            trails: EntryTrailServiceClient::new(channel).max_decoding_message_size(BOUND),
            ledger_is_away,
            ledger_refuses,
            entry_validation,
            channels,
            database,
        }
    }

    async fn entry_validation(
        location: &Location,
        channels: &Upstream,
        setup: &Setup,
        draining: Draining,
    ) -> EntryValidation {
        let mut upstream = channels.clone();
        if !setup.registry_answers {
            upstream.registry = Client::by_channel(nobody(), "registry");
        }
        if !setup.certificates_answer {
            upstream.certificate = Client::by_channel(nobody(), "certificate");
        }
        let (policy, text) = setup.policy();
        let mut config = nopic_entry_validation::Config::new(location.clone(), policy, text);
        config.schema_update = SchemaUpdate::Apply;
        config.draining = draining;
        config.filing_attempts = setup.filing_attempts;
        EntryValidation::open(config, setup.clock(), upstream)
            .await
            .expect("entry validation starts")
    }

    /// Where entry validation is reached by clients with bounds of their own.
    #[must_use]
    pub fn channel(&self) -> Channel {
        channel_to(&self.entry_validation)
    }

    /// Finishes the filings that entry validation could not finish, as it does by itself where it is served.
    ///
    /// # Panics
    /// Where they cannot be finished: the test has failed.
    pub async fn finish_what_was_left(&self) -> u32 {
        self.entry_validation
            .take_over()
            .await
            .expect("what was left is finished")
    }

    /// Tries once to finish the filings that were left; whether none failed.
    pub async fn try_to_finish(&self) -> bool {
        self.entry_validation.take_over().await.is_ok()
    }

    /// Another entry validation beside the first, on the same data (whatever the setup says of these), with other
    /// services in reach.
    ///
    /// # Panics
    /// Where it does not start: the test has failed.
    pub async fn entry_validation_with(&self, setup: &Setup) -> EntryValidationServiceClient<Channel> {
        let draining = Draining::default();
        let service = Self::entry_validation(&self.database.location, &self.channels, setup, draining).await;
        entry_client(channel_to(&service))
    }

    /// Another entry validation beside the first, on the same data, that can be drained.
    ///
    /// # Panics
    /// Where it does not start: the test has failed.
    pub async fn replica(&self) -> Replica {
        let draining = Draining::default();
        let (location, setup) = (&self.database.location, Setup::default());
        let service = Self::entry_validation(location, &self.channels, &setup, draining.clone()).await;
        let channel = channel_to(&service);
        Replica {
            entries: entry_client(channel.clone()),
            records: EntryRecordServiceClient::new(channel).max_decoding_message_size(BOUND),
            draining,
            service,
        }
    }

    /// Imports a snapshot file; gives the result.
    ///
    /// # Errors
    /// What the service says against it.
    pub async fn import_snapshot(
        &mut self,
        path: &Path,
        completeness: Completeness,
    ) -> Result<registry::ImportResult, Status> {
        self.import_published(path, completeness, "").await
    }

    /// The same for a file that does not say itself when it was published.
    ///
    /// # Errors
    /// What the service says against it.
    pub async fn import_published(
        &mut self,
        path: &Path,
        completeness: Completeness,
        published_on: &str,
    ) -> Result<registry::ImportResult, Status> {
        use import_snapshot_request::Part;
        let options = registry::ImportOptions {
            completeness: completeness.into(),
            published_on: published_on.to_owned(),
            ..registry::ImportOptions::default()
        };
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        // Read as it is sent: the memory of an import is measured, too.
        let mut file = std::fs::File::open(path).expect("the test's file is there");
        let chunks = std::iter::from_fn(move || {
            let mut chunk = Vec::with_capacity(CHUNK);
            let limit = u64::try_from(CHUNK).expect("a chunk is small");
            std::io::Read::by_ref(&mut file)
                .take(limit)
                .read_to_end(&mut chunk)
                .expect("the test's file can be read");
            (!chunk.is_empty()).then(|| Part::Chunk(chunk.into()))
        });
        let parts = [
            Part::Options(options),
            Part::File(FileStart { name, size_kib: 0 }),
        ]
        .into_iter()
        .chain(chunks)
        .chain([Part::End(registry::ImportEnd {})]);
        let requests = parts.map(|part| ImportSnapshotRequest { part: Some(part) });
        let mut answers = self
            .registry
            .import_snapshot(tokio_stream::iter(requests))
            .await?
            .into_inner();
        let mut result = None;
        while let Some(answer) = answers.next().await {
            if let Some(import_snapshot_response::Part::Result(found)) = answer?.part {
                result = Some(found);
            }
        }
        result.ok_or_else(|| Status::internal("the import ended without a result"))
    }

    /// Imports certificates; gives the result.
    ///
    /// # Errors
    /// What the service says against it.
    pub async fn import_certificates(&mut self, content: &[u8]) -> Result<certificate::ImportResult, Status> {
        use import_certificates_request::Part;
        let options = certificate::ImportOptions {
            file_name: "certificates.jsonl".to_owned(),
        };
        let mut parts = vec![Part::Options(options)];
        parts.extend(
            content
                .chunks(CHUNK)
                .map(|chunk| Part::Chunk(chunk.to_vec().into())),
        );
        parts.push(Part::End(certificate::ImportEnd {}));
        let requests = parts
            .into_iter()
            .map(|part| ImportCertificatesRequest { part: Some(part) });
        let mut answers = self
            .certificates
            .import_certificates(tokio_stream::iter(requests))
            .await?
            .into_inner();
        let mut result = None;
        while let Some(answer) = answers.next().await {
            if let Some(import_certificates_response::Part::Result(found)) = answer?.part {
                result = Some(found);
            }
        }
        result.ok_or_else(|| Status::internal("the import ended without a result"))
    }

    /// Imports flags.
    ///
    /// # Errors
    /// What the service says against it.
    pub async fn import_flags(
        &mut self,
        content: &[u8],
        replace: bool,
    ) -> Result<ImportFlagsResponse, Status> {
        import_flags(&mut self.entries, content, replace).await
    }
}

/// Imports flags by this entry validation.
///
/// # Errors
/// What the service says against it.
pub async fn import_flags(
    client: &mut EntryValidationServiceClient<Channel>,
    content: &[u8],
    replace: bool,
) -> Result<ImportFlagsResponse, Status> {
    use import_flags_request::Part;
    let options = ImportFlagsOptions {
        file_name: "flags.csv".to_owned(),
        replace,
    };
    let mut parts = vec![Part::Options(options)];
    parts.extend(
        content
            .chunks(CHUNK)
            .map(|chunk| Part::Chunk(chunk.to_vec().into())),
    );
    parts.push(Part::End(ImportFlagsEnd {}));
    let requests = parts
        .into_iter()
        .map(|part| ImportFlagsRequest { part: Some(part) });
    Ok(client
        .import_flags(tokio_stream::iter(requests))
        .await?
        .into_inner())
}

/// What a document gave.
#[derive(Debug, Default)]
pub struct Document {
    /// In order.
    pub verdicts: Vec<Verdict>,
    /// The last message's summary and all rejects.
    pub rest: ValidateDocumentResponse,
}

/// Validates a file in chunks of this size.
///
/// # Errors
/// What the service says against it.
pub async fn validate_document(
    client: &mut EntryValidationServiceClient<Channel>,
    form: document_options::Form,
    content: &[u8],
    chunk: usize,
) -> Result<Document, Status> {
    use validate_document_request::Part;
    let options = DocumentOptions {
        form: form.into(),
        file_name: "test".to_owned(),
        ..DocumentOptions::default()
    };
    let mut parts = vec![Part::Options(options)];
    parts.extend(
        content
            .chunks(chunk)
            .map(|chunk| Part::Chunk(chunk.to_vec().into())),
    );
    let requests = parts
        .into_iter()
        .map(|part| ValidateDocumentRequest { part: Some(part) });
    let mut answers = client
        .validate_document(tokio_stream::iter(requests))
        .await?
        .into_inner();
    let mut document = Document::default();
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        document.verdicts.extend(answer.verdicts);
        document.rest.rejects.extend(answer.rejects);
        document.rest.summary = answer.summary.or(document.rest.summary);
    }
    Ok(document)
}

/// Validates lines in a stream, this many a message.
///
/// # Errors
/// What the service says against it.
pub async fn validate_stream(
    client: &mut EntryValidationServiceClient<Channel>,
    lines: &[EntryLine],
    batch: usize,
) -> Result<Vec<Verdict>, Status> {
    // Messages without lines between them end no entry.
    let requests: Vec<_> = lines
        .chunks(batch)
        .flat_map(|lines| [lines, &[]])
        .map(|lines| ValidateStreamRequest {
            lines: lines.to_vec(),
            freshness: None,
            finding_detail: 0,
        })
        .collect();
    let mut answers = client
        .validate_stream(tokio_stream::iter(requests))
        .await?
        .into_inner();
    let mut verdicts = Vec::new();
    while let Some(answer) = answers.next().await {
        verdicts.extend(answer?.verdicts);
    }
    Ok(verdicts)
}

/// Validates lines in one call.
///
/// # Errors
/// What the service says against it.
pub async fn validate_entries(
    client: &mut EntryValidationServiceClient<Channel>,
    lines: &[EntryLine],
) -> Result<Vec<Verdict>, Status> {
    let request = ValidateEntriesRequest {
        lines: lines.to_vec(),
        freshness: None,
        finding_detail: 0,
    };
    Ok(client.validate_entries(request).await?.into_inner().verdicts)
}

/// Validates one line.
///
/// # Errors
/// What the service says against it.
pub async fn validate_entry(
    client: &mut EntryValidationServiceClient<Channel>,
    line: EntryLine,
) -> Result<Option<Verdict>, Status> {
    let request = ValidateEntryRequest {
        line: Some(line),
        freshness: None,
        finding_detail: 0,
    };
    Ok(client.validate_entry(request).await?.into_inner().verdict)
}
