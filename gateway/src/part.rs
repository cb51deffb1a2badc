//! The gateway as a part of a process.

use std::collections::HashMap;
use std::sync::Arc;

use nopic_cache::Limiter;
use nopic_cache::redis::Options;
use nopic_chassis::config::Reader;
use nopic_chassis::part::{Asked, Open, OpenError, Opener, Opening, Part};
use nopic_chassis::roles::{CheckRoles, RoleTable, Row};
use nopic_chassis::serving::GrpcService;
use nopic_proto::access::access_service_server::AccessServiceServer;
use nopic_sql::Journal;
use nopic_sql::{Location, Schema};

use crate::access::{AccessRpc, KnownCallers, Provider, SCHEMA, Tokens};
use crate::cut::CutStreams;
use crate::door::Door;
use crate::limits::Limits;
use crate::quota::Quotas;
use crate::tenant_calls::BoundTenants;
use crate::{ROLES, access};

/// Calls at a time, unless the configuration says otherwise.
const PLACES: usize = 1_024;

/// The gateway.
pub const PART: Part<Location, Schema, Journal> = Part {
    name: "gateway",
    about: "The door to all services",
    is_door: true,
    tells_events: false,
    services: SERVICES,
    roles: ROLES,
    descriptors: || nopic_proto::DESCRIPTORS,
    schema: Some(&SCHEMA),
    asks: &[
        Asked::everything("registry"),
        Asked::everything("certificate"),
        Asked::everything("entry-validation"),
        Asked::everything("notification"),
    ],
    configure,
};

const SERVICES: &[GrpcService] = &[GrpcService::hard("nopic.access.v1.AccessService")];

fn configure(reader: &mut Reader) -> Opener<Location, Journal> {
    let places = reader
        .number("gateway.max_calls", 1..=1_000_000)
        .and_then(|places| usize::try_from(places).ok())
        .unwrap_or(PLACES);
    let provider = Provider::of(reader);
    let limits = Limits::read(reader);
    let redis = Options::read(reader);
    Box::new(move |opening| Box::pin(open(opening, places, provider, limits, redis)))
}

async fn open(
    opening: Opening<Location>,
    places: usize,
    provider: Option<Provider>,
    limits: Limits,
    redis: Option<Options>,
) -> Result<Open<Journal>, OpenError> {
    let rows: Vec<&[Row]> = opening
        .offers
        .iter()
        .map(|offer| offer.roles)
        .chain([nopic_chassis::roles::AUDIT, nopic_chassis::roles::EVENTS])
        .collect();
    let table = RoleTable::new(&rows).map_err(OpenError::new)?;
    let mut elsewhere = HashMap::new();
    if opening.process.is_alone() {
        for offer in &opening.offers {
            if let Some(client) = opening.clients.find(offer.part) {
                elsewhere.extend(
                    offer
                        .services
                        .iter()
                        .map(|service| (service.name(), client.clone())),
                );
            }
        }
    }
    let store = access::open(&opening.storage, opening.storage.schema_update())
        .await
        .map_err(OpenError::new)?;
    // Whoever is the only gateway counts for itself.
    let limiter =
        Limiter::of_process(redis.filter(|_| opening.process.is_alone())).map_err(OpenError::new)?;
    let quotas = Quotas {
        limits,
        limiter,
        tenants: BoundTenants::new(limits.calls, &opening.metrics),
    };
    let rpc = AccessRpc {
        quotas: quotas.clone(),
        store: Arc::clone(&store),
        clock: Arc::clone(&opening.clock),
        rows: rows.concat().into(),
    };
    let tokens = provider.map(Tokens::new).transpose().map_err(OpenError::new)?;
    let mut open = Open::serving(move |routes| {
        let service = nopic_chassis::bounded!(AccessServiceServer::new(rpc.clone()));
        routes.add_service(service);
    });
    open.journal = Some(store.journal());
    open.front = Some(Box::new(Door {
        callers: Arc::new(KnownCallers::new(
            store.clone(),
            Arc::clone(&opening.clock),
            tokens,
        )),
        store,
        clock: opening.clock,
        check: CheckRoles::new(table, None),
        elsewhere,
        // Services of this process hear by themselves that it drains.
        cut: CutStreams(opening.process.is_alone().then_some(opening.draining)),
        places,
        quotas,
    }));
    Ok(open)
}
