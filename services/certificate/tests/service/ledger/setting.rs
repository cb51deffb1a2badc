//! Setting draws: what is drawn, given back, refused and answered.

use nopic_domain::certificate::{CertificateKind, Draw};
use nopic_domain::principal::{FilerCodes, Principal, Role};
use nopic_domain::weight::Weight;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::line_draw::Mode;
use nopic_proto::certificate::line_draw_result::Outcome;
use nopic_sql::testing::Engine;
use rstest::rstest;
use tonic::Code;

use crate::support::database::Database;
use crate::support::ledger::{
    added, draw, issued, judged, kilograms, nothing, outcomes, replaced, request, set,
};
use crate::support::sample::{entry, number};
use crate::support::{Deployment, file_of, principal};

use CertificateKind::{MultipleShipments, SingleShipment};

async fn deployment(engine: Engine, kind: CertificateKind, totals: &[i64]) -> Deployment {
    let deployment = Deployment::new(engine).await;
    let certificates: Vec<_> = (1..)
        .zip(totals)
        .map(|(serial, total)| (issued(serial, kind, *total), None))
        .collect();
    deployment.import(&file_of(&certificates)).await;
    deployment
}

fn imported(entry_serial: u32, line_number: u32, units: i64) -> Draw {
    Draw {
        entry_number: entry(entry_serial),
        line_number,
        pga_line_number: 1,
        weight_kg: Weight::from_units(units),
    }
}

#[rstest]
#[tokio::test]
async fn lines_draw_in_their_order_until_nothing_is_left(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = deployment(engine, MultipleShipments, &[100, 50]).await;
    let mut client = deployment.ledger("ours");
    let counted = wire::LineDraw {
        mode: Mode::Count.into(),
        ..draw(2, 1, 20)
    };
    let entries = [
        added(
            1,
            1,
            &[
                draw(1, 1, 60),
                counted,
                draw(3, 1, 25),
                draw(4, 1, 20),
                nothing(5),
            ],
        ),
        added(2, 1, &[draw(1, 1, 20), draw(2, 1, 1), draw(3, 2, 50)]),
    ];
    let answer = set(&mut client, request("r", &[judged(1), judged(2)], &entries)).await;
    assert_eq!(
        outcomes(&answer),
        [
            (Outcome::Drawn, 0),
            (Outcome::Nothing, 0),
            (Outcome::Exceeded, 0),
            (Outcome::Drawn, 0),
            (Outcome::Nothing, 0),
            (Outcome::Drawn, 0),
            (Outcome::Exceeded, 0),
            (Outcome::Drawn, 0),
        ]
    );
    let state = |number_of: u32, drawn_units, only_drawer: &str| wire::LedgerState {
        number: number(number_of).number(),
        drawn_units,
        only_drawer: only_drawer.to_owned(),
        ..wire::LedgerState::default()
    };
    assert_eq!(answer.entries[0].states, [state(1, 0, "")]);
    assert_eq!(
        answer.entries[1].states,
        [state(1, 80, &entry(1).to_string()), state(2, 0, "")]
    );
    let balance = deployment.balance(1).await;
    assert_eq!(
        (
            balance.drawn_kg.as_str(),
            balance.left_kg.as_str(),
            balance.draw_count
        ),
        (kilograms(100).as_str(), "0", 3)
    );
}

#[rstest]
#[tokio::test]
async fn a_new_version_gives_back_what_it_names_or_everything(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = deployment(engine, MultipleShipments, &[100, 50]).await;
    let mut client = deployment.ledger("ours");
    let both = [judged(1), judged(2)];
    let first = [added(1, 1, &[draw(1, 1, 60), draw(2, 1, 40)])];
    set(&mut client, request("1", &both, &first)).await;
    // Line 1 moves to another certificate, line 2 stays.
    let answer = set(
        &mut client,
        request("2", &both, &[added(1, 2, &[draw(1, 2, 30)])]),
    )
    .await;
    assert_eq!(outcomes(&answer), [(Outcome::Drawn, 0)]);
    assert_eq!(deployment.balance(1).await.drawn_kg, kilograms(40));
    assert_eq!(deployment.balance(2).await.drawn_kg, kilograms(30));
    // All of certificate 1 is there again for the line itself and the one that is not named any more.
    let third = [replaced(1, 3, &[draw(1, 1, 100)])];
    let answer = set(&mut client, request("3", &[judged(1)], &third)).await;
    assert_eq!(outcomes(&answer), [(Outcome::Drawn, 0)]);
    assert_eq!(
        answer.entries[0].states[0].own_draws,
        [wire::RecordedLineDraw {
            line_number: 2,
            pga_line_number: 1,
            weight_units: 40
        }]
    );
    assert_eq!(deployment.balance(1).await.draw_count, 1);
    // The certificate of which all was given back is not even named.
    assert_eq!(deployment.balance(2).await.drawn_kg, "0");
    // A cancelled entry has no lines.
    set(&mut client, request("4", &[], &[replaced(1, 4, &[])])).await;
    let balance = deployment.balance(1).await;
    assert_eq!((balance.drawn_kg.as_str(), balance.draw_count), ("0", 0));
    let history = deployment
        .history(&principal("ours", Role::Broker), 1, "", 0)
        .await;
    let versions: Vec<_> = history
        .iter()
        .map(|draw| (draw.entry_version, draw.line_number, draw.ended_at.is_empty()))
        .collect();
    assert_eq!(versions, [(1, 1, false), (1, 2, false), (3, 1, false)]);
}

#[rstest]
#[tokio::test]
async fn a_single_shipment_is_one_entrys(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = deployment(engine, SingleShipment, &[100]).await;
    let mut client = deployment.ledger("ours");
    let reused = wire::LineDraw {
        may_reuse: true,
        ..draw(2, 1, 5)
    };
    let entries = [
        added(1, 1, &[draw(1, 1, 0), draw(2, 1, 10)]),
        added(2, 1, &[draw(1, 1, 5), reused]),
        added(3, 1, &[draw(1, 1, 5)]),
    ];
    let answer = set(&mut client, request("1", &[judged(1)], &entries)).await;
    assert_eq!(
        outcomes(&answer),
        [
            (Outcome::Drawn, 0),
            (Outcome::Drawn, 0),
            (Outcome::AlreadyUsed, 0),
            (Outcome::Drawn, 0),
            (Outcome::AlreadyUsed, 0),
        ]
    );
    assert!(answer.entries[2].states[0].drawn_by_others);
    // Once the others have given all back, the certificate is the remaining one's.
    let entries = [replaced(2, 2, &[]), added(1, 2, &[draw(3, 1, 7)])];
    let answer = set(&mut client, request("2", &[judged(1)], &entries)).await;
    assert_eq!(outcomes(&answer), [(Outcome::Drawn, 0)]);
    assert_eq!(answer.entries[1].states[0].only_drawer, entry(1).to_string());
    let entries = [replaced(1, 3, &[]), added(3, 2, &[draw(1, 1, 5)])];
    let answer = set(&mut client, request("3", &[judged(1)], &entries)).await;
    assert_eq!(outcomes(&answer), [(Outcome::Drawn, 0)]);
}

#[rstest]
#[tokio::test]
async fn an_entry_of_another_tenant_is_another_one(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = deployment(engine, SingleShipment, &[100]).await;
    let (mut ours, mut theirs) = (deployment.ledger("ours"), deployment.ledger("theirs"));
    let the_same = || request("r", &[judged(1)], &[added(1, 1, &[draw(1, 1, 30)])]);
    assert_eq!(outcomes(&set(&mut ours, the_same()).await), [(Outcome::Drawn, 0)]);
    let answer = set(&mut theirs, the_same()).await;
    assert_eq!(outcomes(&answer), [(Outcome::AlreadyUsed, 0)]);
    let state = &answer.entries[0].states[0];
    assert_eq!(
        (
            state.only_drawer.as_str(),
            state.drawn_by_others,
            state.own_draws.len()
        ),
        ("", true, 0)
    );
    // An operator that files for its own tenant is told so, too.
    let mut operator = deployment.ledger_of(&principal("default", Role::Operator));
    let answer = set(&mut operator, the_same()).await;
    assert_eq!(outcomes(&answer), [(Outcome::AlreadyUsed, 0)]);
    // Both draw where it is permitted; then neither takes the certificate for its own.
    let reused = wire::LineDraw {
        may_reuse: true,
        ..draw(1, 1, 30)
    };
    set(&mut theirs, request("s", &[judged(1)], &[added(1, 2, &[reused])])).await;
    let answer = set(
        &mut ours,
        request("s", &[judged(1)], &[added(1, 2, &[draw(2, 1, 1)])]),
    )
    .await;
    assert_eq!(outcomes(&answer), [(Outcome::AlreadyUsed, 0)]);
    // Our giving back leaves theirs alone.
    set(&mut ours, request("t", &[], &[replaced(1, 3, &[])])).await;
    assert_eq!(deployment.balance(1).await.drawn_kg, kilograms(30));
    let answer = set(
        &mut theirs,
        request("t", &[judged(1)], &[added(1, 3, &[draw(2, 1, 1)])]),
    )
    .await;
    assert_eq!(outcomes(&answer), [(Outcome::Drawn, 0)]);
    for (tenant, draws) in [("ours", 1), ("theirs", 2)] {
        let caller = principal(tenant, Role::Broker);
        assert_eq!(deployment.history(&caller, 1, "", 1).await.len(), draws);
    }
    let operator = principal("default", Role::Operator);
    assert_eq!(deployment.history(&operator, 1, "", 1).await.len(), 3);
}

#[rstest]
#[tokio::test]
async fn excess_is_marked_and_goes_with_its_draw(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = deployment(engine, MultipleShipments, &[100]).await;
    let mut client = deployment.ledger("ours");
    let permitted = wire::LineDraw {
        may_exceed: true,
        ..draw(2, 1, 50)
    };
    let tolerant = wire::JudgedCertificate {
        tolerance_units: 10,
        ..judged(1)
    };
    let lines = [draw(1, 1, 90), draw(3, 1, 21), draw(4, 1, 20), permitted];
    let answer = set(&mut client, request("1", &[tolerant], &[added(1, 1, &lines)])).await;
    assert_eq!(
        outcomes(&answer),
        [
            (Outcome::Drawn, 0),
            (Outcome::Exceeded, 0),
            (Outcome::Drawn, 0),
            (Outcome::Drawn, 50),
        ]
    );
    let history = deployment
        .history(&principal("ours", Role::Broker), 1, "", 0)
        .await;
    assert_eq!(history.last().unwrap().excess_kg, kilograms(50));
    // A policy without tolerance lowers the limit: what was drawn stays, no more is left.
    let answer = set(
        &mut client,
        request("2", &[judged(1)], &[added(2, 1, &[draw(1, 1, 0)])]),
    )
    .await;
    assert_eq!(outcomes(&answer), [(Outcome::Exceeded, 0)]);
    // With the draw its excess is gone; the rest is past the limit on nobody's account.
    set(
        &mut client,
        request("3", &[judged(1)], &[added(1, 2, &[nothing(2)])]),
    )
    .await;
    assert_eq!(deployment.balance(1).await.drawn_kg, kilograms(110));
    assert_eq!(deployment.balance(1).await.left_kg, kilograms(-10));
    set(
        &mut client,
        request("4", &[judged(1)], &[added(1, 3, &[nothing(1)])]),
    )
    .await;
    let answer = set(
        &mut client,
        request(
            "5",
            &[judged(1)],
            &[added(2, 2, &[draw(1, 1, 81), draw(2, 1, 80)])],
        ),
    )
    .await;
    assert_eq!(outcomes(&answer), [(Outcome::Exceeded, 0), (Outcome::Drawn, 0)]);
}

#[rstest]
#[tokio::test]
async fn a_changed_certificate_changes_nothing_and_the_answer_is_kept(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = deployment(engine, MultipleShipments, &[100, 100]).await;
    let mut client = deployment.ledger("ours");
    deployment
        .import(&file_of(&[(issued(1, MultipleShipments, 90), None)]))
        .await;
    let unknown = wire::JudgedCertificate {
        number: number(77).number(),
        ..judged(1)
    };
    let certificates = [judged(2), judged(1), unknown];
    let asked = request(
        "1",
        &certificates,
        &[added(1, 1, &[draw(1, 2, 10), draw(2, 1, 10)])],
    );
    let answer = set(&mut client, asked.clone()).await;
    assert_eq!(answer.entries, []);
    assert_eq!(
        answer.changed,
        [(1, 2), (77, 0)].map(|(serial, version)| wire::ChangedCertificate {
            number: number(serial).number(),
            version
        })
    );
    assert_eq!(deployment.balance(2).await.draw_count, 0);
    // Even where it would fit by now: the answer to this request is known.
    deployment
        .import(&file_of(&[(issued(77, MultipleShipments, 90), None)]))
        .await;
    assert_eq!(set(&mut client, asked).await, answer);
}

#[rstest]
#[tokio::test]
async fn a_request_is_answered_once(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = deployment(engine, MultipleShipments, &[100]).await;
    let mut client = deployment.ledger("ours");
    let asked = request("r", &[judged(1)], &[added(1, 1, &[draw(1, 1, 60)])]);
    let answer = set(&mut client, asked.clone()).await;
    set(
        &mut client,
        request("s", &[judged(1)], &[added(2, 1, &[draw(1, 1, 40)])]),
    )
    .await;
    let deployment = deployment.reopen().await;
    let mut client = deployment.ledger("ours");
    assert_eq!(set(&mut client, asked.clone()).await, answer);
    assert_eq!(deployment.balance(1).await.draw_count, 2);
    let other = request("r", &[judged(1)], &[added(1, 1, &[draw(1, 1, 61)])]);
    let refused = client.set_draws(other).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains("\"r\""), "{}", refused.message());
    // The same name is another request of another tenant.
    let mut theirs = deployment.ledger("theirs");
    let answer = set(&mut theirs, asked).await;
    assert_eq!(outcomes(&answer), [(Outcome::Exceeded, 0)]);
}

#[rstest]
#[tokio::test]
async fn what_filing_records_replaces_what_an_import_brought_of_the_line(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = Deployment::new(engine).await;
    let file = file_of(&[(
        issued(1, MultipleShipments, 100),
        Some(vec![imported(1, 1, 50), imported(1, 2, 20), imported(2, 1, 10)]),
    )]);
    deployment.import(&file).await;
    // The importing tenant files its entry; another tenant's entry of that number is another one.
    let mut ours = deployment.ledger("default");
    let entries = [added(1, 1, &[draw(1, 1, 55)])];
    let answer = set(&mut ours, request("1", &[judged(1)], &entries)).await;
    assert_eq!(outcomes(&answer), [(Outcome::Drawn, 0)]);
    assert_eq!(deployment.balance(1).await.drawn_kg, kilograms(85));
    let mut theirs = deployment.ledger("theirs");
    let answer = set(&mut theirs, request("1", &[judged(1)], &entries)).await;
    assert_eq!(outcomes(&answer), [(Outcome::Exceeded, 0)]);
    // The same file again does not count the line twice.
    deployment.import(&file).await;
    let balance = deployment.balance(1).await;
    assert_eq!(
        (balance.drawn_kg.as_str(), balance.draw_count),
        (kilograms(85).as_str(), 3)
    );
    // All that the entry drew goes, whatever recorded it.
    set(&mut ours, request("2", &[], &[replaced(1, 2, &[])])).await;
    assert_eq!(deployment.balance(1).await.drawn_kg, kilograms(10));
    // Once it is not on record, it comes with the next import.
    deployment.import(&file).await;
    assert_eq!(deployment.balance(1).await.drawn_kg, kilograms(80));
}

#[rstest]
#[tokio::test]
async fn only_who_files_sets_draws(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = deployment(engine, MultipleShipments, &[100]).await;
    for role in Role::ALL {
        let mut client = deployment.ledger_of(&principal("ours", role));
        let asked = request(role.as_str(), &[judged(1)], &[added(1, 1, &[draw(1, 1, 1)])]);
        let code = client.set_draws(asked).await.err().map(|status| status.code());
        let files = matches!(role, Role::Broker | Role::Compliance | Role::Operator);
        assert_eq!(code, (!files).then_some(Code::PermissionDenied), "{role:?}");
    }
}

#[rstest]
#[tokio::test]
async fn draws_are_set_for_entries_of_the_tenants_own_filer_codes(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = deployment(engine, MultipleShipments, &[100]).await;
    let filer = entry(1).filer().to_owned();
    for (codes, owns) in [
        (vec![String::new(), filer[..2].to_owned()], false),
        (vec![filer], true),
    ] {
        let mut client = deployment.ledger_of(&Principal {
            filer_codes: FilerCodes::Listed(codes),
            ..principal("ours", Role::Broker)
        });
        let asked = request("1", &[judged(1)], &[added(1, 1, &[draw(1, 1, 10)])]);
        let code = client.set_draws(asked).await.err().map(|status| status.code());
        assert_eq!(code, (!owns).then_some(Code::PermissionDenied));
        assert_eq!(deployment.balance(1).await.draw_count, u32::from(owns));
    }
}

#[rstest]
#[tokio::test]
async fn each_change_is_on_the_audit_record_once(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = deployment(engine, MultipleShipments, &[100]).await;
    let mut client = deployment.ledger("ours");
    let entries = [added(1, 3, &[draw(1, 1, 1)]), replaced(2, 1, &[])];
    for _ in 0..2 {
        set(&mut client, request("r", &[judged(1)], &entries)).await;
    }
    // Nothing is changed where a certificate has changed.
    let outdated = wire::JudgedCertificate {
        version: 9,
        ..judged(1)
    };
    set(&mut client, request("s", &[outdated], &entries)).await;
    let mut audit = Database::open(&deployment.database.location).await.audit().await;
    // The import of the certificate is on the record, too.
    audit.retain(|(_, _, action, _, _)| action != "CERTIFICATES_IMPORTED");
    let detail = format!("{{\"entries\":[[\"{}\",3],[\"{}\",1]]}}", entry(1), entry(2));
    let expected = ["ours", "test", "DRAWS_SET", "r", detail.as_str()].map(str::to_owned);
    let [tenant, actor, action, subject, detail] = expected;
    assert_eq!(audit, [(tenant, actor, action, subject, detail)]);
}

#[rstest]
#[tokio::test]
async fn the_database_itself_keeps_to_the_limit(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let deployment = deployment(engine, MultipleShipments, &[100]).await;
    let database = Database::open(&deployment.database.location).await;
    database
        .execute("UPDATE certificate SET drawn_units = 100")
        .await
        .unwrap();
    let refused = database
        .execute("UPDATE certificate SET drawn_units = 101")
        .await
        .unwrap_err();
    assert!(refused.is_refused_by("drawn_within_limit"), "{refused}");
}
