//! The name of a service stands for several addresses, which change while those run who ask it.

use std::path::Path;
use std::time::Duration;

use nopic_chassis::balance::Balancer;
use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::Principal;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::verdict::Outcome;
use nopic_sql::testing::Engine;
use tokio::time::Instant;

use crate::lookups::answered;
use crate::running::{IMPORTS, Processes, sample};
use crate::support::{Place, Serving, a_drawing_entry, url_of};
use crate::telemetry::admin;

/// The name of the registry.
const NAME: &str = "registry.nopic.test";
/// What is asked of it again and again.
const CONFIRM: &str = "nopic.registry.v1.RegistryService/GetStatusManifest";
/// Long enough for a change of addresses to be noticed.
const SOON: Duration = Duration::from_secs(20);
/// Between questions.
const BETWEEN: Duration = Duration::from_millis(20);

/// Says which addresses the name has, in place: a file that replaced this one would not be seen.
fn say(hosts: &Path, addresses: &[&str]) {
    let named = addresses.iter().map(|address| format!("{address} {NAME}"));
    let lines: Vec<String> = std::iter::once("127.0.0.1 localhost".to_owned())
        .chain(named)
        .collect();
    std::fs::write(hosts, lines.join("\n") + "\n").unwrap();
}

/// A registry more, on the same database and port at another address.
fn registry(place: &Place, processes: &Processes<'_>, database: &str, host: &str) -> Serving {
    let listen = format!("{host}:{}", processes.ports[0]);
    let folder = format!("data-{host}");
    let mut command = place.command(&["serve", "registry", "--config", "try/registry.toml"]);
    command
        .args(["--listen", &listen, "--data", &folder])
        .env("NOPIC_DATABASE", database)
        .env("NOPIC_ADMIN_LISTEN", "127.0.0.1:0");
    place.serve_by(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_address_of_a_name_is_asked_and_new_ones_while_running() {
    let place = sample(1_500);
    let database = Engine::Postgres.database().await;
    let mut processes = Processes::prepare(&place, &database, None, 1);
    processes.environment = vec![("NOPIC_ADMIN_LISTEN", "127.0.0.1:0".to_owned())];
    processes.start_one(0);
    let database = url_of(&database.location).unwrap();
    let second = registry(&place, &processes, &database, "127.0.0.2");
    let hosts = place.file("hosts", "");
    // Nobody listens at the last one: whoever asks goes on with the others.
    say(&hosts, &["127.0.0.1", "127.0.0.2", "127.0.0.9"]);
    let named = format!("{NAME}:{}", processes.ports[0]);
    processes
        .environment
        .push(("NOPIC_UPSTREAM_REGISTRY_ADDRESS", named));
    processes.hosts = Some(hosts.clone());
    for service in [1, 2] {
        processes.start_one(service);
    }
    processes.import();

    let client = EntryValidationServiceClient::with_interceptor(
        Balancer::new(processes.target(2)).unwrap(),
        AttachPrincipal::new(&Principal::built_in("tester")),
    );
    let line = a_drawing_entry(&place).remove(0);
    let ask = async || -> wire::Verdict {
        let request = wire::ValidateEntryRequest {
            line: Some(line.clone()),
            freshness: None,
            finding_detail: 0,
        };
        let answer = client.clone().validate_entry(request).await.unwrap();
        answer.into_inner().verdict.unwrap()
    };
    // That there is no snapshot yet, or only the first one, may be believed for a second.
    let snapshots = IMPORTS
        .iter()
        .filter(|(service, _)| *service == "registry")
        .count();
    let is_newest = |verdict: &wire::Verdict| {
        let revision = verdict
            .evidence
            .as_ref()
            .and_then(|evidence| evidence.registry_revision);
        revision == u32::try_from(snapshots).ok()
    };
    let began = Instant::now();
    let known = loop {
        let verdict = ask().await;
        if verdict.verdict() != Outcome::Indeterminate && is_newest(&verdict) {
            break verdict;
        }
        assert!(began.elapsed() < SOON, "{verdict:?}");
        tokio::time::sleep(BETWEEN).await;
    };
    // Asks until a registry has answered more than it had, with the same answer all the time.
    let until_asked = async |registry: &Serving| {
        let address = admin(registry);
        let before = answered(&address, CONFIRM).await;
        let began = Instant::now();
        while answered(&address, CONFIRM).await == before {
            assert!(began.elapsed() < SOON, "{address} was not asked");
            assert_eq!(ask().await, known);
            tokio::time::sleep(BETWEEN).await;
        }
    };
    until_asked(processes.running[0].as_ref().unwrap()).await;
    until_asked(&second).await;

    // Others take their place, as when a deployment is rolled over.
    let third = registry(&place, &processes, &database, "127.0.0.3");
    say(&hosts, &["127.0.0.3"]);
    until_asked(&third).await;
    let first = processes.running[0].take().unwrap();
    assert_eq!((first.stop(), second.stop()), (Some(0), Some(0)));
    until_asked(&third).await;
    // A name that is gone for a moment takes nothing away.
    say(&hosts, &[]);
    for _ in 0..3 {
        until_asked(&third).await;
    }
}
