//! `nopic serve`: the services for others.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use nopic_chassis::callers::Authorize;
use nopic_chassis::dependencies;
use nopic_chassis::serving::{Part, serve, stop_requested};
use nopic_chassis::tls::ServerTls;
use nopic_chassis::transport::{Taking, bind};
use nopic_sql::audit::SEAL_INTERVAL;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::arguments::{DatabaseUrl, GlobalOptions};
use crate::connection::{Need, busy, take_folder};
use crate::context::{Context, Done};
use crate::embedded::{self, Life, Opened, Opening};
use crate::failure::Failure;
use crate::lock::{Acquired, DataLock};
use crate::observing::Observing;
use crate::output;
use crate::separate::{self, Service};
use crate::settings::Settings;
use crate::storage::Storage;

/// Where a server listens unless it is told otherwise.
const DEFAULT_PORT: u16 = 50_051;

/// Serve gRPC until Ctrl-C or SIGTERM
///
/// `all` is everything in one process: other commands that name the same data folder then ask this server. A service
/// alone asks the others at the addresses of its configuration, over TLS with certificates on both sides.
///
/// The configuration is a TOML file; each key of it can be set by the environment, too, as NOPIC_SERVER_LISTEN sets
/// server.listen:
///
///   [server]               listen, max_connections, max_connection_age_seconds,
///                          plain_text = true (without [tls], on loopback only)
///   [tls]                  certificate, key, authority: PEM files, read anew when they change
///   [callers]              NAME = ["package.Service/Method", "package.Service/*", "*"]: who may call what
///   [storage]              data (folder), database_file (file with the URL of a PostgreSQL database)
///   [upstream.registry]    address = "host:port", name (in its certificate, if it is not registry)
///   [upstream.certificate] the same for the certificate service
///   [redis]                the shared cache of statuses: url, or cluster = [...], or sentinels = [...] and
///                          primary; deployment, user, password_file, authority
///   [admin]                listen: address of an HTTP port with /metrics, /startup, /live, /ready and /log-filter
///   [telemetry]            log_format = "json" or "text", log_filter, otlp_endpoint = "http://collector:4317",
///                          otlp_authority, trace_percent
///   [certificate]          issues_for = ["015"]
///   [entry-validation]     policy
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "Examples:\n  nopic serve all --listen 127.0.0.1:50051 --data ./nopic-data\n  \
                             nopic serve all --database postgres://nopic@db.example/nopic\n  \
                             nopic serve registry --config registry.toml"
)]
pub(crate) struct Arguments {
    /// What to serve
    #[arg(value_enum)]
    what: What,
    /// Configuration file (see `nopic config check`)
    #[arg(long, value_name = "FILE", env = "NOPIC_CONFIG")]
    config: Option<PathBuf>,
    /// Address to listen on; port 0: a free one [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS", env = "NOPIC_LISTEN")]
    listen: Option<SocketAddr>,
}

/// What can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Registry, certificates and entry validation in one process
    All,
    /// The registry alone
    Registry,
    /// The certificates alone
    Certificate,
    /// Entry validation alone
    EntryValidation,
}

impl What {
    const fn alone(self) -> Option<Service> {
        match self {
            Self::All => None,
            Self::Registry => Some(Service::Registry),
            Self::Certificate => Some(Service::Certificate),
            Self::EntryValidation => Some(Service::EntryValidation),
        }
    }
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    if context.options.endpoint.is_some() {
        return Err(
            Failure::new("A server works on a folder of its own, not for another server.")
                .advice("Leave out --endpoint (and NOPIC_ENDPOINT)."),
        );
    }
    let settings = Settings::read(arguments.config.as_deref())?;
    let address = arguments
        .listen
        .or(settings.listen)
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)));
    let taking = taking(arguments.what.alone().is_some(), address, &settings)?;
    let mut context = context.with_options(with_settings(&context.options, &settings));
    if settings.observing.is_json(arguments.what.alone().is_some()) {
        context.terminal = context.terminal.without_notes();
    }
    let context = &context;
    let storage = Storage::of(&context.options)?;
    let lock = match take_folder(context)? {
        Acquired::Held(lock) => lock,
        Acquired::Busy(holder) => return Err(busy(&storage.folder, &holder)),
    };
    let alone = arguments.what.alone();
    let service = alone.map_or("all", Service::name);
    let observing = Observing::start(
        service,
        alone.is_some(),
        &settings.observing,
        &storage.location,
        &context.terminal,
    )?;
    let admin = observing.open_admin(&settings.observing).await?;
    let listener = listen(address).await?;
    let opening = Opening {
        issues_for: &settings.issues_for,
        metrics: observing.metrics.clone(),
        ..Opening::plain(&storage, context.options.policy.as_deref(), context.clock.clone())
    };
    let (opened, parts) = match alone {
        None => {
            for section in settings.of_separate_services() {
                context.terminal.note(&format!(
                    "[{section}] is not used: every service is in this process"
                ));
            }
            let opened = opening.open(Need::EntryValidation, Life::Server).await?;
            (opened, embedded::PARTS)
        }
        Some(service) => {
            // Behind certificates a caller names whoever it calls for.
            let caller = embedded::caller().filter(|_| taking.secured.is_none());
            let opened = separate::open(service, &settings, opening, caller).await?;
            (opened, service.parts())
        }
    };
    if let Some(admin) = admin {
        writeln!(
            output::results(),
            "showing metrics and health on http://{}",
            reachable(admin)
        )?;
    }
    let serving = Serving {
        opened,
        parts,
        taking: Taking {
            metrics: observing.metrics.clone(),
            ..taking
        },
        observing,
        announce: alone.is_none().then_some((&lock, &storage)),
    };
    serve_until_stopped(context, listener, serving).await?;
    Ok(Done::Well)
}

/// What is given on the command line or by its variables, else what the configuration says.
fn with_settings(options: &GlobalOptions, settings: &Settings) -> GlobalOptions {
    let mut options = options.clone();
    if options.database.is_none() {
        options.database = settings.database.as_ref().map(DatabaseUrl::from);
    }
    if options.policy.is_none() {
        options.policy.clone_from(&settings.policy);
    }
    if options.data.is_none() {
        options.data.clone_from(&settings.data);
    }
    options
}

/// How connections are taken: a service alone takes plain text only where it was told so, and on loopback.
fn taking(is_alone: bool, address: SocketAddr, settings: &Settings) -> Result<Taking, Failure> {
    let secured = match (&settings.tls, &settings.callers) {
        (Some(files), Some(callers)) => {
            let tls = ServerTls::load(files.clone())
                .map_err(|error| Failure::new(format!("The certificates cannot be used: {error}.")))?;
            Some((Arc::new(tls), Authorize::new(callers.clone())))
        }
        _ if is_alone && !settings.plain_text => {
            return Err(Failure::new("A service alone is served with certificates.").advice(
                "Configure [tls] and [callers] (`nopic dev-certs DIR` makes a set to try), or server.plain_text = \
                 true on loopback.",
            ));
        }
        _ if is_alone && !address.ip().is_loopback() => {
            return Err(Failure::new(format!(
                "Plain text is served on loopback only, not on {address}."
            ))
            .advice("Configure [tls] and [callers], or listen on 127.0.0.1."));
        }
        _ => None,
    };
    Ok(Taking {
        secured,
        max_connections: settings.max_connections,
        max_connection_age: is_alone.then_some(settings.max_connection_age),
        ..Taking::default()
    })
}

/// Binds an address, or says why it cannot be had.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    bind(address).await.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another process listens there",
            std::io::ErrorKind::PermissionDenied => "this user may not listen there",
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ => "the system refuses it",
        };
        Failure::new(format!("{address} cannot be listened on: {why}."))
            .advice("Choose another port; port 0 takes a free one.")
    })
}

/// What is served, and how.
pub(crate) struct Serving<'a> {
    pub(crate) opened: Opened,
    /// Of its services, for health.
    pub(crate) parts: &'static [Part],
    pub(crate) taking: Taking,
    pub(crate) observing: Observing,
    /// The folder whose other users are told of this server.
    pub(crate) announce: Option<(&'a DataLock, &'a Storage)>,
}

/// Serves, tells where, and drains when asked to stop.
pub(crate) async fn serve_until_stopped(
    context: &Context,
    listener: TcpListener,
    serving: Serving<'_>,
) -> Result<(), Failure> {
    let Serving {
        mut opened,
        parts,
        taking,
        observing,
        announce,
    } = serving;
    // Before anybody is told of the server, who may then ask it to stop.
    let asked_to_stop = stop_requested()
        .map_err(|error| Failure::new(format!("The server cannot hear when it is to stop: {error}.")))?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::new(format!("The address of the server cannot be told: {error}.")))?;
    let scheme = if taking.secured.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", reachable(address));
    if let Some((lock, storage)) = announce {
        lock.announce(&url, storage.server().as_deref())
            .map_err(|error| Failure::writing(context.options.data(), &error))?;
    }
    // For scripts: the address is the result of this command.
    let mut out = output::results();
    writeln!(out, "serving gRPC on {url}")?;
    out.flush()?;
    context.terminal.note("Ctrl-C ends it");
    let (served, stop) = watch::channel(false);
    let mut sealers = JoinSet::new();
    for audit in opened.audits.clone() {
        let clock = context.clock.clone();
        let mut stop = stop.clone();
        sealers.spawn(async move {
            let stopped = async move {
                // Where its sender is gone, nothing is served any more, either.
                let _ = stop.wait_for(|is_over| *is_over).await;
            };
            audit.seal_until(SEAL_INTERVAL, || clock.now(), stopped).await;
        });
    }
    let ready = dependencies::watch(std::mem::take(&mut opened.dependencies), &observing.metrics);
    observing.follow(parts, ready.clone());
    let end = async {
        asked_to_stop.await;
        observing.draining();
        opened.draining.begin();
    };
    let ended = serve(listener, opened.services.clone(), parts, taking, ready, end).await;
    // After the last call: what it noted is sealed, too.
    let _ = served.send(true);
    sealers.join_all().await;
    observing.end().await;
    ended.map_err(|error| Failure::new(format!("The server ended: {error}.")))?;
    context.terminal.note("ended");
    Ok(())
}

/// Where a server that listens on every address is reached from this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_reached_on_this_machine() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:5"), "127.0.0.1:5");
        assert_eq!(reached("[::]:5"), "[::1]:5");
        assert_eq!(reached("10.0.0.1:5"), "10.0.0.1:5");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_said() {
        let taken = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let said = listen(taken.local_addr().unwrap()).await.unwrap_err().to_string();
        assert!(said.contains("another process listens there"), "{said}");
    }
}
