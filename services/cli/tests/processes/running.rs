//! Services in processes of their own, on one database.

use std::path::PathBuf;
use std::process::Command;

use nopic_chassis::balance::Target;
use nopic_chassis::tls::TlsFiles;
use nopic_sql::testing::TestDatabase;
use serde_json::Value;

use crate::support::{Place, Serving, url_of, with_hosts};

pub(crate) const IMPORTS: [(&str, &[&str]); 3] = [
    (
        "registry",
        &["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"],
    ),
    (
        "registry",
        &["registry", "import", "sample/operations-2024-09-30.zip"],
    ),
    (
        "certificate",
        &["certificate", "import", "sample/certificates.jsonl"],
    ),
];

/// A place with a sample of so many lines.
pub(crate) fn sample(lines: u32) -> Place {
    let place = Place::of_any_filing_day();
    place.sample(150, 60, lines, 9);
    place
}

/// Verdicts of a run that found something to reject.
pub(crate) fn verdicts(mut command: Command) -> Vec<Value> {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Services in processes of their own, with their addresses: one of each, and any number of entry validations more.
pub(crate) struct Processes<'a> {
    place: &'a Place,
    database: &'a TestDatabase,
    pub(crate) ports: Vec<u16>,
    /// URL of Redis, and the deployment's name there.
    pub(crate) redis: Option<(String, String)>,
    /// Further variables of every process.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// In which file they look up names instead of /etc/hosts.
    pub(crate) hosts: Option<PathBuf>,
    pub(crate) running: Vec<Option<Serving>>,
}

pub(crate) const NAMES: [&str; 3] = ["registry", "certificate", "entry-validation"];

impl<'a> Processes<'a> {
    /// One of each, without Redis.
    pub(crate) fn start(place: &'a Place, database: &'a TestDatabase) -> Self {
        Self::start_with(place, database, None)
    }

    pub(crate) fn start_with(
        place: &'a Place,
        database: &'a TestDatabase,
        redis: Option<(String, String)>,
    ) -> Self {
        let mut processes = Self::prepare(place, database, redis, 1);
        processes.start_all();
        processes
    }

    /// With so many entry validations; nothing runs yet.
    pub(crate) fn prepare(
        place: &'a Place,
        database: &'a TestDatabase,
        redis: Option<(String, String)>,
        entry_validations: usize,
    ) -> Self {
        place.done(&["dev-certs", "try"]);
        if let Some(url) = url_of(&database.location) {
            let migrated = place.command(&["migrate"]).env("NOPIC_DATABASE", url).output();
            assert!(migrated.unwrap().status.success());
        }
        let count = NAMES.len() - 1 + entry_validations;
        Self {
            place,
            database,
            ports: vec![0; count],
            redis,
            environment: Vec::new(),
            hosts: None,
            running: (0..count).map(|_| None).collect(),
        }
    }

    pub(crate) fn start_all(&mut self) {
        for service in 0..self.running.len() {
            self.start_one(service);
        }
    }

    /// Where a service is; entry validations are the last ones.
    pub(crate) fn target(&self, service: usize) -> Target {
        let file = |name: &str| self.place.path().join("try").join(name);
        Target {
            authority: format!("localhost:{}", self.ports[service]),
            name: NAMES[service.min(NAMES.len() - 1)].to_owned(),
            tls: Some(TlsFiles {
                certificate: file("operator.pem"),
                key: file("operator.key"),
                authority: file("authority.pem"),
            }),
        }
    }

    pub(crate) fn start_one(&mut self, service: usize) {
        let name = NAMES[service.min(NAMES.len() - 1)];
        let config = format!("try/{name}.toml");
        let listen = format!("127.0.0.1:{}", self.ports[service]);
        let mut command = self
            .place
            .command(&["serve", name, "--config", &config, "--listen", &listen]);
        // Of several entry validations each has a folder of its own.
        if service >= NAMES.len() {
            command.args(["--data", &format!("data-{service}")]);
        }
        for (upstream, port) in NAMES.iter().zip(&self.ports).take(2) {
            command.env(
                format!("NOPIC_UPSTREAM_{}_ADDRESS", upstream.to_uppercase()),
                format!("localhost:{port}"),
            );
        }
        if let Some(url) = url_of(&self.database.location) {
            command.env("NOPIC_DATABASE", url);
        }
        if let Some((url, deployment)) = &self.redis {
            command.env("NOPIC_REDIS_URL", url);
            command.env("NOPIC_REDIS_DEPLOYMENT", deployment);
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        if let Some(hosts) = &self.hosts {
            command = with_hosts(hosts, &command);
        }
        let serving = self.place.serve_by(command);
        // A port of its own at first, and the same one ever after.
        self.ports[service] = serving.url.rsplit_once(':').unwrap().1.parse().unwrap();
        self.running[service] = Some(serving);
    }

    /// A command that asks one of the services, as the operator.
    pub(crate) fn command(&self, service: &str, arguments: &[&str]) -> Command {
        let index = NAMES.iter().position(|name| *name == service).unwrap();
        let endpoint = format!("https://localhost:{}", self.ports[index]);
        let mut command = self.place.command(arguments);
        command.args(["--endpoint", &endpoint]);
        for (variable, file) in [
            ("CERTIFICATE", "operator.pem"),
            ("KEY", "operator.key"),
            ("AUTHORITY", "authority.pem"),
        ] {
            command.env(
                format!("NOPIC_CLIENT_{variable}"),
                self.place.path().join("try").join(file),
            );
        }
        command
    }

    pub(crate) fn import(&self) {
        for (service, arguments) in IMPORTS {
            let output = self.command(service, arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {output:?}");
        }
    }
}
