//! The processes that are measured, and the files that they need.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nopic_tests::program;
use tempfile::TempDir;
use tokio::time::Instant;
use tonic::codegen::http::HeaderValue;

use crate::servers::Role;

const ROLE: &str = "NOPIC_BENCH_ROLE";
const CERTIFICATES: &str = "NOPIC_BENCH_CERTIFICATES";

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Where the configurations that `nopic dev-certs` writes have the services and the gateway. Where entry validation is
/// meant to be, a server that says what it is told stands first.
pub(crate) const REGISTRY: SocketAddr = local(50_061);
pub(crate) const CERTIFICATE: SocketAddr = local(50_062);
pub(crate) const ECHO: SocketAddr = local(50_063);
pub(crate) const GATEWAY: SocketAddr = local(50_064);
pub(crate) const PASS_THROUGH: SocketAddr = local(50_065);

/// As many as come: what is measured is the way, not its bounds.
const WITHOUT_BOUNDS: [(&str, &str); 8] = [
    ("NOPIC_LIMITS_REQUESTS_PER_SECOND", "1000000"),
    ("NOPIC_LIMITS_REQUESTS_BURST", "1000000"),
    ("NOPIC_LIMITS_KILOBYTES_PER_SECOND", "1000000000"),
    ("NOPIC_LIMITS_KILOBYTES_BURST", "1000000000"),
    ("NOPIC_LIMITS_LINES_PER_SECOND", "1000000000"),
    ("NOPIC_LIMITS_LINES_BURST", "1000000000"),
    ("NOPIC_SERVER_MAX_CONNECTIONS", "20000"),
    ("NOPIC_SERVER_MAX_CONNECTIONS_PER_ADDRESS", "20000"),
];

/// What this process is started as by another one of this program; absent: it measures.
pub(crate) fn own_role() -> Option<(Role, SocketAddr, PathBuf)> {
    let (role, listen) = match std::env::var(ROLE).ok()?.as_str() {
        "echo" => (Role::Echo, ECHO),
        "pass-through" => (Role::PassThrough { to: ECHO }, PASS_THROUGH),
        other => panic!("no server is called {other}"),
    };
    let certificates = std::env::var_os(CERTIFICATES).expect("a server gets certificates");
    Some((role, listen, certificates.into()))
}

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended by itself was seen by its callers.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All that run, until it is dropped.
pub(crate) struct Processes {
    nopic: PathBuf,
    /// Servers of this program.
    own: Vec<Running>,
    services: Vec<Running>,
    key: String,
    /// The gateway's process.
    pub(crate) gateway: u32,
    folder: TempDir,
}

impl Processes {
    /// Builds the program, writes configurations and starts the gateway before a server that says what it is told, and the
    /// pass-through beside it.
    pub(crate) fn start() -> Self {
        let mut processes = Self {
            nopic: program::built(),
            own: Vec::new(),
            services: Vec::new(),
            key: String::new(),
            gateway: 0,
            folder: tempfile::tempdir().expect("a folder can be made"),
        };
        processes.run(&["dev-certs", "."]);
        for arguments in [
            ["tenant", "create", "acme", "--all-filer-codes"].as_slice(),
            &["person", "add", "acme", "maria", "--role", "broker"],
            &["key", "create", "acme", "maria", "--out", "maria.key"],
        ] {
            processes.run(&[&["--data", "data-gateway"], arguments].concat());
        }
        let key = std::fs::read_to_string(processes.folder().join("maria.key")).expect("the key was written");
        key.trim().clone_into(&mut processes.key);
        let own = std::env::current_exe().expect("this program has a path");
        for (role, address) in [("echo", ECHO), ("pass-through", PASS_THROUGH)] {
            let process = Command::new(&own)
                .env(ROLE, role)
                .env(CERTIFICATES, processes.folder())
                .spawn()
                .expect("the server starts");
            processes.own.push(Running(process));
            wait_for(address);
        }
        processes.gateway = processes.serve("gateway", GATEWAY);
        processes
    }

    /// Ends the servers of this program and starts the services in their places.
    pub(crate) fn replace_echo_by_services(&mut self) {
        self.own.clear();
        for (service, address) in [
            ("registry", REGISTRY),
            ("certificate", CERTIFICATE),
            ("entry-validation", ECHO),
        ] {
            self.serve(service, address);
        }
    }

    fn serve(&mut self, service: &str, address: SocketAddr) -> u32 {
        let log = std::fs::File::create(self.folder().join(format!("{service}.log")))
            .expect("a log can be written");
        let process = self
            .command(&["serve", service, "--config", &format!("{service}.toml")])
            .envs(WITHOUT_BOUNDS)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the service starts");
        let id = process.id();
        self.services.push(Running(process));
        wait_for(address);
        id
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a call shows to a door.
    pub(crate) fn credential(&self) -> HeaderValue {
        let mut credential: HeaderValue = format!("Bearer {}", self.key)
            .parse()
            .expect("a key is plain text");
        credential.set_sensitive(true);
        credential
    }

    /// The program, to be run in the folder.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.nopic);
        command.args(arguments).current_dir(self.folder());
        command
    }

    /// The program as a client of a service, by a certificate.
    pub(crate) fn as_operator(&self, arguments: &[&str], at: SocketAddr) -> Command {
        let mut command = self.command(arguments);
        command
            .args(["--endpoint", &format!("https://localhost:{}", at.port())])
            .envs([
                ("NOPIC_CLIENT_CERTIFICATE", "operator.pem"),
                ("NOPIC_CLIENT_KEY", "operator.key"),
                ("NOPIC_CLIENT_AUTHORITY", "authority.pem"),
            ]);
        command
    }

    /// The program as a client of the gateway, by a key.
    pub(crate) fn by_key(&self, arguments: &[&str], at: SocketAddr) -> Command {
        let mut command = self.command(arguments);
        command
            .args(["--endpoint", &format!("https://localhost:{}", at.port())])
            .envs([
                ("NOPIC_API_KEY_FILE", "maria.key"),
                ("NOPIC_CLIENT_AUTHORITY", "authority.pem"),
            ]);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) {
        done(self.command(arguments));
    }

    pub(crate) fn run_as_operator(&self, arguments: &[&str], at: SocketAddr) {
        done(self.as_operator(arguments, at));
    }

    /// Files of a folder, by the ends of their names, in order.
    pub(crate) fn files(&self, folder: &str, end: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder().join(folder)).expect("the folder is there");
        let mut files: Vec<String> = entries
            .map(|entry| {
                format!(
                    "{folder}/{}",
                    entry.expect("it can be read").file_name().to_string_lossy()
                )
            })
            .filter(|name| name.ends_with(end))
            .collect();
        files.sort();
        files
    }
}

fn done(mut command: Command) {
    let output = command.output().expect("nopic starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn wait_for(address: SocketAddr) {
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "nobody listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
