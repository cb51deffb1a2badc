//! Snapshots that look wrong wait for somebody to decide.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use nopic_proto::registry as wire;
use nopic_sql::testing::Engine;
use rstest::rstest;
use support::{Fixture, farms};
use wire::import_result::Outcome;

#[rstest]
#[tokio::test]
async fn what_looks_wrong_is_held_until_somebody_decides(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    let certified = |_| "Certified";
    let two = |number: u64| format!("Certifier {}", number % 2);
    let good = farms(1_200, certified, two);
    registry.import_json("2024-01-01", true, &good).await.unwrap();
    let cases = [
        (farms(1_001, certified, |_| "Certifier 1".into()), "certifier 0"),
        (
            farms(
                1_200,
                |number| if number < 61 { "Suspended" } else { "Certified" },
                two,
            ),
            "5 %",
        ),
    ];
    for (rows, says) in cases {
        let report = registry.import_json("2024-02-01", true, &rows).await.unwrap();
        assert_eq!(report.result.outcome(), Outcome::Held);
        let because = report.result.held_because.join("; ").to_lowercase();
        assert!(because.contains(says), "{because}");
        assert_eq!(registry.revision().await, (1, "2024-01-01".into()));
        assert_eq!(registry.status("0150000001", "2024-02-01", 0).await, "Certified");
        let meanwhile = registry.import_json("2024-03-01", true, &good).await.unwrap_err();
        assert_eq!(meanwhile.code(), tonic::Code::FailedPrecondition);
        assert!(meanwhile.message().contains("discard"), "{meanwhile}");
        registry = registry.restart().await;
        assert_eq!(registry.snapshots().await.len(), 2);
        registry
            .client
            .discard_snapshot(wire::DiscardSnapshotRequest {})
            .await
            .unwrap();
        assert_eq!(registry.snapshots().await.len(), 1);
        assert_eq!(registry.status("0150000001", "2024-02-01", 0).await, "Certified");
    }
    // Exactly 5 %: 50 that are gone and 10 that changed.
    let just_good = farms(
        1_150,
        |number| if number < 10 { "Suspended" } else { "Certified" },
        two,
    );
    let report = registry
        .import_json("2024-02-01", true, &just_good)
        .await
        .unwrap();
    assert_eq!(
        report.result.outcome(),
        Outcome::Imported,
        "{:?}",
        report.result.held_because
    );
    // A partial one lacks most of the operations and is no worse for it.
    let report = registry
        .import_json("2024-02-02", false, &good[..5])
        .await
        .unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported);

    let next = registry.import_json("2026-04-02", true, &good).await.unwrap();
    assert_eq!(next.result.outcome(), Outcome::Held);
    assert!(
        next.result.held_because[0].contains("future"),
        "{:?}",
        next.result.held_because
    );
    let released = registry
        .client
        .release_snapshot(wire::ReleaseSnapshotRequest {})
        .await
        .unwrap();
    assert_eq!(released.into_inner().snapshot.unwrap().revision, 4);
    assert_eq!(registry.revision().await, (4, "2026-04-02".into()));
    assert_eq!(registry.status("0150001160", "2026-04-02", 0).await, "Certified");
    assert_eq!(registry.status("0150001160", "2024-02-02", 3).await, "Unlisted");
    let nothing = registry
        .client
        .release_snapshot(wire::ReleaseSnapshotRequest {})
        .await
        .unwrap_err();
    assert_eq!(nothing.code(), tonic::Code::FailedPrecondition);
    // On that day it would not have been held.
    registry.clock.advance(chrono::TimeDelta::days(2));
    let report = registry.import_json("2026-04-03", true, &good).await.unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported);
}

#[rstest]
#[tokio::test]
async fn operations_that_vanish_hold_a_snapshot(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut registry = Fixture::new(engine).await;
    let all = farms(1_400, |_| "Certified", |_| "Tilia".into());
    registry.import_json("2024-01-01", true, &all).await.unwrap();
    let report = registry
        .import_json("2024-02-01", true, &all[..1_120])
        .await
        .unwrap();
    assert_eq!(report.result.outcome(), Outcome::Held);
    assert!(report.result.held_because[0].contains("a fifth or more is missing"));
    assert!(report.result.held_because[1].contains("more than 5 %"));
    registry
        .client
        .discard_snapshot(wire::DiscardSnapshotRequest {})
        .await
        .unwrap();
    let report = registry
        .import_json("2024-02-01", true, &all[..1_330])
        .await
        .unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported);
    assert_eq!(report.result.unlisted, 70);
}

/// However small a full snapshot is, it is compared with the one before it.
#[rstest]
#[tokio::test]
async fn a_small_snapshot_behind_a_large_one_is_held(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    let two = |number: u64| format!("Certifier {}", number % 2);
    let all = farms(1_200, |_| "Certified", two);
    registry.import_json("2024-01-01", true, &all).await.unwrap();
    for count in [1, 2, 100, 960] {
        let report = registry
            .import_json("2024-02-01", true, &all[..count])
            .await
            .unwrap();
        assert_eq!(report.result.outcome(), Outcome::Held, "{count}");
        let because = report.result.held_because.join("; ");
        assert!(because.contains("a fifth or more is missing"), "{because}");
        assert!(because.contains("more than 5 %"), "{because}");
        assert_eq!(
            because.contains("no operation of Certifier 1"),
            count == 1,
            "{because}"
        );
        assert_eq!(registry.status("0150001199", "2024-02-01", 0).await, "Certified");
        discard(&mut registry).await;
    }
    // A partial one is small by nature, whatever it changes.
    let suspended = farms(100, |_| "Suspended", two);
    let report = registry
        .import_json("2024-02-01", false, &suspended)
        .await
        .unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported);

    // A full snapshot that is older than a partial one is the newest full one all the same.
    let report = registry.import_json("2024-01-15", true, &all[..1]).await.unwrap();
    assert_eq!(report.result.outcome(), Outcome::Held);
    discard(&mut registry).await;
    let many = farms(
        1_200,
        |number| if number < 161 { "Revoked" } else { "Certified" },
        two,
    );
    let report = registry.import_json("2024-01-15", true, &many).await.unwrap();
    assert_eq!(report.result.outcome(), Outcome::Held);
    let because = report.result.held_because.join("; ");
    // Not those of which the later partial one speaks: what it says does not count against an older snapshot.
    assert!(because.contains("the status of 61 operations"), "{because}");
    discard(&mut registry).await;
    let few = farms(
        1_200,
        |number| if number < 160 { "Revoked" } else { "Certified" },
        two,
    );
    let report = registry.import_json("2024-01-15", true, &few).await.unwrap();
    assert_eq!(
        report.result.outcome(),
        Outcome::Imported,
        "{:?}",
        report.result.held_because
    );

    // Behind one that was let in on purpose nothing is compared.
    registry.import_json("2024-03-01", true, &all[..1]).await.unwrap();
    registry
        .client
        .release_snapshot(wire::ReleaseSnapshotRequest {})
        .await
        .unwrap();
    let report = registry.import_json("2024-04-01", true, &all[..2]).await.unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported);
}

async fn discard(registry: &mut Fixture) {
    registry
        .client
        .discard_snapshot(wire::DiscardSnapshotRequest {})
        .await
        .unwrap();
}
