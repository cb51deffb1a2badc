//! Gateways and the services behind them, each a process of its own, with certificates on both sides and one database.

use std::net::SocketAddr;
use std::process::Command;

use nopic_chassis::balance::{Balancer, Target};
use nopic_chassis::tls::TlsFiles;
use nopic_sql::testing::{Engine, TestDatabase};
use nopic_testing::process::free_port;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::support::{Ended, Place, Serving, url_of, with_hosts};

/// The name of entry validation, whose addresses are its replicas.
const ENTRY_VALIDATION: &str = "entry-validation.nopic.test";
/// Each replica has an address of its own, and all have one port.
const HOSTS: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

/// What runs; all of it ends with this.
pub(crate) struct Deployment {
    pub(crate) replicas: Vec<Option<Serving>>,
    pub(crate) gateways: Vec<Option<Serving>>,
    services: Vec<Serving>,
    ports: Ports,
    /// Variables of every gateway.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// The user of the database by which each replica comes, where it is not the usual one.
    pub(crate) users: [Option<&'static str>; 2],
    pub(crate) database: TestDatabase,
    pub(crate) place: Place,
}

struct Ports {
    registry: u16,
    certificate: u16,
    entry_validation: u16,
    notification: u16,
    gateways: [u16; 2],
}

impl Deployment {
    /// Nothing runs yet; the database is migrated, and a sample lies in the folder.
    pub(crate) async fn prepare() -> Self {
        let place = Place::of_any_filing_day();
        place.sample(150, 60, 1_500, 9);
        place.done(&["dev-certs", "try"]);
        let hosts = HOSTS.map(|host| format!("{host} {ENTRY_VALIDATION}\n"));
        place.file("hosts", format!("127.0.0.1 localhost\n{}", hosts.concat()));
        let deployment = Self {
            replicas: Vec::new(),
            gateways: Vec::new(),
            services: Vec::new(),
            ports: Ports {
                registry: free_port(),
                certificate: free_port(),
                entry_validation: free_port(),
                notification: free_port(),
                gateways: [free_port(), free_port()],
            },
            environment: Vec::new(),
            users: [None, None],
            database: Engine::Postgres.database().await,
            place,
        };
        deployment.done(&["migrate"]);
        deployment
    }

    pub(crate) fn url(&self) -> String {
        url_of(&self.database.location).unwrap()
    }

    /// Registry and certificate service, with what the sample imports.
    pub(crate) fn start_services(&mut self) {
        for (name, port) in [
            ("registry", self.ports.registry),
            ("certificate", self.ports.certificate),
        ] {
            let command = self.server(name, "127.0.0.1", port, name);
            self.services.push(self.place.serve_by(command));
        }
        for arguments in [
            ["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"],
            ["registry", "import", "sample/operations-2024-09-30.zip"],
            ["certificate", "import", "sample/certificates.jsonl"],
        ] {
            let port = match arguments[0] {
                "registry" => self.ports.registry,
                _ => self.ports.certificate,
            };
            let ended = self.ask(port, &arguments);
            assert_eq!(ended.status, 0, "{arguments:?}: {ended:?}");
        }
    }

    /// Starts a replica of entry validation, or starts it anew where it was.
    pub(crate) fn start_replica(&mut self, number: usize) {
        let folder = format!("entry-validation-{number}");
        let mut command = self.server(
            "entry-validation",
            HOSTS[number],
            self.ports.entry_validation,
            &folder,
        );
        if let Some(user) = self.users[number] {
            command.env(
                "NOPIC_DATABASE",
                self.url().replacen("postgres@", &format!("{user}@"), 1),
            );
        }
        let serving = self.place.serve_by(command);
        self.replicas
            .resize_with(self.replicas.len().max(number + 1), || None);
        self.replicas[number] = Some(serving);
    }

    /// Starts the notification service.
    pub(crate) fn start_notification(&mut self) {
        let command = self.server(
            "notification",
            "127.0.0.1",
            self.ports.notification,
            "notification",
        );
        self.services.push(self.place.serve_by(command));
    }

    /// Starts a gateway likewise.
    pub(crate) fn start_gateway(&mut self, number: usize) {
        let folder = format!("gateway-{number}");
        let mut command = self.server("gateway", "127.0.0.1", self.ports.gateways[number], &folder);
        let entry_validation = format!("{ENTRY_VALIDATION}:{}", self.ports.entry_validation);
        command.env("NOPIC_UPSTREAM_ENTRY_VALIDATION_ADDRESS", entry_validation);
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        // It finds names in a file of the test's own.
        let command = with_hosts(&self.place.path().join("hosts"), &command);
        let serving = self.place.serve_by(command);
        self.gateways
            .resize_with(self.gateways.len().max(number + 1), || None);
        self.gateways[number] = Some(serving);
    }

    fn server(&self, name: &str, host: &str, port: u16, folder: &str) -> Command {
        let config = format!("try/{name}.toml");
        let listen = format!("{host}:{port}");
        let data = format!("data-{folder}");
        let mut command = self.place.command(&[
            "serve", name, "--config", &config, "--listen", &listen, "--data", &data,
        ]);
        command
            .env("NOPIC_DATABASE", self.url())
            .env("NOPIC_ADMIN_LISTEN", "127.0.0.1:0")
            .env(
                "NOPIC_UPSTREAM_REGISTRY_ADDRESS",
                format!("localhost:{}", self.ports.registry),
            )
            .env(
                "NOPIC_UPSTREAM_CERTIFICATE_ADDRESS",
                format!("localhost:{}", self.ports.certificate),
            )
            .env(
                "NOPIC_UPSTREAM_NOTIFICATION_ADDRESS",
                format!("localhost:{}", self.ports.notification),
            );
        command
    }

    /// Runs a command on the database itself.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let mut command = self.place.command(arguments);
        let output = command.env("NOPIC_DATABASE", self.url()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command against a server at a port, as the operator.
    fn ask(&self, port: u16, arguments: &[&str]) -> Ended {
        let endpoint = format!("https://localhost:{port}");
        let mut command = self
            .place
            .command(&[arguments, &["--endpoint", &endpoint]].concat());
        let files = self.files();
        let output = command
            .env("NOPIC_CLIENT_CERTIFICATE", files.certificate)
            .env("NOPIC_CLIENT_KEY", files.key)
            .env("NOPIC_CLIENT_AUTHORITY", files.authority)
            .output()
            .unwrap();
        Ended {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            said: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command against a gateway, as the operator.
    pub(crate) fn ask_gateway(&self, number: usize, arguments: &[&str]) -> Ended {
        self.ask(self.ports.gateways[number], arguments)
    }

    /// The registry.
    pub(crate) fn registry(&self) -> &Serving {
        &self.services[0]
    }

    /// Takes the certificate service away.
    pub(crate) fn stop_certificates(&mut self) {
        assert_eq!(self.services.remove(1).stop(), Some(0));
    }

    fn files(&self) -> TlsFiles {
        let file = |name: &str| self.place.path().join("try").join(name);
        TlsFiles {
            certificate: file("operator.pem"),
            key: file("operator.key"),
            authority: file("authority.pem"),
        }
    }

    /// Calls to these gateways by the client of ours, as the operator.
    pub(crate) fn balanced(&self, gateways: &[usize]) -> Balancer {
        let addresses: Vec<_> = gateways
            .iter()
            .map(|gateway| SocketAddr::from(([127, 0, 0, 1], self.ports.gateways[*gateway])))
            .collect();
        let target = Target {
            authority: "localhost:1".to_owned(),
            name: "gateway".to_owned(),
            tls: Some(self.files()),
        };
        Balancer::with_lookup(target, move || {
            Box::pin(std::future::ready(Ok(addresses.clone())))
        })
        .unwrap()
    }

    /// Where a gateway is.
    pub(crate) fn gateway_url(&self, number: usize) -> String {
        format!("https://localhost:{}", self.ports.gateways[number])
    }

    /// A client of HTTP that believes the certificates of here.
    pub(crate) fn http(&self) -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = std::fs::read(self.place.path().join("try/authority.pem")).unwrap();
        let authority = reqwest::Certificate::from_pem(&authority).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([authority])
            .build()
            .unwrap()
    }

    /// Calls to a gateway as clients make them that show a key.
    pub(crate) fn channel(&self, gateway: usize) -> Channel {
        let authority = std::fs::read(self.place.path().join("try/authority.pem")).unwrap();
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
        Endpoint::new(format!("https://localhost:{}", self.ports.gateways[gateway]))
            .unwrap()
            .tls_config(tls)
            .unwrap()
            .connect_lazy()
    }
}

/// A number that a server shows, summed over the lines of this name that have these labels among theirs; 0: none has yet.
pub(crate) async fn number(serving: &Serving, name: &str, labels: &[&str]) -> u64 {
    let line = serving
        .before
        .lines()
        .find_map(|line| line.strip_prefix("showing metrics and health on "));
    let address = line.expect("the admin port is told").trim();
    // The client of HTTP asks for it though nothing here is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::get(format!("{address}/metrics")).await.unwrap();
    let text = answer.text().await.unwrap();
    let begins = format!("{name}{{");
    text.lines()
        .filter(|line| line.starts_with(&begins) && labels.iter().all(|label| line.contains(label)))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}
