//! Serving: a listener, from birth to drain.

use std::net::SocketAddr;
use std::sync::Arc;

use nopic_chassis::callers::Authorize;
use nopic_chassis::clock::Clock;
use nopic_chassis::dependencies;
use nopic_chassis::gate::ConnectionBounds;
use nopic_chassis::part::{OpenError, Work};
use nopic_chassis::serving::{serve, stop_requested};
use nopic_chassis::tls::{Clients, ServerTls, TlsFiles};
use nopic_chassis::transport::{Secured, ServerOptions};
use nopic_sql::audit::SEAL_INTERVAL;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::events;
use crate::failure::Failure;
use crate::listening::{Reserved, reachable};
use crate::observability::Observability;
use crate::open::Opened;
use crate::settings::Settings;

/// What is served, and how.
pub struct Serving {
    /// The parts.
    pub opened: Opened,
    /// How connections are taken.
    pub options: ServerOptions,
    /// What observes the server.
    pub observability: Observability,
    /// The clock by which audit logs are sealed.
    pub clock: Arc<dyn Clock>,
    /// What it was told, for the log.
    pub settings: String,
}

/// Connections of an address from elsewhere, unless the configuration says otherwise.
const CONNECTIONS_OF_AN_ADDRESS: usize = 256;

impl Settings {
    /// How connections are taken at an address: a service alone takes plain text only where it was told so, and on
    /// loopback; a door takes callers who show a certificate or say otherwise who they are.
    ///
    /// # Errors
    /// It would be served without certificates where it must not be, or they cannot be used.
    pub fn options(
        &self,
        is_door: bool,
        is_alone: bool,
        address: SocketAddr,
    ) -> Result<ServerOptions, Failure> {
        let load = |files: &TlsFiles, clients| {
            ServerTls::load(files.clone(), clients)
                .map(Arc::new)
                .map_err(|error| Failure::new(format!("The certificates cannot be used: {error}.")))
        };
        let secured = match (&self.tls, &self.callers) {
            (Some(files), callers) if is_door => {
                Some(Secured::Callers(load(files, Clients::MayShow)?, callers.clone()))
            }
            (Some(files), Some(callers)) => Some(Secured::Services(
                load(files, Clients::Show)?,
                Authorize::new(callers.clone()),
            )),
            (Some(_), None) => {
                return Err(Failure::new("With certificates, nobody is listed who may call.")
                    .advice("Add [callers], such as entry-validation = [\"*\"]."));
            }
            _ if is_alone && !self.plain_text => {
                return Err(Failure::new("A service alone is served with certificates.").advice(
                    "Configure [tls] and [callers] (`nopic dev-certs DIR` makes a set to try), or server.plain_text = \
                     true on loopback.",
                ));
            }
            _ if !address.ip().is_loopback() => {
                return Err(Failure::new(format!(
                    "Plain text is served on loopback only, not on {address}."
                ))
                .advice("Configure [tls] (`nopic serve --help` lists the keys), or listen on 127.0.0.1."));
            }
            _ => None,
        };
        Ok(ServerOptions {
            secured,
            connections: ConnectionBounds {
                most: self.max_connections,
                of_an_address: self.max_connections_per_address.unwrap_or(
                    // Whoever is on this machine has more than one connection for more than one caller.
                    if address.ip().is_loopback() {
                        self.max_connections
                    } else {
                        CONNECTIONS_OF_AN_ADDRESS
                    },
                ),
            },
            max_connection_age: is_alone.then_some(self.max_connection_age),
            ..ServerOptions::default()
        })
    }
}

/// Refuses to open a door to the world that nobody could come in by.
async fn require_anybody(
    knows_anybody: Work<Result<bool, OpenError>>,
    address: SocketAddr,
) -> Result<(), Failure> {
    let is_anybody_known = knows_anybody
        .await
        .map_err(|error| Failure::new(format!("Who may come in cannot be looked up: {error}.")))?;
    if is_anybody_known {
        return Ok(());
    }
    Err(Failure::new(format!(
        "On {address} nobody could come in: no key was made, and nobody is known by a certificate or token."
    ))
    .advice(
        "Let somebody in on the same data first: `nopic tenant create TENANT`, `nopic person add TENANT NAME --role \
         operator`, `nopic key create TENANT NAME`; or list names of certificates in [callers], or listen on 127.0.0.1.",
    ))
}

impl Serving {
    /// Serves, says where by `listening`, and drains when asked to stop.
    ///
    /// # Errors
    /// The server or `listening` fails.
    pub async fn until_stopped(
        self,
        reserved: Reserved,
        listening: impl FnOnce(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Self {
            mut opened,
            options,
            observability,
            clock,
            settings,
        } = self;
        // Before anybody is told of the server, who may then ask it to stop.
        let asked_to_stop = stop_requested()
            .map_err(|error| Failure::new(format!("The server cannot hear when it is to stop: {error}.")))?;
        let address = reserved.address();
        let lists_somebody = matches!(options.secured, Some(Secured::Callers(_, Some(_))));
        if !address.ip().is_loopback() && !lists_somebody {
            let knows_anybody = opened.front.as_ref().map(|front| front.knows_anybody());
            if let Some(knows_anybody) = knows_anybody {
                require_anybody(knows_anybody, address).await?;
            }
        }
        if let Some(Secured::Services(tls, _) | Secured::Callers(tls, _)) = &options.secured {
            tls.show_in(&observability.metrics);
        }
        let scheme = if options.secured.is_some() {
            "https"
        } else {
            "http"
        };
        let listener = reserved.listen()?;
        let url = format!("{scheme}://{}", reachable(address));
        listening(&url)?;
        tracing::info!(
            target: "nopic::start",
            version = env!("CARGO_PKG_VERSION"),
            url,
            settings,
            "serving"
        );
        opened.work();
        let (served, stop) = watch::channel(false);
        let mut sealers = JoinSet::new();
        for audit in opened.audits {
            let clock = Arc::clone(&clock);
            let mut stop = stop.clone();
            sealers.spawn(async move {
                let stopped = async move {
                    // Where its sender is gone, nothing is served any more, either.
                    let _ = stop.wait_for(|is_over| *is_over).await;
                };
                audit.seal_until(SEAL_INTERVAL, || clock.now(), stopped).await;
            });
        }
        for outbox in opened.outboxes {
            tokio::spawn(events::forget_forever(outbox, Arc::clone(&clock)));
        }
        let ready = dependencies::watch(opened.dependencies, &observability.metrics);
        observability.follow(opened.served.services.clone(), ready.clone());
        let end = async {
            asked_to_stop.await;
            observability.draining();
            opened.draining.begin();
        };
        let ended = serve(listener, opened.served, opened.front, options, ready, end).await;
        // After the last call: what it noted is sealed, too.
        let _ = served.send(true);
        sealers.join_all().await;
        observability.end().await;
        ended.map_err(|error| Failure::new(format!("The server ended: {error}.")))
    }
}
