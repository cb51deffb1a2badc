//! What is changed behind the audit log of entry validation is named: every kind of row, changed, added and removed.

use std::collections::HashSet;

use nopic_proto::entry_validation::trail_item::Content;
use nopic_proto::entry_validation::{
    CustodyStep, LinkImporterRequest, RecordTrailRequest, TrailItem, TrailParty,
};
use nopic_sql::audit::{Audit, Finding, Heads, Kind, Verified};
use nopic_sql::testing::Engine;
use nopic_sql::{Location, SchemaUpdate, postgres, sqlite};
use rstest::rstest;

use super::support::{Filing, run_sql};

/// Entries filed and filed again, flags, an importer's link, and two records of a trail.
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
    let step = TrailItem {
        content: Some(Content::Step(CustodyStep {
            role: "CARRIER".to_owned(),
            party: Some(TrailParty {
                name: "Naviera".to_owned(),
                ..TrailParty::default()
            }),
            ..CustodyStep::default()
        })),
    };
    let request = RecordTrailRequest {
        request_id: "trail".to_owned(),
        entry_number: lines[0].entry_number.clone(),
        items: vec![step; 2],
    };
    filing.services.trails.record_trail(request).await.unwrap();
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
    // Decisions, their entries with their versions, ends, flags, a policy, a link and a trail.
    assert!(verified.rows > 90, "{verified:?}");
    assert_eq!(verified.rows_before, 0);
}

/// What is done to a row: its kind, its key where that is known beforehand, and the SQL that does it.
type Done = (&'static str, Kind, Option<&'static str>, &'static str);

/// One after the other on the same rows, every kind with every verb. Only [`SERVING_ADDED`] needs others.
const DONE: &[Done] = &[
    (
        "importer link",
        Kind::RowChanged,
        Some("default/12-3456789AB"),
        "UPDATE importer_link SET nop_id = '0150000002'",
    ),
    (
        "importer link",
        Kind::RowAdded,
        Some("default/99-9999999XX"),
        "INSERT INTO importer_link SELECT tenant, '99-9999999XX', nop_id, linked_by, linked_at FROM importer_link",
    ),
    (
        "importer link",
        Kind::RowRemoved,
        Some("default/12-3456789AB"),
        "DELETE FROM importer_link WHERE importer_of_record = '12-3456789AB'",
    ),
    (
        "flag table",
        Kind::RowChanged,
        None,
        "UPDATE flag_table SET content = content || ' '",
    ),
    (
        "flag table",
        Kind::RowAdded,
        Some("eve"),
        "INSERT INTO flag_table SELECT 'eve', content, first_served_by, first_served_at FROM flag_table LIMIT 1",
    ),
    (
        "flag table",
        Kind::RowRemoved,
        None,
        // The one that serves cannot be: a foreign key holds it.
        "DELETE FROM flag_table WHERE version <> 'eve' AND version NOT IN (SELECT version FROM serving_flag_table)",
    ),
    (
        "serving flag table",
        Kind::RowChanged,
        Some("1"),
        "UPDATE serving_flag_table SET version = 'eve'",
    ),
    (
        "serving flag table",
        Kind::RowRemoved,
        Some("1"),
        "DELETE FROM serving_flag_table",
    ),
    (
        "policy",
        Kind::RowChanged,
        None,
        "UPDATE policy SET content = content || ' '",
    ),
    (
        "policy",
        Kind::RowAdded,
        Some("eve"),
        "INSERT INTO policy SELECT 'eve', content, first_served_at FROM policy",
    ),
    (
        "policy",
        Kind::RowRemoved,
        None,
        "DELETE FROM policy WHERE version <> 'eve'",
    ),
    (
        "decision",
        Kind::RowChanged,
        Some("1/3"),
        "UPDATE decision SET outcome = 'ACCEPT', codes = ',X,' WHERE filing_id = 1 AND place = 3",
    ),
    (
        "decision",
        Kind::RowChanged,
        Some("2/0"),
        "UPDATE decision SET line = verdict WHERE filing_id = 2 AND place = 0",
    ),
    (
        "decision",
        Kind::RowAdded,
        Some("1/9999"),
        "INSERT INTO decision (filing_id, place, entry_id, version, tenant, line_number, pga_line_number, verdict, \
         line, outcome, codes, is_organic, filed_on, recorded_at, ended_at) SELECT filing_id, 9999, entry_id, \
         version, tenant, 999, pga_line_number, verdict, line, outcome, codes, is_organic, filed_on, recorded_at, \
         recorded_at FROM decision WHERE filing_id = 1 AND place = 5",
    ),
    (
        "decision",
        Kind::RowRemoved,
        Some("1/4"),
        "DELETE FROM decision WHERE filing_id = 1 AND place = 4",
    ),
    (
        "end of decision",
        Kind::RowChanged,
        Some("1/0"),
        "UPDATE decision SET ended_at = '2031-01-01T00:00:00Z' WHERE filing_id = 1 AND place = 0",
    ),
    (
        "end of decision",
        Kind::RowAdded,
        Some("2/1"),
        "UPDATE decision SET ended_at = recorded_at WHERE filing_id = 2 AND place = 1",
    ),
    (
        "end of decision",
        Kind::RowRemoved,
        Some("1/1"),
        // Once 2/1 has ended: of a line one decision stands.
        "UPDATE decision SET ended_at = NULL WHERE filing_id = 1 AND place = 1",
    ),
    (
        "entry version",
        Kind::RowChanged,
        Some("1/1"),
        "UPDATE entry_version SET reason = 'none' WHERE entry_id = 1 AND version = 1",
    ),
    (
        "entry version",
        Kind::RowAdded,
        Some("1/9"),
        "INSERT INTO entry_version SELECT entry_id, 9, filing_id, kind, actor, reason, filed_on, recorded_at FROM \
         entry_version WHERE entry_id = 1 AND version = 1",
    ),
    (
        "entry version",
        Kind::RowRemoved,
        Some("2/1"),
        "DELETE FROM entry_version WHERE entry_id = 2",
    ),
    (
        "entry",
        Kind::RowChanged,
        Some("1"),
        "UPDATE entry SET tenant = 'eve' WHERE entry_id = 1",
    ),
    (
        "entry",
        Kind::RowRemoved,
        Some("3"),
        // With what a foreign key holds it by.
        "DELETE FROM decision WHERE entry_id = 3; DELETE FROM entry_version WHERE entry_id = 3; \
         DELETE FROM entry WHERE entry_id = 3",
    ),
    (
        "entry",
        Kind::RowAdded,
        None,
        "INSERT INTO entry (tenant, entry_number, version) VALUES ('default', 'B7603245278', 1)",
    ),
    (
        "trail record",
        Kind::RowChanged,
        Some("1"),
        "UPDATE trail_record SET actor = 'eve' WHERE record_id = 1",
    ),
    (
        "trail record",
        Kind::RowRemoved,
        Some("2"),
        "DELETE FROM trail_record WHERE record_id = 2",
    ),
    (
        "trail record",
        Kind::RowAdded,
        Some("3"),
        "INSERT INTO trail_record (entry_id, kind, content, actor, recorded_at) SELECT entry_id, 'STEP', verdict, \
         'eve', recorded_at FROM decision WHERE filing_id = 1 AND place = 1",
    ),
];

/// Where none was ever imported: of a row that the log left there one cannot be added, for there is one slot.
const SERVING_ADDED: Done = (
    "serving flag table",
    Kind::RowAdded,
    Some("1"),
    "INSERT INTO serving_flag_table SELECT 1, version FROM flag_table",
);

#[test]
fn every_kind_of_row_is_changed_added_and_removed() {
    let done: HashSet<_> = DONE
        .iter()
        .chain([&SERVING_ADDED])
        .map(|case| (case.0, case.1))
        .collect();
    for audited in nopic_entry_validation::SCHEMA.audited {
        for verb in [Kind::RowChanged, Kind::RowAdded, Kind::RowRemoved] {
            assert!(done.contains(&(audited.kind, verb)), "{} {verb:?}", audited.kind);
        }
    }
}

/// Does it, and it must be named.
async fn is_named(filing: &Filing, (kind, verb, key, sql): Done) {
    let words = match verb {
        Kind::RowChanged => " was changed behind the log",
        Kind::RowAdded => " was added behind the log",
        _ => " was removed behind the log",
    };
    let names = |finding: &Finding| {
        let row = finding.sentence.strip_prefix(kind)?.strip_prefix(' ')?;
        let (found, _) = row.split_once(words)?;
        // A key is one word.
        Some(finding.kind == verb && key.map_or(!found.contains(' '), |key| key == found))
    };
    let found = verified_after(filing, sql).await.findings;
    assert!(
        found.iter().any(|finding| names(finding) == Some(true)),
        "{kind} {key:?}{words}: {sql}: {found:#?}"
    );
}

#[rstest]
#[tokio::test]
async fn what_was_done_behind_the_log_is_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let filing = lived(engine).await;
    for case in DONE {
        is_named(&filing, *case).await;
    }
}

#[rstest]
#[tokio::test]
async fn flags_that_nobody_imported_are_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut filing = Filing::new(engine, 1).await;
    let lines = filing.lines.clone();
    filing.file("only", lines).await.unwrap();
    is_named(&filing, SERVING_ADDED).await;
}
