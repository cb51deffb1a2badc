//! A deployment: the three services as processes of their own, imported sample data, and the channels to ask them.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nopic_sql::testing::{Engine, TestDatabase};
use tokio::time::Instant;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::lines::{CERTIFICATES, LINES, OPERATIONS, SEED};
use crate::support::{Place, run_by, url_of};

/// How long a fault lasts.
pub(crate) fn fault_time() -> Duration {
    let is_full = std::env::var_os("NOPIC_TESTS_FULL").is_some();
    Duration::from_secs(if is_full { 60 } else { 10 })
}

/// A service of the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Registry,
    Certificate,
    EntryValidation,
}

use Name::{Certificate as Certificates, EntryValidation, Registry};

const ALL: [Name; 3] = [Registry, Certificates, EntryValidation];

impl Name {
    const fn as_str(self) -> &'static str {
        match self {
            Registry => "registry",
            Certificates => "certificate",
            EntryValidation => "entry-validation",
        }
    }
}

/// What a deployment is made of beside the usual.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// URL of the database; absent: one of the test's own on the shared server.
    pub(crate) database: Option<String>,
    /// Variables that name Redis.
    pub(crate) redis: Vec<(&'static str, String)>,
    /// Ports of the services that others reach by another way, and where that way begins.
    pub(crate) ways: Vec<(Name, u16, SocketAddr)>,
    /// A network namespace for registry and certificate service, and their address in it.
    pub(crate) apart: Option<(String, IpAddr)>,
}

/// The running deployment; all of it ends with this.
pub(crate) struct World {
    running: [Option<Running>; 3],
    plan: Plan,
    ports: [u16; 3],
    database: String,
    _test_database: Option<TestDatabase>,
    place: Place,
}

struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; one that is stopped ends, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on, below those that the kernel gives to connections.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    loop {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        // Processes of one run begin far from each other.
        let offset = (std::process::id().wrapping_mul(2_654_435_761) >> 8).wrapping_add(turn) % COUNT;
        let port = u16::try_from(FIRST + offset).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

impl World {
    /// Starts the services and imports the first two snapshots of the registry, and certificates.
    pub(crate) async fn start(plan: Plan) -> Self {
        let place = Place::of_any_filing_day();
        place.sample(OPERATIONS, CERTIFICATES, LINES, SEED);
        place.done(&["dev-certs", "try"]);
        let (database, test_database) = match &plan.database {
            Some(url) => (url.clone(), None),
            None => {
                let database = Engine::Postgres.database().await;
                (url_of(&database.location).unwrap(), Some(database))
            }
        };
        let migrated = place
            .command(&["migrate"])
            .env("NOPIC_DATABASE", &database)
            .output();
        let migrated = migrated.unwrap();
        assert!(migrated.status.success(), "{migrated:?}");
        let ports = ALL.map(|name| {
            let way = plan.ways.iter().find(|way| way.0 == name);
            way.map_or_else(free_port, |way| way.1)
        });
        let mut world = Self {
            running: [None, None, None],
            plan,
            ports,
            database,
            _test_database: test_database,
            place,
        };
        for name in ALL {
            world.start_one(name);
        }
        for arguments in [
            ["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"],
            ["registry", "import", "sample/operations-2024-09-30.zip"],
            ["certificate", "import", "sample/certificates.jsonl"],
        ] {
            world.done(&arguments);
        }
        world
    }

    /// The newest snapshot, which changes what is certified.
    pub(crate) const NEWER: [&str; 4] = [
        "registry",
        "import",
        "sample/operations-2026-03-01.json",
        "--full",
    ];

    /// A command that asks the service that its first word names, as the operator.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let name = ALL
            .into_iter()
            .find(|name| name.as_str() == arguments[0])
            .unwrap();
        let mut command = self.place.command(arguments);
        command.args([
            "--endpoint",
            &format!("https://localhost:{}", self.address(name).port()),
        ]);
        for (variable, file) in [
            ("CERTIFICATE", "operator.pem"),
            ("KEY", "operator.key"),
            ("AUTHORITY", "authority.pem"),
        ] {
            let path = self.place.path().join("try").join(file);
            command.env(format!("NOPIC_CLIENT_{variable}"), path);
        }
        self.beside(name, command)
    }

    /// The same command where a service is.
    fn beside(&self, name: Name, command: Command) -> Command {
        match &self.plan.apart {
            Some((namespace, _)) if name != EntryValidation => within(namespace, &command),
            _ => command,
        }
    }

    pub(crate) fn done(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    fn address(&self, name: Name) -> SocketAddr {
        let host = match &self.plan.apart {
            Some((_, address)) if name != EntryValidation => *address,
            _ => Ipv4Addr::LOCALHOST.into(),
        };
        SocketAddr::new(host, self.ports[name as usize])
    }

    /// Starts a service, at the address that it had before.
    pub(crate) fn start_one(&mut self, name: Name) {
        let config = format!("try/{}.toml", name.as_str());
        let mut listen = self.address(name);
        if listen.ip() != Ipv4Addr::LOCALHOST {
            // Also on the loopback of its namespace, by whose name commands know it.
            listen.set_ip(Ipv4Addr::UNSPECIFIED.into());
        }
        let listen = listen.to_string();
        let mut command =
            self.place
                .command(&["serve", name.as_str(), "--config", &config, "--listen", &listen]);
        command.env("NOPIC_DATABASE", &self.database);
        command.envs(self.plan.redis.iter().map(|(variable, value)| (variable, value)));
        for upstream in [Registry, Certificates] {
            let way = self.plan.ways.iter().find(|way| way.0 == upstream);
            let address = way.map_or_else(|| self.address(upstream), |way| way.2);
            let variable = format!("NOPIC_UPSTREAM_{}_ADDRESS", upstream.as_str().to_uppercase());
            command.env(variable, address.to_string());
        }
        let mut command = self.beside(name, command);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(name))
            .unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let running = self.running[name as usize].insert(Running { child, out });
        let mut line = String::new();
        while !line.starts_with("serving gRPC on ") {
            line.clear();
            let read = running.out.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "{name:?} ended before it served");
        }
    }

    fn log(&self, name: Name) -> std::path::PathBuf {
        self.place.path().join(format!("{}.log", name.as_str()))
    }

    /// Takes a service away without a word.
    pub(crate) fn kill(&mut self, name: Name) {
        drop(self.running[name as usize].take().unwrap());
    }

    /// Sends a signal by name to a service.
    pub(crate) fn signal(&self, name: Name, signal: &str) {
        send_signal(self.process(name), signal);
    }

    fn process(&self, name: Name) -> u32 {
        self.running[name as usize].as_ref().unwrap().child.id()
    }

    pub(crate) fn processes(&self) -> [u32; 3] {
        ALL.map(|name| self.process(name))
    }

    /// None of these services has ended, nor was one started anew.
    pub(crate) fn assert_still(&mut self, names: &[Name], processes: [u32; 3]) {
        for name in names {
            assert_eq!(self.process(*name), processes[*name as usize]);
            let running = self.running[*name as usize].as_mut().unwrap();
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none(), "{name:?} ended: {ended:?}");
        }
    }

    /// A channel to a service, as the operator.
    pub(crate) fn channel(&self, name: Name) -> Channel {
        let read = |file: &str| std::fs::read(self.place.path().join("try").join(file)).unwrap();
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read("authority.pem")))
            .identity(Identity::from_pem(read("operator.pem"), read("operator.key")))
            .domain_name("localhost");
        Endpoint::from_shared(format!("https://{}", self.address(name)))
            .unwrap()
            .tls_config(tls)
            .unwrap()
            .connect_timeout(Duration::from_secs(5))
            .connect_lazy()
    }

    /// Waits until health says this of a part of a service; the empty name is all of it.
    pub(crate) async fn until_health(
        &self,
        name: Name,
        part: &str,
        wanted: ServingStatus,
        within: Duration,
    ) -> Duration {
        let began = Instant::now();
        let mut health = HealthClient::new(self.channel(name));
        let asking = async {
            loop {
                let request = HealthCheckRequest {
                    service: part.to_owned(),
                };
                let asked = health.check(request).await;
                if asked.is_ok_and(|answer| answer.into_inner().status() == wanted) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(within, asking)
            .await
            .unwrap_or_else(|_| panic!("{name:?} is not {wanted:?} within {within:?}"));
        began.elapsed()
    }

    /// Health says that this service serves; it is asked once.
    pub(crate) async fn assert_serves(&self, name: Name) {
        let mut health = HealthClient::new(self.channel(name));
        let asked = health.check(HealthCheckRequest::default()).await;
        let status = asked.map(|answer| answer.into_inner().status());
        assert!(
            matches!(status, Ok(ServingStatus::Serving)),
            "{name:?}: {status:?}"
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ALL {
                let log = std::fs::read_to_string(self.log(name)).unwrap_or_default();
                let lines: Vec<_> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(15)..].join("\n");
                eprintln!("--- the last words of {}:\n{last}", name.as_str());
            }
        }
    }
}

pub(crate) fn send_signal(process: u32, signal: &str) {
    let kill = Command::new("kill")
        .args(["-s", signal, &process.to_string()])
        .status();
    assert!(kill.unwrap().success());
}

/// The same command in a network namespace.
fn within(namespace: &str, command: &Command) -> Command {
    let mut ip = Command::new("/usr/sbin/ip");
    ip.args(["netns", "exec", namespace]);
    run_by(ip, command)
}
