//! A process that is killed while it files loses nothing and doubles nothing: at every point of the protocol, on both
//! engines, by the real program.
//!
//! A full run makes 50 seeded crashes on each engine instead of one at each point, `NOPIC_CRASHES=N` makes N;
//! `NOPIC_CRASH_SEED=N` repeats one.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/draws.rs"]
mod draws;
mod support;

use std::path::Path;
use std::time::Duration;

use draws::{Lines, assert_alike, draws_and_decisions};
use nopic_sql::testing::{Engine, TestDatabase};
use rstest::rstest;
use support::{Place, url_of};

/// Before and after each write of the protocol, in both services.
const POINTS: &[&str] = &[
    "filing.frozen",
    "filing.begun",
    "draws.begun",
    "draws.written",
    "draws.committed",
    "filing.drawn",
    "filing.decided",
    "filing.finished",
];
/// Parts of the file: each passes every point once.
const PARTS: u32 = 3;

/// A crash that a seed names.
struct Crash {
    point: &'static str,
    part: u32,
}

impl Crash {
    /// The first seeds reach every point once.
    fn of_seed(seed: u32) -> Self {
        let point = POINTS[seed as usize % POINTS.len()];
        // A few steps of a linear congruence: enough to spread the parts.
        let random = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) >> 16;
        Self {
            point,
            part: random % PARTS + 1,
        }
    }
}

/// A folder with a sample, and a database to file into.
struct Filing {
    place: Place,
    database: TestDatabase,
}

impl Filing {
    async fn new(engine: Engine) -> Self {
        let filing = Self {
            place: Place::of_any_filing_day(),
            database: engine.database().await,
        };
        let lines = PARTS * 1_000 + 200;
        filing.place.sample(150, 60, lines, 9);
        if engine == Engine::Postgres {
            filing.done(&["migrate"]);
        }
        filing.done(&["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"]);
        filing.done(&["registry", "import", "sample/operations-2024-09-30.zip"]);
        filing.done(&["certificate", "import", "sample/certificates.jsonl"]);
        filing
    }

    /// A command on the database of this test.
    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.place.command(arguments);
        command.env("NOPIC_DATA", self.place.path().join("data"));
        if let Some(url) = url_of(&self.database.location) {
            command.env("NOPIC_DATABASE", url);
        }
        command
    }

    fn done(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// Files the lines to the end: the verdicts.
    fn file(&self) -> String {
        let output = self
            .command(&[
                "entry",
                "file",
                "sample/entries.jsonl",
                "--output",
                "jsonl",
                "--quiet",
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Some lines of the sample are rejected.
        assert_eq!(output.status.code(), Some(1), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Files the lines until the point is reached, and kills the process there.
    fn file_until(&self, crash: &Crash, file: &Path) {
        let mut child = self
            .command(&[
                "entry",
                "file",
                "sample/entries.jsonl",
                "--output",
                "jsonl",
                "--quiet",
            ])
            .env("NOPIC_CRASH_POINT", format!("{}#{}", crash.point, crash.part))
            .env("NOPIC_CRASH_FILE", file)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !file.exists() {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("it ended with {status} and never reached {}", crash.point);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        std::fs::remove_file(file).unwrap();
    }

    async fn draws_and_decisions(&self) -> (Lines, Lines) {
        draws_and_decisions(&self.database.location, &self.place.path().join("data")).await
    }
}

#[rstest]
#[tokio::test]
async fn a_process_that_is_killed_loses_and_doubles_nothing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let seeds: Vec<u32> = match (std::env::var("NOPIC_CRASH_SEED"), std::env::var("NOPIC_CRASHES")) {
        (Ok(seed), _) => vec![seed.parse().unwrap()],
        (_, Ok(count)) => (0..count.parse().unwrap()).collect(),
        // A hundred over both engines.
        _ if std::env::var_os("NOPIC_TESTS_FULL").is_some() => (0..50).collect(),
        _ => (0..u32::try_from(POINTS.len()).unwrap()).collect(),
    };
    let undisturbed = Filing::new(engine).await;
    let expected = undisturbed.file();
    let (expected_draws, _) = undisturbed.draws_and_decisions().await;
    assert!(!expected_draws.is_empty());
    for seed in seeds {
        let crash = Crash::of_seed(seed);
        eprintln!(
            "seed {seed}: killed at {} of part {} ({engine:?}); NOPIC_CRASH_SEED={seed} repeats it",
            crash.point, crash.part
        );
        let filing = Filing::new(engine).await;
        filing.file_until(&crash, &filing.place.path().join("reached"));
        // The same file again: what was recorded is not recorded twice, what was begun is finished.
        let verdicts = filing.file();
        assert_eq!(verdicts, expected, "seed {seed}");
        let drawn = filing.draws_and_decisions().await;
        assert_alike(&format!("seed {seed}"), &drawn);
        assert_eq!(drawn.0, expected_draws, "seed {seed}: what is drawn");
    }
}
