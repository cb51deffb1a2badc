//! The configuration of a server: a file, above it the environment (`NOPIC_` and the key in capitals).
//!
//! One file may serve several services: each takes what it needs, and every key is checked.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nopic_chassis::balance::Target;
use nopic_chassis::callers::Callers;
use nopic_chassis::config::{ConfigError, Reader, Secret, variable};
use nopic_chassis::part::Opener;
use nopic_chassis::telemetry::{Traces, filter};
use nopic_chassis::tls::{self, TlsFiles};
use nopic_sql::Journal;
use nopic_sql::Location;

use crate::Part;
use crate::failure::Failure;
use crate::observability::ObservabilitySettings;

/// Open connections of a server, unless it is told otherwise.
const MAX_CONNECTIONS: u64 = 10_000;
/// After so long clients connect anew, unless it is told otherwise.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(300);
/// Traces that begin in a server and are sent, unless it is told otherwise: of a hundred.
const TRACE_PERCENT: u32 = 5;

/// What opens the parts of a process, by their names, as they are configured.
pub(crate) type Openers = BTreeMap<&'static str, Opener<Location, Journal>>;

/// What servers are told.
pub struct Settings {
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// Whether a service may be served in plain text: on loopback only.
    pub plain_text: bool,
    /// Open connections at a time.
    pub max_connections: usize,
    /// Of one address; absent: as usual for where it listens.
    pub max_connections_per_address: Option<usize>,
    /// After so long clients connect anew.
    pub max_connection_age: Duration,
    /// Our certificate, and whose others we believe.
    pub tls: Option<TlsFiles>,
    /// Who may call what.
    pub callers: Option<Callers>,
    /// The data folder.
    pub data: Option<PathBuf>,
    /// URL of a database.
    pub database: Option<Secret>,
    /// The policy of the deployment.
    pub policy: Option<PathBuf>,
    /// Log, traces and admin port.
    pub observability: ObservabilitySettings,
    /// Where the parts are that others ask.
    pub(crate) upstream: BTreeMap<&'static str, Target>,
    pub(crate) openers: Openers,
    has_redis: bool,
    stated: Vec<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads a file, or the environment alone.
    ///
    /// # Errors
    /// Every problem there is.
    pub fn read(parts: &[Part], file: Option<&Path>) -> Result<Self, Failure> {
        let reader = match file {
            Some(file) => Reader::of_file(file, environment()),
            None => Ok(Reader::of_environment(environment())),
        };
        reader
            .and_then(|reader| Self::of(parts, reader))
            .map_err(|error| {
                let what =
                    file.map_or_else(|| "the environment".to_owned(), |file| file.display().to_string());
                Failure::new(format!(
                    "The configuration in {what} cannot be used:\n  - {}",
                    error.problems.join("\n  - ")
                ))
                .advice("Mend these places; `nopic config check FILE` looks again.")
            })
    }

    /// For a command, which reads no configuration: the few words that the environment has for it.
    ///
    /// # Errors
    /// Every problem there is.
    pub fn of_command(parts: &[Part]) -> Result<Self, Failure> {
        let environment = environment().filter(|(name, _)| name == ISSUES_FOR);
        Self::of(parts, Reader::of_environment(environment)).map_err(|error| {
            Failure::new(format!("{ISSUES_FOR} cannot be used: {error}."))
                .advice("List certifiers by their three digits, with commas between them.")
        })
    }

    /// What was given, for a log: `key=value`, without secrets and without who may call what.
    #[must_use]
    pub fn stated(&self) -> String {
        let stated = self.stated.iter().filter(|given| !given.starts_with("callers."));
        stated.cloned().collect::<Vec<_>>().join(" ")
    }

    /// The sections that are there for services that are served alone.
    pub fn of_separate_services(&self) -> impl Iterator<Item = String> {
        let redis = self.has_redis.then(|| "redis".to_owned());
        redis
            .into_iter()
            .chain(self.upstream.keys().map(|part| format!("upstream.{part}")))
    }

    fn of(parts: &[Part], mut reader: Reader) -> Result<Self, ConfigError> {
        let tls = tls_files(&mut reader, "tls");
        let asked = parts.iter().flat_map(|part| part.asks).map(|asked| asked.part);
        let upstream = asked
            .filter_map(|part| Some((part, target(&mut reader, part, tls.as_ref())?)))
            .collect();
        let openers = parts
            .iter()
            .map(|part| (part.name, (part.configure)(&mut reader)))
            .collect();
        let settings = Self {
            listen: reader.address("server.listen"),
            plain_text: reader.flag("server.plain_text").unwrap_or(false),
            max_connections: reader
                .number("server.max_connections", 1..=1_000_000)
                .unwrap_or(MAX_CONNECTIONS)
                .try_into()
                .unwrap_or(usize::MAX),
            max_connections_per_address: reader
                .number("server.max_connections_per_address", 1..=1_000_000)
                .and_then(|most| most.try_into().ok()),
            max_connection_age: reader
                .seconds("server.max_connection_age_seconds", 1..=86_400)
                .unwrap_or(MAX_CONNECTION_AGE),
            callers: callers(&mut reader),
            data: reader.path("storage.data"),
            database: reader.secret("storage.database"),
            policy: policy(&mut reader),
            observability: observability(&mut reader),
            has_redis: ["redis.url", "redis.cluster", "redis.sentinels"]
                .iter()
                .any(|key| reader.has(key)),
            upstream,
            openers,
            tls,
            stated: reader.stated(),
        };
        if settings.tls.is_none() && settings.callers.is_some() {
            reader.problem(
                "callers",
                "without [tls] nobody can show a name: add it, or leave this out",
            );
        }
        reader.finish()?;
        Ok(settings)
    }

    /// Where a part is that another one asks over the network.
    pub(crate) fn target(&self, part: &str) -> Result<Target, Failure> {
        self.upstream.get(part).cloned().ok_or_else(|| {
            Failure::new(format!("Where the {part} service is, is not configured.")).advice(format!(
                "Set address in [upstream.{part}], or {}, to its host:port.",
                variable(&format!("upstream.{part}.address"))
            ))
        })
    }
}

/// Environment variable with the certifiers for which this deployment issues certificates: `015,062`.
const ISSUES_FOR: &str = "NOPIC_ISSUES_FOR";

/// The policy file of the deployment; its key of an older time names the service that was the only one to read it.
fn policy(reader: &mut Reader) -> Option<PathBuf> {
    const OLD: &str = "entry-validation.policy";
    let (policy, old) = (reader.path("policy"), reader.path(OLD));
    if policy.is_some() && old.is_some() {
        reader.problem(OLD, "it is given twice: also by policy");
    }
    policy.or(old)
}

/// What a command has for connections to servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A certificate to show, and the authority of the server's.
    Certificate(TlsFiles),
    /// The authority of the server's certificate alone, as PEM: it shows who it is by other things.
    Authority(Vec<u8>),
}

/// What the environment names for connections to servers: `NOPIC_CLIENT_AUTHORITY`, and to show a certificate
/// `NOPIC_CLIENT_CERTIFICATE` and `NOPIC_CLIENT_KEY` beside it.
///
/// # Errors
/// One is missing, or cannot be used.
pub fn identity() -> Result<Option<Identity>, Failure> {
    let mut reader = Reader::of_environment(environment());
    let shows_one = ["client.certificate", "client.key"]
        .iter()
        .any(|key| reader.has(key));
    let identity = if shows_one {
        tls_files(&mut reader, "client").map(Identity::Certificate)
    } else {
        authority(&mut reader, "client.authority").map(Identity::Authority)
    };
    reader.finish().map_err(|error| {
        Failure::new(format!(
            "The certificates that NOPIC_CLIENT_CERTIFICATE, NOPIC_CLIENT_KEY and NOPIC_CLIENT_AUTHORITY name cannot be used:\n  - {}",
            error.problems.join("\n  - ")
        ))
    })?;
    Ok(identity)
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The authority of a server's certificate alone.
fn authority(reader: &mut Reader, key: &str) -> Option<Vec<u8>> {
    let path = reader.path(key)?;
    match tls::authority(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            reader.problem(key, error);
            None
        }
    }
}

/// All three files, or none.
fn tls_files(reader: &mut Reader, section: &str) -> Option<TlsFiles> {
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

/// Log, traces and admin port.
fn observability(reader: &mut Reader) -> ObservabilitySettings {
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
    ObservabilitySettings {
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
    let authority = reader.file("telemetry.otlp_authority");
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
    let percent = percent.and_then(|percent| u32::try_from(percent).ok());
    Some(Traces {
        endpoint,
        authority,
        share: f64::from(percent.unwrap_or(TRACE_PERCENT)) / 100.0,
    })
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
