//! One service alone in this process: the others are asked over the network.

use nopic_cache::redis::Publisher;
use nopic_chassis::client::{Target, channel};
use nopic_chassis::rpc::client::{Client, ClientMetrics};
use nopic_chassis::serving::Part;
use nopic_domain::principal::Principal;
use nopic_entry_validation::Upstream;
use tonic::service::Routes;

use crate::embedded::{self, CERTIFICATE, Life, Opened, Opening, REGISTRY, part};
use crate::failure::Failure;
use crate::needs::{self, Others};
use crate::settings::Settings;

/// A service that can be served alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Registry,
    Certificate,
    EntryValidation,
}

impl Service {
    /// How others call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Registry => REGISTRY,
            Self::Certificate => CERTIFICATE,
            Self::EntryValidation => "entry-validation",
        }
    }

    /// Its parts, for health.
    pub(crate) fn parts(self) -> &'static [Part] {
        match self {
            Self::Registry => &[part::REGISTRY],
            Self::Certificate => &[
                part::CERTIFICATE,
                part::LEDGER,
                part::CERTIFICATE_LIFE,
                part::AUDIT,
            ],
            Self::EntryValidation => &[
                part::ENTRY_VALIDATION,
                part::ENTRY_RECORD,
                part::ENTRY_TRAIL,
                part::AUDIT,
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
    opening: Opening<'_>,
    caller: Option<Principal>,
) -> Result<Opened, Failure> {
    opening.storage.check().await?;
    let calls = ClientMetrics::new(&opening.metrics);
    let mut others = Others::default();
    let (routes, audits) = match service {
        Service::Registry => {
            let registry = opening.registry(Life::Server).await?;
            if let Some(options) = settings.redis.clone() {
                let publisher = Publisher::new(options)
                    .map_err(|error| Failure::new(format!("The shared cache cannot be used: {error}.")))?;
                tokio::spawn(registry.clone().publish_forever(publisher));
            }
            (Routes::new(registry.service()), Vec::new())
        }
        Service::Certificate => {
            let registry = upstream(REGISTRY, settings.registry.as_ref(), &calls)?;
            others.registry = Some(registry.clone());
            let certificates = opening.certificates().await?.with_registry(registry);
            tokio::spawn(certificates.clone().count_ending_forever());
            let audits = vec![opening.audit(certificates.audit_log())];
            let routes = certificates
                .routes()
                .add_service(embedded::audit_service(&audits));
            (routes, audits)
        }
        Service::EntryValidation => {
            let upstream = Upstream {
                registry: upstream(REGISTRY, settings.registry.as_ref(), &calls)?,
                certificate: upstream(CERTIFICATE, settings.certificate.as_ref(), &calls)?,
            };
            others = Others {
                registry: Some(upstream.registry.clone()),
                certificate: Some(upstream.certificate.clone()),
            };
            let entries = opening.entries(upstream, settings.redis.clone()).await?;
            let audits = vec![opening.audit(entries.audit_log())];
            let routes = Routes::new(entries.service())
                .add_service(entries.record_service())
                .add_service(entries.trail_service())
                .add_service(embedded::audit_service(&audits));
            // What an earlier process left is finished once the certificate service answers.
            tokio::spawn(entries.work_forever());
            (routes, audits)
        }
    };
    // In plain text a caller shows no name.
    let is_plain_text = caller.is_some();
    let mut services = embedded::protect(embedded::ROLES, routes, caller)?;
    if is_plain_text {
        services = services.trust_nameless_clients();
    }
    Ok(Opened {
        services,
        audits,
        dependencies: needs::of(service, opening.storage, settings, others),
        draining: opening.draining,
    })
}

fn upstream(name: &'static str, target: Option<&Target>, calls: &ClientMetrics) -> Result<Client, Failure> {
    let target = target.cloned().ok_or_else(|| {
        Failure::new(format!("Where the {name} service is, is not configured.")).advice(format!(
            "Set address in [upstream.{name}], or NOPIC_UPSTREAM_{}_ADDRESS, to its host:port.",
            name.to_ascii_uppercase()
        ))
    })?;
    let channel = channel(target).map_err(|error| {
        Failure::new(format!("The {name} service cannot be asked: {error}."))
            .advice(format!("See [upstream.{name}] and [tls]."))
    })?;
    Ok(Client::new(channel, name).counted(calls))
}
