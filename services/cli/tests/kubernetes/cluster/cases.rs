//! The way of an entry through all five services: judged, filed, drawn, told, and proved.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::pods::Cluster;
use crate::draws::{assert_alike, draws_and_decisions};
use crate::support::{lines_of_sample, summary, worked_cases};

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
    cluster.sample(600);
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
    // Entries of other filers are refused.
    let own = lines_of_sample(&cluster.place);
    let own = own.iter().filter(|line| line.entry_number.starts_with("B76"));
    assert_eq!(decisions.len(), own.count());
    let rejected: BTreeSet<&str> = decisions
        .iter()
        .filter(|decision| decision["verdict"] == "REJECT")
        .map(|decision| decision["entryNumber"].as_str().unwrap())
        .collect();
    assert!(!rejected.is_empty(), "{}", decisions[0]);

    // Who filed is told of what is rejected, by events of entry validation that notification read over the wire.
    let began = Instant::now();
    loop {
        let told = cluster.lines(maria, &["notice", "list", "--kind", "LINES_REJECTED"]);
        let told: BTreeSet<&str> = told
            .iter()
            .filter_map(|notice| notice["subject"].as_str())
            .collect();
        if told == rejected {
            break;
        }
        assert!(began.elapsed() < SOON, "{told:?} instead of {rejected:?}");
        sleep(Duration::from_millis(100)).await;
    }
    // What they draw stands in the ledger of the certificate service.
    let drawn = draws_and_decisions(&cluster.database.location, cluster.place.path()).await;
    assert_alike("what a broker files", &drawn);
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
