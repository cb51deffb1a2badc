//! No stale yes: whoever has seen a revision, and says so, is never answered from an older one.
#![allow(clippy::print_stderr, reason = "the figures of a run are told")]

use std::time::Duration;

use nopic_chassis::balance::Balancer;
use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::Principal;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::verdict::Outcome;
use nopic_proto::registry::import_options::Completeness;
use nopic_proto::registry::import_result::Outcome as ImportOutcome;
use nopic_proto::registry::import_snapshot_request::Part;
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use nopic_proto::registry::{
    FileStart, ImportEnd, ImportOptions, ImportSnapshotRequest, import_snapshot_response,
};
use nopic_sql::testing::Engine;
use serde_json::json;
use tonic::Request;
use tonic::service::interceptor::InterceptedService;

use crate::running::{Processes, sample};
use crate::support::lines_of_sample;

type Attached = InterceptedService<Balancer, AttachPrincipal>;

/// Entry validations that are asked.
const PROCESSES: usize = 3;

fn rounds() -> u32 {
    if std::env::var_os("NOPIC_TESTS_FULL").is_some() {
        1_000
    } else {
        100
    }
}

fn is_yes(verdict: &wire::Verdict) -> bool {
    matches!(verdict.verdict(), Outcome::Accept | Outcome::Warn)
}

/// What a round of suspending and asking found.
#[derive(Debug, Default)]
struct Found {
    asked: u32,
    /// Answers of yes about the suspended importer.
    stale: u32,
}

struct World {
    registry: RegistryServiceClient<Attached>,
    entries: Vec<EntryValidationServiceClient<Attached>>,
    /// A line that is accepted for as long as its importer is certified.
    line: wire::EntryLine,
    importer: String,
    /// Pages that were imported: no two are alike, or the second would change nothing.
    said: u32,
}

impl World {
    /// Says by a new revision what the importer is since long ago; gives the revision.
    async fn say(&mut self, status: &str) -> u32 {
        self.said += 1;
        let page = json!({"success": true, "operations": [{
            "op_nopOpID": self.importer, "op_name": format!("Suspended {} Times", self.said), "op_status": status,
            "op_statusEffectiveDate": "2020-01-01", "opSC_HANDLING": "Certified",
        }]});
        let parts = [
            Part::Options(ImportOptions {
                published_on: "2026-03-02".to_owned(),
                completeness: Completeness::Partial.into(),
                ..ImportOptions::default()
            }),
            Part::File(FileStart {
                name: "page.json".to_owned(),
                size_kib: 0,
            }),
            Part::Chunk(page.to_string().into_bytes().into()),
            Part::End(ImportEnd {}),
        ];
        let requests = parts.map(|part| ImportSnapshotRequest { part: Some(part) });
        let mut answers = self
            .registry
            .import_snapshot(tokio_stream::iter(requests))
            .await
            .unwrap()
            .into_inner();
        let mut revision = 0;
        while let Some(answer) = answers.message().await.unwrap() {
            if let Some(import_snapshot_response::Part::Result(result)) = answer.part {
                assert_eq!(result.outcome(), ImportOutcome::Imported, "{result:?}");
                revision = result.snapshot.unwrap().revision;
            }
        }
        assert!(revision > 0, "the import says which revision it made");
        revision
    }

    /// What every process says about the line, at once.
    async fn ask(&self, at_least_revision: Option<u32>) -> Vec<wire::Verdict> {
        let asked = self.entries.iter().map(|client| {
            let mut request = Request::new(wire::ValidateEntryRequest {
                line: Some(self.line.clone()),
                freshness: Some(wire::Freshness {
                    at_least_revision,
                    ..wire::Freshness::default()
                }),
                finding_detail: 0,
            });
            request.set_timeout(Duration::from_secs(20));
            let mut client = client.clone();
            async move {
                client
                    .validate_entry(request)
                    .await
                    .unwrap()
                    .into_inner()
                    .verdict
                    .unwrap()
            }
        });
        futures::future::join_all(asked).await
    }

    /// Suspends and certifies again, and asks after each: with `at_least`, or with the guarantee switched off.
    async fn run(&mut self, rounds: u32, is_guaranteed: bool) -> Found {
        let mut found = Found::default();
        for _ in 0..rounds {
            let revision = self.say("Suspended").await;
            for verdict in self.ask(is_guaranteed.then_some(revision)).await {
                found.asked += 1;
                if is_guaranteed {
                    assert_ne!(verdict.verdict(), Outcome::Indeterminate, "{verdict:?}");
                    assert!(verdict.evidence.as_ref().unwrap().registry_revision.unwrap() >= revision);
                }
                found.stale += u32::from(is_yes(&verdict));
            }
            let revision = self.say("Certified").await;
            // Known to all before the next round: only then could it be a yes that is stale.
            for verdict in self.ask(Some(revision)).await {
                assert!(
                    is_yes(&verdict),
                    "certified again, the line is accepted: {verdict:?}"
                );
            }
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_saw_a_suspension_is_told_a_stale_yes() {
    let redis =
        std::env::var("NOPIC_TEST_REDIS").expect("Redis runs: begin the command with tests/with-redis");
    let place = sample(1_500);
    let database = Engine::Postgres.database().await;
    let deployment = format!("staleness-{}", std::process::id());
    let mut processes = Processes::prepare(&place, &database, Some((redis, deployment)), PROCESSES);
    processes.start_all();
    processes.import();
    let attach = || AttachPrincipal::new(&Principal::built_in("tester"));
    let entries: Vec<_> = (2..2 + PROCESSES)
        .map(|service| {
            EntryValidationServiceClient::with_interceptor(
                Balancer::new(processes.target(service)).unwrap(),
                attach(),
            )
        })
        .collect();
    let all = wire::ValidateEntriesRequest {
        lines: lines_of_sample(&place),
        freshness: None,
        finding_detail: 0,
    };
    let verdicts = entries[0]
        .clone()
        .validate_entries(all.clone())
        .await
        .unwrap()
        .into_inner()
        .verdicts;
    let accepted = verdicts
        .iter()
        .zip(all.lines)
        .filter(|(verdict, line)| {
            is_yes(verdict)
                && !line.importer_nop_id.is_empty()
                && line.certificate_number.len() == 21
                // Enforced strictly: who is not certified is refused, not warned.
                && line.entry_date.as_str() > "2025"
        })
        .map(|(_, line)| line)
        .next()
        .expect("the sample has a line that is accepted");
    let mut world = World {
        registry: RegistryServiceClient::with_interceptor(
            Balancer::new(processes.target(0)).unwrap(),
            attach(),
        ),
        entries,
        importer: accepted.importer_nop_id.clone(),
        said: 0,
        line: accepted,
    };
    // Certified by the same words as later on.
    world.say("Certified").await;

    // If the test cannot see a stale yes, it proves nothing.
    let unguarded = world.run(20, false).await;
    assert!(
        unguarded.stale > 0,
        "without the guarantee nothing is stale: {unguarded:?}"
    );
    let guarded = world.run(rounds(), true).await;
    eprintln!("without at_least {unguarded:?}, with it {guarded:?}");
    assert_eq!(guarded.stale, 0, "{guarded:?}");
}
