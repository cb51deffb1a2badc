//! Serving: a listener, from birth to drain.

use std::net::SocketAddr;
use std::sync::Arc;

use nopic_chassis::callers::Authorize;
use nopic_chassis::clock::Clock;
use nopic_chassis::dependencies;
use nopic_chassis::part::{OpenError, Work};
use nopic_chassis::serving::{serve, stop_requested};
use nopic_chassis::tls::{Clients, ServerTls};
use nopic_chassis::transport::ServerOptions;
use nopic_sql::audit::SEAL_INTERVAL;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Part;
use crate::failure::Failure;
use crate::listening::reachable;
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
}

impl Settings {
    /// How connections are taken at an address by a part alone, or by all of them: beyond loopback with certificates
    /// only, and a part alone takes plain text only where it was told so. A door asks whoever comes for a key, a token
    /// or a certificate; a service takes those with a certificate that are listed.
    ///
    /// # Errors
    /// It would be served without certificates where it must not be, or they cannot be used.
    pub fn options(&self, alone: Option<&Part>, address: SocketAddr) -> Result<ServerOptions, Failure> {
        let clients = if alone.is_none_or(|part| part.name == nopic_gateway::PART.name) {
            Clients::Any
        } else {
            Clients::Certified
        };
        let secured = match &self.tls {
            None => {
                self.allow_plain_text(alone.is_some(), address)?;
                None
            }
            Some(_) if clients == Clients::Certified && self.callers.is_none() => {
                return Err(
                    Failure::new("A service is served to those who are listed, and nobody is.").advice(
                        "List who may call in [callers], such as entry-validation = [\"*\"] (`nopic dev-certs DIR` \
                         makes a set to try).",
                    ),
                );
            }
            Some(files) => {
                let tls = ServerTls::load(files.clone(), clients)
                    .map_err(|error| Failure::new(format!("The certificates cannot be used: {error}.")))?;
                Some((Arc::new(tls), self.callers.clone().map(Authorize::new)))
            }
        };
        Ok(ServerOptions {
            secured,
            max_connections: self.max_connections,
            max_connection_age: alone.map(|_| self.max_connection_age),
            ..ServerOptions::default()
        })
    }

    fn allow_plain_text(&self, is_alone: bool, address: SocketAddr) -> Result<(), Failure> {
        if is_alone && !self.plain_text {
            return Err(
                Failure::new("A service alone is served with certificates.").advice(
                    "Configure [tls] and [callers] (`nopic dev-certs DIR` makes a set to try), or server.plain_text = \
                     true on loopback.",
                ),
            );
        }
        if !address.ip().is_loopback() {
            return Err(Failure::new(format!(
                "Plain text is served on loopback only, not on {address}."
            ))
            .advice("Configure [tls] (`nopic serve --help` lists the keys), or listen on 127.0.0.1."));
        }
        Ok(())
    }
}

/// Refuses to open a door to the world that nobody could come in by.
async fn require_anybody(
    knows_anybody: Work<Result<bool, OpenError>>,
    address: SocketAddr,
) -> Result<(), Failure> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let is_anybody_known = knows_anybody
        .await
        .map_err(|error| Failure::new(format!("Who may come in cannot be looked up: {error}.")))?;
    if is_anybody_known {
        return Ok(());
    }
    Err(
        Failure::new(format!("On {address} nobody could come in: no key was made, and nobody is known by a certificate or token.")).advice(
            "Let somebody in on the same data first: `nopic tenant create TENANT`, `nopic person add TENANT NAME --role \
             operator`, `nopic key create TENANT NAME`; or listen on 127.0.0.1.",
        ),
    )
}

impl Serving {
    /// Serves, says where by `listening`, and drains when asked to stop.
    ///
    /// # Errors
    /// The server or `listening` fails.
    pub async fn until_stopped(
        self,
        listener: TcpListener,
        listening: impl FnOnce(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Self {
            mut opened,
            options,
            observability,
            clock,
        } = self;
        // Before anybody is told of the server, who may then ask it to stop.
        let asked_to_stop = stop_requested()
            .map_err(|error| Failure::new(format!("The server cannot hear when it is to stop: {error}.")))?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::new(format!("The address of the server cannot be told: {error}.")))?;
        let knows_anybody = opened.front.as_ref().map(|front| front.knows_anybody());
        if let Some(knows_anybody) = knows_anybody {
            require_anybody(knows_anybody, address).await?;
        }
        let scheme = if options.secured.is_some() {
            "https"
        } else {
            "http"
        };
        listening(&format!("{scheme}://{}", reachable(address)))?;
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
