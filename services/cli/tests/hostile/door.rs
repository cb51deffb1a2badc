//! A server that is attacked, and the other tenant.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::{EntryLine, ValidateEntryRequest};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Place, Serving};

/// Peak of the server's memory, in MB: of a build without optimisation, of which the program itself takes a quarter.
const MOST_MEGABYTES: u64 = 400;
/// The other tenant asks so often.
const PACE: Duration = Duration::from_millis(25);
/// How long it asks before the attack.
const QUIET: Duration = Duration::from_secs(1);
/// No answer may take longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// By when the server is as before.
const READY: Duration = Duration::from_secs(5);
/// The other tenant's middle answer may take so many times the quiet one, and as much more as two busy processors explain
/// where other tests run beside.
const TIMES: u32 = 5;
const ALLOWANCE: Duration = Duration::from_millis(500);

/// Whether attacks have their whole sizes.
pub(crate) fn is_full() -> bool {
    std::env::var_os("NOPIC_TESTS_FULL").is_some()
}

/// The size of an attack: in a usual run, and whole.
pub(crate) fn size(usual: usize, whole: usize) -> usize {
    if is_full() { whole } else { usual }
}

/// A server with every service.
pub(crate) struct Door {
    place: Place,
    server: Serving,
    pub(crate) address: SocketAddr,
    /// Of the other tenant; absent: there are none.
    key: Option<String>,
    is_secured: bool,
}

/// Waits of the other tenant.
pub(crate) struct Waits(Vec<Duration>);

impl Waits {
    fn of(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        Self(waits)
    }

    fn at(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |percent| self.at(percent).as_secs_f64() * 1_000.0;
        write!(
            f,
            "p50 {:.1} ms, p99 {:.1} ms of {}",
            milliseconds(50),
            milliseconds(99),
            self.0.len()
        )
    }
}

impl Door {
    /// In plain text on loopback.
    pub(crate) fn open() -> Self {
        Self::open_with(&[])
    }

    /// The same with more of an environment.
    pub(crate) fn open_with(environment: &[(&str, &str)]) -> Self {
        Self::start(environment, false)
    }

    /// A service alone, without a door before it: others ask for its health.
    pub(crate) fn open_alone() -> Self {
        let place = Place::new();
        let mut command = place.command(&["serve", "registry", "--listen", "127.0.0.1:0"]);
        command.env("NOPIC_SERVER_PLAIN_TEXT", "true");
        let server = place.serve_by(command);
        Self::at(place, server, None, false)
    }

    /// Behind TLS.
    pub(crate) fn open_secured() -> Self {
        Self::start(&[], true)
    }

    fn start(environment: &[(&str, &str)], is_secured: bool) -> Self {
        let place = Place::new();
        place.done(&["tenant", "create", "acme", "--filer-code", "B76"]);
        place.done(&["person", "add", "acme", "maria", "--role", "broker"]);
        let key = place.done(&["key", "create", "acme", "maria"]).out;
        let mut command = place.command(&["serve", "all", "--listen", "127.0.0.1:0"]);
        command.envs(environment.iter().copied());
        if is_secured {
            place.done(&["dev-certs", "try"]);
            for (variable, file) in [
                ("CERTIFICATE", "registry.pem"),
                ("KEY", "registry.key"),
                ("AUTHORITY", "authority.pem"),
            ] {
                let path = place.path().join("try").join(file);
                command.env(format!("NOPIC_TLS_{variable}"), path);
            }
        }
        let server = place.serve_by(command);
        Self::at(place, server, Some(key.trim_end().to_owned()), is_secured)
    }

    fn at(place: Place, server: Serving, key: Option<String>, is_secured: bool) -> Self {
        let port = server.url.rsplit(':').next().unwrap();
        Self {
            address: format!("127.0.0.1:{port}").parse().unwrap(),
            key,
            is_secured,
            place,
            server,
        }
    }

    /// The key of the other tenant.
    pub(crate) fn key(&self) -> &str {
        self.key.as_deref().unwrap()
    }

    /// A new connection of the other tenant.
    pub(crate) async fn other(&self) -> Other {
        let port = self.address.port();
        let endpoint = if self.is_secured {
            let authority = std::fs::read(self.place.path().join("try/authority.pem")).unwrap();
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
            let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).unwrap();
            endpoint.tls_config(tls).unwrap()
        } else {
            Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap()
        };
        let connected = timeout(PATIENCE, endpoint.connect()).await;
        Other {
            channel: connected.expect("a connection in time").expect("a connection"),
            key: self
                .key
                .as_ref()
                .map(|key| format!("Bearer {key}").parse().unwrap()),
        }
    }

    /// The other tenant asks, undisturbed, then under attack; when that is over all must be well again. What the attack
    /// returns is printed with the figures.
    pub(crate) async fn withstands<A: fmt::Display>(&self, what: &str, attack: impl Future<Output = A>) {
        let other = self.other().await;
        // What is made at the first call is made.
        other.ask().await;
        let quiet = Waits::of(other.ask_while(tokio::time::sleep(QUIET)).await.1);
        let began = Instant::now();
        let (found, waits) = other.ask_while(attack).await;
        let took = began.elapsed();
        let under = Waits::of(waits);
        timeout(READY, async { self.other().await.ask().await })
            .await
            .expect("it answers new callers when the attack is over");
        let peak = peak_megabytes(self.server.process());
        eprintln!(
            "{what}: {found}; in {:.1} s; peak {peak} MB; another tenant quiet: {quiet}; under attack: {under}",
            took.as_secs_f64()
        );
        assert!(peak <= MOST_MEGABYTES, "{what}: {peak} MB");
        assert!(
            under.at(50) <= quiet.at(50) * TIMES + ALLOWANCE,
            "{what}: another tenant waits: {under}, where it waited: {quiet}"
        );
        let said = self.server.said();
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// The peak of a process so far.
fn peak_megabytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the server is alive");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1_000
}

/// Another tenant, which asks as brokers do.
#[derive(Clone)]
pub(crate) struct Other {
    channel: Channel,
    key: Option<MetadataValue<Ascii>>,
}

impl Other {
    /// One line, judged in time; of a service alone its health.
    pub(crate) async fn ask(&self) {
        let Some(key) = &self.key else {
            let mut client = HealthClient::new(self.channel.clone());
            let answer = timeout(PATIENCE, client.check(HealthCheckRequest::default())).await;
            answer.expect("an answer in time").expect("an answer");
            return;
        };
        let mut client = EntryValidationServiceClient::new(self.channel.clone());
        let mut request = tonic::Request::new(ValidateEntryRequest {
            line: Some(EntryLine {
                entry_number: "B76-0324527-8".to_owned(),
                line_number: 1,
                ..EntryLine::default()
            }),
            ..ValidateEntryRequest::default()
        });
        request.metadata_mut().insert("authorization", key.clone());
        let answer = timeout(PATIENCE, client.validate_entry(request)).await;
        let answer = answer.expect("an answer in time").expect("an answer");
        assert!(answer.into_inner().verdict.is_some());
    }

    /// Asks at its pace, whatever the answers do, until this is over; what that gave, and how long each answer took.
    async fn ask_while<A>(&self, until: impl Future<Output = A>) -> (A, Vec<Duration>) {
        let mut asked = JoinSet::new();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut until = std::pin::pin!(until);
        let found = loop {
            tokio::select! {
                // It asks once at least.
                biased;
                _ = pace.tick() => {
                    let other = self.clone();
                    asked.spawn(async move {
                        let began = Instant::now();
                        other.ask().await;
                        began.elapsed()
                    });
                }
                found = &mut until => break found,
            }
        };
        (found, asked.join_all().await)
    }
}
