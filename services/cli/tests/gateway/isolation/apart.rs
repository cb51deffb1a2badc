//! What tenants could meet in: request ids, tokens of pages, callers that are remembered, places for calls.

use serde_json::{Value, json};

use super::tenant::Tenant;
use super::{World, assert_tells_nothing, without};
use crate::forms::{Door, Form};

/// A stranger's change under the request id of another one's is a change of its own.
pub(super) async fn request_ids_are_apart(door: &Door, stranger: &Tenant, other: &Tenant) {
    for (turn, (who, method, request, _)) in other.changes.iter().enumerate() {
        let form = Form::ALL[turn % Form::ALL.len()];
        let asked = as_ones_own(request, stranger, other);
        let key = Some(&*stranger.keys[*who]);
        let answer = door.ask_in(form, key, &door.method(method), &asked).await;
        let context = format!("{method} over {form:?} under the request id of another tenant");
        let answer = answer.expect("changes have paths");
        assert!(answer.is_ok(), "{context}: {answer:?}");
        assert_tells_nothing(&answer, other, &asked, &context);
    }
}

/// The same request about things of the stranger's own.
fn as_ones_own(request: &Value, stranger: &Tenant, other: &Tenant) -> Value {
    let mut text = request.to_string();
    for (at, entry) in (0..).zip(&other.entries) {
        let own = stranger.entry(7_000 + 100 * u32::try_from(other.number).unwrap() + at);
        text = text.replace(entry, &own);
    }
    let (of_other, of_stranger) = (&other.names, &stranger.names);
    text = text
        .replace(&of_other.importer_of_record, &of_stranger.importer_of_record)
        .replace(&of_other.nop_id, &of_stranger.nop_id)
        .replace(&other.secrets[0], "a stranger");
    let mut asked: Value = serde_json::from_str(&text).unwrap();
    asked["requestId"] = request["requestId"].clone();
    asked
}

/// With another one's token a stranger reads on in its own.
pub(super) async fn pages_go_on_with_what_is_ones_own(door: &Door, stranger: &Tenant, other: &Tenant) {
    for (method, next) in &other.pages {
        for form in Form::ALL {
            let answer = door
                .ask_in(form, stranger.broker(), &door.method(method), next)
                .await;
            let context = format!("{method} over {form:?} with the token of another tenant");
            assert_tells_nothing(&answer.expect("lists have paths"), other, next, &context);
        }
    }
}

/// Changes that are asked for again give their first answers, whatever others did under their request ids.
pub(super) async fn first_answers_stand(world: &World) {
    for tenant in &world.tenants {
        for (who, method, request, first) in &tenant.changes {
            let again = world
                .door
                .ask(Some(&tenant.keys[*who]), method, request)
                .await
                .done();
            // The end of a decision is told as well, where the tenant itself has ended it since.
            let as_it_was = |answer: &Value| without(&["endedAt"], answer);
            assert_eq!(
                as_it_was(&again),
                as_it_was(first),
                "{method} of {}",
                tenant.names.tenant
            );
        }
    }
}

/// Callers who are remembered are not taken for each other, however they take turns on one connection.
pub(super) async fn callers_are_told_apart_on_one_connection(world: &World) {
    const METHOD: &str = "nopic.access.v1.AccessService/WhoAmI";
    let callers = world.tenants.iter().flat_map(|tenant| {
        tenant
            .keys
            .iter()
            .map(move |key| (key.clone(), tenant.names.tenant.clone()))
    });
    let calls: Vec<_> = callers
        .cycle()
        .take(40 * world.tenants.len())
        .enumerate()
        .map(|(turn, (key, tenant))| {
            let door = world.door.clone();
            tokio::spawn(async move {
                let form = Form::ALL[turn % 4];
                let answer = door
                    .ask_in(form, Some(&key), &door.method(METHOD), &json!({}))
                    .await;
                assert_eq!(answer.unwrap().done()["principal"]["tenant"], tenant.as_str());
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

/// Places that one tenant takes are not another one's.
pub(super) async fn places_are_apart(world: &World) {
    const METHOD: &str = "nopic.access.v1.AccessService/GetQuota";
    let calls_left = async |tenant: &Tenant| {
        let answer = world.door.ask(tenant.broker(), METHOD, &json!({})).await.done();
        let quotas = answer["quotas"].as_array().unwrap().clone();
        let calls = quotas.iter().find(|quota| quota["limit"] == "calls").unwrap();
        (calls["atOnce"].as_u64().unwrap(), calls["left"].as_u64().unwrap())
    };
    let [one, other] = [&world.tenants[0], &world.tenants[1]];
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(world.door.watch(one.broker()).await);
    }
    let (most, left) = calls_left(one).await;
    assert_eq!(
        left,
        most - 8,
        "its own: those that are held, and the one that asks"
    );
    let (most, left) = calls_left(other).await;
    assert_eq!(left, most - 1, "of the other one nothing is held");
}

/// Of the draws on a certificate that all draw on a tenant is told the number of its own.
pub(super) async fn draws_are_counted_for_each(world: &World) {
    const CERTIFICATES: &str = "nopic.certificate.v1.CertificateService";
    const LEDGER: &str = "nopic.certificate.v1.LedgerService";
    let mut counts = Vec::new();
    for tenant in &world.tenants {
        let number = &tenant.names.certificate;
        let ask = async |method: String, request: Value| {
            world.door.ask(tenant.broker(), &method, &request).await.done()
        };
        let draws = ask(
            format!("{LEDGER}/ListDraws"),
            json!({ "number": number, "pageSize": 1_000 }),
        )
        .await;
        let draws = draws["draws"].as_array().unwrap();
        let own = draws.iter().filter(|draw| draw["endedAt"].is_null()).count();
        let got = ask(
            format!("{CERTIFICATES}/GetCertificate"),
            json!({ "number": number }),
        )
        .await;
        let several = ask(
            format!("{CERTIFICATES}/BatchGetCertificates"),
            json!({ "numbers": [number] }),
        )
        .await;
        let listed = ask(
            format!("{CERTIFICATES}/ListCertificates"),
            json!({ "pageSize": 1_000 }),
        )
        .await;
        let listed = listed["states"].as_array().unwrap();
        let listed = listed
            .iter()
            .find(|state| state["certificate"]["number"] == number.as_str());
        let balance = ask(format!("{LEDGER}/GetBalance"), json!({ "number": number })).await;
        let at_a_moment = json!({ "number": number, "asOf": "2999-01-01T00:00:00Z" });
        let then = ask(format!("{LEDGER}/GetBalance"), at_a_moment).await;
        for state in [
            &got["state"],
            &several["items"][0]["state"],
            listed.unwrap(),
            &balance,
            &then,
        ] {
            assert_eq!(state["drawCount"], own, "{} of {state}", tenant.names.tenant);
        }
        counts.push(own);
    }
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let operator = json!({ "number": world.tenants[0].names.certificate });
    let all = world
        .door
        .ask(None, &format!("{LEDGER}/GetBalance"), &operator)
        .await
        .done();
    let all = usize::try_from(all["drawCount"].as_u64().unwrap()).unwrap();
    assert!(all >= counts.iter().sum(), "{all} for the operator, {counts:?}");
}
