//! What is changed behind the log is named: every kind of row, changed, added and removed.

use nopic_proto::certificate as wire;
use nopic_sql::audit::{Audit, Heads, Kind, Verified};
use nopic_sql::testing::Engine;
use nopic_sql::{Location, SchemaUpdate, postgres, sqlite};
use rstest::rstest;
use sqlx::AssertSqlSafe;

use super::support::{EXPORTER, IMPORTER, World, void};
use crate::support::ledger::{added, draw, replaced, request};
use crate::support::sample::entry;

fn certificate(serial: u32, draws: &str) -> String {
    format!(
        "{{\"number\":\"015-0150000001-{serial:06}\",\"status\":\"ISSUED\",\"certifierId\":\"015\",\
         \"exporterNopId\":\"{EXPORTER}\",\"importerNopId\":\"{IMPORTER}\",\"product\":\"almonds\",\
         \"htsCode\":\"080212\",\"kind\":\"TIME_FRAME\",\"issuedOn\":\"2026-01-15\",\"validFrom\":\"2026-01-20\",\
         \"validTo\":\"2026-07-20\",\"totalWeightKg\":\"1000\",\"draws\":{draws}}}\n"
    )
}

fn one_draw(weight: u32) -> String {
    format!(
        "[{{\"entryNumber\":\"{}\",\"lineNumber\":1,\"weightKg\":\"{weight}\"}}]",
        entry(1).as_str()
    )
}

/// Certificates that were imported, imported again, drawn on, issued, voided and amended.
async fn lived(engine: Engine) -> World {
    let world = World::new(engine).await;
    world.import(&certificate(3, &one_draw(700))).await;
    world.import(&certificate(3, &one_draw(600))).await;
    world.import(&certificate(5, "[]")).await;
    let number: u64 = "0150150000001000003".parse().unwrap();
    let judged = wire::JudgedCertificate {
        number,
        version: 1,
        tolerance_units: 0,
    };
    let line = |line_number, units| wire::LineDraw {
        number,
        ..draw(line_number, 1, units)
    };
    let mut ledger = world.ledger();
    for change in [
        request("first", &[judged], &[added(7, 1, &[line(1, 10), line(2, 20)])]),
        request("second", &[judged], &[replaced(7, 2, &[line(1, 30)])]),
    ] {
        let answer = ledger.set_draws(change).await.unwrap().into_inner();
        assert_eq!(answer.changed, []);
    }
    let issued = world.issued("issued").await;
    world
        .certifier()
        .void_certificate(void("void", &issued, 1))
        .await
        .unwrap();
    let amend = wire::AmendCertificateRequest {
        request_id: "amend".into(),
        number: "015-0150000001-000003".into(),
        expected_version: 1,
        reason: "the weight was wrong".into(),
        total_weight_kg: "2000".into(),
        ..wire::AmendCertificateRequest::default()
    };
    world.certifier().amend_certificate(amend).await.unwrap();
    world
}

/// Runs SQL behind the service's back, then verifies.
async fn verified_after(world: &World, sql: &str) -> Verified {
    let schema = &nopic_certificate::SCHEMA;
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
            let heads = Heads::in_data_folder(world.database.folder.path());
            let verified = Audit::new(database.audit_log(schema), heads)
                .verify(Vec::new())
                .await
                .unwrap();
            database.close().await;
            verified
        }};
    }
    match &world.database.location {
        Location::Folder(folder) => verified!(sqlite, folder),
        Location::Postgres(options) => verified!(postgres, options),
    }
}

#[rstest]
#[tokio::test]
async fn what_the_service_did_fits(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = lived(engine).await;
    let verified = verified_after(&world, "SELECT 1").await;
    assert_eq!(verified.findings, []);
    assert!(verified.rows > 25, "{verified:?}");
    assert_eq!(verified.rows_before, 0);
}

#[rstest]
#[tokio::test]
async fn what_was_done_behind_the_log_is_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    const THE_FIRST: &str = "certificate = (SELECT MIN(certificate) FROM certificate)";
    const OTHERS: &str = "importer_nop_id, valid_from, valid_to, limit_units, drawn_units, excess_units, draw_count \
        FROM certificate WHERE";
    let cases = [
        // Changed.
        (
            format!("UPDATE certificate SET importer_nop_id = 7 WHERE {THE_FIRST}"),
            Kind::RowChanged,
            "certificate 015-0150000001-000003 was changed",
        ),
        (
            format!("UPDATE certificate SET limit_units = limit_units + 1 WHERE {THE_FIRST}"),
            Kind::RowChanged,
            "ledger 015-0150000001-000003 was changed",
        ),
        (
            format!("UPDATE certificate_version SET reason = 'none' WHERE version = 2 AND {THE_FIRST}"),
            Kind::RowChanged,
            "certificate version 2 of 015-0150000001-000003 was changed",
        ),
        (
            "UPDATE draw SET weight_units = weight_units + 1 WHERE draw_id = 2".to_owned(),
            Kind::RowChanged,
            "draw 2 was changed",
        ),
        (
            "UPDATE draw SET ended_at = '2030-01-01T00:00:00Z' WHERE draw_id = 1".to_owned(),
            Kind::RowChanged,
            "end of draw 1 was changed",
        ),
        (
            "UPDATE certificate_request SET tenant = 'eve'".to_owned(),
            Kind::RowChanged,
            "request 1 was changed",
        ),
        (
            "UPDATE certificate_request_version SET actor = 'eve' WHERE version = 1".to_owned(),
            Kind::RowChanged,
            "request version 1/1 was changed",
        ),
        // Added.
        (
            format!(
                "INSERT INTO certificate_version SELECT certificate, 9, content, source, reason, tenant, actor, \
                 recorded_at FROM certificate_version WHERE version = 1 AND {THE_FIRST}"
            ),
            Kind::RowAdded,
            "certificate version 9 of 015-0150000001-000003 was added",
        ),
        (
            "INSERT INTO draw (certificate, entry_number, line_number, pga_line_number, source, tenant, weight_units, \
             excess_units, entry_version, recorded_by, recorded_at, ended_at) SELECT certificate, entry_number, 99, \
             pga_line_number, source, tenant, weight_units, excess_units, entry_version, recorded_by, recorded_at, \
             recorded_at FROM draw WHERE draw_id = 1"
                .to_owned(),
            Kind::RowAdded,
            "was added",
        ),
        (
            format!(
                "INSERT INTO certificate (certificate, version, content, status, certifier_id, exporter_nop_id, \
                 importer_nop_id, valid_from, valid_to, limit_units, drawn_units, excess_units, draw_count) \
                 SELECT certificate - 1, version, content, status, certifier_id, exporter_nop_id, {OTHERS} {THE_FIRST}"
            ),
            Kind::RowAdded,
            "certificate 015-0150000001-000002 was added",
        ),
        // Removed.
        (
            "DELETE FROM draw WHERE draw_id = 2".to_owned(),
            Kind::RowRemoved,
            "draw 2 was removed",
        ),
        (
            "DELETE FROM certificate_version WHERE version = 1 AND certificate IN \
             (SELECT certificate FROM certificate ORDER BY certificate LIMIT 1 OFFSET 2); \
             DELETE FROM certificate WHERE certificate IN \
             (SELECT certificate FROM certificate ORDER BY certificate LIMIT 1 OFFSET 2)"
                .to_owned(),
            Kind::RowRemoved,
            "certificate 015-0150000001-000005 was removed",
        ),
        (
            "DELETE FROM certificate_request_version WHERE version = 2".to_owned(),
            Kind::RowRemoved,
            "request version 1/2 was removed",
        ),
    ];
    let world = lived(engine).await;
    for (sql, kind, words) in cases {
        let found = verified_after(&world, &sql).await.findings;
        assert!(
            found
                .iter()
                .any(|finding| finding.kind == kind && finding.sentence.contains(words)),
            "{sql}: {found:#?}"
        );
    }
}
