//! Services in processes of their own, on one database.

use std::net::TcpListener;
use std::process::Command;

use nopic_sql::Location;
use nopic_sql::testing::TestDatabase;
use serde_json::Value;

use crate::support::{Place, Serving};

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
    let place = Place::new();
    let lines = lines.to_string();
    place.done(&[
        "sample",
        "--operations",
        "150",
        "--certificates",
        "60",
        "--lines",
        &lines,
        "--seed",
        "9",
        "--out",
        "sample",
    ]);
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
    pub(crate) running: Vec<Option<Serving>>,
}

pub(crate) const NAMES: [&str; 3] = ["registry", "certificate", "entry-validation"];

impl<'a> Processes<'a> {
    pub(crate) fn place(&self) -> &'a Place {
        self.place
    }

    pub(crate) fn start(place: &'a Place, database: &'a TestDatabase) -> Self {
        Self::start_all(place, database, None, 1)
    }

    pub(crate) fn start_with(
        place: &'a Place,
        database: &'a TestDatabase,
        redis: Option<(String, String)>,
    ) -> Self {
        Self::start_all(place, database, redis, 1)
    }

    /// With so many entry validations.
    pub(crate) fn start_many(place: &'a Place, database: &'a TestDatabase, entry_validations: usize) -> Self {
        Self::start_all(place, database, None, entry_validations)
    }

    fn start_all(
        place: &'a Place,
        database: &'a TestDatabase,
        redis: Option<(String, String)>,
        entry_validations: usize,
    ) -> Self {
        place.done(&["dev-certs", "try"]);
        // Free until they are taken again below.
        let count = NAMES.len() - 1 + entry_validations;
        let listeners: Vec<_> = (0..count)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        drop(listeners);
        let mut processes = Self {
            place,
            database,
            ports,
            redis,
            running: (0..count).map(|_| None).collect(),
        };
        for service in 0..count {
            processes.start_one(service);
        }
        processes
    }

    pub(crate) fn start_one(&mut self, service: usize) {
        let name = NAMES[service.min(NAMES.len() - 1)];
        let config = format!("try/{name}.toml");
        let listen = format!("127.0.0.1:{}", self.ports[service]);
        let mut command = self
            .place
            .command(&["serve", name, "--config", &config, "--listen", &listen]);
        if service >= NAMES.len() {
            command.args(["--data", &format!("data-{service}")]);
        }
        for (upstream, port) in NAMES.iter().zip(&self.ports).take(2) {
            command.env(
                format!("NOPIC_UPSTREAM_{}_ADDRESS", upstream.to_uppercase()),
                format!("localhost:{port}"),
            );
        }
        if let Some(url) = url(self.database) {
            command.env("NOPIC_DATABASE", url);
        }
        if let Some((url, deployment)) = &self.redis {
            command.env("NOPIC_REDIS_URL", url);
            command.env("NOPIC_REDIS_DEPLOYMENT", deployment);
        }
        self.running[service] = Some(self.place.serve_by(command));
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

pub(crate) fn url(database: &TestDatabase) -> Option<String> {
    match &database.location {
        Location::Folder(_) => None,
        Location::Postgres(options) => Some(format!(
            "postgres://{}@{}:{}/{}",
            options.get_username(),
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap()
        )),
    }
}
