//! A PostgreSQL server of a test's own, which it may kill with all its processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::world::{free_port, send_signal};

pub(crate) struct Postgres {
    port: u16,
    folder: tempfile::TempDir,
    programs: PathBuf,
    server: Option<Child>,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = programs();
        if is_root() {
            let owned = Command::new("chown").arg("postgres:").arg(folder.path()).status();
            assert!(owned.unwrap().success());
        }
        let made = as_user(&programs.join("initdb"))
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .args(["--username", "postgres", "--auth", "trust", "--no-locale"])
            .args(["--encoding", "UTF8"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut server = Self {
            port: 0,
            folder,
            programs,
            server: None,
        };
        for _ in 0..10 {
            server.port = free_port();
            if server.try_start() {
                return server;
            }
        }
        panic!("PostgreSQL does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The same by a file, which is reached from every network namespace.
    pub(crate) fn url_of_socket(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "postgres://postgres@localhost:{}/postgres?host={folder}",
            self.port
        )
    }

    /// Starts it where it was, and waits until it takes connections.
    pub(crate) fn restart(&mut self) {
        assert!(self.try_start(), "PostgreSQL starts again");
    }

    /// `false`: it ended at once, most likely because the port was taken.
    fn try_start(&mut self) -> bool {
        let mut child = as_user(&self.programs.join("postgres"))
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .arg("-k")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        loop {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            let ready = Command::new(self.programs.join("pg_isready"))
                .arg("--quiet")
                .arg("--host")
                .arg(self.folder.path())
                .args(["--port", &self.port.to_string(), "--username", "postgres"])
                .status();
            if ready.unwrap().success() {
                self.server = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the server and every process of it, as a machine that loses its power does.
    pub(crate) fn kill(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        let children = children_of(server.id());
        // Stopped first, so that it starts none meanwhile.
        send_signal(server.id(), "STOP");
        for child in children_of(server.id()).into_iter().chain(children) {
            // It may have ended by itself.
            let _ = Command::new("kill")
                .args(["-s", "KILL", &child.to_string()])
                .stderr(Stdio::null())
                .status();
        }
        server.kill().unwrap();
        server.wait().unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Processes whose parent is this one.
fn children_of(parent: u32) -> Vec<u32> {
    let folders = std::fs::read_dir("/proc").unwrap();
    let processes = folders.filter_map(|folder| folder.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter(|process: &u32| {
            let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let of = status.lines().find_map(|line| line.strip_prefix("PPid:"));
            of.and_then(|of| of.trim().parse().ok()) == Some(parent)
        })
        .collect()
}

fn is_root() -> bool {
    let user = Command::new("id").arg("-u").output().unwrap().stdout;
    user.trim_ascii() == b"0"
}

/// The server refuses to run as root.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"])
        .arg(program);
    command
}

/// The folder of the newest version's programs.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<_> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|programs| programs.join("postgres").exists())
        .collect();
    let version = |programs: &PathBuf| -> u32 {
        let name = programs
            .parent()
            .and_then(|version| version.file_name()?.to_str());
        name.and_then(|name| name.parse().ok()).unwrap_or(0)
    };
    found.sort_by_key(version);
    found.pop().or_else(on_path).expect(
        "PostgreSQL's server programs are needed: install Debian's package postgresql, as tests/run does it",
    )
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|folder| folder.join("postgres").exists())
}
