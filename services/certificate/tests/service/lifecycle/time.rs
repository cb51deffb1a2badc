//! Midnight, the leap day, and a clock that is put back.

use chrono::TimeDelta;
use nopic_chassis::clock::Clock as _;
use nopic_proto::certificate as wire;
use nopic_sql::testing::Engine;
use rstest::rstest;
use tonic::Code;

use super::support::{World, approve, assert_refused, request, void};

async fn history(
    world: &World,
    number: &str,
    as_of: &str,
) -> Result<wire::GetHistoryResponse, tonic::Status> {
    let request = wire::GetHistoryRequest {
        number: number.into(),
        as_of: as_of.into(),
    };
    Ok(world.operator().get_history(request).await?.into_inner())
}

#[rstest]
#[tokio::test]
async fn the_leap_day_ends_at_midnight_in_new_york(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::at(engine, "2028-01-31T04:59:59.999999Z").await;
    world.known.lock().unwrap().clear();
    let mut asks = request("leap");
    let requested = asks.requested.as_mut().unwrap();
    (requested.valid_from, requested.valid_to) = ("2028-02-29".into(), "2028-05-31".into());
    requested.export_on = "2028-02-29".into();
    let state = world
        .exporter()
        .request_certificate(asks)
        .await
        .unwrap()
        .into_inner()
        .state
        .unwrap();
    assert_eq!((state.due_on.as_str(), state.overdue), ("2028-02-29", false));
    let start = wire::StartReviewRequest {
        request_id: "start".into(),
        request: state.request,
        expected_version: 1,
    };
    world.certifier().start_review(start).await.unwrap();
    // 2028-02-29, the last microsecond: still in time, and the certificate is of that day.
    world.clock.advance(TimeDelta::days(30));
    let accepting = |id: &str| wire::ApproveCertificateRequest {
        accepted: [
            "REGISTRY_RECENT",
            "EXPORTER_CERTIFIED",
            "EXPORTER_SCOPE",
            "IMPORTER_CERTIFIED",
            "IMPORTER_HANDLER",
            "PRODUCT_CERTIFIED",
            "CONTRACT_NAMES_IMPORTER",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..approve(id, state.request, 2)
    };
    world.clock.advance(TimeDelta::microseconds(1));
    let get = wire::GetRequestRequest {
        request: state.request,
        as_of: String::new(),
    };
    let late = world
        .certifier()
        .get_request(get)
        .await
        .unwrap()
        .into_inner()
        .state
        .unwrap();
    assert!(late.overdue);
    assert_refused(
        world.certifier().approve_certificate(accepting("late")).await,
        Code::FailedPrecondition,
        &["2028-03-01", "before export"],
    );
    world.clock.advance(TimeDelta::microseconds(-1));
    let issued = world
        .certifier()
        .approve_certificate(accepting("in time"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(issued.state.unwrap().issued_on, "2028-02-29");
}

#[rstest]
#[tokio::test]
async fn goods_that_have_left_get_no_certificate(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::at(engine, "2026-03-02T05:00:00Z").await;
    let mut left = request("left");
    left.requested.as_mut().unwrap().export_on = "2026-03-01".into();
    assert_refused(
        world.exporter().request_certificate(left).await,
        Code::FailedPrecondition,
        &["EXPORT_AFTER_ISSUE"],
    );
    // A validity that has begun begins on the day of issue.
    let number = world.under_review("r").await;
    assert_refused(
        world
            .certifier()
            .approve_certificate(approve("a", number, 2))
            .await,
        Code::FailedPrecondition,
        &["valid_from", "2026-03-02"],
    );
    let from_today = wire::ApproveCertificateRequest {
        valid_from: "2026-03-02".into(),
        // Of January.
        accepted: vec!["REGISTRY_RECENT".into()],
        ..approve("b", number, 2)
    };
    let issued = world
        .certifier()
        .approve_certificate(from_today)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(issued.state.unwrap().valid_from, "2026-03-02");
}

#[rstest]
#[tokio::test]
async fn history_answers_as_of_any_moment_whatever_the_clock_did(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let number = world.issued("r").await;
    world.clock.advance(TimeDelta::hours(2));
    let issued = history(&world, &number, "2026-02-01T12:00:00Z").await.unwrap();
    assert_eq!((issued.versions.len(), issued.request_steps.len()), (1, 3));
    assert_eq!(
        history(&world, &number, "2026-02-01T11:59:59.999999Z")
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    // Put back by a day, the clock does not put the step before those that it follows.
    world.clock.advance(TimeDelta::days(-1));
    world
        .certifier()
        .void_certificate(void("v", &number, 1))
        .await
        .unwrap();
    assert!(world.clock.now().to_rfc3339().starts_with("2026-01-31"));
    let all = history(&world, &number, "").await.unwrap();
    let moments: Vec<&str> = all
        .versions
        .iter()
        .map(|version| version.step.as_ref().unwrap().at.as_str())
        .collect();
    assert_eq!(moments, ["2026-02-01T12:00:00Z", "2026-02-01T12:00:00Z"]);
    assert_eq!(
        history(&world, &number, "2026-02-01T11:59:59Z")
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    assert_refused(
        history(&world, &number, "yesterday").await,
        Code::InvalidArgument,
        &["as_of"],
    );
}
