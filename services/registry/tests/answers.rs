//! Questions through the gRPC client.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod support;

use std::time::Duration;

use nopic_proto::registry as wire;
use nopic_sql::testing::Engine;
use rstest::rstest;
use support::{Fixture, exact, operation, two_revisions};
use wire::watch_changes_response::Event;

#[rstest]
#[tokio::test]
async fn a_batch_is_answered_in_its_order_and_a_wrong_question_spoils_no_other(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = two_revisions(engine).await;
    let question = |nop_id: &str, on: &str| wire::StatusQuestion {
        nop_id: nop_id.into(),
        on: on.into(),
    };
    let mut questions = vec![
        question("0150000002", "2024-01-25"),
        question("150000001", "2024-01-25"),
        question("0150000001", "25.1.2024"),
        question("0150000001", "2024-01-25"),
        question("0150000003", "2023-12-31"),
        question("0159999999", "2024-01-25"),
    ];
    let mut request = wire::BatchGetStatusRequest {
        questions: questions.clone(),
        revision: None,
        with_history: true,
    };
    use wire::status_answer::Knowledge::{Invalid, Known, NotListed, Unknown};
    for warm in [false, true] {
        if warm {
            registry.registry.warm().await.unwrap();
        }
        let answer = registry
            .client
            .batch_get_status(request.clone())
            .await
            .unwrap()
            .into_inner();
        let knowledge: Vec<_> = answer.answers.iter().map(wire::StatusAnswer::knowledge).collect();
        assert_eq!(knowledge, [Known, Invalid, Invalid, Known, Unknown, NotListed]);
        assert_eq!(answer.answers[0].status, "Suspended");
        assert!(!answer.answers[0].certified && answer.answers[3].certified);
        let history: Vec<_> = answer.answers[0]
            .history
            .iter()
            .map(|period| (period.from.as_str(), period.status.as_str()))
            .collect();
        assert_eq!(
            history,
            [("2020-01-01", "Certified"), ("2024-01-20", "Suspended")]
        );
        assert_eq!(answer.revision.unwrap().revision, 2);
    }
    request.revision = Some(exact(1));
    let answer = registry
        .client
        .batch_get_status(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        answer.answers[0].status, "Certified",
        "an older revision answers as it did"
    );
    // Many questions take another way to the same answers.
    request.questions = (0..1_000)
        .map(|index| questions[index % questions.len()].clone())
        .collect();
    let many = registry
        .client
        .batch_get_status(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(many.answers[..6], answer.answers[..]);
    request.revision = Some(exact(3));
    let missing = registry
        .client
        .batch_get_status(request.clone())
        .await
        .unwrap_err();
    assert_eq!(missing.code(), tonic::Code::NotFound);
    request.revision = Some(wire::RevisionChoice {
        choice: Some(wire::revision_choice::Choice::AtLeast(3)),
    });
    let behind = registry
        .client
        .batch_get_status(request.clone())
        .await
        .unwrap_err();
    assert_eq!(behind.code(), tonic::Code::FailedPrecondition);
    questions.resize(10_001, question("0150000001", "2024-01-25"));
    request.questions = questions;
    let too_many = registry.client.batch_get_status(request).await.unwrap_err();
    assert_eq!(too_many.code(), tonic::Code::InvalidArgument);
}

#[rstest]
#[tokio::test]
async fn an_empty_registry_answers_nothing_rather_than_no(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    assert_eq!(registry.revision().await, (0, String::new()));
    let refused = registry.operation("0150000001").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains("nopic registry import"), "{refused}");
    let manifest = registry
        .client
        .get_status_manifest(wire::GetStatusManifestRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (manifest.revision.unwrap().revision, manifest.shard_hashes.len()),
        (0, 0)
    );
}

#[rstest]
#[tokio::test]
async fn an_operation_shows_its_last_row_and_all_its_history(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = two_revisions(engine).await;
    let gone = registry.operation("0150000003").await.unwrap();
    assert_eq!(
        (gone.name.as_str(), gone.status.as_str()),
        ("Farm 0150000003", "Unlisted")
    );
    assert_eq!(gone.history.len(), 2);
    assert_eq!(
        gone.history[0].from, "2024-01-01",
        "no date: from the publication on"
    );
    assert!(
        gone.fields
            .iter()
            .any(|field| field.name == "opPA_country" && field.value == "Peru")
    );
    let never = registry.operation("0150000009").await.unwrap_err();
    assert_eq!(never.code(), tonic::Code::NotFound);
    let malformed = registry.operation("15").await.unwrap_err();
    assert_eq!(malformed.code(), tonic::Code::InvalidArgument);
}

#[rstest]
#[tokio::test]
async fn items_belong_to_their_operations(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut registry = Fixture::new(engine).await;
    let operations = "<Operation><op_nopOpID>0150000001</op_nopOpID><op_name>A</op_name><op_status>Certified</op_status></Operation>\
        <Operation><op_nopOpID>0150000002</op_nopOpID><op_name>B</op_name><op_status>Certified</op_status></Operation>";
    let item = |id: &str, what: &str| {
        format!("<Item><ci_nopOpID>{id}</ci_nopOpID><ci_itemList>{what}</ci_itemList></Item>")
    };
    let xml = |items: &[String]| {
        format!(
            "<P><Operations>{operations}</Operations><Items>{}</Items></P>",
            items.concat()
        )
        .into_bytes()
    };
    let import = async |registry: &mut Fixture, day: &str, items: &[String]| {
        let options = wire::ImportOptions {
            published_on: day.into(),
            ..wire::ImportOptions::default()
        };
        registry
            .import(options, &[("stream.xml", xml(items))])
            .await
            .unwrap()
    };
    let first = [
        item("0150000001", "rice"),
        item("0150000002", "licorice"),
        item("0150000001", "oats"),
    ];
    import(&mut registry, "2024-01-01", &first).await;
    // Another order is the same content; one that goes on after what is known is not.
    let again = [first[2].clone(), first[0].clone(), first[1].clone()];
    let report = import(&mut registry, "2024-01-01", &again).await;
    assert_eq!(report.result.outcome(), wire::import_result::Outcome::Unchanged);
    let more = [
        first[2].clone(),
        first[0].clone(),
        first[1].clone(),
        item("0150000001", "tea"),
        item("0150000002", "honey"),
    ];
    import(&mut registry, "2024-02-01", &more).await;
    let lists = async |registry: &mut Fixture, id: &str| {
        let mut found: Vec<_> = registry
            .operation(id)
            .await
            .unwrap()
            .items
            .iter()
            .map(|item| {
                item.fields
                    .iter()
                    .find(|field| field.name == "ci_itemList")
                    .unwrap()
                    .value
                    .clone()
            })
            .collect();
        found.sort();
        found.join(" ")
    };
    assert_eq!(lists(&mut registry, "0150000001").await, "oats rice tea");
    assert_eq!(lists(&mut registry, "0150000002").await, "honey licorice");
    let with_rice = wire::SearchOperationsRequest {
        product: "Rice".into(),
        ..wire::SearchOperationsRequest::default()
    };
    for _ in 0..2 {
        let hits = registry
            .client
            .search_operations(with_rice.clone())
            .await
            .unwrap()
            .into_inner()
            .hits;
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].nop_id, "0150000001");
    }
}

#[rstest]
#[tokio::test]
async fn lists_come_in_pages_and_say_whether_they_are_whole(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = two_revisions(engine).await;
    let rows: Vec<_> = (0..25)
        .map(|number| {
            operation(
                &format!("{:010}", 160_000_000 + number),
                "Certified",
                "2020-01-01",
            )
        })
        .collect();
    registry.import_json("2024-03-01", false, &rows).await.unwrap();
    for size in [1, 5, 16, 28, 100] {
        let mut request = wire::SearchOperationsRequest {
            page_size: size,
            ..wire::SearchOperationsRequest::default()
        };
        let mut ids = Vec::new();
        loop {
            let page = registry
                .client
                .search_operations(request.clone())
                .await
                .unwrap()
                .into_inner();
            assert_eq!(page.complete, page.next_page_token.is_empty());
            ids.extend(page.hits.into_iter().map(|hit| hit.nop_id));
            if page.complete {
                break;
            }
            request.page_token = page.next_page_token;
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 28, "pages of {size}");
    }
    let mut request = wire::SearchOperationsRequest {
        query: "farm".into(),
        page_size: 5,
        ..wire::SearchOperationsRequest::default()
    };
    let token = registry
        .client
        .search_operations(request.clone())
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    for wrong in ["x", "1-2", "3-5-00", &format!("{token}0")] {
        request.page_token = wrong.into();
        let refused = registry
            .client
            .search_operations(request.clone())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{wrong}");
    }
    request.page_token = token;
    request.page_size = 7;
    registry.client.search_operations(request.clone()).await.unwrap();
    registry
        .import_json("2024-03-02", false, &rows[..1])
        .await
        .unwrap();
    let moved = registry
        .client
        .search_operations(request.clone())
        .await
        .unwrap_err();
    assert_eq!(moved.code(), tonic::Code::FailedPrecondition, "{moved}");
    request.page_size = 1_001;
    let too_large = registry.client.search_operations(request).await.unwrap_err();
    assert_eq!(too_large.code(), tonic::Code::InvalidArgument);

    let mut request = wire::ListSnapshotsRequest {
        page_size: 3,
        page_token: String::new(),
    };
    let first = registry
        .client
        .list_snapshots(request.clone())
        .await
        .unwrap()
        .into_inner();
    let revisions = |page: &wire::ListSnapshotsResponse| -> Vec<u32> {
        page.snapshots.iter().map(|snapshot| snapshot.revision).collect()
    };
    assert_eq!((revisions(&first), first.complete), (vec![4, 3, 2], false));
    request.page_token = first.next_page_token;
    let second = registry
        .client
        .list_snapshots(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((revisions(&second), second.complete), (vec![1], true));
}

#[rstest]
#[tokio::test]
async fn changes_come_from_the_past_and_then_as_they_happen(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = two_revisions(engine).await;
    let mut changes = registry
        .client
        .watch_changes(wire::WatchChangesRequest { since_revision: 0 })
        .await
        .unwrap()
        .into_inner();
    let mut seen = Vec::new();
    let next = async |changes: &mut tonic::Streaming<wire::WatchChangesResponse>| match changes
        .message()
        .await
        .unwrap()
        .unwrap()
        .event
        .unwrap()
    {
        Event::Change(change) => format!(
            "{} {} {:?} {} {}",
            change.revision,
            change.nop_id,
            change.kind(),
            change.status,
            change.from
        ),
        Event::Reached(revision) => format!("reached {}", revision.revision),
        Event::Heartbeat(revision) => format!("heartbeat {}", revision.revision),
    };
    for _ in 0..7 {
        seen.push(next(&mut changes).await);
    }
    assert_eq!(
        seen,
        [
            "1 0150000001 Added Certified 2020-01-01",
            "1 0150000002 Added Certified 2020-01-01",
            "1 0150000003 Added Certified 2024-01-01",
            "reached 1",
            "2 0150000002 Changed Suspended 2024-01-20",
            "2 0150000003 Unlisted Unlisted 2024-02-01",
            "reached 2",
        ]
    );
    registry
        .import_json(
            "2024-03-01",
            false,
            &[operation("0150000003", "Certified", "2024-02-20")],
        )
        .await
        .unwrap();
    assert_eq!(
        next(&mut changes).await,
        "3 0150000003 Added Certified 2024-02-20"
    );
    assert_eq!(next(&mut changes).await, "reached 3");
    let mut later = registry
        .client
        .watch_changes(wire::WatchChangesRequest { since_revision: 3 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(next(&mut later).await, "heartbeat 3");
    let beyond = registry
        .client
        .watch_changes(wire::WatchChangesRequest { since_revision: 4 })
        .await
        .unwrap_err();
    assert_eq!(beyond.code(), tonic::Code::FailedPrecondition);
    tokio::time::timeout(Duration::from_secs(5), async {
        registry.registry.close().await;
        while changes.message().await.unwrap().is_some() {}
    })
    .await
    .expect("a registry that closes ends its streams with OK");
}
