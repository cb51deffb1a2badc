//! One service alone in this process: the others are asked over the network.

use std::path::Path;
use std::sync::Arc;

use nopic_cache::redis::Publisher;
use nopic_chassis::client::{Target, channel};
use nopic_chassis::clock::Clock;
use nopic_chassis::draining::Draining;
use nopic_domain::principal::Principal;
use nopic_entry_validation::Upstream;
use nopic_sql::audit::{Audit, Heads};
use tonic::service::Routes;
use tonic::transport::Channel;

use crate::embedded::{self, Life, Opened};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::storage::Storage;

/// A service that can be served alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Registry,
    Certificate,
    EntryValidation,
}

impl Service {
    /// Names of its parts, for health.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Registry => &["nopic.registry.v1.RegistryService"],
            Self::Certificate => &[
                "nopic.certificate.v1.CertificateService",
                "nopic.certificate.v1.LedgerService",
                "nopic.certificate.v1.CertificateLifeService",
                "nopic.audit.v1.AuditService",
            ],
            Self::EntryValidation => &[
                "nopic.entry_validation.v1.EntryValidationService",
                "nopic.entry_validation.v1.EntryRecordService",
                "nopic.entry_validation.v1.EntryTrailService",
                "nopic.audit.v1.AuditService",
            ],
        }
    }
}

/// Opens a service. `caller`: who calls where a call names nobody.
///
/// # Errors
/// Where its database, its policy or its way to another service cannot be used.
pub(crate) async fn open(
    service: Service,
    settings: &Settings,
    storage: &Storage,
    policy: Option<&Path>,
    clock: Arc<dyn Clock>,
    caller: Option<Principal>,
) -> Result<Opened, Failure> {
    storage.check().await?;
    let audit = |log| Audit::new(log, Heads::in_data_folder(&storage.folder));
    let draining = Draining::default();
    let (routes, audits) = match service {
        Service::Registry => {
            let registry = embedded::registry(storage, &clock, Life::Server, &draining).await?;
            if let Some(options) = settings.redis.clone() {
                let publisher = Publisher::new(options)
                    .map_err(|error| Failure::new(format!("The shared cache cannot be used: {error}.")))?;
                tokio::spawn(registry.clone().publish_forever(publisher));
            }
            (Routes::new(registry.service(caller)), Vec::new())
        }
        Service::Certificate => {
            let registry = upstream("registry", settings.registry.as_ref())?;
            let certificates = embedded::certificates(storage, &clock, &settings.issues_for)
                .await?
                .with_registry(registry);
            let audits = vec![audit(certificates.audit_log())];
            let routes = certificates
                .routes(caller.clone())
                .add_service(embedded::audit_service(&audits, caller));
            (routes, audits)
        }
        Service::EntryValidation => {
            let upstream = Upstream {
                registry: upstream("registry", settings.registry.as_ref())?,
                certificate: upstream("certificate", settings.certificate.as_ref())?,
            };
            let redis = settings.redis.clone();
            let entries = embedded::entries(storage, &clock, policy, upstream, redis, &draining).await?;
            let audits = vec![audit(entries.audit_log())];
            let routes = Routes::new(entries.service(caller.clone()))
                .add_service(entries.record_service(caller.clone()))
                .add_service(entries.trail_service(caller.clone()))
                .add_service(embedded::audit_service(&audits, caller));
            // What an earlier process left is finished once the certificate service answers.
            tokio::spawn(entries.recover_forever());
            (routes, audits)
        }
    };
    Ok(Opened {
        routes,
        audits,
        draining,
    })
}

fn upstream(name: &str, target: Option<&Target>) -> Result<Channel, Failure> {
    let target = target.cloned().ok_or_else(|| {
        Failure::new(format!("Where the {name} service is, is not configured.")).advice(format!(
            "Set address in [upstream.{name}], or NOPIC_UPSTREAM_{}_ADDRESS, to its host:port.",
            name.to_ascii_uppercase()
        ))
    })?;
    channel(target).map_err(|error| {
        Failure::new(format!("The {name} service cannot be asked: {error}."))
            .advice(format!("See [upstream.{name}] and [tls]."))
    })
}
