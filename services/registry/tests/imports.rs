//! Importing through the gRPC client: what serves afterwards, and what does not.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod support;

use nopic_proto::registry as wire;
use support::{Fixture, case, operation};
use wire::import_result::Outcome;

#[tokio::test]
async fn real_files_of_the_three_forms() {
    let (Some(xlsx), Some(zip), Some(json)) = (
        case("INTEGRITY_Export_20240301.xlsx"),
        case("operations-2024-09-30.zip"),
        case("operations-2026-03-01.json"),
    ) else {
        return;
    };
    let mut registry = Fixture::new().await;
    let report = registry
        .import(
            wire::ImportOptions::default(),
            &[("INTEGRITY_Export_20240301.xlsx", xlsx.clone())],
        )
        .await
        .unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported, "{report:?}");
    assert_eq!(registry.revision().await, (1, "2024-03-01".into()));
    let again = registry
        .import(
            wire::ImportOptions::default(),
            &[("INTEGRITY_Export_20240301.xlsx", xlsx)],
        )
        .await
        .unwrap();
    assert_eq!(again.result.outcome(), Outcome::Unchanged);
    let report = registry
        .import(
            wire::ImportOptions::default(),
            &[("operations-2024-09-30.zip", zip)],
        )
        .await
        .unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported, "{report:?}");
    let without = registry
        .import(
            wire::ImportOptions::default(),
            &[("operations-2026-03-01.json", json.clone())],
        )
        .await
        .unwrap_err();
    assert_eq!(without.code(), tonic::Code::InvalidArgument);
    assert!(without.message().contains("--partial"), "{without}");
    let report = registry
        .import(
            support::json_options("", true),
            &[("operations-2026-03-01.json", json)],
        )
        .await
        .unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported, "{report:?}");
    assert_eq!(registry.revision().await, (3, "2026-03-01".into()));
    let listed = registry.operation("2788547079").await.unwrap();
    assert_eq!(listed.name, "Société Agricole Ménard Farms");
    assert_eq!(listed.status, "Certified");
    assert!(
        listed
            .fields
            .iter()
            .any(|field| field.name == "op_clientID" && field.value == "C7079")
    );
    assert_eq!(
        registry.status("2788547079", "2020-02-13", 0).await,
        "?",
        "nothing is known before the first effective date"
    );
    assert_eq!(registry.status("2788547079", "2020-02-14", 0).await, "Certified");
    assert!(registry.left_behind().is_empty());
}

#[tokio::test]
async fn an_operation_that_is_no_longer_listed_becomes_unlisted() {
    let mut registry = Fixture::new().await;
    let first = [
        operation("0150000001", "Certified", "2020-01-01"),
        operation("0150000002", "Certified", "2020-01-01"),
    ];
    registry.import_json("2024-01-01", true, &first).await.unwrap();
    let report = registry
        .import_json("2024-02-01", true, &first[..1])
        .await
        .unwrap();
    assert_eq!(
        (report.result.added, report.result.changed, report.result.unlisted),
        (0, 0, 1)
    );
    assert_eq!(registry.status("0150000002", "2024-01-31", 0).await, "Certified");
    assert_eq!(registry.status("0150000002", "2024-02-01", 0).await, "Unlisted");
    assert_eq!(registry.status("0150000002", "2024-02-01", 1).await, "Certified");
    assert_eq!(registry.status("0150000003", "2024-02-01", 0).await, "-");
    // A partial one unlists nobody.
    registry
        .import_json(
            "2024-03-01",
            false,
            &[operation("0150000003", "Suspended", "2024-02-20")],
        )
        .await
        .unwrap();
    assert_eq!(registry.status("0150000001", "2024-03-05", 0).await, "Certified");
    assert_eq!(registry.status("0150000003", "2024-03-05", 0).await, "Suspended");
    assert_eq!(
        registry.revision().await,
        (3, "2024-02-01".into()),
        "staleness goes by the newest full snapshot"
    );
    // Now an older snapshot: it counts by its date.
    registry
        .import_json(
            "2023-12-01",
            true,
            &[operation("0150000009", "Certified", "2019-01-01")],
        )
        .await
        .unwrap();
    assert_eq!(registry.status("0150000009", "2023-12-31", 0).await, "Certified");
    assert_eq!(registry.status("0150000009", "2024-01-01", 0).await, "Unlisted");
    assert_eq!(registry.status("0150000009", "2024-01-01", 3).await, "-");
    assert_eq!(registry.status("0150000001", "2024-03-05", 0).await, "Certified");
    let mut registry = registry.restart().await;
    assert_eq!(registry.status("0150000009", "2023-12-31", 0).await, "Certified");
    assert_eq!(registry.status("0150000002", "2024-02-01", 0).await, "Unlisted");
    assert_eq!(registry.revision().await, (4, "2024-02-01".into()));
}
