//! What a service alone says in its log: as what it starts, and each call.

use std::time::Duration;

use nopic_sql::testing::Engine;
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use crate::running::{Processes, sample};
use crate::support::Serving;

const SOON: Duration = Duration::from_secs(10);

/// The first line of the log that is as wanted.
async fn said(serving: &Serving, wanted: impl Fn(&Json) -> bool) -> Json {
    let began = Instant::now();
    loop {
        let log = serving.said();
        let mut lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Json>(line).ok());
        if let Some(line) = lines.find(&wanted) {
            return line;
        }
        assert!(began.elapsed() < SOON, "it is not said: {log}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_alone_says_as_what_it_starts_and_notes_every_call() {
    let place = sample(300);
    let database = Engine::Postgres.database().await;
    let processes = Processes::start(&place, &database);
    processes.import();
    let judged = processes
        .command("entry-validation", &["entry", "validate", "sample/entries.jsonl"])
        .output()
        .unwrap();
    assert_eq!(judged.status.code(), Some(1), "{judged:?}");

    let [registry, _, validation] = processes.running.as_slice() else {
        panic!("three processes run");
    };
    let validation = validation.as_ref().unwrap();
    let started = said(validation, |line| line["target"] == "nopic::start").await;
    assert_eq!(started["version"], env!("CARGO_PKG_VERSION"), "{started}");
    assert_eq!(started["url"], validation.url.as_str(), "{started}");
    let settings = started["settings"].as_str().unwrap();
    for given in [
        "server.listen=127.0.0.1:",
        "tls.certificate=",
        "upstream.registry.address=localhost:",
        "upstream.certificate.address=localhost:",
    ] {
        assert!(settings.contains(given), "{given}: {started}");
    }
    assert!(!validation.said().contains("postgres://"), "{started}");

    let call = said(validation, |line| {
        let method = line["method"].as_str().unwrap_or_default();
        line["target"] == "nopic::access" && method.starts_with("nopic.entry_validation.v1.")
    })
    .await;
    assert_eq!(
        (&call["client"], &call["grpc_status"]),
        (&"operator".into(), &0.into()),
        "{call}"
    );
    assert!(
        call["actor"].is_string() && call["milliseconds"].is_number(),
        "{call}"
    );
    // And of one that it made for that: who asked, and for whom.
    let call = said(registry.as_ref().unwrap(), |line| {
        line["method"] == "nopic.registry.v1.RegistryService/GetStatusManifest"
    })
    .await;
    assert_eq!(call["client"], "entry-validation", "{call}");
    let log = validation.said();
    assert!(!log.contains("grpc.health.v1"), "nobody wants to know: {log}");
}
