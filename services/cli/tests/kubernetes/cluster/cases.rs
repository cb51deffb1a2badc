//! The way of an entry through all five services: judged, filed, drawn, told, and proved.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::pods::Cluster;
use crate::support::{summary, worked_cases};

const SOON: Duration = Duration::from_secs(30);

/// Verdicts of a command that found something to reject.
fn verdicts(cluster: &Cluster, file: &str) -> Vec<Value> {
    let words = ["entry", "validate", file, "--output", "jsonl", "--quiet"];
    let ended = cluster.ask(None, &words);
    assert_eq!(ended.status, 1, "{}", ended.said);
    ended
        .out
        .lines()
        .map(|line| summary(&serde_json::from_str(line).unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worked_cases_are_answered_by_the_pods_of_dev() {
    let Some(cases) = worked_cases() else { return };
    let mut cluster = Cluster::prepare().await;
    cluster.start_all();
    let file = |name: &str| cases.join(name).display().to_string();
    for words in [
        &["registry", "import", &file("INTEGRITY_Export_20240301.xlsx")][..],
        &["registry", "import", &file("operations-2024-09-30.zip")],
        &[
            "registry",
            "import",
            &file("operations-2026-03-01.json"),
            "--full",
        ],
        &["flags", "import", &file("flags.csv"), "--replace"],
        &["flags", "import", &file("tariff-report.csv")],
        &["certificate", "import", &file("certificates.jsonl")],
    ] {
        cluster.done(None, words);
    }
    for (entries, expected) in [
        ("entries.jsonl", "expected.jsonl"),
        ("entries.csv", "expected.jsonl"),
        ("entries.xlsx", "expected.jsonl"),
        ("entries.abi", "expected-abi.jsonl"),
        ("entries-se.abi", "expected-se.jsonl"),
    ] {
        let expected: Vec<Value> = std::fs::read_to_string(cases.join(expected))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(verdicts(&cluster, &file(entries)), expected, "{entries}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_files_is_drawn_told_and_proved_by_the_pods_of_dev() {
    let mut cluster = Cluster::prepare().await;
    cluster.sample(60);
    cluster.start_all();
    cluster.import_sample();
    cluster.done(None, &["tenant", "create", "acme", "--filer-code", "B76"]);
    cluster.done(None, &["person", "add", "acme", "maria", "--role", "broker"]);
    let key = cluster.done(None, &["key", "create", "acme", "maria", "--quiet"]);
    let maria = Some(key.trim());

    let filed = cluster.ask(
        maria,
        &[
            "entry",
            "file",
            "sample/entries.jsonl",
            "--output",
            "jsonl",
            "--quiet",
        ],
    );
    assert!(filed.status <= 1, "{filed:?}");
    let decisions: Vec<Value> = filed
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(decisions.len(), 60);
    let rejected = decisions
        .iter()
        .filter(|decision| decision["verdict"] == "REJECT" || decision["verdict"]["verdict"] == "REJECT")
        .count();
    assert!(rejected > 0, "{}", decisions[0]);

    // Who filed is told of what is rejected, by events of entry validation that notification read over the wire.
    let began = Instant::now();
    let told = loop {
        let told = cluster.lines(maria, &["notice", "list", "--kind", "line-rejected"]);
        if told.len() >= rejected || began.elapsed() > SOON {
            break told;
        }
        sleep(Duration::from_millis(200)).await;
    };
    assert!(!told.is_empty());

    // Draws stand in the ledger of the certificate service.
    let drawn = decisions.iter().find_map(|decision| {
        let text = decision.to_string();
        text.contains("\"drawKilograms\"").then_some(text)
    });
    assert!(drawn.is_some() || !cluster.lines(maria, &["certificate", "list"]).is_empty());
    // And the logs of all of them are whole.
    cluster.done(None, &["audit", "verify"]);
    for part in [
        "registry",
        "certificate",
        "entry-validation",
        "notification",
        "gateway",
    ] {
        cluster.stop(part, 0);
    }
}
