//! The services in this process, each on its own SQLite file of the data folder or its own schema of a database.

use std::path::Path;
use std::sync::Arc;

use nopic_certificate::{CertificateService, OpenError};
use nopic_chassis::clock::Clock;
use nopic_chassis::dependencies::{self, Dependency};
use nopic_chassis::draining::Draining;
use nopic_chassis::metrics::Metrics;
use nopic_chassis::roles::{AUDIT, ENTRY_VALIDATION, Protected, RoleTable, Row};
use nopic_chassis::rpc::client::Client;
use nopic_chassis::serving::Part;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_domain::identifier::CertifierId;
use nopic_domain::policy::Policy;
use nopic_domain::principal::Principal;
use nopic_entry_validation::{EntryValidation, StartError, Upstream};
use nopic_proto::audit::audit_service_server::AuditServiceServer;
use nopic_registry::Registry;
use nopic_sql::audit::{Audit, AuditLog, Heads};
use tonic::service::Routes;

use crate::audit_service::AuditRpc;
use crate::connection::Need;
use crate::failure::Failure;
use crate::needs;
use crate::storage::Storage;

/// The parts of services, for health. What is judged before it is filed needs no database.
pub(crate) mod part {
    use nopic_chassis::serving::Part;

    pub(crate) const REGISTRY: Part = Part::hard("nopic.registry.v1.RegistryService");
    pub(crate) const CERTIFICATE: Part = Part::hard("nopic.certificate.v1.CertificateService");
    pub(crate) const LEDGER: Part = Part::hard("nopic.certificate.v1.LedgerService");
    pub(crate) const CERTIFICATE_LIFE: Part = Part::hard("nopic.certificate.v1.CertificateLifeService");
    pub(crate) const ENTRY_VALIDATION: Part = Part::soft("nopic.entry_validation.v1.EntryValidationService");
    pub(crate) const ENTRY_RECORD: Part = Part::hard("nopic.entry_validation.v1.EntryRecordService");
    pub(crate) const ENTRY_TRAIL: Part = Part::hard("nopic.entry_validation.v1.EntryTrailService");
    /// Of the certificates, and of entry validation.
    pub(crate) const AUDIT: Part = Part::hard("nopic.audit.v1.AuditService");
}

/// Those of a process that holds every service.
pub(crate) const PARTS: &[Part] = &[
    part::REGISTRY,
    part::CERTIFICATE,
    part::LEDGER,
    part::CERTIFICATE_LIFE,
    part::ENTRY_VALIDATION,
    part::ENTRY_RECORD,
    part::ENTRY_TRAIL,
    part::AUDIT,
];

/// Names of services, as others call them.
pub(crate) const REGISTRY: &str = "registry";
pub(crate) const CERTIFICATE: &str = "certificate";

/// For how long the services are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until one command is done.
    Command,
    /// Until they are asked to stop.
    Server,
}

/// With what services are opened.
pub(crate) struct Opening<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) policy: Option<&'a Path>,
    pub(crate) clock: Arc<dyn Clock>,
    /// For whom certificates are issued here, beside those that the environment lists.
    pub(crate) issues_for: &'a [CertifierId],
    pub(crate) metrics: Metrics,
    pub(crate) draining: Draining,
}

/// Services that are open.
pub(crate) struct Opened {
    pub(crate) services: Protected,
    /// The audit logs of those that have one: to be sealed by whoever opened them.
    pub(crate) audits: Vec<Audit>,
    /// What they need beside themselves.
    pub(crate) dependencies: Vec<Dependency>,
    /// What their streams listen to: whoever serves them says by it that they are to end.
    pub(crate) draining: Draining,
}

impl<'a> Opening<'a> {
    /// For a command or a server that is told nothing more.
    pub(crate) fn plain(storage: &'a Storage, policy: Option<&'a Path>, clock: Arc<dyn Clock>) -> Self {
        Self {
            storage,
            policy,
            clock,
            issues_for: &[],
            metrics: Metrics::default(),
            draining: Draining::default(),
        }
    }

    /// Opens what is needed. Entry validation asks the other two in memory, by the same clients as over a socket.
    ///
    /// # Errors
    /// Where a database or the policy cannot be used.
    pub(crate) async fn open(self, need: Need, life: Life) -> Result<Opened, Failure> {
        self.storage.check().await?;
        let (routes, audits) = match need {
            Need::Registry => {
                let registry = self.registry(life).await?;
                (Routes::new(registry.service()), Vec::new())
            }
            Need::Certificates => self.with_audit(&self.certificates().await?),
            Need::CertificateLife => {
                let registry = self.registry(life).await?;
                let asked = asked(&registry, CERTIFICATE)?;
                self.with_audit(&self.certificates().await?.with_registry(asked))
            }
            Need::EntryValidation | Need::Audit => {
                let registry = self.registry(life).await?;
                let certificates = self
                    .certificates()
                    .await?
                    .with_registry(asked(&registry, CERTIFICATE)?);
                let protected = protect(&[nopic_certificate::ROLES], certificates.routes(), caller())?;
                let upstream = Upstream {
                    registry: asked(&registry, ENTRY_VALIDATION)?,
                    certificate: Client::in_memory(protected, CERTIFICATE, ENTRY_VALIDATION),
                };
                let entries = self.entries(upstream, None).await?;
                let audits = vec![
                    self.audit(certificates.audit_log()),
                    self.audit(entries.audit_log()),
                ];
                let routes = certificates
                    .routes()
                    .add_service(registry.service())
                    .add_service(entries.service())
                    .add_service(entries.record_service())
                    .add_service(entries.trail_service())
                    .add_service(audit_service(&audits));
                // Who verifies the logs leaves them as they are.
                if need != Need::Audit {
                    take_over(&entries).await;
                }
                if life == Life::Server {
                    // Ends with the process: a filing is taken up again wherever it stood.
                    tokio::spawn(entries.work_forever());
                    tokio::spawn(certificates.count_ending_forever());
                }
                (routes, audits)
            }
        };
        Ok(Opened {
            services: protect(ROLES, routes, caller())?,
            audits,
            dependencies: needs::database(self.storage, dependencies::Need::Hard)
                .into_iter()
                .collect(),
            draining: self.draining,
        })
    }

    pub(crate) async fn registry(&self, life: Life) -> Result<Registry, Failure> {
        let storage = self.storage;
        let mut config = nopic_registry::Config::new(storage.location.clone(), &storage.folder);
        config.schema_update = storage.schema_update;
        config.metrics = self.metrics.clone();
        config.draining = self.draining.clone();
        // A command that ends with its import would make the index for nobody.
        config.search_after_import = life == Life::Server;
        Registry::open(config, Arc::clone(&self.clock))
            .await
            .map_err(|error| match error {
                nopic_registry::Error::Store(error) => storage.unusable(&error),
                error => storage.broken(&error),
            })
    }

    /// Entry validation, which asks these others.
    pub(crate) async fn entries(
        &self,
        upstream: Upstream,
        redis: Option<nopic_cache::redis::Options>,
    ) -> Result<EntryValidation, Failure> {
        let storage = self.storage;
        let mut config = nopic_entry_validation::Config::new(storage.location.clone());
        config.schema_update = storage.schema_update;
        config.policy = self.policy.map(Path::to_path_buf);
        config.redis = redis;
        config.metrics = self.metrics.clone();
        config.draining = self.draining.clone();
        config.worker = Some(worker(&storage.folder, self.clock.as_ref())?);
        EntryValidation::open(config, Arc::clone(&self.clock), upstream)
            .await
            .map_err(|error| starting(&error, storage))
    }

    pub(crate) async fn certificates(&self) -> Result<CertificateService, Failure> {
        let mut issues_for = issues_for(std::env::var(ISSUES_FOR).ok().as_deref())?;
        issues_for.extend_from_slice(self.issues_for);
        let config = nopic_certificate::Config {
            location: self.storage.location.clone(),
            schema_update: self.storage.schema_update,
            issues_for,
            policy: Arc::new(self.policy()?),
            metrics: self.metrics.clone(),
        };
        CertificateService::open(config, Arc::clone(&self.clock))
            .await
            .map_err(|OpenError::Database { source, .. }| self.storage.unusable(&source))
    }

    fn policy(&self) -> Result<Policy, Failure> {
        let Some(path) = self.policy else {
            return Ok(Policy::shipped());
        };
        let text = std::fs::read_to_string(path).map_err(|error| Failure::reading(path, &error))?;
        Policy::parse(&text).map_err(|source| {
            let path = path.to_path_buf();
            starting(&StartError::Policy { path, source }, self.storage)
        })
    }

    pub(crate) fn audit(&self, log: Arc<dyn AuditLog>) -> Audit {
        Audit::new(log, Heads::in_data_folder(&self.storage.folder))
    }

    /// The certificates with their audit log.
    fn with_audit(&self, certificates: &CertificateService) -> (Routes, Vec<Audit>) {
        let audits = vec![self.audit(certificates.audit_log())];
        let routes = certificates.routes().add_service(audit_service(&audits));
        (routes, audits)
    }
}

/// The registry, as the others ask it in memory.
fn asked(registry: &Registry, by: &str) -> Result<Client, Failure> {
    let protected = protect(
        &[nopic_registry::ROLES],
        Routes::new(registry.service()),
        caller(),
    )?;
    Ok(Client::in_memory(protected, REGISTRY, by))
}

/// The table of roles of every service.
pub(crate) const ROLES: &[&[Row]] = &[
    nopic_registry::ROLES,
    nopic_certificate::ROLES,
    nopic_entry_validation::ROLES,
    AUDIT,
];

/// Routes behind their table of roles; `otherwise` calls where a call names nobody.
pub(crate) fn protect(
    roles: &[&[Row]],
    routes: Routes,
    otherwise: Option<Principal>,
) -> Result<Protected, Failure> {
    let table =
        RoleTable::new(roles).map_err(|error| Failure::new(format!("Nothing is served: {error}.")))?;
    Ok(table.protect(routes, otherwise))
}

/// Names whoever has this folder, now and later: what an earlier process of it left is ours.
fn worker(folder: &Path, clock: &dyn Clock) -> Result<String, Failure> {
    let path = folder.join("worker");
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        _ => {
            // Two folders are not made by one process in one microsecond.
            let unique = format!("{}-{}", std::process::id(), clock.now().timestamp_micros());
            std::fs::write(&path, &unique).map_err(|error| Failure::writing(&path, &error))?;
            Ok(unique)
        }
    }
}

/// Finishes what an earlier process left: this one has the folder for itself. What cannot be finished now waits.
async fn take_over(entries: &EntryValidation) {
    if let Err(error) = entries.take_over().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "filings wait to be finished"
        );
    }
}

/// The one service for the audit logs of all.
pub(crate) fn audit_service(audits: &[Audit]) -> AuditServiceServer<AuditRpc> {
    AuditServiceServer::new(AuditRpc(audits.to_vec()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// Who calls where a call names nobody: the built-in tenant.
pub(crate) fn caller() -> Option<Principal> {
    Some(Principal::built_in("embedded"))
}

/// Environment variable with the certifiers for which this deployment issues certificates: `015,062`.
const ISSUES_FOR: &str = "NOPIC_ISSUES_FOR";

fn issues_for(listed: Option<&str>) -> Result<Vec<CertifierId>, Failure> {
    listed
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| {
            text.parse().map_err(|error| {
                Failure::new(format!("{ISSUES_FOR}: {error}."))
                    .advice("List certifiers by their three digits, with commas between them.")
            })
        })
        .collect()
}

/// Entry validation did not start: mostly because of a policy file.
fn starting(error: &StartError, storage: &Storage) -> Failure {
    match error {
        StartError::PolicyFile { path, source } => Failure::reading(path, source),
        StartError::Policy { path, source } => Failure::new(format!(
            "{} cannot be used:\n  - {}",
            path.display(),
            source.problems.join("\n  - ")
        ))
        .advice("Mend these places; `nopic policy check` looks again, `nopic policy show` prints a policy that works."),
        StartError::Cache(error) => Failure::new(format!("The shared cache cannot be used: {error}.")),
        StartError::Store(error) => storage.unusable(error),
    }
}
