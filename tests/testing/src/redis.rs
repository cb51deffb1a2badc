//! Redis servers and sentinels that a test may kill.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Client, Cmd, FromRedisValue, RedisResult, Value, cmd};
use tempfile::TempDir;

use crate::process::{free_port, send_signal};

/// One process, which ends with this value.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    child: Child,
}

impl Default for Redis {
    fn default() -> Self {
        Self::start()
    }
}

/// Nothing is kept on disk, and replicas follow at once.
const PLAIN: [&str; 6] = [
    "--save",
    "",
    "--appendonly",
    "no",
    "--repl-diskless-sync-delay",
    "0",
];

impl Redis {
    /// One that holds nothing.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// One that follows another.
    #[must_use]
    pub fn replica_of(primary: &Self) -> Self {
        Self::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()])
    }

    fn with(arguments: &[&str]) -> Self {
        let all = PLAIN.iter().chain(arguments).map(|text| (*text).to_owned());
        Self::on_free_port(&all.collect::<Vec<_>>(), |_| {})
    }

    /// One that speaks TLS only, wants certificates of the authority in `authority.pem`, and a password. `prepare` writes
    /// that file, and its own `redis.pem` and `redis.key`, into the folder.
    pub fn secured(password: &str, prepare: impl Fn(&Path)) -> Self {
        let arguments = ["--requirepass", password, "--tls-auth-clients", "yes"];
        let all = PLAIN.iter().chain(&arguments).chain(&[
            "--tls-cert-file",
            "redis.pem",
            "--tls-key-file",
            "redis.key",
            "--tls-ca-cert-file",
            "authority.pem",
        ]);
        Self::on_free_port(&all.map(|text| (*text).to_owned()).collect::<Vec<_>>(), prepare)
    }

    /// One of those that decide together when the primary of this name is gone.
    #[must_use]
    pub fn sentinel(name: &str, primary: u16, quorum: u32) -> Self {
        let text = format!(
            "sentinel monitor {name} 127.0.0.1 {primary} {quorum}\n\
             sentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 3000\n"
        );
        Self::on_free_port(&[SENTINEL.to_owned(), "--sentinel".to_owned()], |folder| {
            // It is rewritten by the sentinel.
            std::fs::write(folder.join(SENTINEL), &text).unwrap();
        })
    }

    fn on_free_port(arguments: &[String], prepare: impl Fn(&Path)) -> Self {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            prepare(folder.path());
            let port = free_port();
            if let Some(child) = spawn(port, folder.path(), arguments) {
                return Self {
                    port,
                    folder,
                    arguments: arguments.to_vec(),
                    child,
                };
            }
        }
        panic!("redis-server does not start: is the package redis-server installed, as tests/run does it?");
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same port, holding nothing.
    pub fn restart(&mut self) {
        self.child = spawn(self.port, self.folder.path(), &self.arguments).expect("its port is free again");
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        send_signal(self.child.id(), name);
    }

    /// Asks it.
    ///
    /// # Errors
    /// What it, or the way to it, reports.
    pub fn command<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut connection = Client::open(self.url())?.get_connection_with_timeout(Duration::from_secs(5))?;
        let mut command = Cmd::new();
        command.arg(words);
        command.query(&mut connection)
    }

    /// How often it was asked for a single value since it began.
    #[must_use]
    pub fn reads(&self) -> u64 {
        let text: String = self.command(&["INFO", "commandstats"]).unwrap();
        let calls = text
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_get:calls="))
            .and_then(|rest| rest.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    }

    /// Waits until this sentinel has heard of a replica of the primary of this name.
    pub fn until_replica_is_known(&self, name: &str) {
        for _ in 0..2000 {
            let known = self.command(&["SENTINEL", "REPLICAS", name]).unwrap();
            if matches!(known, Value::Array(replicas) if !replicas.is_empty()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the sentinel has not heard of the replica");
    }

    /// Waits until one replica has everything.
    pub fn until_replicated(&self) {
        let mut connection = Client::open(self.url()).unwrap().get_connection().unwrap();
        // `WAIT` waits for the writes of its own connection, and so for all before them.
        let () = cmd("SET").arg("last").arg(1).query(&mut connection).unwrap();
        let replicas: u32 = cmd("WAIT").arg(1).arg(20_000).query(&mut connection).unwrap();
        assert_eq!(replicas, 1);
    }
}

const SENTINEL: &str = "sentinel.conf";

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already; one that is stopped ends, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `None`: it ended at once, most likely because the port was taken.
fn spawn(port: u16, folder: &Path, arguments: &[String]) -> Option<Child> {
    // A configuration file must come first.
    let (file, rest) = match arguments {
        [file, rest @ ..] if file == SENTINEL => (Some(file), rest),
        all => (None, all),
    };
    let is_secured = rest.iter().any(|argument| argument == "--tls-cert-file");
    let port_text = port.to_string();
    let ports: &[&str] = if is_secured {
        &["--port", "0", "--tls-port", &port_text]
    } else {
        &["--port", &port_text]
    };
    let mut child = Command::new("redis-server")
        .current_dir(folder)
        .args(file)
        .args(ports)
        .args(["--bind", "127.0.0.1", "--dir", "."])
        .args(rest)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server can be started: its package is installed by tests/run");
    let client = Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    for _ in 0..2000 {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        let answers = if is_secured {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        } else {
            client
                .get_connection_with_timeout(Duration::from_millis(500))
                .is_ok_and(|mut connection| cmd("PING").query::<String>(&mut connection).is_ok())
        };
        if answers {
            return Some(child);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("redis-server does not answer");
}
