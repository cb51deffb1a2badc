//! A request from its first step to the number.

use nopic_domain::principal::Principal;
use nopic_proto::certificate as wire;
use nopic_sql::testing::Engine;
use rstest::rstest;
use tonic::Code;

use super::support::{
    OTHER_EXPORTER, World, approve, assert_refused, certifier, content, exporter, request, void,
};

fn question(id: &str, request: u64, expected_version: u32) -> wire::AskForMoreRequest {
    wire::AskForMoreRequest {
        request_id: id.into(),
        request,
        expected_version,
        question: "Which lots?".into(),
    }
}

fn reject(id: &str, request: u64, expected_version: u32) -> wire::RejectCertificateRequest {
    wire::RejectCertificateRequest {
        request_id: id.into(),
        request,
        expected_version,
        reasons: "the lots are not known".into(),
    }
}

async fn get(world: &World, request: u64) -> wire::GetRequestResponse {
    let request = wire::GetRequestRequest {
        request,
        as_of: String::new(),
    };
    world.certifier().get_request(request).await.unwrap().into_inner()
}

#[rstest]
#[tokio::test]
async fn every_step_to_an_issued_certificate_is_kept(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let number = world.under_review("r").await;
    let mut certifier = world.certifier();
    certifier.ask_for_more(question("ask", number, 2)).await.unwrap();
    let answer = wire::AnswerQuestionRequest {
        request_id: "answer".into(),
        request: number,
        expected_version: 3,
        answer: "These.".into(),
        corrected: Some(wire::RequestedCertificate {
            lots: vec!["LOT 2".into()],
            ..content()
        }),
    };
    let state = world
        .exporter()
        .answer_question(answer)
        .await
        .unwrap()
        .into_inner()
        .state
        .unwrap();
    assert_eq!((state.stage.as_str(), state.version), ("UNDER_REVIEW", 4));
    let approved = wire::ApproveCertificateRequest {
        reason: "complies".into(),
        ..approve("r", number, 4)
    };
    let approved = certifier
        .approve_certificate(approved)
        .await
        .unwrap()
        .into_inner();
    let certificate = approved.certificate.unwrap().certificate.unwrap();
    assert_eq!(certificate.number, "015-0150000001-000001");
    assert_eq!(
        (certificate.status.as_str(), certificate.issued_on.as_str()),
        ("ISSUED", "2026-02-01")
    );
    assert_eq!(certificate.lots, ["LOT 2"]);

    let found = get(&world, number).await;
    let steps: Vec<&str> = found.steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(
        steps,
        [
            "REQUEST",
            "START_REVIEW",
            "ASK_FOR_MORE",
            "ANSWER_QUESTION",
            "APPROVE"
        ]
    );
    assert_eq!(found.steps[4].reason, "complies");
    // The certifier knows its own people, and not the exporter's.
    assert_eq!(
        (found.steps[4].actor.as_str(), found.steps[3].actor.as_str()),
        ("Carl", "")
    );
    let state = found.state.unwrap();
    assert_eq!(state.number, certificate.number);
    assert_eq!(state.questions[0].answer, "These.");
    assert!(state.possible.is_empty());

    let history = wire::GetHistoryRequest {
        number: certificate.number.clone(),
        as_of: String::new(),
    };
    let history = certifier.get_history(history).await.unwrap().into_inner();
    assert_eq!((history.request, history.request_steps.len()), (number, 5));
    assert_eq!(history.versions.len(), 1);
    assert_eq!(history.versions[0].step.as_ref().unwrap().step, "APPROVE");

    let (audit, outbox) = world.notes().await;
    let expected: Vec<(String, String)> = steps
        .iter()
        .map(|step| ((*step).to_owned(), format!("request {number}")))
        .collect();
    assert_eq!(audit, expected);
    // Who asked is told of each, and the certifier of all from its own first one on.
    assert_eq!(outbox.len(), 9);
    assert!(outbox.iter().all(|(topic, _)| topic == "certificate_step_taken"));
}

#[rstest]
#[tokio::test]
async fn illegal_steps_are_refused_with_the_state_and_what_is_possible(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let number = world.requested("r").await;
    let mut certifier = world.certifier();
    assert_refused(
        certifier.approve_certificate(approve("r", number, 1)).await,
        Code::FailedPrecondition,
        &["APPROVE", "REQUESTED", "possible: START_REVIEW"],
    );
    let rejected = world.under_review("other").await;
    certifier
        .reject_certificate(reject("reject", rejected, 2))
        .await
        .unwrap();
    assert_refused(
        certifier.ask_for_more(question("ask", rejected, 3)).await,
        Code::FailedPrecondition,
        &["ASK_FOR_MORE", "REJECTED", "nothing more"],
    );
    assert_eq!(
        get(&world, rejected).await.state.unwrap().rejected_because,
        "the lots are not known"
    );
    assert_refused(
        certifier
            .reject_certificate(wire::RejectCertificateRequest {
                reasons: " ".into(),
                ..reject("empty", number, 1)
            })
            .await,
        Code::FailedPrecondition,
        &["REJECT"],
    );
    assert_refused(
        certifier.ask_for_more(question("none", 99, 1)).await,
        Code::NotFound,
        &["request 99"],
    );
}

#[rstest]
#[tokio::test]
async fn nobody_acts_in_anothers_name(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    let number = world.under_review("r").await;
    // Another certifier does not even hear of the request; the operator does, and may not act.
    let mut other = world.of(&certifier("099"));
    assert_refused(
        other.approve_certificate(approve("r", number, 2)).await,
        Code::NotFound,
        &[],
    );
    let mut operator = world.operator();
    assert_refused(
        operator.approve_certificate(approve("r", number, 2)).await,
        Code::PermissionDenied,
        &["certifier 015", "operator"],
    );
    let posing = Principal {
        certifier_id: "015".parse().ok(),
        ..Principal::built_in("operator")
    };
    assert_refused(
        world
            .of(&posing)
            .approve_certificate(approve("r", number, 2))
            .await,
        Code::PermissionDenied,
        &["certifier 015"],
    );
    assert_refused(
        world
            .of(&exporter(OTHER_EXPORTER))
            .request_certificate(request("x"))
            .await,
        Code::PermissionDenied,
        &["exporter 0150000001"],
    );
    // Certificates are known to all, but only their certifier acts on them.
    let issued = world.issued("s").await;
    assert_refused(
        other.void_certificate(void("v", &issued, 1)).await,
        Code::PermissionDenied,
        &["certifier 015"],
    );
    assert_refused(
        operator.void_certificate(void("v", &issued, 1)).await,
        Code::PermissionDenied,
        &["certifier 015"],
    );
}

#[rstest]
#[tokio::test]
async fn of_two_reviewers_at_once_one_wins(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    let number = world.under_review("r").await;
    let (mut first, mut second) = (world.certifier(), world.certifier());
    let (approved, rejected) = tokio::join!(
        first.approve_certificate(approve("r", number, 2)),
        second.reject_certificate(reject("reject", number, 2)),
    );
    let lost = match (approved, rejected) {
        (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => lost,
        both => panic!("{both:?}"),
    };
    assert_eq!(lost.code(), Code::Aborted, "{lost}");
    assert!(lost.message().contains("version 3 is the current one"), "{lost}");
    assert_eq!(get(&world, number).await.steps.len(), 3);
    assert_refused(
        first.ask_for_more(question("other", number, 1)).await,
        Code::Aborted,
        &["version 1 was meant"],
    );
}

#[rstest]
#[tokio::test]
async fn without_a_version_a_step_is_for_whatever_stands_and_the_same_again_is_the_same(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let mut certifier = world.certifier();
    let number = world.under_review("r").await;
    let approved = certifier
        .approve_certificate(approve("r", number, 0))
        .await
        .unwrap()
        .into_inner();
    let again = certifier.approve_certificate(approve("r", number, 0)).await;
    assert_eq!(again.unwrap().into_inner(), approved);
    let number = approved.state.unwrap().number;
    let voided = certifier
        .void_certificate(void("v", &number, 0))
        .await
        .unwrap()
        .into_inner();
    let again = certifier.void_certificate(void("v", &number, 0)).await;
    assert_eq!(again.unwrap().into_inner(), voided);
    // Another change is refused by the state.
    assert_refused(
        certifier.void_certificate(void("w", &number, 0)).await,
        Code::FailedPrecondition,
        &["VOID", "VOIDED"],
    );
}

#[rstest]
#[tokio::test]
async fn the_same_request_gets_its_first_answer(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    let mut client = world.exporter();
    let first = client
        .request_certificate(request("r"))
        .await
        .unwrap()
        .into_inner();
    let again = client
        .request_certificate(request("r"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    let mut other = request("r");
    other.requested.as_mut().unwrap().total_weight_kg = "20001".into();
    assert_refused(
        client.request_certificate(other).await,
        Code::AlreadyExists,
        &["\"r\"", "another request"],
    );
    assert_refused(
        client.request_certificate(request(" ")).await,
        Code::InvalidArgument,
        &["request_id"],
    );
    // Where a filing would find the answer of another.
    assert_refused(
        client.request_certificate(request("filing/7/1")).await,
        Code::InvalidArgument,
        &["request_id", "filing/"],
    );
    // At once, and repeated after more has happened.
    let number = first.state.unwrap().request;
    let start = wire::StartReviewRequest {
        request_id: "start".into(),
        request: number,
        expected_version: 1,
    };
    let (mut one, mut two) = (world.certifier(), world.certifier());
    let (a, b) = tokio::join!(one.start_review(start.clone()), two.start_review(start));
    assert_eq!(a.unwrap().into_inner(), b.unwrap().into_inner());
    let issued = one
        .approve_certificate(approve("r", number, 2))
        .await
        .unwrap()
        .into_inner();
    one.void_certificate(void("v", &issued.state.as_ref().unwrap().number, 1))
        .await
        .unwrap();
    let repeated = one
        .approve_certificate(approve("r", number, 2))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(issued, repeated);
    assert_eq!(world.notes().await.0.len(), 4);
}
