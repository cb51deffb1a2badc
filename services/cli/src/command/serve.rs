//! `nopic serve`: the services for others.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use nopic_chassis::part::Process;
use nopic_chassis::transport::OwnerSecret;
use nopic_host::{
    Deployment, LogFallback, Observability, Opening, PARTS, Reserved, Serving, Settings, built_in_caller,
};

use crate::connection::{busy, take_folder};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::lock::{Acquired, DataLock};
use crate::logging;
use crate::options::{DatabaseUrl, GlobalOptions};
use crate::output;

/// Where a server listens unless it is told otherwise.
const DEFAULT_PORT: u16 = 50_051;

/// Serve gRPC until Ctrl-C or SIGTERM
///
/// `all` is everything in one process: other commands that name the same data folder then ask this server. On loopback it
/// is open; on any other address it needs [tls] and somebody who may come in (`nopic key create`). A service
/// alone asks the others at the addresses of its configuration, over TLS with certificates on both sides.
///
/// The configuration is a TOML file; each key of it can be set by the environment, too, as NOPIC_SERVER_LISTEN sets
/// server.listen:
///
///   policy                 policy file of the deployment, in place of the shipped one
///   [server]               listen, max_connections, max_connections_per_address (256, on loopback all),
///                          max_connection_age_seconds,
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
///   [limits]               requests_per_second, requests_burst, the same of kilobytes and of lines, and calls (at a
///                          time): what each tenant may ask; `nopic serve gateway` and entry-validation read it
///   [gateway]              max_calls: calls at a time of all tenants
///   [gateway.oidc]         issuer, audience, jwks (an https:// address, or a file): whose tokens are taken
///   [certificate]          issues_for = ["015"]
///   [notification]         authority = true: this deployment sends letters to importers; answer_to: where they are
///                          answered; operators: the tenant that is told of the registry; read_at: where people read
///                          what a message has no room for
///   [notification.mail]    transport = "smtps://host:465", "smtp://host:587" or "file:FOLDER"; from, user,
///                          password_file, authority, connections, patience (seconds)
///   [notification.webhook] allow = ["10.0.0.0/8"]: ranges of your own network that may be reached; plain_http =
///                          ["host"]: what may be told without TLS; patience (seconds)
///   [entry-validation]     filing_attempts: tries of a filing that cannot be finished, before it is set aside
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "Examples:\n  nopic serve all --listen 127.0.0.1:50051 --data ./nopic-data\n  \
                             nopic serve all --database postgres://nopic@db.example/nopic\n  \
                             nopic serve registry --config registry.toml"
)]
pub(crate) struct Arguments {
    /// What to serve
    #[arg(value_parser = what())]
    what: String,
    /// Configuration file (see `nopic config check`)
    #[arg(long, value_name = "FILE", env = "NOPIC_CONFIG")]
    config: Option<PathBuf>,
    /// Address to listen on; port 0: a free one [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS", env = "NOPIC_LISTEN", value_parser = address)]
    listen: Option<SocketAddr>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:50051, or 0.0.0.0:50051 for every address of this machine"
            .to_owned()
    })
}

/// Everything.
const ALL: &str = "all";

/// Everything, or a part alone.
fn what() -> PossibleValuesParser {
    let all = PossibleValue::new(ALL).help("Every service in one process");
    let alone = PARTS
        .iter()
        .map(|part| PossibleValue::new(part.name).help(format!("{}, alone", part.about)));
    PossibleValuesParser::new(std::iter::once(all).chain(alone))
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    if context.options.endpoint.is_some() {
        return Err(
            Failure::new("A server works on a folder of its own, not for another server.")
                .advice("Leave out --endpoint (and NOPIC_ENDPOINT)."),
        );
    }
    let settings = Settings::read(PARTS, arguments.config.as_deref())?;
    // Absent: every part.
    let alone = nopic_host::find(PARTS, &arguments.what);
    let address = arguments
        .listen
        .or(settings.listen)
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)));
    let has_door = alone.map_or_else(|| PARTS.iter().any(|part| part.is_door), |part| part.is_door);
    let options = settings.options(has_door, alone.is_some(), address)?;
    let mut context = context.with_options(with_settings(&context.options, &settings));
    if settings.observability.is_json(alone.is_some()) {
        context.terminal = context.terminal.without_notes();
    }
    let context = &context;
    let storage = context.options.storage()?;
    let lock = match take_folder(context)? {
        Acquired::Held(lock) => lock,
        Acquired::Busy(holder) => return Err(busy(&storage.folder, &holder)),
    };
    let observability = Observability::start(
        alone.map_or(ALL, |part| part.name),
        alone.is_some(),
        &settings.observability,
        &storage.location,
        LogFallback {
            filter: logging::wanted(),
            colour: context.terminal.may_colour(),
        },
    )?;
    let admin = observability.open_admin(&settings.observability).await?;
    let reserved = Reserved::new(address)?;
    if alone.is_none() {
        for section in settings.of_separate_services() {
            context.terminal.note(&format!(
                "[{section}] is not used: every service is in this process"
            ));
        }
    }
    let stated = settings.stated();
    let deployment = Deployment::new(storage, context.options.policy.as_deref(), context.clock.clone())?;
    let opening = Opening {
        parts: PARTS,
        deployment: &deployment,
        settings,
        metrics: observability.metrics.clone(),
        // Behind certificates a caller says who calls.
        caller: Some(built_in_caller()).filter(|_| options.secured.is_none()),
    };
    let mut opened = match alone {
        None => opening.together(&[], Process::All).await?,
        Some(part) => opening.alone(part).await?,
    };
    opened.recover().await;
    if let Some(admin) = admin {
        writeln!(output::results(), "showing metrics and health on http://{admin}")?;
    }
    let serving = Serving {
        opened,
        options: nopic_chassis::transport::ServerOptions {
            metrics: observability.metrics.clone(),
            ..options
        },
        observability,
        clock: context.clock.clone(),
        settings: stated,
    };
    let announce = alone.is_none().then_some(&lock);
    let database = deployment.storage.server();
    let welcome = |url: &str| match has_door {
        true => format!("JSON over HTTP on the same port: every path is explained at {url}/docs\n"),
        false => String::new(),
    };
    serve_until_stopped(context, reserved, serving, announce, database.as_deref(), welcome).await?;
    Ok(Done::Well)
}

/// What other commands of whoever can read the folder show this server: made anew each time.
fn owner_secret() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(format!("The system gives no random numbers: {error}.")))?;
    Ok(hex::encode(bytes))
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

/// Serves, tells where, and drains when asked to stop. `announce`: the folder whose other users are told of this server,
/// and of the `database` that it works on. `welcome`: what is printed behind the address.
pub(crate) async fn serve_until_stopped(
    context: &Context,
    reserved: Reserved,
    mut serving: Serving,
    announce: Option<&DataLock>,
    database: Option<&str>,
    welcome: impl FnOnce(&str) -> String,
) -> Result<(), Failure> {
    let secret = owner_secret()?;
    serving.options.owner = announce.map(|_| OwnerSecret::new(&secret));
    let told = |url: &str| -> Result<(), Failure> {
        if let Some(lock) = announce {
            lock.announce(url, database, &secret)
                .map_err(|error| Failure::writing(context.options.data(), &error))?;
        }
        // For scripts: the address is the result of this command.
        let mut out = output::results();
        writeln!(out, "serving gRPC on {url}")?;
        write!(out, "{}", welcome(url))?;
        out.flush()?;
        context.terminal.note("Ctrl-C ends it");
        Ok(())
    };
    serving.until_stopped(reserved, told).await?;
    context.terminal.note("ended");
    Ok(())
}
