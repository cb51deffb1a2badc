//! The certificate service as a part of a process.

use nopic_chassis::config::Reader;
use nopic_chassis::part::{Asked, Open, OpenError, Opener, Opening, Part};
use nopic_chassis::serving::GrpcService;
use nopic_domain::identifier::CertifierId;
use nopic_sql::Journal;
use nopic_sql::{Location, Schema};

use crate::{CertificateService, Config, ROLES, SCHEMA};

/// The certificate service.
pub const PART: Part<Location, Schema, Journal> = Part {
    name: "certificate",
    about: "The certificates and what was drawn from them",
    is_door: false,
    tells_events: true,
    services: &[
        GrpcService::hard("nopic.certificate.v1.CertificateService"),
        GrpcService::hard("nopic.certificate.v1.LedgerService"),
        GrpcService::hard("nopic.certificate.v1.CertificateLifeService"),
    ],
    roles: ROLES,
    descriptors: || nopic_proto::DESCRIPTORS,
    schema: Some(&SCHEMA),
    asks: &[Asked {
        part: REGISTRY,
        methods: &["nopic.registry.v1.RegistryService/GetOperation"],
    }],
    configure,
};

const REGISTRY: &str = "registry";

fn configure(reader: &mut Reader) -> Opener<Location, Journal> {
    // The environment has a short name for it, too, which commands that read no configuration know.
    let issues_for = ["certificate.issues_for", "issues_for"]
        .into_iter()
        .flat_map(|key| certifiers(reader, key))
        .collect();
    Box::new(move |opening| Box::pin(open(opening, issues_for)))
}

/// Certifiers by their three digits.
fn certifiers(reader: &mut Reader, key: &str) -> Vec<CertifierId> {
    let mut certifiers = Vec::new();
    for text in reader.texts(key).unwrap_or_default() {
        match text.parse() {
            Ok(certifier) => certifiers.push(certifier),
            Err(error) => reader.problem(key, format_args!("{text:?}: {error}")),
        }
    }
    certifiers
}

async fn open(opening: Opening<Location>, issues_for: Vec<CertifierId>) -> Result<Open<Journal>, OpenError> {
    let config = Config {
        schema_update: opening.storage.schema_update(),
        location: opening.storage,
        issues_for,
        policy: opening.policy,
        metrics: opening.metrics,
    };
    let mut service = CertificateService::open(config, opening.clock)
        .await
        .map_err(OpenError::new)?;
    if let Some(registry) = opening.clients.find(REGISTRY) {
        service = service.with_registry(registry.clone());
    }
    let served = service.clone();
    let mut open = Open::serving(move |routes| {
        routes
            .add_service(served.service())
            .add_service(served.ledger())
            .add_service(served.lifecycle_service());
    });
    open.journal = Some(service.journal());
    open.background.push(Box::pin(service.count_ending_forever()));
    Ok(open)
}
