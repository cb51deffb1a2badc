//! What a gateway notes of each call.

use std::time::Duration;

use nopic_proto::registry::GetCurrentRevisionRequest;
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::deployment::Deployment;
use crate::support::Serving;

const SOON: Duration = Duration::from_secs(10);

/// What was noted of the call of this id.
async fn noted(gateway: &Serving, id: &str) -> Value {
    let began = Instant::now();
    loop {
        let log = gateway.said();
        let mut lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(call) = lines.find(|line| line["request_id"] == id) {
            return call;
        }
        assert!(began.elapsed() < SOON, "{id} is not noted: {log}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_json_are_noted_with_the_status_of_grpc() {
    let mut deployment = Deployment::prepare().await;
    for arguments in [
        &["tenant", "create", "acme", "--filer-code", "B76"][..],
        &["person", "add", "acme", "maria", "--role", "broker"],
    ] {
        deployment.done(arguments);
    }
    let key = deployment.done(&["key", "create", "acme", "maria", "--quiet"]);
    deployment.start_gateway(0);
    let http = deployment.http();
    let url = deployment.gateway_url(0);
    let shown = format!("Bearer {}", key.trim());
    let call = "/nopic.access.v1.AccessService/WhoAmI";
    for (id, asked, shows_key, http_status, grpc_status) in [
        ("rest-well", http.get(format!("{url}/v1/whoAmI")), true, 200, 0),
        (
            "rest-nobody",
            http.get(format!("{url}/v1/whoAmI")),
            false,
            401,
            16,
        ),
        ("rest-role", http.get(format!("{url}/v1/tenants")), true, 403, 7),
        (
            "rest-query",
            http.get(format!("{url}/v1/quota?colour=red")),
            true,
            400,
            3,
        ),
        (
            "rest-nothing",
            http.get(format!("{url}/v1/nothing")),
            true,
            404,
            5,
        ),
        (
            "connect-well",
            http.post(format!("{url}{call}")).body("{}"),
            true,
            200,
            0,
        ),
        (
            "connect-wrong",
            http.post(format!("{url}{call}")).body("["),
            true,
            400,
            3,
        ),
    ] {
        let mut asked = asked
            .header("x-request-id", id)
            .header("content-type", "application/json");
        if shows_key {
            asked = asked.header("authorization", &shown);
        }
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), http_status, "{id}");
        answer.text().await.unwrap();
        let fields = noted(deployment.gateways[0].as_ref().unwrap(), id).await;
        assert_eq!(
            (
                &fields["http_status"],
                &fields["grpc_status"],
                &fields["complete"]
            ),
            (
                &Value::from(http_status),
                &Value::from(grpc_status),
                &Value::from(true)
            ),
            "{fields}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_of_a_call_stands_at_the_service_that_is_asked() {
    let mut deployment = Deployment::prepare().await;
    deployment.start_services();
    deployment.start_gateway(0);
    let mut request = tonic::Request::new(GetCurrentRevisionRequest {});
    request
        .metadata_mut()
        .insert("x-request-id", "mine-7".parse().unwrap());
    RegistryServiceClient::new(deployment.balanced(&[0]))
        .get_current_revision(request)
        .await
        .unwrap();
    for (serving, client) in [
        (deployment.gateways[0].as_ref().unwrap(), None),
        (deployment.registry(), Some("gateway")),
    ] {
        let call = noted(serving, "mine-7").await;
        assert_eq!(call["grpc_status"], 0, "{call}");
        assert!(client.is_none_or(|client| call["client"] == client), "{call}");
    }
}
