//! The services in this process, each on its own SQLite file of the data folder.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use nopic_certificate::CertificateService;
use nopic_chassis::clock::Clock;
use nopic_chassis::transport::in_memory;
use nopic_domain::identifier::CertifierId;
use nopic_domain::principal::Principal;
use nopic_entry_validation::{EntryValidation, StartError, Upstream};
use nopic_registry::Registry;
use nopic_sql::{Location, SchemaUpdate};
use tonic::service::Routes;

use crate::connection::Need;
use crate::failure::Failure;

/// Names of every service, for health.
pub(crate) const SERVICE_NAMES: [&str; 6] = [
    "nopic.registry.v1.RegistryService",
    "nopic.certificate.v1.CertificateService",
    "nopic.certificate.v1.LedgerService",
    "nopic.certificate.v1.CertificateLifeService",
    "nopic.entry_validation.v1.EntryValidationService",
    "nopic.entry_validation.v1.EntryRecordService",
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
    /// The registry, where it is among them.
    registry: Option<Registry>,
}

impl Opened {
    /// Ends the streams that have no end of their own, which a server that drains would wait for.
    pub(crate) fn end_streams(&self) {
        if let Some(registry) = &self.registry {
            registry.end_streams();
        }
    }
}

/// Opens what is needed. Entry validation asks the other two in memory, by the same clients as over a socket.
///
/// # Errors
/// Where a database or the policy cannot be used.
pub(crate) async fn open(
    need: Need,
    life: Life,
    data: &Path,
    policy: Option<&Path>,
    clock: Arc<dyn Clock>,
) -> Result<Opened, Failure> {
    match need {
        Need::Registry => {
            let registry = registry(data, &clock, life).await?;
            Ok(Opened {
                routes: Routes::new(registry.service(caller())),
                registry: Some(registry),
            })
        }
        Need::Certificates => {
            let certificates = certificates(data, &clock).await?;
            Ok(Opened {
                routes: certificates.routes(caller()),
                registry: None,
            })
        }
        Need::CertificateLife => {
            let registry = registry(data, &clock, life).await?;
            let certificates = certificates(data, &clock)
                .await?
                .with_registry(in_memory(Routes::new(registry.service(caller()))));
            Ok(Opened {
                routes: certificates.routes(caller()),
                registry: Some(registry),
            })
        }
        Need::EntryValidation => {
            let registry = registry(data, &clock, life).await?;
            let certificates = certificates(data, &clock)
                .await?
                .with_registry(in_memory(Routes::new(registry.service(caller()))));
            let upstream = Upstream {
                registry: in_memory(Routes::new(registry.service(caller()))),
                certificate: in_memory(certificates.routes(caller())),
            };
            let mut config = nopic_entry_validation::Config::new(Location::from(data));
            config.policy = policy.map(Path::to_path_buf);
            let entries = EntryValidation::open(config, clock, upstream)
                .await
                .map_err(|error| starting(&error, data))?;
            let routes = certificates
                .routes(caller())
                .add_service(registry.service(caller()))
                .add_service(entries.service(caller()))
                .add_service(entries.record_service(caller()));
            take_over(&entries).await;
            if life == Life::Server {
                // Ends with the process: a filing is taken up again wherever it stood.
                tokio::spawn(entries.recover_forever());
            }
            Ok(Opened {
                routes,
                registry: Some(registry),
            })
        }
    }
}

/// Finishes what an earlier process left: this one has the folder for itself. What cannot be finished now waits.
async fn take_over(entries: &EntryValidation) {
    if let Err(error) = entries.take_over().await {
        tracing::warn!(error = &error as &dyn Error, "filings wait to be finished");
    }
}

/// Who calls where a call names nobody: the built-in tenant.
fn caller() -> Option<Principal> {
    Some(Principal::built_in("embedded"))
}

async fn registry(data: &Path, clock: &Arc<dyn Clock>, life: Life) -> Result<Registry, Failure> {
    let mut config = nopic_registry::Config::new(data);
    // A command that ends with its import would make the index for nobody.
    config.search_after_import = life == Life::Server;
    Registry::open(config, Arc::clone(clock))
        .await
        .map_err(|error| unusable(&error, data))
}

async fn certificates(data: &Path, clock: &Arc<dyn Clock>) -> Result<CertificateService, Failure> {
    let config = nopic_certificate::Config {
        location: Location::from(data),
        schema_update: SchemaUpdate::Apply,
        issues_for: issues_for(std::env::var(ISSUES_FOR).ok().as_deref())?,
    };
    CertificateService::open(config, Arc::clone(clock))
        .await
        .map_err(|error| unusable(&error, data))
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
fn starting(error: &StartError, data: &Path) -> Failure {
    match error {
        StartError::PolicyFile { path, source } => Failure::reading(path, source),
        StartError::Policy { path, source } => Failure::new(format!(
            "{} cannot be used:\n  - {}",
            path.display(),
            source.problems.join("\n  - ")
        ))
        .advice("Mend these places; `nopic policy check` looks again, `nopic policy show` prints a policy that works."),
        StartError::Store(_) => unusable(error, data),
    }
}

/// A database of the folder cannot be used. The causes are the system's words, which say what is wrong with the file.
fn unusable(error: &dyn Error, data: &Path) -> Failure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let said = deeper.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = deeper.source();
    }
    Failure::new(format!("The data in {} cannot be used: {text}.", data.display())).advice(
        "Check that the folder is writable and has room, and that it was made by this version or an older one; or name \
         another folder with --data.",
    )
}
