//! Runs the program as users do: in a folder of its own, with an environment of its own.

// Each test binary uses a part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nopic_formats::entries::{EntryEvent, EntryReader, Form};
use nopic_proto::entry_validation::EntryLine;
use nopic_sql::Location;
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};

/// A folder to work in.
pub struct Place {
    /// The policy of its commands and servers; absent: the shipped one.
    policy: Option<PathBuf>,
    folder: TempDir,
}

/// The URL of a database, if it is on a server.
pub fn url_of(location: &Location) -> Option<String> {
    let Location::Postgres(options) = location else {
        return None;
    };
    Some(format!(
        "postgres://{}@{}:{}/{}",
        options.get_username(),
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap()
    ))
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub out: String,
    pub said: String,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            policy: None,
        }
    }

    /// One in which lines of any entry date are filed today: tests file samples of fixed dates.
    pub fn of_any_filing_day() -> Self {
        let mut place = Self::new();
        let policy = nopic_domain::policy::SHIPPED
            .replace("days_before = 300", "days_before = 36500")
            .replace("days_after = 60", "days_after = 36500");
        assert_eq!(policy.matches("36500").count(), 2);
        place.policy = Some(place.file("any-filing-day.toml", policy));
        place
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program, to be run in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nopic"));
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .env_clear()
            .env("USER", "tester")
            .env("TMPDIR", std::env::temp_dir());
        command.envs(self.policy.iter().map(|policy| ("NOPIC_POLICY", policy)));
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).output().unwrap())
    }

    /// Runs it to its end with this input.
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        ended(child.wait_with_output().unwrap())
    }

    /// Runs it to its end and expects success.
    pub fn done(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.status, 0, "{arguments:?}: {ended:?}");
        ended
    }

    /// Writes a sample into the folder `sample`.
    pub fn sample(&self, operations: u32, certificates: u32, lines: u32, seed: u64) {
        self.done(&[
            "sample",
            "--operations",
            &operations.to_string(),
            "--certificates",
            &certificates.to_string(),
            "--lines",
            &lines.to_string(),
            "--seed",
            &seed.to_string(),
            "--out",
            "sample",
        ]);
    }

    /// Starts a server and waits until it says where it serves.
    pub fn serve(&self, arguments: &[&str]) -> Serving {
        self.serve_by(self.command(arguments))
    }

    /// The same with a command that has more of an environment.
    pub fn serve_by(&self, mut command: Command) -> Serving {
        let log = tempfile::NamedTempFile::new_in(self.path()).unwrap();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut before = String::new();
        let url = loop {
            let mut line = String::new();
            let read = lines.read_line(&mut line).unwrap();
            assert_ne!(
                read,
                0,
                "it ended: {before}{}",
                std::fs::read_to_string(log.path()).unwrap()
            );
            if let Some(url) = line.strip_prefix("serving gRPC on ") {
                break url.trim().to_owned();
            }
            before.push_str(&line);
        };
        Serving {
            child,
            url,
            before,
            log,
            _lines: lines,
        }
    }
}

/// The same command, run by another one, which is told it behind its own arguments.
pub fn run_by(mut outer: Command, command: &Command) -> Command {
    outer
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .stdin(Stdio::null())
        .env_clear();
    for (variable, value) in command.get_envs() {
        if let Some(value) = value {
            outer.env(variable, value);
        }
    }
    outer
}

/// The same command, where names are looked up in this file.
pub fn with_hosts(hosts: &Path, command: &Command) -> Command {
    const SCRIPT: &str = "mount --bind \"$0\" /etc/hosts && exec \"$@\" || {
        echo 'a file of names cannot be put in the place of another: this test runs as root' >&2; exit 1; }";
    let mut unshare = Command::new("/usr/bin/unshare");
    unshare.args(["--mount", "sh", "-c", SCRIPT]).arg(hosts);
    run_by(unshare, command)
}

/// The worked cases beside the project; says so loudly where they are not there.
#[allow(clippy::print_stderr)]
pub fn worked_cases() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases-2"));
    if !path.exists() {
        eprintln!("NOT RUN: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// A verdict in the form of the expected ones.
pub fn summary(verdict: &Value) -> Value {
    let of = |name: &str| {
        let findings = verdict["findings"].as_array().cloned().unwrap_or_default();
        findings
            .iter()
            .map(|finding| finding[name].clone())
            .collect::<Vec<_>>()
    };
    json!({
        "entryNumber": verdict["entryNumber"],
        "lineNumber": verdict["lineNumber"],
        "pgaLineNumber": verdict["pgaLineNumber"],
        "verdict": verdict["verdict"],
        "declaration": verdict["declaration"],
        "codes": of("code"),
        "severities": of("severity"),
        "remedies": verdict["remedies"].as_array().cloned().unwrap_or_default(),
        "policy": verdict["evidence"]["policy"],
    })
}

/// Every line of the sample.
pub fn lines_of_sample(place: &Place) -> Vec<EntryLine> {
    let mut reader = EntryReader::new(Form::Jsonl);
    let mut events = Vec::new();
    let content = std::fs::read(place.path().join("sample/entries.jsonl")).unwrap();
    reader.push(&content, &mut events).unwrap();
    reader.finish(&mut events).unwrap();
    events
        .into_iter()
        .filter_map(|event| match event {
            EntryEvent::Line { line, .. } => Some(EntryLine::from(line)),
            _ => None,
        })
        .collect()
}

/// The lines of an entry of the sample that draws on a certificate.
pub fn a_drawing_entry(place: &Place) -> Vec<EntryLine> {
    let lines = lines_of_sample(place);
    let drawing = lines.iter().find(|line| line.certificate_number.len() == 21);
    let number = drawing.expect("a line with a certificate").entry_number.clone();
    lines
        .into_iter()
        .filter(|line| line.entry_number == number)
        .collect()
}

/// How a run ended that was started by hand.
pub fn ended(output: Output) -> Ended {
    Ended {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A server that runs until it is told or dropped.
pub struct Serving {
    child: Child,
    pub url: String,
    /// What it printed before the address.
    pub before: String,
    log: NamedTempFile,
    _lines: BufReader<ChildStdout>,
}

impl Serving {
    /// Asks it to stop, as an operator does, and gives its exit status.
    pub fn stop(mut self) -> Option<i32> {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(asked.success());
        self.child.wait().unwrap().code()
    }

    /// What it said on standard error so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
