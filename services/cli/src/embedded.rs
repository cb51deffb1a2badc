//! The services in this process, each on its own SQLite file of the data folder or its own schema of a database.

use std::path::Path;
use std::sync::Arc;

use nopic_certificate::{CertificateService, OpenError};
use nopic_chassis::clock::Clock;
use nopic_chassis::draining::Draining;
use nopic_chassis::principal::RequirePrincipal;
use nopic_chassis::transport::{MAX_MESSAGE_BYTES, in_memory};
use nopic_domain::identifier::CertifierId;
use nopic_domain::principal::Principal;
use nopic_entry_validation::{EntryValidation, StartError, Upstream};
use nopic_proto::audit::audit_service_server::AuditServiceServer;
use nopic_registry::Registry;
use nopic_sql::audit::{Audit, Heads};
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;

use crate::audit_service::AuditRpc;
use crate::connection::Need;
use crate::failure::Failure;
use crate::storage::Storage;

/// Names of every service, for health.
pub(crate) const SERVICE_NAMES: [&str; 8] = [
    "nopic.registry.v1.RegistryService",
    "nopic.certificate.v1.CertificateService",
    "nopic.certificate.v1.LedgerService",
    "nopic.certificate.v1.CertificateLifeService",
    "nopic.entry_validation.v1.EntryValidationService",
    "nopic.entry_validation.v1.EntryRecordService",
    "nopic.entry_validation.v1.EntryTrailService",
    "nopic.audit.v1.AuditService",
];

/// For how long the services are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until one command is done.
    Command,
    /// Until they are asked to stop.
    Server,
}

/// Services that are open.
pub(crate) struct Opened {
    pub(crate) routes: Routes,
    /// The audit logs of those that have one: to be sealed by whoever opened them.
    pub(crate) audits: Vec<Audit>,
    /// What their streams listen to: whoever serves them says by it that they are to end.
    pub(crate) draining: Draining,
}

/// Opens what is needed. Entry validation asks the other two in memory, by the same clients as over a socket.
///
/// # Errors
/// Where a database or the policy cannot be used.
pub(crate) async fn open(
    need: Need,
    life: Life,
    storage: &Storage,
    policy: Option<&Path>,
    clock: Arc<dyn Clock>,
) -> Result<Opened, Failure> {
    storage.check().await?;
    let audit = |log| Audit::new(log, Heads::in_data_folder(&storage.folder));
    let draining = Draining::default();
    match need {
        Need::Registry => {
            let registry = registry(storage, &clock, life, &draining).await?;
            Ok(Opened {
                routes: Routes::new(registry.service(caller())),
                audits: Vec::new(),
                draining,
            })
        }
        Need::Certificates => {
            let certificates = certificates(storage, &clock, &[]).await?;
            let audits = vec![audit(certificates.audit_log())];
            Ok(Opened {
                routes: certificates
                    .routes(caller())
                    .add_service(audit_service(&audits, caller())),
                audits,
                draining,
            })
        }
        Need::CertificateLife => {
            let registry = registry(storage, &clock, life, &draining).await?;
            let certificates = certificates(storage, &clock, &[])
                .await?
                .with_registry(in_memory(Routes::new(registry.service(caller()))));
            let audits = vec![audit(certificates.audit_log())];
            Ok(Opened {
                routes: certificates
                    .routes(caller())
                    .add_service(audit_service(&audits, caller())),
                audits,
                draining,
            })
        }
        Need::EntryValidation | Need::Audit => {
            let registry = registry(storage, &clock, life, &draining).await?;
            let certificates = certificates(storage, &clock, &[])
                .await?
                .with_registry(in_memory(Routes::new(registry.service(caller()))));
            let upstream = Upstream {
                registry: in_memory(Routes::new(registry.service(caller()))),
                certificate: in_memory(certificates.routes(caller())),
            };
            let entries = entries(storage, &clock, policy, upstream, None, &draining).await?;
            let audits = vec![audit(certificates.audit_log()), audit(entries.audit_log())];
            let routes = certificates
                .routes(caller())
                .add_service(registry.service(caller()))
                .add_service(entries.service(caller()))
                .add_service(entries.record_service(caller()))
                .add_service(entries.trail_service(caller()))
                .add_service(audit_service(&audits, caller()));
            // Who verifies the logs leaves them as they are.
            if need != Need::Audit {
                take_over(&entries).await;
            }
            if life == Life::Server {
                // Ends with the process: a filing is taken up again wherever it stood.
                tokio::spawn(entries.recover_forever());
            }
            Ok(Opened {
                routes,
                audits,
                draining,
            })
        }
    }
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
pub(crate) fn audit_service(
    audits: &[Audit],
    otherwise: Option<Principal>,
) -> InterceptedService<AuditServiceServer<AuditRpc>, RequirePrincipal> {
    let server = AuditServiceServer::new(AuditRpc(audits.to_vec()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    InterceptedService::new(server, RequirePrincipal { otherwise })
}

/// Who calls where a call names nobody: the built-in tenant.
pub(crate) fn caller() -> Option<Principal> {
    Some(Principal::built_in("embedded"))
}

pub(crate) async fn registry(
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    life: Life,
    draining: &Draining,
) -> Result<Registry, Failure> {
    let mut config = nopic_registry::Config::new(storage.location.clone(), &storage.folder);
    config.schema_update = storage.schema_update;
    // A command that ends with its import would make the index for nobody.
    config.search_after_import = life == Life::Server;
    config.draining = draining.clone();
    Registry::open(config, Arc::clone(clock))
        .await
        .map_err(|error| match error {
            nopic_registry::Error::Store(error) => storage.unusable(&error),
            error => storage.broken(&error),
        })
}

/// Entry validation, which asks these others.
pub(crate) async fn entries(
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    policy: Option<&Path>,
    upstream: Upstream,
    redis: Option<nopic_cache::redis::Options>,
    draining: &Draining,
) -> Result<EntryValidation, Failure> {
    let mut config = nopic_entry_validation::Config::new(storage.location.clone());
    config.schema_update = storage.schema_update;
    config.policy = policy.map(Path::to_path_buf);
    config.redis = redis;
    config.draining = draining.clone();
    config.worker = Some(worker(&storage.folder, clock.as_ref())?);
    EntryValidation::open(config, Arc::clone(clock), upstream)
        .await
        .map_err(|error| starting(&error, storage))
}

/// The certificates; `configured`: for whom they are issued here beside those that the environment lists.
pub(crate) async fn certificates(
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    configured: &[CertifierId],
) -> Result<CertificateService, Failure> {
    let mut issues_for = issues_for(std::env::var(ISSUES_FOR).ok().as_deref())?;
    issues_for.extend_from_slice(configured);
    let config = nopic_certificate::Config {
        location: storage.location.clone(),
        schema_update: storage.schema_update,
        issues_for,
    };
    CertificateService::open(config, Arc::clone(clock))
        .await
        .map_err(|OpenError::Database { source, .. }| storage.unusable(&source))
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
