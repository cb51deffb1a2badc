//! What each service needs beside itself.

use std::sync::Arc;

use nopic_cache::redis::Probe;
use nopic_chassis::dependencies::{Dependency, Need};
use nopic_chassis::rpc::client::Client;

use crate::embedded::{CERTIFICATE, REGISTRY};
use crate::separate::Service;
use crate::settings::Settings;
use crate::storage::Storage;

/// What there is to need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Database,
    Registry,
    Certificate,
    Redis,
}

/// Without what is hard, the parts of a service that need it do not serve ([`Service::parts`]); without what is soft it
/// answers less: lines that would need it are indeterminate.
const NEEDS: [(Service, &[(Beside, Need)]); 3] = [
    (
        Service::Registry,
        &[(Beside::Database, Need::Hard), (Beside::Redis, Need::Soft)],
    ),
    (
        Service::Certificate,
        &[(Beside::Database, Need::Hard), (Beside::Registry, Need::Soft)],
    ),
    (
        Service::EntryValidation,
        &[
            (Beside::Database, Need::Hard),
            (Beside::Certificate, Need::Soft),
            (Beside::Registry, Need::Soft),
            (Beside::Redis, Need::Soft),
        ],
    ),
];

/// The other services, as far as this one asks them.
#[derive(Debug, Default)]
pub(crate) struct Others {
    pub(crate) registry: Option<Client>,
    pub(crate) certificate: Option<Client>,
}

/// What a service alone needs, as far as it is there to go away: SQLite files and a cache that is not configured are not.
pub(crate) fn of(
    service: Service,
    storage: &Storage,
    settings: &Settings,
    others: Others,
) -> Vec<Dependency> {
    let needs = NEEDS
        .iter()
        .find(|(of, _)| *of == service)
        .map_or(&[][..], |(_, needs)| *needs);
    needs
        .iter()
        .filter_map(|(beside, need)| match beside {
            Beside::Database => database(storage, *need),
            Beside::Registry => Some(Dependency::service(REGISTRY, *need, others.registry.clone()?)),
            Beside::Certificate => Some(Dependency::service(
                CERTIFICATE,
                *need,
                others.certificate.clone()?,
            )),
            Beside::Redis => redis(settings, *need),
        })
        .collect()
}

/// The database of the services in this process, where it is a server's.
pub(crate) fn database(storage: &Storage, need: Need) -> Option<Dependency> {
    storage.server()?;
    let location = storage.location.clone();
    Some(Dependency::new("database", need, move || {
        let location = location.clone();
        async move { location.check().await.map_err(|error| error.to_string()) }
    }))
}

fn redis(settings: &Settings, need: Need) -> Option<Dependency> {
    // Options that cannot be meant were refused with the configuration.
    let probe = Arc::new(Probe::new(settings.redis.clone()?).ok()?);
    Some(Dependency::new("redis", need, move || {
        let probe = Arc::clone(&probe);
        async move { probe.ping().await }
    }))
}
