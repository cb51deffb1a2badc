//! The worked cases, asked of one process with every service and of separate ones: the same answers.

use std::process::Command;

use nopic_sql::testing::Engine;
use rstest::rstest;
use serde_json::Value;

use crate::running::{Processes, verdicts};
use crate::support::{Place, summary, url_of, worked_cases};

/// How the services are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    All,
    Separately,
}

/// The commands that load the cases: the service that takes each, and its words.
fn loading(file: impl Fn(&str) -> String) -> Vec<(&'static str, Vec<String>)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let import = |snapshot: &str| words(&["registry", "import", &file(snapshot)]);
    let mut full = import("operations-2026-03-01.json");
    full.push("--full".to_owned());
    vec![
        ("registry", import("INTEGRITY_Export_20240301.xlsx")),
        ("registry", import("operations-2024-09-30.zip")),
        ("registry", full),
        (
            "entry-validation",
            words(&["flags", "import", &file("flags.csv"), "--replace"]),
        ),
        (
            "entry-validation",
            words(&["flags", "import", &file("tariff-report.csv")]),
        ),
        (
            "certificate",
            words(&["certificate", "import", &file("certificates.jsonl")]),
        ),
    ]
}

#[rstest]
#[tokio::test]
async fn the_worked_cases_are_answered_alike(#[values(Served::All, Served::Separately)] served: Served) {
    let Some(cases) = worked_cases() else { return };
    let place = Place::of_any_filing_day();
    let database = Engine::Postgres.database().await;
    let mut processes = Processes::prepare(&place, &database, None, 1);
    let all = match served {
        Served::Separately => {
            processes.start_all();
            None
        }
        Served::All => {
            let mut command = place.command(&["serve", "all", "--listen", "127.0.0.1:0"]);
            command.env("NOPIC_DATABASE", url_of(&database.location).unwrap());
            Some(place.serve_by(command))
        }
    };
    let command = |service: &str, words: &[&str]| -> Command {
        match &all {
            None => processes.command(service, words),
            Some(server) => {
                let mut command = place.command(words);
                command.args(["--endpoint", &server.url]);
                command
            }
        }
    };
    for (service, words) in loading(|name| cases.join(name).display().to_string()) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = command(service, &words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
    for (entries, expected) in [
        ("entries.jsonl", "expected.jsonl"),
        ("entries.csv", "expected.jsonl"),
        ("entries.xlsx", "expected.jsonl"),
        ("entries.abi", "expected-abi.jsonl"),
        ("entries-se.abi", "expected-se.jsonl"),
    ] {
        let entries = cases.join(entries).display().to_string();
        let words = ["entry", "validate", &entries, "--output", "jsonl", "--quiet"];
        let found: Vec<Value> = verdicts(command("entry-validation", &words))
            .iter()
            .map(summary)
            .collect();
        let expected: Vec<Value> = std::fs::read_to_string(cases.join(expected))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(found, expected, "{entries}");
    }
}
