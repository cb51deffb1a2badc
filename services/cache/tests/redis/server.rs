//! A Redis server that a test may kill.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nopic_cache::redis::Mode;

pub(crate) struct Server {
    port: u16,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    /// Where a sentinel's file is, which it rewrites.
    settings: Option<tempfile::TempDir>,
    child: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[String]) -> Self {
        // Fails with advice where the others do, also if only these tests are run.
        super::world::environment("NOPIC_TEST_REDIS");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = tempfile::tempdir().unwrap();
        let plain = [
            "--save",
            "",
            "--appendonly",
            "no",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let mut all: Vec<String> = match arguments {
            [file, ..] if file.ends_with(".conf") => Vec::new(),
            _ => plain.map(str::to_owned).to_vec(),
        };
        all.extend(arguments.iter().cloned());
        let child = spawn(port, &folder, &all);
        Self {
            port,
            folder,
            arguments: all,
            settings: None,
            child,
        }
    }

    /// A sentinel that alone decides when the primary of this name is gone.
    pub(crate) fn sentinel(name: &str, primary: u16) -> Self {
        let settings = tempfile::tempdir().unwrap();
        let file = settings.path().join("sentinel.conf");
        let text = format!(
            "sentinel monitor {name} 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 3000\n"
        );
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap().to_owned();
        let mut sentinel = Self::start_with(&[file, "--sentinel".to_owned()]);
        sentinel.settings = Some(settings);
        sentinel
    }

    pub(crate) fn until_replica_is_known(&self, name: &str) {
        for _ in 0..2000 {
            let known = self.command(&["SENTINEL", "REPLICAS", name]);
            if matches!(known, redis::Value::Array(replicas) if !replicas.is_empty()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the sentinel has not heard of the replica");
    }

    pub(crate) fn until_replicated(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        // `WAIT` waits for the writes of its own connection, and so for all before them.
        let () = redis::cmd("SET")
            .arg("last")
            .arg(1)
            .query(&mut connection)
            .unwrap();
        let replicas: u32 = redis::cmd("WAIT")
            .arg(1)
            .arg(20_000)
            .query(&mut connection)
            .unwrap();
        assert_eq!(replicas, 1);
    }

    pub(crate) fn command(&self, words: &[&str]) -> redis::Value {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query(&mut connection).unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn mode(&self) -> Mode {
        Mode::Single { url: self.url() }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same port, holding nothing.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.arguments);
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, folder: &tempfile::TempDir, arguments: &[String]) -> Child {
    // A configuration file must come first.
    let (file, rest) = match arguments {
        [file, rest @ ..] if file.ends_with(".conf") => (Some(file), rest),
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
        .unwrap();
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    for _ in 0..1000 {
        assert!(child.try_wait().unwrap().is_none(), "redis-server ended at once");
        if let Ok(mut connection) = client.get_connection_with_timeout(Duration::from_millis(500))
            && redis::cmd("PING").query::<String>(&mut connection).is_ok()
        {
            return child;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("redis-server does not answer");
}
