//! Numbers that are given here, numbers that OID gave, and what lists show of both.

use nopic_domain::principal::Principal;
use nopic_proto::certificate as wire;
use nopic_sql::testing::Engine;
use rstest::rstest;
use tonic::Code;

use super::support::{
    EXPORTER, OTHER_EXPORTER, World, approve, assert_refused, certifier, exporter, request, void,
};

#[rstest]
#[tokio::test]
async fn numbers_rise_past_imported_ones_and_are_never_given_twice(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let imported = |serial: u32, status: &str| {
        format!(
            "{{\"number\":\"015-{EXPORTER}-{serial:06}\",\"status\":\"{status}\",\"certifierId\":\"015\",\
             \"exporterNopId\":\"{EXPORTER}\",\"importerNopId\":\"0620000002\",\"product\":\"almonds\",\
             \"htsCode\":\"080212\",\
             \"kind\":\"TIME_FRAME\",\"issuedOn\":\"2025-01-15\",\"validFrom\":\"2025-01-20\",\
             \"validTo\":\"2025-07-20\",\"totalWeightKg\":\"1000\"}}\n"
        )
    };
    world.import(&imported(7, "VOIDED")).await;
    let first = world.issued("a").await;
    assert_eq!(first, "015-0150000001-000008");
    world
        .certifier()
        .void_certificate(void("v", &first, 1))
        .await
        .unwrap();
    world.import(&imported(20, "ISSUED")).await;

    let mut numbers = Vec::new();
    for id in 0..12 {
        numbers.push(world.under_review(&format!("many {id}")).await);
    }
    let approvals = numbers.iter().map(|number| {
        let mut client = world.certifier();
        async move {
            let answer = client
                .approve_certificate(approve(&format!("n {number}"), *number, 2))
                .await;
            answer.unwrap().into_inner().state.unwrap().number
        }
    });
    let mut issued: Vec<String> = futures::future::join_all(approvals).await;
    issued.sort();
    let expected: Vec<String> = (21..33)
        .map(|serial| format!("015-{EXPORTER}-{serial:06}"))
        .collect();
    assert_eq!(issued, expected);
    // The last number of all.
    world.import(&imported(999_999, "ISSUED")).await;
    let number = world.under_review("too late").await;
    assert_refused(
        world
            .certifier()
            .approve_certificate(approve("x", number, 2))
            .await,
        Code::FailedPrecondition,
        &["999999"],
    );
}

#[rstest]
#[tokio::test]
async fn without_numbers_of_its_own_an_approval_waits_for_the_one_from_oid(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let mut asks = request("r");
    asks.requested.as_mut().unwrap().exporter_nop_id = OTHER_EXPORTER.into();
    let state = world
        .of(&exporter(OTHER_EXPORTER))
        .request_certificate(asks)
        .await
        .unwrap();
    let number = state.into_inner().state.unwrap().request;
    let mut client = world.of(&certifier("099"));
    let start = wire::StartReviewRequest {
        request_id: "start".into(),
        request: number,
        expected_version: 1,
    };
    client.start_review(start).await.unwrap();
    let approved = client
        .approve_certificate(approve("r", number, 2))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(approved.certificate, None);
    let state = approved.state.unwrap();
    assert_eq!(
        (state.status.as_str(), state.stage.as_str()),
        ("UNDER_REVIEW", "NUMBER_AWAITED")
    );
    let waiting = wire::ListRequestsRequest {
        stage: "NUMBER_AWAITED".into(),
        ..wire::ListRequestsRequest::default()
    };
    let listed = client.list_requests(waiting).await.unwrap().into_inner();
    assert_eq!((listed.states.len(), listed.complete), (1, true));

    let existing = world.issued("other").await;
    let enter = |id: &str, entered: &str| wire::EnterIssuedNumberRequest {
        request_id: id.into(),
        request: number,
        expected_version: 3,
        number: entered.into(),
        ..wire::EnterIssuedNumberRequest::default()
    };
    assert_refused(
        client.enter_issued_number(enter("e1", &existing)).await,
        Code::FailedPrecondition,
        &["099", "CERTIFICATE_NUMBER_INCONSISTENT"],
    );
    let meant = wire::EnterIssuedNumberRequest {
        accept_inconsistent: true,
        ..enter("e2", &existing)
    };
    assert_refused(
        client.enter_issued_number(meant).await,
        Code::AlreadyExists,
        &[&existing, "exists already"],
    );
    assert_refused(
        client.enter_issued_number(enter("e3", "099-1")).await,
        Code::InvalidArgument,
        &["number"],
    );
    let entered = wire::EnterIssuedNumberRequest {
        issued_on: "2026-02-02".into(),
        valid_from: "2026-02-03".into(),
        ..enter("e4", "099-0990000001-000041")
    };
    let issued = client.enter_issued_number(entered).await.unwrap().into_inner();
    let certificate = issued.certificate.unwrap().certificate.unwrap();
    assert_eq!(
        (certificate.issued_on.as_str(), certificate.valid_from.as_str()),
        ("2026-02-02", "2026-02-03")
    );
    assert_eq!(issued.state.unwrap().stage, "ISSUED");
}

#[rstest]
#[tokio::test]
async fn requests_are_listed_to_those_concerned_page_by_page(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    for id in 0..5 {
        world.requested(&format!("r {id}")).await;
    }
    let all = |page_token: String| wire::ListRequestsRequest {
        page_size: 2,
        page_token,
        ..wire::ListRequestsRequest::default()
    };
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = world
            .certifier()
            .list_requests(all(token))
            .await
            .unwrap()
            .into_inner();
        seen.extend(page.states.iter().map(|state| state.request));
        assert_eq!(page.complete, page.next_page_token.is_empty());
        if page.complete {
            break;
        }
        token = page.next_page_token;
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    for (principal, expected) in [
        (certifier("099"), 0),
        (exporter(EXPORTER), 5),
        (Principal::built_in("operator"), 5),
    ] {
        let listed = world
            .of(&principal)
            .list_requests(wire::ListRequestsRequest::default())
            .await;
        assert_eq!(
            listed.unwrap().into_inner().states.len(),
            expected,
            "{principal:?}"
        );
    }
    let due = |due_by: &str| wire::ListRequestsRequest {
        due_by: due_by.into(),
        ..wire::ListRequestsRequest::default()
    };
    for (day, expected) in [("2026-03-02", 0), ("2026-03-03", 5)] {
        let listed = world
            .operator()
            .list_requests(due(day))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(listed.states.len(), expected, "{day}");
    }
    assert_refused(
        world.operator().list_requests(all("x".into())).await,
        Code::InvalidArgument,
        &["page_token"],
    );
}

#[rstest]
#[tokio::test]
async fn weights_that_cannot_be_are_refused(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    for weight in [
        "0",
        "0.0000",
        "-1",
        "1.00000",
        "1000000000000.0001",
        "",
        "1e3",
        "ton",
    ] {
        let mut asks = request(&format!("weight {weight}"));
        asks.requested.as_mut().unwrap().total_weight_kg = weight.into();
        assert_refused(
            world.exporter().request_certificate(asks).await,
            Code::InvalidArgument,
            &["total_weight_kg"],
        );
    }
    let mut most = request("most");
    most.requested.as_mut().unwrap().total_weight_kg = "1000000000000".into();
    world.exporter().request_certificate(most).await.unwrap();
}
