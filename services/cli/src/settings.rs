//! The configuration of a server: a file, above it the environment (`NOPIC_` and the key in capitals).
//!
//! One file may serve several services: each takes what it needs, and every key is checked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nopic_cache::redis::{Mode, Options, Publisher, Tls};
use nopic_chassis::callers::Callers;
use nopic_chassis::client::Target;
use nopic_chassis::config::{ConfigError, Reader, Secret};
use nopic_chassis::telemetry::{Traces, filter};
use nopic_chassis::tls::TlsFiles;
use nopic_domain::identifier::CertifierId;

use crate::failure::Failure;
use crate::observing::ObservingSettings;

/// Open connections of a server, unless it is told otherwise.
const MAX_CONNECTIONS: u64 = 10_000;
/// After so long clients connect anew, unless it is told otherwise.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(300);

/// Traces that begin in a server and are sent, unless it is told otherwise: of a hundred.
const TRACE_PERCENT: u32 = 5;

/// What servers are told.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Option<SocketAddr>,
    /// Whether a service may be served in plain text: on loopback only.
    pub(crate) plain_text: bool,
    pub(crate) max_connections: usize,
    pub(crate) max_connection_age: Duration,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) callers: Option<Callers>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) database: Option<Secret>,
    pub(crate) policy: Option<PathBuf>,
    pub(crate) issues_for: Vec<CertifierId>,
    /// The shared cache of the registry's statuses.
    pub(crate) redis: Option<Options>,
    pub(crate) observing: ObservingSettings,
    pub(crate) registry: Option<Target>,
    pub(crate) certificate: Option<Target>,
}

impl Settings {
    /// Reads a file, or the environment alone.
    ///
    /// # Errors
    /// Every problem there is.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, Failure> {
        let reader = match file {
            Some(file) => Reader::of_file(file, environment()),
            None => Ok(Reader::of_environment(environment())),
        };
        reader.and_then(Self::of).map_err(|error| {
            let what = file.map_or_else(|| "the environment".to_owned(), |file| file.display().to_string());
            Failure::new(format!(
                "The configuration in {what} cannot be used:\n  - {}",
                error.problems.join("\n  - ")
            ))
            .advice("Mend these places; `nopic config check FILE` looks again.")
        })
    }

    /// The sections that are there for services that are served alone.
    pub(crate) fn of_separate_services(&self) -> impl Iterator<Item = &'static str> {
        [
            ("redis", self.redis.is_some()),
            ("upstream.registry", self.registry.is_some()),
            ("upstream.certificate", self.certificate.is_some()),
        ]
        .into_iter()
        .filter_map(|(section, is_there)| is_there.then_some(section))
    }

    fn of(mut reader: Reader) -> Result<Self, ConfigError> {
        let tls = tls(&mut reader, "tls");
        let settings = Self {
            listen: reader.address("server.listen"),
            plain_text: reader.flag("server.plain_text").unwrap_or(false),
            max_connections: reader
                .number("server.max_connections", 1..=1_000_000)
                .unwrap_or(MAX_CONNECTIONS)
                .try_into()
                .unwrap_or(usize::MAX),
            max_connection_age: reader
                .seconds("server.max_connection_age_seconds", 1..=86_400)
                .unwrap_or(MAX_CONNECTION_AGE),
            callers: callers(&mut reader),
            data: reader.path("storage.data"),
            database: reader.secret("storage.database"),
            policy: reader.path("entry-validation.policy"),
            issues_for: certifiers(&mut reader),
            redis: redis(&mut reader),
            observing: observing(&mut reader),
            registry: target(&mut reader, "registry", tls.as_ref()),
            certificate: target(&mut reader, "certificate", tls.as_ref()),
            tls,
        };
        if settings.tls.is_some() && settings.callers.is_none() && reader.names("callers").is_empty() {
            reader.problem(
                "callers",
                "with certificates, list who may call, such as entry-validation = [\"*\"]",
            );
        }
        if settings.tls.is_none() && settings.callers.is_some() {
            reader.problem(
                "callers",
                "without [tls] nobody can show a name: add it, or leave this out",
            );
        }
        reader.finish()?;
        Ok(settings)
    }
}

/// Certificates with which a command shows who it is to servers: `NOPIC_CLIENT_CERTIFICATE`, `NOPIC_CLIENT_KEY` and
/// `NOPIC_CLIENT_AUTHORITY`.
///
/// # Errors
/// One is missing, or cannot be used.
pub(crate) fn identity() -> Result<Option<TlsFiles>, Failure> {
    let mut reader = Reader::of_environment(environment());
    let files = tls(&mut reader, "client");
    reader.finish().map_err(|error| {
        Failure::new(format!(
            "The certificates that NOPIC_CLIENT_CERTIFICATE, NOPIC_CLIENT_KEY and NOPIC_CLIENT_AUTHORITY name cannot be used:\n  - {}",
            error.problems.join("\n  - ")
        ))
    })?;
    Ok(files)
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// All three files, or none.
fn tls(reader: &mut Reader, section: &str) -> Option<TlsFiles> {
    let keys = ["certificate", "key", "authority"].map(|name| format!("{section}.{name}"));
    let [certificate, key, authority] = keys.each_ref().map(|key| reader.path(key));
    match (certificate, key, authority) {
        (Some(certificate), Some(key), Some(authority)) => {
            let files = TlsFiles {
                certificate,
                key,
                authority,
            };
            if let Err(error) = files.load() {
                reader.problem(section, error);
            }
            Some(files)
        }
        (None, None, None) => None,
        _ => {
            for key in keys {
                if !reader.has(&key) {
                    reader.problem(&key, "it is missing: all three files belong together");
                }
            }
            None
        }
    }
}

fn callers(reader: &mut Reader) -> Option<Callers> {
    let mut table = Vec::new();
    for name in reader.names("callers") {
        let methods = reader.texts(&format!("callers.{name}")).unwrap_or_default();
        table.push((name, methods));
    }
    if table.is_empty() {
        return None;
    }
    match Callers::parse(table) {
        Ok(callers) => Some(callers),
        Err(error) => {
            reader.problem("callers", error);
            None
        }
    }
}

fn certifiers(reader: &mut Reader) -> Vec<CertifierId> {
    const KEY: &str = "certificate.issues_for";
    let mut certifiers = Vec::new();
    for text in reader.texts(KEY).unwrap_or_default() {
        match text.parse() {
            Ok(certifier) => certifiers.push(certifier),
            Err(error) => reader.problem(KEY, format_args!("{text:?}: {error}")),
        }
    }
    certifiers
}

/// Log, traces and admin port.
fn observing(reader: &mut Reader) -> ObservingSettings {
    let json = match reader.text("telemetry.log_format").as_deref() {
        None => None,
        Some("json") => Some(true),
        Some("text") => Some(false),
        Some(other) => {
            reader.problem(
                "telemetry.log_format",
                format_args!("{other:?} is neither json nor text"),
            );
            None
        }
    };
    let wanted = reader.text("telemetry.log_filter");
    if let Some(Err(error)) = wanted.as_deref().map(filter) {
        reader.problem("telemetry.log_filter", error);
    }
    ObservingSettings {
        admin: reader.address("admin.listen"),
        json,
        filter: wanted,
        traces: traces(reader),
    }
}

/// To where traces are sent, and how many of them.
fn traces(reader: &mut Reader) -> Option<Traces> {
    const ENDPOINT: &str = "telemetry.otlp_endpoint";
    let endpoint = reader.text(ENDPOINT);
    let authority = reader.path("telemetry.otlp_authority");
    let percent = reader.number("telemetry.trace_percent", 0..=100);
    let Some(endpoint) = endpoint else {
        for (key, is_given) in [
            ("telemetry.otlp_authority", authority.is_some()),
            ("telemetry.trace_percent", percent.is_some()),
        ] {
            if is_given {
                reader.problem(key, format_args!("without {ENDPOINT} no traces are sent"));
            }
        }
        return None;
    };
    let is_url = ["http://", "https://"]
        .iter()
        .any(|scheme| endpoint.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    if !is_url {
        reader.problem(
            ENDPOINT,
            "give the URL of an OTLP receiver, such as http://collector:4317",
        );
    }
    let authority = authority.and_then(|path| match std::fs::read(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            let problem = format_args!("{} cannot be read: {error}", path.display()).to_string();
            reader.problem("telemetry.otlp_authority", problem);
            None
        }
    });
    let percent = percent.and_then(|percent| u32::try_from(percent).ok());
    Some(Traces {
        endpoint,
        authority,
        share: f64::from(percent.unwrap_or(TRACE_PERCENT)) / 100.0,
    })
}

/// The shared cache: one server by `url`, a cluster by `cluster`, or the primary that `sentinels` name `primary`.
fn redis(reader: &mut Reader) -> Option<Options> {
    let url = reader.text("redis.url");
    let cluster = reader.texts("redis.cluster");
    let sentinels = reader.texts("redis.sentinels");
    let primary = reader.text("redis.primary");
    let sentinel_password = reader.secret("redis.sentinel_password");
    let password = reader.secret("redis.password");
    let user = reader.text("redis.user");
    let deployment = reader.text("redis.deployment");
    let authority = reader.path("redis.authority");
    let mode = match (url, cluster, sentinels) {
        (None, None, None) => {
            if deployment.is_some() {
                reader.problem("redis", "name the servers by url, cluster or sentinels");
            }
            return None;
        }
        (Some(url), None, None) => Mode::Single { url },
        (None, Some(nodes), None) => Mode::Cluster { nodes },
        (None, None, Some(nodes)) => Mode::Sentinel {
            nodes,
            primary: primary.unwrap_or_else(|| "mymaster".to_owned()),
            password: sentinel_password.map(|secret| secret.reveal().to_owned()),
        },
        _ => {
            reader.problem("redis", "give one of url, cluster and sentinels, not several");
            return None;
        }
    };
    let mut options = Options::new(mode, deployment.unwrap_or_else(|| "nopic".to_owned()));
    options.user = user;
    options.password = password.map(|secret| secret.reveal().to_owned());
    if let Some(path) = authority {
        match std::fs::read(&path) {
            Ok(roots) => {
                options.tls = Some(Tls {
                    roots: Some(roots),
                    client: None,
                });
            }
            Err(error) => reader.problem(
                "redis.authority",
                format_args!("{} cannot be read: {error}", path.display()),
            ),
        }
    }
    // What would be refused at the start is said now.
    if let Err(error) = Publisher::new(options.clone()) {
        reader.problem("redis", error);
    }
    Some(options)
}

/// Another service: `upstream.registry.address` and, where its certificate has another name than it, `name`.
fn target(reader: &mut Reader, service: &str, tls: Option<&TlsFiles>) -> Option<Target> {
    let authority = reader.text(&format!("upstream.{service}.address"));
    let name = reader
        .text(&format!("upstream.{service}.name"))
        .unwrap_or_else(|| service.to_owned());
    Some(Target {
        authority: authority?,
        name,
        tls: tls.cloned(),
    })
}
