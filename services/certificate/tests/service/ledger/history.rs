//! What was drawn at any time.

use chrono::TimeDelta;
use nopic_domain::certificate::CertificateKind;
use nopic_domain::principal::Role;
use nopic_sql::testing::Engine;
use rstest::rstest;

use crate::support::ledger::{added, draw, issued, judged, kilograms, replaced, request, set};
use crate::support::sample::{entry, number};
use crate::support::{Deployment, file_of, principal};
use nopic_proto::certificate as wire;

#[rstest]
#[tokio::test]
async fn balance_and_draws_are_those_of_the_moment(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = Deployment::new(engine).await;
    // The clock stands at 2025-10-09T08:53:20Z; each step is a microsecond or a second later.
    let kind = CertificateKind::TimeFrame;
    deployment
        .import(&file_of(&[(issued(1, kind, 100), Some(Vec::new()))]))
        .await;
    let mut client = deployment.ledger("ours");
    deployment.clock.advance(TimeDelta::microseconds(1));
    let lines = [draw(1, 1, 60), draw(2, 1, 5)];
    set(&mut client, request("1", &[judged(1)], &[added(1, 1, &lines)])).await;
    deployment.clock.advance(TimeDelta::seconds(1));
    set(
        &mut client,
        request("2", &[judged(1)], &[added(1, 2, &[draw(1, 1, 20)])]),
    )
    .await;
    deployment.clock.advance(TimeDelta::seconds(1));
    deployment.import(&file_of(&[(issued(1, kind, 70), None)])).await;
    deployment.clock.advance(TimeDelta::seconds(1));
    set(&mut client, request("3", &[], &[replaced(1, 3, &[])])).await;

    for (moment, version, total, drawn, count) in [
        ("2025-10-09T08:53:20Z", 1, 100, 0, 0),
        ("2025-10-09T08:53:20.000001Z", 1, 100, 65, 2),
        ("2025-10-09T04:53:21-04:00", 1, 100, 65, 2),
        ("2025-10-09T08:53:21.000001Z", 1, 100, 25, 2),
        ("2025-10-09T08:53:22.000001Z", 2, 70, 25, 2),
        ("2025-10-09T08:53:23Z", 2, 70, 25, 2),
        ("2025-10-09T08:53:23.000001Z", 2, 70, 0, 0),
        ("2026-01-01T00:00:00Z", 2, 70, 0, 0),
    ] {
        let balance = deployment.balance_at(1, moment).await;
        assert_eq!(
            (
                balance.version,
                balance.total_weight_kg,
                balance.drawn_kg,
                balance.left_kg,
                balance.draw_count
            ),
            (
                version,
                kilograms(total),
                kilograms(drawn),
                kilograms(total - drawn),
                count
            ),
            "{moment}"
        );
        let caller = principal("ours", Role::Broker);
        let draws = deployment.history(&caller, 1, moment, 1).await;
        assert_eq!(draws.len(), count as usize, "{moment}");
    }
    let now = deployment.balance(1).await;
    assert_eq!((now.version, now.drawn_kg.as_str(), now.draw_count), (2, "0", 0));
    assert_eq!(now.as_of, "2025-10-09T08:53:23.000001Z");

    let caller = principal("ours", Role::Broker);
    let draws = deployment.history(&caller, 1, "", 2).await;
    let record = |line_number, units, entry_version, recorded_at: &str, ended_at: &str| wire::DrawRecord {
        entry_number: entry(1).to_string(),
        line_number,
        pga_line_number: 1,
        weight_kg: kilograms(units),
        excess_kg: "0".into(),
        source: "FILING".into(),
        entry_version,
        recorded_by: "test".into(),
        recorded_at: recorded_at.to_owned(),
        ended_at: ended_at.to_owned(),
        tenant: "ours".into(),
    };
    assert_eq!(
        draws,
        [
            record(
                1,
                60,
                1,
                "2025-10-09T08:53:20.000001Z",
                "2025-10-09T08:53:21.000001Z"
            ),
            record(
                2,
                5,
                1,
                "2025-10-09T08:53:20.000001Z",
                "2025-10-09T08:53:23.000001Z"
            ),
            record(
                1,
                20,
                2,
                "2025-10-09T08:53:21.000001Z",
                "2025-10-09T08:53:23.000001Z"
            ),
        ]
    );
    // Others see none of it.
    assert_eq!(
        deployment
            .history(&principal("theirs", Role::Broker), 1, "", 0)
            .await,
        []
    );
}

#[rstest]
#[tokio::test]
async fn a_tenant_is_told_its_own_part_of_what_was_drawn(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let deployment = Deployment::new(engine).await;
    deployment
        .import(&file_of(&[(issued(1, CertificateKind::TimeFrame, 100), None)]))
        .await;
    for (tenant, units) in [("ours", 60), ("theirs", 30)] {
        set(
            &mut deployment.ledger(tenant),
            request("1", &[judged(1)], &[added(1, 1, &[draw(1, 1, units)])]),
        )
        .await;
    }
    deployment.clock.advance(TimeDelta::seconds(1));
    let now = deployment.balance(1).await.as_of;
    for (caller, own, count) in [
        (principal("ours", Role::Broker), 60, 1),
        (principal("theirs", Role::Broker), 30, 1),
        (principal("nobody", Role::Broker), 0, 0),
        (principal("default", Role::Operator), 90, 2),
    ] {
        for as_of in ["", now.as_str()] {
            let mut client = deployment.ledger_of(&caller);
            let question = wire::GetBalanceRequest {
                number: number(1).to_string(),
                as_of: as_of.to_owned(),
            };
            let balance = client.get_balance(question).await.unwrap().into_inner();
            assert_eq!(
                (balance.drawn_kg, balance.own_drawn_kg, balance.draw_count),
                (kilograms(90), kilograms(own), count),
                "{} {as_of}",
                caller.tenant
            );
        }
    }
    let operator = principal("default", Role::Operator);
    let draws = deployment.history(&operator, 1, "", 10).await;
    let tenants: Vec<_> = draws.iter().map(|draw| draw.tenant.as_str()).collect();
    assert_eq!(tenants, ["ours", "theirs"]);
}
