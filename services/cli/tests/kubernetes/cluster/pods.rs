//! Pods as processes. What differs from a cluster: folders and addresses, and that names stand in a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use nopic_chassis::balance::{Balancer, Target};
use nopic_chassis::tls::TlsFiles;
use nopic_host::PARTS;
use nopic_sql::testing::{Engine, TestDatabase};
use serde_json::Value;

use crate::configuration::{configuration, with_secrets};
use crate::objects::{Pods, arguments, list, served, text};
use crate::rendered::objects;
use crate::support::{Ended, Place, Serving, ended, url_of, with_hosts};

/// Of the name of a service there are so many addresses.
const MOST_REPLICAS: u8 = 9;
/// Where every service listens.
const PORT: u16 = 50051;
const OPERATOR: &str = "operator";

/// Services of one namespace; all of them end with this.
pub(crate) struct Cluster {
    pub(crate) place: Place,
    pub(crate) database: TestDatabase,
    objects: Vec<Value>,
    /// The name of this deployment in the cache that other tests use, too.
    pub(crate) cache: String,
    /// Which of this process it is.
    number: u8,
    running: BTreeMap<(&'static str, u8), Serving>,
    /// The program of each replica that is not the present one.
    pub(crate) programs: BTreeMap<(&'static str, u8), PathBuf>,
}

impl Cluster {
    /// Nothing runs yet; the database is migrated.
    pub(crate) async fn prepare() -> Self {
        Self::prepare_by(None).await
    }

    /// The same, migrated by another program than the present one.
    pub(crate) async fn prepare_by(program: Option<PathBuf>) -> Self {
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let place = Place::of_any_filing_day();
        place.done(&["dev-certs", "try"]);
        let mut hosts = "127.0.0.1 localhost\n".to_owned();
        for part in PARTS {
            for replica in 0..MOST_REPLICAS {
                writeln!(hosts, "{} {}", address(number, part.name, replica), part.name).unwrap();
            }
        }
        place.file("hosts", hosts);
        let cluster = Self {
            place,
            database: Engine::Postgres.database().await,
            objects: objects("dev"),
            cache: format!("cluster-{}-{number}", std::process::id()),
            number,
            running: BTreeMap::new(),
            programs: BTreeMap::new(),
        };
        cluster.migrate(program);
        cluster
    }

    pub(crate) fn url(&self) -> String {
        url_of(&self.database.location).unwrap()
    }

    /// What the Job does, by another program than the present one where that is named.
    pub(crate) fn migrate(&self, program: Option<PathBuf>) {
        let mut command = by(program, self.place.command(&["migrate"]));
        let output = command.env("NOPIC_DATABASE", self.url()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Starts one replica of every service.
    pub(crate) fn start_all(&mut self) {
        for part in PARTS {
            self.start(part.name, 0);
        }
    }

    /// Starts a replica, and waits until it serves.
    pub(crate) fn start(&mut self, part: &'static str, replica: u8) {
        let all = Pods::of(&self.objects);
        let pods = all.iter().find(|pods| served(pods) == Some(part)).unwrap();
        let folder = self.folder(part, replica);
        std::fs::create_dir_all(&folder).unwrap();
        let configuration = with_secrets(&self.place, part, &configuration(&self.objects, part));
        let data = format!("\"{}\"", folder.display());
        let configuration = configuration.replace("\"/data\"", &data);
        std::fs::write(
            self.place.path().join(format!("run-{part}/database/url")),
            self.url(),
        )
        .unwrap();
        let file = self.place.file(&format!("{part}-{replica}.toml"), configuration);
        let prepares = &list(pods.spec, "/initContainers")[0];
        let mut command = self.program(part, replica, &arguments(prepares));
        let waited = command.env("NOPIC_DATABASE", self.url()).output().unwrap();
        assert!(waited.status.success(), "{waited:?}");

        let serves = &list(pods.spec, "/containers")[0];
        let mut words = arguments(serves);
        let last = words.last_mut().unwrap();
        assert_eq!(*last, "/etc/nopic/config.toml");
        *last = file.to_str().unwrap();
        let mut command = self.program(part, replica, &words);
        let address = address(self.number, part, replica);
        command
            .env("NOPIC_LISTEN", format!("{address}:{PORT}"))
            .env("NOPIC_ADMIN_LISTEN", format!("{address}:9464"));
        if text(pods.object, "/metadata/name") != "certificate" && part != "notification" {
            let redis = std::env::var("NOPIC_TEST_REDIS")
                .expect("Redis runs: begin the command with tests/with-redis");
            command
                .env("NOPIC_REDIS_URL", redis)
                .env("NOPIC_REDIS_DEPLOYMENT", &self.cache);
        }
        let serving = self.place.serve_by(self.with_names(&command));
        self.running.insert((part, replica), serving);
    }

    /// Asks a replica to stop, as a cluster does, and waits for its end.
    pub(crate) fn stop(&mut self, part: &'static str, replica: u8) {
        let serving = self.running.remove(&(part, replica)).unwrap();
        assert_eq!(serving.stop(), Some(0), "{part} {replica}");
    }

    /// Ends all of them without a word.
    pub(crate) fn kill_all(&mut self) {
        self.running.clear();
    }

    /// From now on everything is in this database, nobody has written in the folders of pods, and the cache has another
    /// name, as the operator's page says.
    pub(crate) fn restore_into(&mut self, database: TestDatabase) {
        self.database = database;
        self.cache.push_str("-restored");
        for part in PARTS {
            for replica in 0..MOST_REPLICAS {
                // Most of them never were.
                let _ = std::fs::remove_dir_all(self.folder(part.name, replica));
            }
        }
    }

    fn folder(&self, part: &str, replica: u8) -> PathBuf {
        self.place.path().join(format!("pod-{part}-{replica}"))
    }

    fn program(&self, part: &'static str, replica: u8, arguments: &[&str]) -> Command {
        let program = self.programs.get(&(part, replica)).cloned();
        by(program, self.place.command(arguments))
    }

    /// The same command, where the names of services are known.
    fn with_names(&self, command: &Command) -> Command {
        with_hosts(&self.place.path().join("hosts"), command)
    }

    /// Runs a command through the gateway, as the operator, or as whoever has this key.
    pub(crate) fn ask(&self, key: Option<&str>, arguments: &[&str]) -> Ended {
        let mut command = self.place.command(arguments);
        command.env("NOPIC_ENDPOINT", format!("https://gateway:{PORT}"));
        let files = self.files();
        command.env("NOPIC_CLIENT_AUTHORITY", files.authority);
        match key {
            None => command
                .env("NOPIC_CLIENT_CERTIFICATE", files.certificate)
                .env("NOPIC_CLIENT_KEY", files.key),
            Some(key) => command.env("NOPIC_API_KEY", key),
        };
        ended(self.with_names(&command).output().unwrap())
    }

    /// The same, and it ends well: what it prints.
    #[track_caller]
    pub(crate) fn done(&self, key: Option<&str>, arguments: &[&str]) -> String {
        let ended = self.ask(key, arguments);
        assert_eq!(ended.status, 0, "{arguments:?}: {ended:?}");
        ended.out
    }

    /// The lines of JSON that it prints.
    #[track_caller]
    pub(crate) fn lines(&self, key: Option<&str>, arguments: &[&str]) -> Vec<Value> {
        let out = self.done(key, &[arguments, &["--output", "jsonl"]].concat());
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn files(&self) -> TlsFiles {
        let file = |name: &str| self.place.path().join("try").join(name);
        TlsFiles {
            certificate: file(&format!("{OPERATOR}.pem")),
            key: file(&format!("{OPERATOR}.key")),
            authority: file("authority.pem"),
        }
    }

    /// Calls to the gateways by the client of ours, as the operator.
    pub(crate) fn balanced(&self, replicas: u8) -> Balancer {
        let addresses: Vec<_> = (0..replicas)
            .map(|replica| SocketAddr::from((address(self.number, "gateway", replica), PORT)))
            .collect();
        let target = Target {
            authority: format!("gateway:{PORT}"),
            name: "gateway".to_owned(),
            tls: Some(self.files()),
        };
        Balancer::with_lookup(target, move || {
            Box::pin(std::future::ready(Ok(addresses.clone())))
        })
        .unwrap()
    }

    /// A file of the sample in the folder.
    pub(crate) fn sample(&self, lines: u32) {
        self.place.sample(150, 60, lines, 9);
    }

    /// Brings in what the sample has beside its entries.
    pub(crate) fn import_sample(&self) {
        for arguments in [
            ["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"],
            ["registry", "import", "sample/operations-2024-09-30.zip"],
            ["certificate", "import", "sample/certificates.jsonl"],
        ] {
            self.done(None, &arguments);
        }
    }
}

/// The same command by another program.
fn by(program: Option<PathBuf>, command: Command) -> Command {
    let Some(program) = program else {
        return command;
    };
    let mut other = Command::new(program);
    other.args(command.get_args()).env_clear();
    other.current_dir(command.get_current_dir().unwrap());
    for (variable, value) in command.get_envs() {
        other.env(variable, value.unwrap());
    }
    other
}

/// The address of a replica: of this cluster of this process alone, so that every test has the same port.
fn address(cluster: u8, part: &str, replica: u8) -> Ipv4Addr {
    let number = PARTS.iter().position(|other| other.name == part).unwrap();
    let own = std::process::id();
    let byte = |number: u32| u8::try_from(number % 250).unwrap() + 1;
    let last = u8::try_from(number).unwrap() * 10 + replica + 1;
    // Clusters of one process are few, and there are five services.
    assert!(cluster < 5 && last <= 50);
    Ipv4Addr::new(127, byte(own), byte(own / 250), cluster * 50 + last)
}
