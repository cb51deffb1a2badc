//! Processes of the notification service on one database: killed, and started anew where they were.

// The test and the bench use a part of this each.
#![allow(dead_code)]

use std::process::Command;
use std::time::Duration;

use nopic_sql::Location;
use nopic_sql::testing::{Engine, TestDatabase};
use nopic_testing::process::{free_port, send_signal};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::source::Source;
use crate::support::{Place, Serving, url_of};

/// The least patience with a receiver that can be configured: a receiver that hangs is given up sooner.
const PATIENCE: &str = "15";

/// Does something with a connection to the database, of either engine.
macro_rules! on_database {
    ($workers:ident, |$connection:ident| $work:expr) => {
        match &$workers.database.location {
            Location::Folder(_) => {
                let file = $workers.place.path().join("data-0/notification.sqlite");
                let options = SqliteConnectOptions::new().filename(file);
                let mut $connection = SqliteConnection::connect_with(&options).await.unwrap();
                $work.unwrap()
            }
            Location::Postgres(options) => {
                let options = options
                    .as_ref()
                    .clone()
                    .options([("search_path", "notification")]);
                let mut $connection = PgConnection::connect_with(&options).await.unwrap();
                $work.unwrap()
            }
        }
    };
}

/// What runs; all of it ends with this.
pub(crate) struct Workers {
    running: Vec<Option<Serving>>,
    ports: Vec<u16>,
    /// The most memory that each took, in KiB, over all its lives.
    peaks: Vec<u64>,
    /// Where events are told.
    source: u16,
    database: TestDatabase,
    place: Place,
}

impl Workers {
    /// Nothing runs yet but the source of events.
    pub(crate) async fn prepare(engine: Engine, count: usize, source: &Source) -> Self {
        let place = Place::new();
        place.done(&["dev-certs", "try"]);
        let database = engine.database().await;
        if let Some(url) = url_of(&database.location) {
            let migrated = place.command(&["migrate"]).env("NOPIC_DATABASE", url).output();
            assert!(migrated.unwrap().status.success());
        }
        let read = |file: &str| std::fs::read(place.path().join("try").join(file)).unwrap();
        let source = source
            .serve(&read("entry-validation.pem"), &read("entry-validation.key"))
            .await;
        Self {
            running: (0..count).map(|_| None).collect(),
            ports: (0..count).map(|_| free_port()).collect(),
            peaks: vec![0; count],
            source,
            database,
            place,
        }
    }

    pub(crate) fn start_all(&mut self) {
        for number in 0..self.running.len() {
            self.start(number);
        }
    }

    pub(crate) const fn count(&self) -> usize {
        self.running.len()
    }

    fn start(&mut self, number: usize) {
        let serving = self.place.serve_by(self.command(number));
        self.running[number] = Some(serving);
    }

    fn command(&self, number: usize) -> Command {
        let listen = format!("127.0.0.1:{}", self.ports[number]);
        let data = format!("data-{number}");
        let mut command = self.place.command(&[
            "serve",
            "notification",
            "--config",
            "try/notification.toml",
            "--listen",
            &listen,
            "--data",
            &data,
        ]);
        // All that it asks is the one source.
        for part in ["REGISTRY", "CERTIFICATE", "ENTRY_VALIDATION"] {
            command.env(
                format!("NOPIC_UPSTREAM_{part}_ADDRESS"),
                format!("127.0.0.1:{}", self.source),
            );
            command.env(format!("NOPIC_UPSTREAM_{part}_NAME"), "entry-validation");
        }
        command
            .env("NOPIC_NOTIFICATION_WEBHOOK_ALLOW", "127.0.0.0/8")
            .env("NOPIC_NOTIFICATION_WEBHOOK_PLAIN_HTTP", "127.0.0.0/8")
            .env("NOPIC_NOTIFICATION_WEBHOOK_PATIENCE", PATIENCE);
        if let Some(url) = url_of(&self.database.location) {
            command.env("NOPIC_DATABASE", url);
        }
        command
    }

    /// Kills a process as nobody can prepare for, and starts it anew.
    pub(crate) fn kill(&mut self, number: usize) {
        self.note_peak(number);
        let serving = self.running[number].take().unwrap();
        send_signal(serving.process(), "KILL");
        drop(serving);
        self.start(number);
    }

    fn note_peak(&mut self, number: usize) {
        let process = self.running[number].as_ref().unwrap().process();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak: u64 = line.unwrap().split_whitespace().next().unwrap().parse().unwrap();
        self.peaks[number] = self.peaks[number].max(peak);
    }

    /// The most memory that each took so far, in KiB.
    pub(crate) fn peaks(&mut self) -> Vec<u64> {
        for number in 0..self.running.len() {
            self.note_peak(number);
        }
        self.peaks.clone()
    }

    /// Processor time that all have taken so far.
    pub(crate) fn spent(&self) -> Duration {
        // In hundredths of a second, whatever the kernel's own clock is.
        let spent = |serving: &Serving| {
            let path = format!("/proc/{}/stat", serving.process());
            let text = std::fs::read_to_string(path).unwrap();
            let behind_name = text.rsplit_once(") ").unwrap().1;
            let ticks = behind_name.split(' ').skip(11).take(2);
            ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>()
        };
        Duration::from_millis(self.running.iter().flatten().map(spent).sum::<u64>() * 10)
    }

    /// Channels to each, as the operator.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        let read = |file: &str| std::fs::read(self.place.path().join("try").join(file)).unwrap();
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read("authority.pem")))
            .identity(Identity::from_pem(read("operator.pem"), read("operator.key")))
            .domain_name("localhost");
        let channel = |port: &u16| {
            Endpoint::from_shared(format!("https://127.0.0.1:{port}"))
                .unwrap()
                .tls_config(tls.clone())
                .unwrap()
                .connect_lazy()
        };
        self.ports.iter().map(channel).collect()
    }

    /// Runs a statement on their database, behind their backs.
    pub(crate) async fn run(&self, statement: &'static str) {
        on_database!(self, |connection| sqlx::query(statement)
            .execute(&mut connection)
            .await
            .map(|_| ()));
    }

    /// What a statement counts there.
    pub(crate) async fn count_of(&self, statement: &'static str) -> usize {
        let count: i64 = on_database!(self, |connection| sqlx::query_scalar(statement)
            .fetch_one(&mut connection)
            .await);
        usize::try_from(count).unwrap()
    }

    /// What they said last, for a failure.
    pub(crate) fn last_words(&self) -> String {
        let mut words = String::new();
        for serving in self.running.iter().flatten() {
            let said = serving.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = &lines[lines.len().saturating_sub(10)..];
            words.push_str(&format!("--- {}:\n{}\n", serving.process(), last.join("\n")));
        }
        words
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
    }
}
