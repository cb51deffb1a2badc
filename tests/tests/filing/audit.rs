//! What is changed behind the audit log of entry validation is named: every kind of row, changed, added and removed.

use nopic_proto::entry_validation::LinkImporterRequest;
use nopic_sql::audit::{Audit, Heads, Kind, Verified};
use nopic_sql::testing::Engine;
use nopic_sql::{Location, SchemaUpdate, postgres, sqlite};
use rstest::rstest;

use super::support::{Filing, run_sql};

/// Entries filed and filed again, flags, and an importer's link.
async fn lived(engine: Engine) -> Filing {
    let mut filing = Filing::new(engine, 60).await;
    let lines = filing.lines.clone();
    filing.file("first", lines.clone()).await.unwrap();
    filing.file("second", lines[..10].to_vec()).await.unwrap();
    let flags = b"hts,flag,from,to\n0804400020,AM8,2024-01-01,\n";
    filing.services.import_flags(flags, false).await.unwrap();
    let request = LinkImporterRequest {
        importer_of_record: "12-3456789AB".to_owned(),
        nop_id: "0150000001".to_owned(),
    };
    filing.services.entries.link_importer(request).await.unwrap();
    filing
}

/// Runs SQL behind the service's back, then verifies.
async fn verified_after(filing: &Filing, sql: &str) -> Verified {
    run_sql(&filing.services, sql).await;
    let schema = &nopic_entry_validation::SCHEMA;
    let place = &filing.services.database;
    macro_rules! verified {
        ($engine:ident, $place:expr) => {{
            let database = $engine::Database::open($place, schema, SchemaUpdate::Refuse)
                .await
                .unwrap();
            let heads = Heads::in_data_folder(place.folder.path());
            let verified = Audit::new(database.audit_log(schema), heads)
                .verify(Vec::new())
                .await
                .unwrap();
            database.close().await;
            verified
        }};
    }
    match &place.location {
        Location::Folder(folder) => verified!(sqlite, folder),
        Location::Postgres(options) => verified!(postgres, options),
    }
}

#[rstest]
#[tokio::test]
async fn what_the_service_did_fits(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let filing = lived(engine).await;
    let verified = verified_after(&filing, "SELECT 1").await;
    assert_eq!(verified.findings, []);
    // Decisions, their entries with their versions, ends, flags, a policy and a link.
    assert!(verified.rows > 90, "{verified:?}");
    assert_eq!(verified.rows_before, 0);
}

#[rstest]
#[tokio::test]
async fn what_was_done_behind_the_log_is_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    use Kind::{RowAdded, RowChanged, RowRemoved};

    let cases = [
        // Changed.
        (
            "UPDATE decision SET outcome = 'ACCEPT', codes = ',X,' WHERE filing_id = 1 AND place = 3",
            RowChanged,
            "decision 1/3 was changed",
        ),
        (
            "UPDATE decision SET line = verdict WHERE filing_id = 2 AND place = 0",
            RowChanged,
            "decision 2/0 was changed",
        ),
        (
            "UPDATE decision SET ended_at = '2031-01-01T00:00:00Z' WHERE filing_id = 1 AND place = 0",
            RowChanged,
            "end of decision 1/0 was changed",
        ),
        (
            "UPDATE entry SET tenant = 'eve' WHERE entry_id = 1",
            RowChanged,
            "entry 1 was changed",
        ),
        (
            "UPDATE entry_version SET reason = 'none' WHERE entry_id = 1 AND version = 1",
            RowChanged,
            "entry version 1/1 was changed",
        ),
        (
            "UPDATE importer_link SET nop_id = '0150000002'",
            RowChanged,
            "importer link default/12-3456789AB was changed",
        ),
        ("UPDATE policy SET content = content || ' '", RowChanged, "policy"),
        (
            "UPDATE flag_table SET content = content || ' '",
            RowChanged,
            "flag table",
        ),
        // Added.
        (
            "INSERT INTO decision (filing_id, place, entry_id, version, tenant, line_number, pga_line_number, verdict, \
             line, outcome, codes, is_organic, filed_on, recorded_at, ended_at) SELECT filing_id, 9999, entry_id, \
             version, tenant, 999, pga_line_number, verdict, line, outcome, codes, is_organic, filed_on, recorded_at, \
             recorded_at FROM decision WHERE filing_id = 1 AND place = 5",
            RowAdded,
            "decision 1/9999 was added",
        ),
        (
            "INSERT INTO entry_version SELECT entry_id, 9, filing_id, kind, actor, reason, filed_on, recorded_at FROM \
             entry_version WHERE entry_id = 1 AND version = 1",
            RowAdded,
            "entry version 1/9 was added",
        ),
        (
            "INSERT INTO entry (tenant, entry_number, version) VALUES ('default', 'B7603245278', 1)",
            RowAdded,
            "was added",
        ),
        (
            "INSERT INTO importer_link SELECT tenant, '99-9999999XX', nop_id, linked_by, linked_at FROM importer_link",
            RowAdded,
            "importer link default/99-9999999XX was added",
        ),
        (
            "INSERT INTO trail_record (entry_id, kind, content, actor, recorded_at) SELECT entry_id, 'STEP', verdict, \
             'eve', recorded_at FROM decision WHERE filing_id = 1 AND place = 1",
            RowAdded,
            "trail record 1 was added",
        ),
        // Removed.
        (
            "DELETE FROM decision WHERE filing_id = 1 AND place = 4",
            RowRemoved,
            "decision 1/4 was removed",
        ),
        (
            "DELETE FROM entry_version WHERE entry_id = 2",
            RowRemoved,
            "entry version 2/1 was removed",
        ),
        (
            "DELETE FROM importer_link WHERE importer_of_record = '12-3456789AB'",
            RowRemoved,
            "importer link default/12-3456789AB was removed",
        ),
        (
            "DELETE FROM serving_flag_table",
            RowRemoved,
            "serving flag table 1 was removed",
        ),
        ("DELETE FROM policy", RowRemoved, "policy"),
    ];
    let filing = lived(engine).await;
    for (sql, kind, words) in cases {
        let found = verified_after(&filing, sql).await.findings;
        assert!(
            found
                .iter()
                .any(|finding| finding.kind == kind && finding.sentence.contains(words)),
            "{sql}: {found:#?}"
        );
    }
}
