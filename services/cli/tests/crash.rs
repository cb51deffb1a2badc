//! A process that is killed while it files loses nothing and doubles nothing: at every point of the protocol, on both
//! engines, by the real program.
//!
//! A full run makes 50 seeded crashes on each engine instead of one at each point, `NOPIC_CRASHES=N` makes N;
//! `NOPIC_CRASH_SEED=N` repeats one.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nopic_sql::Location;
use nopic_sql::testing::{Engine, TestDatabase};
use rstest::rstest;
use sqlx::{Connection as _, Row as _};
use support::Place;

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
            place: Place::new(),
            database: engine.database().await,
        };
        let lines = (PARTS * 1_000 + 200).to_string();
        filing.place.done(&[
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
        if let Location::Postgres(options) = &self.database.location {
            let url = format!(
                "postgres://{}@{}:{}/{}",
                options.get_username(),
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap()
            );
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

    /// Draws in force by filing, and decisions that say that they draw: by entry, line and PGA line.
    async fn draws_and_decisions(&self) -> (Lines, Lines) {
        const DRAWS: &str = "SELECT entry_number, line_number, pga_line_number, weight_units FROM draw
            WHERE ended_at IS NULL AND source = 'FILING'";
        const DECISIONS: &str = "SELECT e.entry_number, d.line_number, d.pga_line_number, d.drawn_units
            FROM decision d JOIN entry e ON e.entry_id = d.entry_id
            WHERE d.ended_at IS NULL AND d.drawn_units IS NOT NULL";
        match &self.database.location {
            Location::Folder(_) => {
                let data = self.place.path().join("data");
                (
                    of_sqlite(&data.join("certificate.sqlite"), DRAWS).await,
                    of_sqlite(&data.join("entry-validation.sqlite"), DECISIONS).await,
                )
            }
            Location::Postgres(options) => (
                of_postgres(options, "certificate", DRAWS).await,
                of_postgres(options, "entry_validation", DECISIONS).await,
            ),
        }
    }
}

type Lines = BTreeMap<(String, i64, i64), Vec<i64>>;

macro_rules! lines_of {
    ($connection:expr, $statement:expr) => {{
        let mut lines = Lines::new();
        for row in sqlx::query($statement).fetch_all($connection).await.unwrap() {
            lines
                .entry((row.get(0), row.get(1), row.get(2)))
                .or_default()
                .push(row.get(3));
        }
        lines
    }};
}

async fn of_sqlite(file: &Path, statement: &'static str) -> Lines {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    lines_of!(&mut connection, statement)
}

async fn of_postgres(
    options: &sqlx::postgres::PgConnectOptions,
    schema: &str,
    statement: &'static str,
) -> Lines {
    let options = options.clone().options([("search_path", schema)]);
    let mut connection = sqlx::PgConnection::connect_with(&options).await.unwrap();
    lines_of!(&mut connection, statement)
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
        let (draws, decisions) = filing.draws_and_decisions().await;
        assert_eq!(draws, decisions, "seed {seed}: draws and decisions");
        assert_eq!(draws, expected_draws, "seed {seed}: what is drawn");
        assert!(
            draws.values().all(|draws| draws.len() == 1),
            "seed {seed}: doubled"
        );
    }
}
