//! Several processes on one database.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use nopic_chassis::clock::ManualClock;
use nopic_proto::registry as wire;
use nopic_registry::Registry;
use nopic_sql::testing::Engine;
use support::{Client, Fixture, farms, noon, operation};
use tempfile::TempDir;
use wire::watch_changes_response::Event;

/// Another process on the database of the first.
async fn replica(first: &Fixture) -> (TempDir, Registry, Client) {
    let spool = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(noon("2026-04-01"));
    let (registry, client) = support::open(&first.database.location, spool.path(), &clock).await;
    (spool, registry, client)
}

async fn until(what: impl AsyncFn() -> bool) {
    let asked = async {
        while !what().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
}

#[tokio::test]
async fn what_one_imports_serves_at_the_other() {
    let mut first = Fixture::new(Engine::Postgres).await;
    let (_spool, second, client) = replica(&first).await;
    let mut changes = client
        .clone()
        .watch_changes(wire::WatchChangesRequest { since_revision: 0 })
        .await
        .unwrap()
        .into_inner();
    let heartbeat = changes.message().await.unwrap().unwrap().event;
    assert!(matches!(heartbeat, Some(Event::Heartbeat(_))));

    let rows = [operation("0150000001", "Certified", "2020-01-01")];
    first.import_json("2024-01-01", true, &rows).await.unwrap();
    // Nobody asks: who waits for changes hears of them all the same.
    until(async || second.revision() == 1).await;
    let change = changes.message().await.unwrap().unwrap().event;
    assert!(matches!(change, Some(Event::Change(_))), "{change:?}");
    let status = async |revision: Option<wire::RevisionChoice>| {
        let request = wire::BatchGetStatusRequest {
            questions: vec![wire::StatusQuestion {
                nop_id: "0150000001".into(),
                on: "2024-06-01".into(),
            }],
            revision,
            with_history: false,
        };
        let answer = client.clone().batch_get_status(request).await.unwrap();
        answer.into_inner().answers[0].status.clone()
    };
    assert_eq!(status(None).await, "Certified");

    // Whoever knows of a revision gets it at once, wherever it asks.
    let rows = [operation("0150000001", "Suspended", "2024-05-01")];
    first.import_json("2024-05-01", true, &rows).await.unwrap();
    assert_eq!(status(Some(support::exact(2))).await, "Suspended");
    assert_eq!(status(Some(support::exact(1))).await, "Certified");
    assert_eq!(second.revision(), 2);
}

#[tokio::test]
async fn only_one_imports_and_the_next_goes_on_from_there() {
    let mut first = Fixture::new(Engine::Postgres).await;
    let (_spool, second, mut client) = replica(&first).await;
    let rows = farms(50, |_| "Certified", |_| "Tilia".into());
    let page = serde_json::json!({"success": true, "operations": rows}).to_string();
    let options = support::json_options("2024-01-01", true);
    let files = [("pages.json", page.into_bytes())];
    let start = support::messages(options.clone(), &files)[..2].to_vec();
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let upload = futures::StreamExt::chain(
        futures::stream::iter(start),
        tokio_stream::wrappers::ReceiverStream::new(receiver),
    );
    let mut running = first.client.import_snapshot(upload).await.unwrap().into_inner();
    running.message().await.unwrap().unwrap();

    let refused = support::import(&mut client, options.clone(), &files)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains("on another server"), "{refused}");
    let refused = client
        .discard_snapshot(wire::DiscardSnapshotRequest {})
        .await
        .unwrap_err();
    assert!(refused.message().contains("on another server"), "{refused}");

    // It is given up; the other's comes next, then one here again, before anybody has looked.
    drop((running, sender));
    first.registry.settled().await;
    let report = support::import(&mut client, options, &files).await.unwrap();
    assert_eq!(report.result.snapshot.unwrap().revision, 1);
    let report = first.import_json("2024-02-01", true, &rows[..49]).await.unwrap();
    assert_eq!(
        (report.result.snapshot.unwrap().revision, report.result.unlisted),
        (2, 1)
    );
    until(async || second.revision() == 2).await;
}

#[tokio::test]
async fn what_one_holds_the_other_may_release() {
    let mut first = Fixture::new(Engine::Postgres).await;
    let (_spool, second, mut client) = replica(&first).await;
    let rows = farms(5, |_| "Certified", |_| "Tilia".into());
    // In the future.
    let report = first.import_json("2026-04-02", true, &rows).await.unwrap();
    assert_eq!(report.result.outcome(), wire::import_result::Outcome::Held);
    let released = client
        .release_snapshot(wire::ReleaseSnapshotRequest {})
        .await
        .unwrap();
    assert_eq!(released.into_inner().snapshot.unwrap().revision, 1);
    assert_eq!(second.revision(), 1);
    until(async || first.registry.revision() == 1).await;
    assert_eq!(first.status("0150000001", "2026-04-02", 0).await, "Certified");
    assert!(first.snapshots().await[0].state() == wire::snapshot::State::Serving);
}
