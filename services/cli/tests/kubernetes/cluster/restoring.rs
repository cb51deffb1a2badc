//! A backup of PostgreSQL that is made under load and restored as the operator's page says: what was recorded is whole,
//! what was under way ends right, and the cache does not know more than the registry.

use std::path::{Path, PathBuf};
use std::process::Command;

use nopic_sql::Location;
use nopic_sql::testing::{Engine, TestDatabase};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};

use super::calls::Calls;
use super::pods::Cluster;
use super::rolling::some_calls;
use crate::draws::{assert_alike, draws_and_decisions};

const SOON: Duration = Duration::from_secs(30);

/// A program of PostgreSQL's, which Debian keeps off the path.
fn program(name: &str) -> PathBuf {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|folder| folder.unwrap().path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    versions.sort();
    versions.pop().unwrap_or_else(|| name.into())
}

fn run(name: &str, database: &TestDatabase, arguments: &[&str], file: &Path) {
    let Location::Postgres(options) = &database.location else {
        unreachable!("these tests are of PostgreSQL");
    };
    let output = Command::new(program(name))
        .args(["--host", options.get_host()])
        .args(["--port", &options.get_port().to_string()])
        .args(["--username", options.get_username()])
        .args(["--dbname", options.get_database().unwrap()])
        .args(arguments)
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
}

/// The revision by which lines are judged.
fn revisions(cluster: &Cluster) -> Vec<Value> {
    let words = [
        "entry",
        "validate",
        "sample/entries.jsonl",
        "--output",
        "jsonl",
        "--quiet",
    ];
    let judged = cluster.ask(None, &words);
    assert!(judged.status <= 1, "{}", judged.said);
    let mut revisions: Vec<Value> = judged
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["evidence"]["registryRevision"].clone())
        .filter(|revision| !revision.is_null())
        .collect();
    revisions.dedup();
    revisions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_backed_up_under_load_is_restored_whole() {
    let mut cluster = Cluster::prepare().await;
    cluster.sample(4_000);
    cluster.start_all();
    cluster.done(
        None,
        &["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"],
    );
    cluster.done(None, &["certificate", "import", "sample/certificates.jsonl"]);
    assert_eq!(revisions(&cluster), [Value::from(1)]);

    let calls = Calls::begin(&cluster.balanced(1), &cluster.place, 0);
    some_calls(&calls).await;
    let dump = cluster.place.path().join("nopic.dump");
    run(
        "pg_dump",
        &cluster.database,
        &["--format", "custom", "--file"],
        &dump,
    );
    some_calls(&calls).await;
    let tally = calls.end().await;
    assert!(tally.failed.is_empty(), "{:?}", tally.failed);
    // Behind the backup the registry goes on, and so does the cache.
    cluster.done(None, &["registry", "import", "sample/operations-2024-09-30.zip"]);
    assert_eq!(revisions(&cluster), [Value::from(2)]);
    cluster.kill_all();

    cluster.restore_into(Engine::Postgres.database().await);
    run(
        "pg_restore",
        &cluster.database,
        &["--no-owner", "--exit-on-error"],
        &dump,
    );
    cluster.migrate(None);
    cluster.start_all();
    cluster.done(None, &["audit", "verify"]);
    assert_eq!(
        revisions(&cluster),
        [Value::from(1)],
        "what the cache knew is gone"
    );
    // Filings that were under way in the backup are finished by whoever finds them.
    let began = Instant::now();
    loop {
        let drawn = draws_and_decisions(&cluster.database.location, cluster.place.path()).await;
        if drawn.0 == drawn.1 || began.elapsed() > SOON {
            assert_alike("restored", &drawn);
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(cluster.lines(None, &["entry", "list", "--set-aside"]).is_empty());
    // Life goes on, with other entries than those that were under way.
    let calls = Calls::begin(&cluster.balanced(1), &cluster.place, 1_000);
    some_calls(&calls).await;
    let tally = calls.end().await;
    assert!(tally.failed.is_empty(), "{:?}", tally.failed);
    cluster.done(None, &["audit", "verify"]);
}
