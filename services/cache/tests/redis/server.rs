//! A Redis server that a test may kill.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nopic_cache::redis::Mode;

pub(crate) struct Server {
    port: u16,
    folder: tempfile::TempDir,
    child: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        // Fails with advice where the others do, also if only these tests are run.
        super::world::environment("NOPIC_TEST_REDIS");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(port, &folder);
        Self { port, folder, child }
    }

    pub(crate) fn mode(&self) -> Mode {
        Mode::Single {
            url: format!("redis://127.0.0.1:{}", self.port),
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same port, holding nothing.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder);
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

fn spawn(port: u16, folder: &tempfile::TempDir) -> Child {
    let mut child = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .arg("--dir")
        .arg(folder.path())
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
