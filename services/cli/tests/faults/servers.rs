//! Redis servers and sentinels that a test may kill.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::world::{free_port, send_signal};

pub(crate) struct Redis {
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    child: Child,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// One that follows another.
    pub(crate) fn replica_of(primary: &Self) -> Self {
        Self::start_with(&["--replicaof", "127.0.0.1", &primary.port.to_string()])
    }

    fn start_with(arguments: &[&str]) -> Self {
        let plain = [
            "--save",
            "",
            "--appendonly",
            "no",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let arguments: Vec<_> = plain
            .iter()
            .chain(arguments)
            .map(|text| (*text).to_owned())
            .collect();
        Self::start_on_free_port(&arguments, |_| {})
    }

    /// One of those that decide together when a primary is gone.
    pub(crate) fn sentinel(name: &str, primary: u16, quorum: u32) -> Self {
        let text = format!(
            "sentinel monitor {name} 127.0.0.1 {primary} {quorum}\n\
             sentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 3000\n"
        );
        Self::start_on_free_port(&["sentinel.conf".to_owned(), "--sentinel".to_owned()], |folder| {
            // It is rewritten by the sentinel.
            std::fs::write(folder.join("sentinel.conf"), &text).unwrap();
        })
    }

    fn start_on_free_port(arguments: &[String], prepare: impl Fn(&std::path::Path)) -> Self {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            prepare(folder.path());
            let port = free_port();
            if let Some(child) = spawn(port, &folder, arguments) {
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

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same port, holding nothing.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.arguments).expect("its port is free again");
    }

    pub(crate) fn signal(&self, name: &str) {
        send_signal(self.child.id(), name);
    }

    pub(crate) fn command<T: ::redis::FromRedisValue>(&self, words: &[&str]) -> ::redis::RedisResult<T> {
        let client = ::redis::Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
        let mut command = ::redis::Cmd::new();
        command.arg(words);
        command.query(&mut connection)
    }

    /// How often it was asked for a single value since it began.
    pub(crate) fn reads(&self) -> u64 {
        let text: String = self.command(&["INFO", "commandstats"]).unwrap();
        let calls = text
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_get:calls="))
            .and_then(|rest| rest.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already; one that is stopped ends, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `None`: it ended at once, most likely because the port was taken.
fn spawn(port: u16, folder: &tempfile::TempDir, arguments: &[String]) -> Option<Child> {
    // A configuration file must come first.
    let (file, rest) = match arguments {
        [file, rest @ ..] if file.ends_with(".conf") => (Some(folder.path().join(file)), rest),
        all => (None, all),
    };
    let mut child = Command::new("redis-server")
        .args(file)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .arg("--dir")
        .arg(folder.path())
        .args(rest)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server can be started: its package is installed by tests/run");
    let client = ::redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    for _ in 0..2000 {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if let Ok(mut connection) = client.get_connection_with_timeout(Duration::from_millis(500))
            && ::redis::cmd("PING").query::<String>(&mut connection).is_ok()
        {
            return Some(child);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("redis-server does not answer");
}
