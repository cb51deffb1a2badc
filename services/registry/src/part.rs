//! The registry as a part of a process.

use nopic_cache::redis::{Options, Publisher};
use nopic_chassis::config::Reader;
use nopic_chassis::part::{Open, OpenError, Opener, Opening, Part};
use nopic_chassis::serving::GrpcService;
use nopic_sql::Journal;
use nopic_sql::{Location, Schema};

use crate::{Config, ROLES, Registry, SCHEMA};

/// The registry.
pub const PART: Part<Location, Schema, Journal> = Part {
    name: "registry",
    about: "The registry",
    is_door: false,
    tells_events: true,
    services: &[GrpcService::hard("nopic.registry.v1.RegistryService")],
    roles: ROLES,
    descriptors: || nopic_proto::DESCRIPTORS,
    schema: Some(&SCHEMA),
    asks: &[],
    configure,
};

fn configure(reader: &mut Reader) -> Opener<Location, Journal> {
    let redis = Options::read(reader);
    Box::new(move |opening| Box::pin(open(opening, redis)))
}

async fn open(opening: Opening<Location>, redis: Option<Options>) -> Result<Open<Journal>, OpenError> {
    let mut config = Config::new(opening.storage, &opening.folder);
    config.metrics = opening.metrics;
    config.draining = opening.draining;
    // A command that ends with its import would make the index for nobody.
    config.search_after_import = opening.process.is_server();
    let registry = Registry::open(config, opening.clock)
        .await
        .map_err(|error| match error {
            crate::Error::Store(error) => OpenError::new(error),
            error => OpenError::new(error),
        })?;
    let served = registry.clone();
    let mut open = Open::serving(move |routes| {
        routes.add_service(served.service());
    });
    open.journal = Some(registry.journal());
    // Who shares a process with the readers of the cache is asked by them in memory.
    if let Some(options) = redis.filter(|_| opening.process.is_alone()) {
        let publisher = Publisher::new(options.clone()).map_err(OpenError::new)?;
        open.background
            .push(Box::pin(registry.publish_forever(publisher)));
        open.dependencies.extend(options.dependency());
    }
    Ok(open)
}
