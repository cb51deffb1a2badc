//! What imports, releases and discards leave is noted; what is changed behind the log is named.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nopic_proto::registry as wire;
use nopic_sql::audit::{Audit, Heads, Kind, Verified};
use nopic_sql::testing::Engine;
use nopic_sql::{Location, SchemaUpdate, postgres, sqlite};
use rstest::rstest;
use sqlx::AssertSqlSafe;
use support::{Fixture, farms, operation, two_revisions};

/// Runs SQL behind the service's back, then verifies; with what is noted: action and subject, tenant, actor and role.
async fn verified_after(
    registry: &Fixture,
    sql: &str,
) -> (Verified, Vec<(String, String, String, String, String)>) {
    const NOTES: &str = "SELECT action, subject, tenant, actor, role FROM audit_record ORDER BY audit_id";
    let schema = &nopic_registry::SCHEMA;
    macro_rules! verified {
        ($engine:ident, $place:expr) => {{
            let database = $engine::Database::open($place, schema, SchemaUpdate::Refuse)
                .await
                .unwrap();
            let mut transaction = database.write("test").await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                .execute(&mut *transaction)
                .await
                .map(|_| ())
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
            transaction.commit().await.unwrap();
            let heads = Heads::in_data_folder(registry.database.folder.path());
            let verified = Audit::new(database.audit_log(schema), heads)
                .verify(Vec::new())
                .await
                .unwrap();
            let notes = sqlx::query_as(NOTES).fetch_all(database.readers()).await.unwrap();
            database.close().await;
            (verified, notes)
        }};
    }
    match &registry.database.location {
        Location::Folder(folder) => verified!(sqlite, folder),
        Location::Postgres(options) => verified!(postgres, options),
    }
}

#[rstest]
#[tokio::test]
async fn what_the_registry_did_fits(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut registry = Fixture::new(engine).await;
    let good = farms(
        1_200,
        |_| "Certified",
        |number| format!("Certifier {}", number % 2),
    );
    let bad = farms(1_001, |_| "Certified", |_| "Certifier 1".into());
    registry.import_json("2024-01-01", true, &good).await.unwrap();
    registry.import_json("2024-02-01", true, &bad).await.unwrap();
    registry
        .client
        .discard_snapshot(wire::DiscardSnapshotRequest {})
        .await
        .unwrap();
    registry.import_json("2024-02-01", true, &bad).await.unwrap();
    registry
        .client
        .release_snapshot(wire::ReleaseSnapshotRequest {})
        .await
        .unwrap();
    // Of a day between: what came later is said again.
    let some = [operation("0150000001", "Suspended", "2024-01-10")];
    registry.import_json("2024-01-15", false, &some).await.unwrap();
    let (verified, notes) = verified_after(&registry, "SELECT 1").await;
    assert_eq!(verified.findings, []);
    assert!(verified.rows > 1_200, "{verified:?}");
    let mut actions: Vec<(&str, &str)> = notes
        .iter()
        .map(|(action, subject, ..)| (action.as_str(), subject.as_str()))
        .collect();
    actions.dedup();
    assert_eq!(
        actions,
        [
            ("SNAPSHOT_IMPORTED", "revision 1"),
            ("SNAPSHOT_HELD", "revision 2"),
            ("SNAPSHOT_DISCARDED", "revision 2"),
            ("SNAPSHOT_HELD", "revision 2"),
            ("SNAPSHOT_RELEASED", "revision 2"),
            ("SNAPSHOT_IMPORTED", "revision 3"),
        ]
    );
    let (_, _, tenant, actor, role) = &notes[0];
    assert_eq!(
        (tenant.as_str(), actor.as_str(), role.as_str()),
        ("default", "tester", "OPERATOR")
    );
}

#[rstest]
#[case(
    "UPDATE snapshot SET rows = 7 WHERE revision = 1",
    Kind::RowChanged,
    "revision 1 was changed"
)]
#[case(
    "UPDATE observation SET statement = '{}' WHERE nop_id = 150000001 AND revision = 1",
    Kind::RowChanged,
    "observation of 150000001 in revision 1 was changed"
)]
#[case(
    "UPDATE block SET written_by = 9 WHERE block = 1",
    Kind::RowChanged,
    "block 1 was changed"
)]
#[case(
    "INSERT INTO observation SELECT 7, revision, kind, change, content_hash, block, slot, statement, heading, \
     written_by FROM observation WHERE nop_id = 150000001 AND revision = 1",
    Kind::RowAdded,
    "observation of 7 in revision 1 was added"
)]
#[case(
    "INSERT INTO snapshot SELECT 9, state, published_on, is_full, form, files, content_hash, rows, items, \
     rejected_rows, states_items, certifiers, listed, imported_at, imported_by, source_url, entity_tag, last_modified \
     FROM snapshot WHERE revision = 1",
    Kind::RowAdded,
    "revision 9 was added"
)]
#[case(
    "DELETE FROM observation WHERE nop_id = 150000001 AND revision = 1",
    Kind::RowRemoved,
    "observation of 150000001 in revision 1 was removed"
)]
#[case(
    "DELETE FROM observation WHERE revision = 2; DELETE FROM snapshot WHERE revision = 2",
    Kind::RowRemoved,
    "revision 2 was removed"
)]
#[tokio::test]
async fn what_was_done_behind_the_log_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[case] sql: &str,
    #[case] kind: Kind,
    #[case] words: &str,
) {
    let registry = two_revisions(engine).await;
    let (verified, _) = verified_after(&registry, sql).await;
    let found = verified.findings;
    assert!(
        found
            .iter()
            .any(|finding| finding.kind == kind && finding.sentence.contains(words)),
        "{sql}: {found:#?}"
    );
}
