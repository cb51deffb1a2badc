//! Requests that are wrong: refused with the place that is.

use nopic_domain::certificate::CertificateKind;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::line_draw::Mode;
use nopic_proto::certificate::line_draw_result::Outcome;
use nopic_sql::testing::Engine;
use rstest::rstest;
use tonic::Code;

use crate::support::ledger::{Client, added, draw, issued, judged, nothing, outcomes, request, set};
use crate::support::sample::number;
use crate::support::{Deployment, file_of};

/// 10^12 kg.
const MOST: i64 = 10_000_000_000_000_000;

async fn deployment(engine: Engine) -> Deployment {
    let deployment = Deployment::new(engine).await;
    let certificate = issued(1, CertificateKind::TimeFrame, MOST);
    deployment.import(&file_of(&[(certificate, None)])).await;
    deployment
}

async fn refusal(client: &mut Client, request: wire::SetDrawsRequest) -> String {
    let status = client.set_draws(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{}", status.message());
    status.message().to_owned()
}

#[rstest]
#[tokio::test]
async fn a_wrong_field_is_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = deployment(engine).await;
    let mut client = deployment.ledger("ours");
    let of_line = |line: wire::LineDraw| request("r", &[judged(1)], &[added(1, 1, &[nothing(9), line])]);
    let of_judged = |judged: wire::JudgedCertificate| request("r", &[judged], &[]);
    let of_entry = |entry: wire::EntryDraws| request("r", &[judged(1)], &[added(9, 1, &[]), entry]);
    let good = || draw(1, 1, 5);
    let cases = [
        (
            of_line(wire::LineDraw {
                weight_units: -1,
                ..good()
            }),
            "entries[0].lines[1].weight_units: -0.0001 kg",
        ),
        (
            of_line(wire::LineDraw {
                weight_units: MOST + 1,
                ..good()
            }),
            "entries[0].lines[1].weight_units: 1000000000000.0001 kg",
        ),
        (
            of_line(wire::LineDraw {
                line_number: 0,
                ..good()
            }),
            "entries[0].lines[1].line_number: lines count from 1",
        ),
        (
            of_line(wire::LineDraw {
                pga_line_number: 0,
                ..good()
            }),
            "entries[0].lines[1].pga_line_number: lines count from 1",
        ),
        (
            of_line(wire::LineDraw { mode: 0, ..good() }),
            "entries[0].lines[1].mode: 0 is none",
        ),
        (
            of_line(wire::LineDraw { mode: 4, ..good() }),
            "entries[0].lines[1].mode: 4 is none",
        ),
        (
            of_line(wire::LineDraw { number: 0, ..good() }),
            "entries[0].lines[1].number: is needed",
        ),
        (
            of_line(wire::LineDraw {
                number: 0,
                mode: Mode::Count.into(),
                ..good()
            }),
            "entries[0].lines[1].number: is needed",
        ),
        (
            of_line(draw(1, 2, 5)),
            "entries[0].lines[1].number: is none of the certificates",
        ),
        (
            of_line(wire::LineDraw {
                number: u64::MAX,
                ..good()
            }),
            "entries[0].lines[1].number: a certificate number has 19 digits",
        ),
        (
            of_line(draw(9, 1, 5)),
            "entries[0].lines[1]: the line stands in its entry twice",
        ),
        (
            of_judged(wire::JudgedCertificate {
                number: u64::MAX,
                ..judged(1)
            }),
            "certificates[0].number: a certificate",
        ),
        (
            of_judged(wire::JudgedCertificate {
                version: 0,
                ..judged(1)
            }),
            "certificates[0].version: versions count from 1",
        ),
        (
            of_judged(wire::JudgedCertificate {
                tolerance_units: -1,
                ..judged(1)
            }),
            "certificates[0].tolerance_units: -0.0001 kg",
        ),
        (
            request("r", &[judged(1), judged(1)], &[]),
            "certificates[1].number: stands here twice",
        ),
        (
            of_entry(added(9, 2, &[])),
            "entries[1].entry_number: stands here twice",
        ),
        (
            of_entry(added(1, 0, &[])),
            "entries[1].entry_version: versions count from 1",
        ),
        (
            of_entry(wire::EntryDraws {
                entry_number: "B76-1".into(),
                ..added(1, 1, &[])
            }),
            "entries[1].entry_number: \"B76-1\" is not",
        ),
        (request("", &[], &[]), "request_id: is required"),
        (request(&"x".repeat(201), &[], &[]), "request_id: is longer"),
        (request("a\0b", &[], &[]), "request_id: holds control characters"),
    ];
    for (wrong, expected) in cases {
        let message = refusal(&mut client, wrong).await;
        assert!(message.starts_with(expected), "{message:?} for {expected:?}");
    }
    assert_eq!(deployment.balance(1).await.draw_count, 0);
    // The largest weight is none of these; none of the refused ids is taken.
    let answer = set(&mut client, of_line(draw(1, 1, MOST))).await;
    assert_eq!(outcomes(&answer)[1], (Outcome::Drawn, 0));
}

#[rstest]
#[tokio::test]
async fn a_request_has_at_most_ten_thousand_lines(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = deployment(engine).await;
    let mut client = deployment.ledger("ours");
    let lines = |count: u32| (1..=count).map(|line| draw(line, 1, 1)).collect::<Vec<_>>();
    let too_many = [added(1, 1, &lines(5_000)), added(2, 1, &lines(5_001))];
    assert_eq!(
        refusal(&mut client, request("r", &[judged(1)], &too_many)).await,
        "lines: 10001 given, at most 10000 allowed: ask in parts"
    );
    let most = [added(1, 1, &lines(5_000)), added(2, 1, &lines(5_000))];
    let answer = set(&mut client, request("r", &[judged(1)], &most)).await;
    assert_eq!(outcomes(&answer), vec![(Outcome::Drawn, 0); 10_000]);
    assert_eq!(answer.entries[1].states[0].drawn_units, 5_000);
    // The whole again, on its own draws.
    let again = [added(1, 2, &lines(5_000)), added(2, 2, &lines(5_000))];
    let answer = set(&mut client, request("s", &[judged(1)], &again)).await;
    assert_eq!(answer.entries[1].states[0].own_draws.len(), 5_000);
    let balance = deployment.balance(1).await;
    assert_eq!((balance.drawn_kg.as_str(), balance.draw_count), ("1", 10_000));
}

#[rstest]
#[tokio::test]
async fn weights_at_the_end_of_the_numbers_are_no_fault(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = deployment(engine).await;
    let mut client = deployment.ledger("ours");
    let lines: Vec<_> = (1..=101)
        .map(|line| wire::LineDraw {
            may_exceed: true,
            ..draw(line, 1, MOST)
        })
        .collect();
    let answer = set(&mut client, request("r", &[judged(1)], &[added(1, 1, &lines)])).await;
    let outcomes = outcomes(&answer);
    assert_eq!(outcomes[0], (Outcome::Drawn, 0));
    assert_eq!(outcomes[1..100], [(Outcome::Drawn, MOST); 99]);
    assert_eq!(outcomes[100], (Outcome::Exceeded, 0));
    assert_eq!(deployment.balance(1).await.drawn_kg, "100000000000000");
}

#[rstest]
#[tokio::test]
async fn questions_are_checked(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = deployment(engine).await;
    let mut client = deployment.ledger("ours");
    for (number, as_of, code) in [
        ("123", String::new(), Code::InvalidArgument),
        (&*number(1).to_string(), "yesterday".into(), Code::InvalidArgument),
        (&*number(2).to_string(), String::new(), Code::NotFound),
        (
            &*number(1).to_string(),
            "2025-10-09T08:53:19Z".into(),
            Code::NotFound,
        ),
        (
            &*number(2).to_string(),
            "2025-10-09T08:53:20Z".into(),
            Code::NotFound,
        ),
    ] {
        let question = wire::GetBalanceRequest {
            number: number.to_owned(),
            as_of: as_of.clone(),
        };
        let status = client.get_balance(question).await.unwrap_err();
        assert_eq!(status.code(), code, "{number} {as_of}");
    }
    for (serial, page_size, page_token, code) in [
        (1, 1_001, "", Code::InvalidArgument),
        (1, 0, "first", Code::InvalidArgument),
        (2, 0, "", Code::NotFound),
    ] {
        let question = wire::ListDrawsRequest {
            number: number(serial).to_string(),
            page_size,
            page_token: page_token.to_owned(),
            ..wire::ListDrawsRequest::default()
        };
        let status = client.list_draws(question).await.unwrap_err();
        assert_eq!(status.code(), code, "{serial} {page_size} {page_token}");
    }
}
