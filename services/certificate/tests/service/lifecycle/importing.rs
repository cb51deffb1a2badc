//! Imports of what steps here have changed, and of numbers that are not to be given here.

use nopic_proto::certificate as wire;
use nopic_sql::testing::Engine;
use rstest::rstest;
use tonic::Code;

use super::support::{EXPORTER, IMPORTER, World, assert_refused, void};
use crate::support::database::Database;
use crate::support::sample::entry;
use crate::support::{ImportAnswers, import};

const FIRST: &str = "015-0150000001-000001";
const SECOND: &str = "015-0150000001-000002";

fn row(number: &str, status: &str, more: &str) -> String {
    format!(
        "{{\"number\":\"{number}\",\"status\":\"{status}\",\"certifierId\":\"015\",\"exporterNopId\":\"{EXPORTER}\",\
         \"importerNopId\":\"{IMPORTER}\",\"product\":\"almonds\",\"htsCode\":\"080212\",\"kind\":\"TIME_FRAME\",\
         \"issuedOn\":\"2026-01-15\",\"validFrom\":\"2026-01-20\",\"validTo\":\"2026-07-20\",\
         \"totalWeightKg\":\"1000\"{more}}}\n"
    )
}

async fn imported(world: &World, file: &str) -> ImportAnswers {
    import(&mut world.certificates(), file.as_bytes()).await.unwrap()
}

async fn amended(world: &World, id: &str, number: &str, total: &str) -> Result<String, tonic::Status> {
    let request = wire::AmendCertificateRequest {
        request_id: id.into(),
        number: number.into(),
        reason: "the weight was wrong".into(),
        total_weight_kg: total.into(),
        ..wire::AmendCertificateRequest::default()
    };
    let answer = world.certifier().amend_certificate(request).await?.into_inner();
    Ok(answer.successor.unwrap().certificate.unwrap().number)
}

#[rstest]
#[tokio::test]
async fn what_a_step_ended_stays_ended_and_the_row_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let draws = format!(
        ",\"draws\":[{{\"entryNumber\":\"{}\",\"lineNumber\":1,\"weightKg\":\"60\"}}]",
        entry(1)
    );
    let file = row(FIRST, "ISSUED", &draws);
    world.import(&file).await;
    assert_eq!(amended(&world, "a", FIRST, "900").await.unwrap(), SECOND);

    let again = imported(
        &world,
        &(file.clone() + &row("015-0150000001-000009", "ISSUED", "")),
    )
    .await;
    let told: Vec<_> = again
        .rejects
        .iter()
        .map(|reject| {
            (
                reject.record,
                reject.key.as_str(),
                reject.field.as_str(),
                reject.value.as_str(),
            )
        })
        .collect();
    assert_eq!(told, [(1, FIRST, "status", "ISSUED")]);
    let reason = &again.rejects[0].reason;
    assert!(reason.contains(&format!("SUPERSEDED by {SECOND}")), "{reason}");
    let result = again.result;
    assert_eq!(
        (result.certificates, result.added, result.rejected, result.draws),
        (1, 1, 1, 0)
    );
    let first = world.certificate(FIRST).await.state.unwrap();
    assert_eq!((first.version, first.drawn_kg.as_str()), (2, "0"));
    assert_refused(
        amended(&world, "b", FIRST, "800").await,
        Code::FailedPrecondition,
        &["AMEND", "SUPERSEDED"],
    );

    world
        .certifier()
        .void_certificate(void("v", SECOND, 0))
        .await
        .unwrap();
    for status in ["ISSUED", "REQUESTED", "REJECTED"] {
        let row = row(SECOND, status, "").replace("\"issuedOn\":\"2026-01-15\",", "");
        let row = if status == "ISSUED" {
            row.replace("\"status\"", "\"issuedOn\":\"2026-01-15\",\"status\"")
        } else {
            row
        };
        let answers = imported(&world, &row).await;
        assert_eq!(
            (answers.result.rejected, answers.result.certificates),
            (1, 0),
            "{status}"
        );
        assert!(
            answers.rejects[0].reason.contains("VOIDED"),
            "{:?}",
            answers.rejects
        );
    }
    // How it ended is not said otherwise.
    for (number, status, more, field) in [
        (FIRST, "VOIDED", "", "status"),
        (
            FIRST,
            "SUPERSEDED",
            ",\"supersededBy\":\"015-0150000001-000077\"",
            "supersededBy",
        ),
        (
            SECOND,
            "SUPERSEDED",
            ",\"supersededBy\":\"015-0150000001-000077\"",
            "status",
        ),
    ] {
        let answers = imported(&world, &row(number, status, more)).await;
        assert_eq!(answers.result.rejected, 1, "{number} {status}");
        let reject = &answers.rejects[0];
        assert_eq!((reject.key.as_str(), reject.field.as_str()), (number, field));
        assert!(
            reject.reason.contains("nor say that it ended otherwise"),
            "{reject:?}"
        );
    }
    // What it is already may be stated, also in other words, and brings nothing back later.
    let mut words = row(FIRST, "SUPERSEDED", &format!(",\"supersededBy\":\"{SECOND}\""));
    words = words.replace("almonds", "raw almonds");
    assert_eq!(imported(&world, &words).await.result.changed, 1);
    assert_eq!(imported(&world, &file).await.result.rejected, 1);
    // What an import alone ended, an import may bring back.
    let other = "015-0150000001-000009";
    assert_eq!(
        imported(&world, &row(other, "VOIDED", "")).await.result.changed,
        1
    );
    assert_eq!(
        imported(&world, &row(other, "ISSUED", "")).await.result.changed,
        1
    );
}

#[rstest]
#[tokio::test]
async fn two_certificates_do_not_supersede_each_other(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let third = "015-0150000001-000003";
    let by = |number, next| row(number, "SUPERSEDED", &format!(",\"supersededBy\":\"{next}\""));
    let file = by(FIRST, SECOND) + &by(third, SECOND) + &by(SECOND, FIRST);
    let answers = imported(&world, &file).await;
    let told: Vec<_> = answers
        .rejects
        .iter()
        .map(|reject| (reject.record, reject.key.as_str(), reject.value.as_str()))
        .collect();
    assert_eq!(told, [(1, FIRST, SECOND), (3, SECOND, FIRST)]);
    assert_eq!((answers.result.certificates, answers.result.added), (1, 1));
    assert_eq!(world.certificate(third).await.state.unwrap().version, 1);
}

/// As programs before this one left it.
#[rstest]
#[tokio::test]
async fn a_certificate_that_was_brought_back_before_has_one_successor(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    world.import(&row(FIRST, "ISSUED", "")).await;
    amended(&world, "a", FIRST, "900").await.unwrap();
    let database = Database::open(&world.database.location).await;
    database
        .execute("CREATE TABLE kept AS SELECT * FROM certificate_succession")
        .await
        .unwrap();
    database
        .execute("DELETE FROM certificate_succession")
        .await
        .unwrap();
    assert_eq!(
        imported(&world, &row(FIRST, "ISSUED", "")).await.result.changed,
        1
    );
    database
        .execute("INSERT INTO certificate_succession SELECT * FROM kept")
        .await
        .unwrap();
    assert_refused(
        amended(&world, "b", FIRST, "800").await,
        Code::FailedPrecondition,
        &[FIRST, SECOND, "amended before"],
    );
    world
        .certifier()
        .void_certificate(void("v", FIRST, 0))
        .await
        .unwrap();
}

#[rstest]
#[tokio::test]
async fn a_number_that_any_row_names_is_not_given(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let by = |number: &str, serial: u32| {
        row(
            number,
            "SUPERSEDED",
            &format!(",\"supersededBy\":\"015-{EXPORTER}-{serial:06}\""),
        )
    };
    // As a successor, whether or not the row counts in the end.
    world.import(&by(FIRST, 5)).await;
    assert_eq!(amended_of(&world, "a", SECOND).await, "015-0150000001-000006");
    let twice = by(FIRST, 9) + &by(FIRST, 7);
    assert_eq!(imported(&world, &twice).await.result.duplicates, 1);
    assert_eq!(
        amended_of(&world, "b", "015-0150000001-000003").await,
        "015-0150000001-000010"
    );
    // Nor does it come free where the row is another later.
    world.import(&row(FIRST, "VOIDED", "")).await;
    assert_eq!(world.issued("c").await, "015-0150000001-000011");
    // Of a row that is refused.
    let refused = row("015-0150000001-000014", "ISSUED", "").replace("\"1000\"", "\"much\"");
    assert_eq!(imported(&world, &refused).await.result.rejected, 1);
    assert_eq!(world.issued("d").await, "015-0150000001-000015");
    // A lower one takes nothing back, and another operation's number is its own.
    world.import(&by("015-0150000001-000004", 8)).await;
    world
        .import(
            &by("015-0150000001-000004", 20).replace("\"015-0150000001-000020", "\"015-0150000002-000020"),
        )
        .await;
    assert_eq!(world.issued("e").await, "015-0150000001-000016");
}

/// The number of the successor of a certificate that is imported for it.
async fn amended_of(world: &World, id: &str, number: &str) -> String {
    world.import(&row(number, "ISSUED", "")).await;
    amended(world, id, number, "900").await.unwrap()
}

#[rstest]
#[tokio::test]
async fn days_of_validity_may_be_absent_only_while_it_is_not_issued(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    for status in [
        "DRAFT",
        "REQUESTED",
        "UNDER_REVIEW",
        "REJECTED",
        "ISSUED",
        "VOIDED",
        "SUPERSEDED",
    ] {
        let issued = ["ISSUED", "VOIDED", "SUPERSEDED"].contains(&status);
        let more = match status {
            "SUPERSEDED" => format!(",\"supersededBy\":\"{SECOND}\""),
            _ => String::new(),
        };
        let mut whole = row(FIRST, status, &more);
        if !issued {
            whole = whole.replace("\"issuedOn\":\"2026-01-15\",", "");
        }
        for (day, field) in [
            ("\"validFrom\":\"2026-01-20\",", "validFrom"),
            ("\"validTo\":\"2026-07-20\",", "validTo"),
        ] {
            let answers = imported(&world, &whole.replace(day, "")).await;
            assert_eq!(
                answers.result.rejected,
                u32::from(issued),
                "{status} {:?}",
                answers.rejects
            );
            assert!(answers.rejects.iter().all(|reject| reject.field == field));
        }
    }
}

#[rstest]
#[tokio::test]
async fn draws_of_a_row_replace_imported_ones_and_leave_filed_ones_alone(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let draws = |weights: &[u32]| {
        let draws: Vec<String> = (3..)
            .zip(weights)
            .map(|(number, kg)| {
                format!(
                    "{{\"entryNumber\":\"{}\",\"lineNumber\":1,\"weightKg\":\"{kg}\"}}",
                    entry(number)
                )
            })
            .collect();
        row(FIRST, "ISSUED", &format!(",\"draws\":[{}]", draws.join(",")))
    };
    world.import(&draws(&[600])).await;
    let key = FIRST.replace('-', "").parse().unwrap();
    let filing = wire::SetDrawsRequest {
        request_id: "file".into(),
        entries: vec![wire::EntryDraws {
            entry_number: entry(1).to_string(),
            entry_version: 1,
            keep_other_lines: false,
            lines: vec![wire::LineDraw {
                line_number: 1,
                pga_line_number: 1,
                mode: wire::line_draw::Mode::Draw.into(),
                number: key,
                weight_units: 5_000_000,
                may_exceed: true,
                may_reuse: false,
                beside_replaced: false,
            }],
        }],
        certificates: vec![wire::JudgedCertificate {
            number: key,
            version: 1,
            tolerance_units: 0,
        }],
    };
    world.ledger().set_draws(filing).await.unwrap();
    let sum = async || {
        let state = world.certificate(FIRST).await.state.unwrap();
        (state.version, state.drawn_kg, state.draw_count)
    };
    assert_eq!(sum().await, (1, "1100".to_owned(), 2));
    // The same content, and none about draws, change nothing.
    for file in [draws(&[600]), row(FIRST, "ISSUED", "")] {
        assert_eq!(imported(&world, &file).await.result.unchanged, 1);
        assert_eq!(sum().await, (1, "1100".to_owned(), 2));
    }
    world.import(&draws(&[100, 20])).await;
    assert_eq!(sum().await, (1, "620".to_owned(), 3));
    world.import(&draws(&[])).await;
    assert_eq!(sum().await, (1, "500".to_owned(), 1));
}
