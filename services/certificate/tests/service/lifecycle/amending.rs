//! Issued certificates: voided, amended, with what was drawn on them.

use nopic_proto::certificate as wire;
use nopic_sql::testing::Engine;
use rstest::rstest;
use tonic::Code;

use crate::support::sample::entry;

use super::support::{EXPORTER, IMPORTER, World, assert_refused, certifier, void};

const NUMBER: &str = "015-0150000001-000003";
const DRAWS: &str = r#"[{"entryNumber":"FIRST","lineNumber":1,"weightKg":"700"},
    {"entryNumber":"SECOND","lineNumber":2,"pgaLineNumber":3,"weightKg":"0"},
    {"entryNumber":"SECOND","lineNumber":3,"weightKg":"450.5"}]"#;

/// An imported certificate over 1,000 kg, with 1,150.5 kg drawn: 150.5 kg past its limit.
fn imported(number: &str, draws: &str) -> String {
    let draws = draws
        .replace('\n', "")
        .replace("FIRST", entry(1).as_str())
        .replace("SECOND", entry(2).as_str());
    format!(
        "{{\"number\":\"{number}\",\"status\":\"ISSUED\",\"certifierId\":\"015\",\"exporterNopId\":\"{EXPORTER}\",\
         \"importerNopId\":\"{IMPORTER}\",\"product\":\"almonds\",\"htsCode\":\"080212\",\"kind\":\"TIME_FRAME\",\
         \"issuedOn\":\"2026-01-15\",\"validFrom\":\"2026-01-20\",\"validTo\":\"2026-07-20\",\
         \"totalWeightKg\":\"1000\",\"draws\":{draws}}}\n"
    )
}

fn amend(id: &str, number: &str, version: u32) -> wire::AmendCertificateRequest {
    wire::AmendCertificateRequest {
        request_id: id.into(),
        number: number.into(),
        expected_version: version,
        reason: "the weight was wrong".into(),
        total_weight_kg: "2000".into(),
        ..wire::AmendCertificateRequest::default()
    }
}

#[rstest]
#[tokio::test]
async fn what_was_drawn_moves_to_the_successor(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    world.import(&imported(NUMBER, DRAWS)).await;
    let before = world.certificate(NUMBER).await;
    let mut certifier = world.certifier();
    let amended = certifier
        .amend_certificate(amend("a", NUMBER, 1))
        .await
        .unwrap()
        .into_inner();
    let (superseded, successor) = (amended.superseded.unwrap(), amended.successor.unwrap());
    assert_eq!(superseded.drawn_kg, "0");
    assert_eq!(successor.drawn_kg, "1150.5");
    let (old, new) = (
        world.certificate(NUMBER).await,
        world.certificate("015-0150000001-000004").await,
    );
    let (old_state, new_state) = (old.state.unwrap(), new.state.unwrap());
    // How often others drew is not the certifier's business.
    let of_certifier = |state: &wire::CertificateState| wire::CertificateState {
        draw_count: 0,
        ..state.clone()
    };
    assert_eq!(
        (of_certifier(&old_state), of_certifier(&new_state)),
        (superseded.clone(), successor.clone())
    );
    assert_eq!((&new.draws, &old.draws), (&before.draws, &Vec::new()));
    assert_eq!(
        (
            new_state.left_kg.as_str(),
            old_state.draw_count,
            new_state.draw_count
        ),
        ("849.5", 0, 3)
    );
    let (old, new) = (superseded.certificate.unwrap(), successor.certificate.unwrap());
    assert_eq!(
        (old.status.as_str(), old.superseded_by.as_str()),
        ("SUPERSEDED", new.number.as_str())
    );
    assert_eq!(
        (new.status.as_str(), new.issued_on.as_str()),
        ("ISSUED", "2026-02-01")
    );
    assert_eq!(
        (new.valid_from.as_str(), new.total_weight_kg.as_str()),
        ("2026-01-20", "2000")
    );

    // Asked again it is the same, and the successor can be amended in turn.
    let again = certifier
        .amend_certificate(amend("a", NUMBER, 1))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.successor.unwrap().certificate.unwrap(), new);
    let third = wire::AmendCertificateRequest {
        total_weight_kg: "1200".into(),
        ..amend("b", &new.number, 1)
    };
    let third = certifier
        .amend_certificate(third)
        .await
        .unwrap()
        .into_inner()
        .successor
        .unwrap();
    assert_eq!(third.drawn_kg, "1150.5");
    let history = wire::GetHistoryRequest {
        number: third.certificate.unwrap().number,
        as_of: String::new(),
    };
    let history = certifier.get_history(history).await.unwrap().into_inner();
    assert_eq!(history.supersedes, new.number);
}

#[rstest]
#[tokio::test]
async fn what_filing_drew_moves_too_and_can_be_given_back(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    world.import(&imported(NUMBER, "[]")).await;
    let mut ledger = world.ledger();
    let line = |number: &str, units: i64| wire::LineDraw {
        line_number: 1,
        pga_line_number: 1,
        mode: wire::line_draw::Mode::Draw.into(),
        number: number.replace('-', "").parse().unwrap(),
        weight_units: units,
        may_exceed: true,
        may_reuse: false,
        beside_replaced: false,
    };
    let draws = |id: &str, version: u32, number: &str, units: i64| wire::SetDrawsRequest {
        request_id: id.into(),
        entries: vec![wire::EntryDraws {
            entry_number: entry(1).to_string(),
            entry_version: version,
            keep_other_lines: true,
            lines: vec![line(number, units)],
        }],
        certificates: vec![wire::JudgedCertificate {
            number: line(number, 0).number,
            version: 1,
            tolerance_units: 0,
        }],
    };
    // 1,200 kg of 1,000: 200 kg are permitted past the limit.
    let answer = ledger
        .set_draws(draws("d1", 1, NUMBER, 12_000_000))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.entries[0].lines[0].excess_units, 2_000_000);
    let amended = world
        .certifier()
        .amend_certificate(amend("a", NUMBER, 1))
        .await
        .unwrap()
        .into_inner();
    let successor = amended.successor.unwrap();
    assert_eq!(successor.drawn_kg, "1200");
    assert_eq!(amended.superseded.unwrap().drawn_kg, "0");
    // Filed again on the successor, the entry gives back what was moved there.
    let number = successor.certificate.unwrap().number;
    ledger
        .set_draws(draws("d2", 2, &number, 3_000_000))
        .await
        .unwrap();
    let state = world.certificate(&number).await.state.unwrap();
    assert_eq!((state.drawn_kg.as_str(), state.draw_count), ("300", 1));
}

#[rstest]
#[tokio::test]
async fn a_certificate_of_several_entries_is_not_made_one_for_a_single_shipment(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let draw = |entries: u32| {
        let of = |number| {
            format!(
                "{{\"entryNumber\":\"{}\",\"lineNumber\":1,\"weightKg\":\"10\"}}",
                entry(number)
            )
        };
        format!("[{}]", (1..=entries).map(of).collect::<Vec<_>>().join(","))
    };
    let single = |id: &str, version| wire::AmendCertificateRequest {
        kind: "SINGLE_SHIPMENT".into(),
        total_weight_kg: String::new(),
        ..amend(id, NUMBER, version)
    };
    world.import(&imported(NUMBER, &draw(2))).await;
    assert_refused(
        world.certifier().amend_certificate(single("a", 1)).await,
        Code::FailedPrecondition,
        &["kind", "several entries have drawn", NUMBER],
    );
    world.import(&imported(NUMBER, &draw(1))).await;
    world.certifier().amend_certificate(single("b", 1)).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_successor_may_not_allow_less_than_was_drawn(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    world.import(&imported(NUMBER, DRAWS)).await;
    let less = |id: &str, total: &str| wire::AmendCertificateRequest {
        total_weight_kg: total.into(),
        ..amend(id, NUMBER, 1)
    };
    // 150.5 kg are permitted past the limit, by the import.
    assert_refused(
        world.certifier().amend_certificate(less("a", "999.9999")).await,
        Code::FailedPrecondition,
        &["total_weight_kg", "1150.5 kg are drawn"],
    );
    for (id, total) in [("b", "0"), ("c", "-5"), ("d", "1.00001"), ("e", "1000000000001")] {
        assert_refused(
            world.certifier().amend_certificate(less(id, total)).await,
            Code::InvalidArgument,
            &["total_weight_kg"],
        );
    }
    assert_refused(
        world.certifier().amend_certificate(less("same", "1000")).await,
        Code::InvalidArgument,
        &["changes nothing"],
    );
    let lots = wire::AmendCertificateRequest {
        lots: Some(wire::AmendedList {
            texts: vec!["LOT 9".into()],
        }),
        ..less("f", "")
    };
    world.certifier().amend_certificate(lots).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn of_two_amendments_at_once_one_wins(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    world.import(&imported(NUMBER, DRAWS)).await;
    let (mut one, mut two) = (world.certifier(), world.certifier());
    let (a, b) = tokio::join!(
        one.amend_certificate(amend("a", NUMBER, 1)),
        two.amend_certificate(amend("b", NUMBER, 1)),
    );
    let lost = match (a, b) {
        (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => lost,
        both => panic!("{both:?}"),
    };
    assert_eq!(lost.code(), Code::Aborted, "{lost}");
    assert!(lost.message().contains("version 2 is the current one"), "{lost}");
    // Only one successor came of it, and nothing was drawn twice.
    let listed = world
        .certificates()
        .list_certificates(wire::ListCertificatesRequest::default())
        .await;
    let states = listed.unwrap().into_inner().states;
    let drawn: Vec<&str> = states.iter().map(|state| state.drawn_kg.as_str()).collect();
    assert_eq!(drawn, ["0", "1150.5"]);
    assert_refused(
        one.amend_certificate(amend("c", NUMBER, 2)).await,
        Code::FailedPrecondition,
        &["AMEND", "SUPERSEDED"],
    );
}

#[rstest]
#[tokio::test]
async fn a_voided_certificate_keeps_its_number_and_its_history(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let number = world.issued("r").await;
    let mut certifier = world.certifier();
    assert_refused(
        certifier
            .void_certificate(wire::VoidCertificateRequest {
                reason: " ".into(),
                ..void("none", &number, 1)
            })
            .await,
        Code::InvalidArgument,
        &["reason"],
    );
    let voided = certifier
        .void_certificate(void("v", &number, 1))
        .await
        .unwrap()
        .into_inner();
    let state = voided.certificate.unwrap();
    assert_eq!(
        (state.certificate.unwrap().status.as_str(), state.version),
        ("VOIDED", 2)
    );
    assert_refused(
        certifier.void_certificate(void("again", &number, 2)).await,
        Code::FailedPrecondition,
        &["VOID", "VOIDED"],
    );
    assert_refused(
        certifier.amend_certificate(amend("a", &number, 2)).await,
        Code::FailedPrecondition,
        &["AMEND", "VOIDED"],
    );
    let request = wire::GetHistoryRequest {
        number: number.clone(),
        as_of: String::new(),
    };
    let history = certifier.get_history(request).await.unwrap().into_inner();
    let last = history.versions[1].step.as_ref().unwrap();
    assert_eq!(
        (last.step.as_str(), last.reason.as_str()),
        ("VOID", "wrong product")
    );
    assert_ne!(world.issued("s").await, number);
    assert_refused(
        certifier
            .void_certificate(void("x", "015-0150000001-000777", 1))
            .await,
        Code::NotFound,
        &["000777"],
    );
}

#[rstest]
#[tokio::test]
async fn without_numbers_of_its_own_a_successor_has_the_one_from_oid(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let number = "099-0990000001-000001";
    let line = imported(number, "[]")
        .replace("\"certifierId\":\"015\"", "\"certifierId\":\"099\"")
        .replace(EXPORTER, "0990000001");
    world.import(&line).await;
    world.import(&imported(NUMBER, "[]")).await;
    let mut client = world.of(&certifier("099"));
    assert_refused(
        client.amend_certificate(amend("a", number, 1)).await,
        Code::InvalidArgument,
        &["successor", "OID"],
    );
    let given = |id: &str, successor: &str| wire::AmendCertificateRequest {
        successor: successor.into(),
        ..amend(id, number, 1)
    };
    assert_refused(
        client.amend_certificate(given("b", number)).await,
        Code::AlreadyExists,
        &["exists already"],
    );
    client
        .amend_certificate(given("c", "099-0990000001-000002"))
        .await
        .unwrap();
    // Where the deployment gives the numbers, nobody types one.
    let typed = wire::AmendCertificateRequest {
        successor: "015-0150000001-000050".into(),
        ..amend("d", NUMBER, 1)
    };
    assert_refused(
        world.certifier().amend_certificate(typed).await,
        Code::InvalidArgument,
        &["successor"],
    );
}

#[rstest]
#[tokio::test]
async fn a_new_importer_is_checked(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    world.import(&imported(NUMBER, "[]")).await;
    let other = wire::AmendCertificateRequest {
        importer_nop_id: "0620000009".into(),
        ..amend("a", NUMBER, 1)
    };
    assert_refused(
        world.certifier().amend_certificate(other).await,
        Code::FailedPrecondition,
        &["IMPORTER_CERTIFIED", "not listed"],
    );
}
