//! The calls.

use std::sync::Arc;

use nopic_domain::enforcement::Deployment;
use nopic_domain::principal::{Principal, Role};
use nopic_proto::events::entry_recorded::Kind;
use nopic_proto::notification as wire;
use nopic_proto::notification::case_service_server::CaseService as _;
use nopic_sql::SchemaUpdate;
use nopic_sql::testing::{Engine, TestDatabase};
use tonic::{Code, Request};

use super::CaseRpc;
use crate::cases::CaseRules;
use crate::cases::testing::{ACME, BAYVIEW, ENTRY, Still, bad, recorded, told};
use crate::store::{self, Taken};

async fn calls(deployment: Deployment, now: &str) -> (CaseRpc, TestDatabase) {
    let database = Engine::Sqlite.database().await;
    let rules = CaseRules::shipped(deployment);
    let store = store::open(&database.location, SchemaUpdate::Apply, rules.clone())
        .await
        .unwrap();
    let rpc = CaseRpc {
        store,
        clock: Arc::new(Still(now.parse().unwrap())),
        rules,
        registry: None,
    };
    for (entry, on, importer) in [
        (ENTRY, "2026-01-05", ACME),
        ("99920000017", "2026-01-06", BAYVIEW),
        ("99930000015", "2026-02-05", BAYVIEW),
    ] {
        let version = recorded(entry, 1, Kind::Filed, on, vec![bad(1, importer)]);
        let taken = Taken {
            entries: vec![told("default", &version)],
            ..Taken::default()
        };
        rpc.store.take(None, &taken, rpc.clock.now()).await.unwrap();
    }
    (rpc, database)
}

fn asked<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Principal {
        role: Role::Authority,
        ..Principal::built_in("Anna")
    });
    request
}

#[tokio::test]
async fn cases_are_listed_page_by_page_and_shown_with_what_averts_their_next_step() {
    let (rpc, _database) = calls(Deployment::Other, "2026-02-10T12:00:00Z").await;
    let page = |token: &str, size| wire::ListCasesRequest {
        page_size: size,
        page_token: token.to_owned(),
        ..wire::ListCasesRequest::default()
    };
    let list = async |request| rpc.list_cases(asked(request)).await.unwrap().into_inner();
    let first = list(page("", 1)).await;
    assert_eq!(first.cases[0].importer_nop_id, ACME);
    assert!(!first.complete);
    let second = list(page(&first.next_page_token, 1)).await;
    assert_eq!(second.cases[0].importer_nop_id, BAYVIEW);
    assert_eq!(second.cases[0].steps.len(), 1);
    assert!(second.complete);
    assert_eq!(list(page("", 10)).await.cases.len(), 2);
    let of_one = wire::ListCasesRequest {
        importer_nop_id: BAYVIEW.to_owned(),
        state: "OPEN".to_owned(),
        ..wire::ListCasesRequest::default()
    };
    assert_eq!(list(of_one.clone()).await.cases, second.cases);
    let ended = wire::ListCasesRequest {
        state: "ENDED".to_owned(),
        ..of_one
    };
    assert_eq!(list(ended).await.cases, []);

    let get = |importer: &str, opened_on: &str| {
        asked(wire::GetCaseRequest {
            importer_nop_id: importer.to_owned(),
            opened_on: opened_on.to_owned(),
        })
    };
    let case = rpc.get_case(get(BAYVIEW, "")).await.unwrap().into_inner();
    assert_eq!(case.entries.len(), 2);
    let finding = &case.entries[0].lines[0].findings[0];
    assert_eq!(
        (finding.sentence.as_str(), finding.remedy.as_str()),
        (
            "The importer 8150000002 is not certified on 2026-01-05: its status is Suspended.",
            "The importer must settle its status with its certifier; until then the goods cannot enter as organic."
        )
    );
    assert!(
        case.outlook
            .iter()
            .any(|sentence| sentence.contains("a second warning letter")),
        "{:?}",
        case.outlook
    );
    let missing = rpc.get_case(get(BAYVIEW, "2026-01-05")).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);

    let request = asked(wire::GetCaseStatisticsRequest {});
    let counted = rpc.get_case_statistics(request).await.unwrap().into_inner();
    assert_eq!((counted.open, counted.rounds[0].expected), (2, 2));
    let request = asked(wire::GetLetterRequest {
        importer_nop_id: ACME.to_owned(),
        ..wire::GetLetterRequest::default()
    });
    let refused = rpc.get_letter(request).await.unwrap_err();
    assert!(refused.message().contains("is not an authority"), "{refused}");
}

fn send(request_id: &str, importer: &str) -> Request<wire::SendLetterRequest> {
    asked(wire::SendLetterRequest {
        request_id: request_id.to_owned(),
        importer_nop_id: importer.to_owned(),
        step: "FIRST_WARNING_LETTER".to_owned(),
    })
}

#[tokio::test]
async fn only_an_authority_sends_letters_and_none_where_the_case_may_be_over() {
    let (rpc, _database) = calls(Deployment::Other, "2026-01-10T12:00:00Z").await;
    let refused = rpc.send_letter(send("a", ACME)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("not an authority"), "{refused}");

    // In New York it is the day before.
    let (rpc, _database) = calls(Deployment::Authority, "2026-02-05T03:00:00Z").await;
    let letter = |importer: &str| {
        asked(wire::GetLetterRequest {
            importer_nop_id: importer.to_owned(),
            ..wire::GetLetterRequest::default()
        })
    };
    let due = rpc.get_letter(letter(ACME)).await.unwrap().into_inner();
    let due = due.letter.unwrap();
    assert_eq!((due.is_sent, due.date.as_str()), (false, "2026-02-04"));
    let sent = rpc.send_letter(send("a", ACME)).await.unwrap().into_inner();
    let sent = sent.letter.unwrap();
    assert_eq!((&sent.text, &sent.html), (&due.text, &due.html));
    assert_eq!(
        rpc.send_letter(send("a", ACME))
            .await
            .unwrap()
            .into_inner()
            .letter,
        Some(sent.clone())
    );
    let shown = rpc.get_letter(letter(ACME)).await.unwrap().into_inner();
    assert_eq!(shown.letter, Some(sent.clone()));
    // Long after, too, when the case may be over.
    let later = CaseRpc {
        clock: Arc::new(Still("2026-06-01T12:00:00Z".parse().unwrap())),
        ..rpc
    };
    let again = later.send_letter(send("a", ACME)).await.unwrap().into_inner();
    assert_eq!(again.letter, Some(sent));

    // On the 31st day the case may be over, and there is no registry to ask.
    let (rpc, _database) = calls(Deployment::Authority, "2026-03-20T12:00:00Z").await;
    let refused = rpc.send_letter(send("a", ACME)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}
