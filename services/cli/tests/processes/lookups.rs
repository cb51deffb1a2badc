//! Many who ask for the same at once ask the registry once.

use nopic_chassis::balance::Balancer;
use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::Principal;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_sql::testing::Engine;

use crate::running::{Processes, sample};
use crate::support::lines_of_sample;
use crate::telemetry::{admin, get};

const LOOKUPS: usize = 10_000;
/// Shards in all, and in one call to the registry.
const SHARDS: u64 = 256;
const SHARDS_A_CALL: u64 = 64;

/// Calls of a method that a server has answered, by its own numbers.
pub(crate) async fn answered(address: &str, method: &str) -> u64 {
    let (_, text) = get(address, "/metrics").await;
    let name = format!("rpc_server_call_duration_seconds_count{{rpc_method=\"{method}\"");
    text.lines()
        .filter(|line| line.starts_with(&name))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_equal_lookups_load_each_shard_once() {
    let place = sample(1_500);
    let database = Engine::Postgres.database().await;
    let mut processes = Processes::prepare(&place, &database, None, 1);
    processes.environment = vec![("NOPIC_ADMIN_LISTEN", "127.0.0.1:0".to_owned())];
    processes.start_all();
    processes.import();
    // Statuses alone: certificates and links are asked for anew by each call.
    let lines = lines_of_sample(&place);
    let is_fit =
        |line: &wire::EntryLine| line.certificate_number.is_empty() && !line.importer_nop_id.is_empty();
    let line = lines.into_iter().find(is_fit).unwrap();
    let client = EntryValidationServiceClient::with_interceptor(
        Balancer::new(processes.target(2)).unwrap(),
        AttachPrincipal::new(&Principal::built_in("tester")),
    );
    let asked = (0..LOOKUPS).map(|_| {
        let (mut client, line) = (client.clone(), line.clone());
        tokio::spawn(async move {
            let request = wire::ValidateEntryRequest {
                line: Some(line),
                freshness: None,
                finding_detail: 0,
            };
            client
                .validate_entry(request)
                .await
                .unwrap()
                .into_inner()
                .verdict
                .unwrap()
        })
    });
    let verdicts = futures::future::join_all(asked).await;
    let first = verdicts[0].as_ref().unwrap();
    assert!(
        verdicts
            .iter()
            .all(|verdict| verdict.as_ref().unwrap().findings == first.findings)
    );
    let registry = admin(processes.running[0].as_ref().unwrap());
    let calls = answered(&registry, "nopic.registry.v1.RegistryService/GetStatusShards").await;
    assert_eq!(calls, SHARDS / SHARDS_A_CALL);
}
