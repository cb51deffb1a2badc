//! A registry behind its gRPC client, and words for what tests do with it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]
#![allow(clippy::print_stderr, reason = "what is missing is said loudly")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use nopic_chassis::clock::ManualClock;
use nopic_chassis::roles::{Protected, RoleTable};
use nopic_chassis::transport::in_memory;
use nopic_domain::principal::Principal;
use nopic_proto::registry as wire;
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use nopic_registry::{Config, ROLES, Registry};
use nopic_sql::Location;
use nopic_sql::testing::{Engine, TestDatabase};
use tonic::Status;
use tonic::service::Routes;
use tonic::transport::Channel;
use wire::import_snapshot_request::Part;
use wire::import_snapshot_response::Part as Answer;

pub type Client = RegistryServiceClient<Channel>;

/// A registry with a database of its own; the day is 2026-04-01.
pub struct Fixture {
    pub database: TestDatabase,
    pub clock: ManualClock,
    pub registry: Registry,
    pub client: Client,
}

pub fn noon(day: &str) -> DateTime<Utc> {
    format!("{day}T12:00:00Z").parse().unwrap()
}

/// A registry on a database, with this folder for its copies.
pub async fn open(location: &Location, spool: &Path, clock: &ManualClock) -> (Registry, Client) {
    let mut config = Config::new(location.clone(), spool);
    config.schema_update = nopic_sql::SchemaUpdate::Apply;
    let registry = Registry::open(config, Arc::new(clock.clone())).await.unwrap();
    let client = connect(&registry);
    (registry, client)
}

/// A connection to a registry.
pub fn connect(registry: &Registry) -> Client {
    RegistryServiceClient::new(in_memory(protected(registry), "test")).max_decoding_message_size(64 << 20)
}

/// The service of a registry, for an operator where a call names nobody.
pub fn protected(registry: &Registry) -> Protected {
    RoleTable::new(&[ROLES]).unwrap().protect(
        Routes::new(registry.service()),
        Some(Principal::built_in("tester")),
    )
}

impl Fixture {
    pub async fn new(engine: Engine) -> Self {
        let database = engine.database().await;
        let clock = ManualClock::new(noon("2026-04-01"));
        let (registry, client) = open(&database.location, database.folder.path(), &clock).await;
        Self {
            database,
            clock,
            registry,
            client,
        }
    }

    /// Ends the process, so to speak, and starts it again.
    pub async fn restart(self) -> Self {
        self.registry.close().await;
        drop((self.client, self.registry));
        let (registry, client) =
            open(&self.database.location, self.database.folder.path(), &self.clock).await;
        Self {
            database: self.database,
            clock: self.clock,
            registry,
            client,
        }
    }

    pub async fn import(
        &mut self,
        options: wire::ImportOptions,
        files: &[(&str, Vec<u8>)],
    ) -> Result<Report, Status> {
        import(&mut self.client, options, files).await
    }

    /// Imports operations written as JSON pages.
    pub async fn import_json(
        &mut self,
        published_on: &str,
        full: bool,
        operations: &[serde_json::Value],
    ) -> Result<Report, Status> {
        let page = serde_json::json!({"success": true, "operations": operations});
        let options = json_options(published_on, full);
        self.import(options, &[("pages.json", page.to_string().into_bytes())])
            .await
    }

    pub async fn revision(&mut self) -> (u32, String) {
        let answer = self
            .client
            .get_current_revision(wire::GetCurrentRevisionRequest {})
            .await
            .unwrap();
        let revision = answer.into_inner().revision.unwrap();
        (revision.revision, revision.published_on)
    }

    /// The status of an operation on a day at a revision (0: the current one): `?` unknown, `-` never listed.
    pub async fn status(&mut self, nop_id: &str, on: &str, revision: u32) -> String {
        let request = wire::BatchGetStatusRequest {
            questions: vec![wire::StatusQuestion {
                nop_id: nop_id.into(),
                on: on.into(),
            }],
            revision: (revision > 0).then(|| exact(revision)),
            with_history: false,
        };
        let answer = self.client.batch_get_status(request).await.unwrap().into_inner();
        let answer = &answer.answers[0];
        match answer.knowledge() {
            wire::status_answer::Knowledge::Known => answer.status.clone(),
            wire::status_answer::Knowledge::Unknown => "?".into(),
            wire::status_answer::Knowledge::NotListed => "-".into(),
            _ => answer.error.clone(),
        }
    }

    pub async fn operation(&mut self, nop_id: &str) -> Result<wire::Operation, Status> {
        let request = wire::GetOperationRequest {
            nop_id: nop_id.into(),
            revision: None,
        };
        let answer = self.client.get_operation(request).await?;
        Ok(answer.into_inner().operation.unwrap())
    }

    pub async fn snapshots(&mut self) -> Vec<wire::Snapshot> {
        let request = wire::ListSnapshotsRequest::default();
        let answer = self.client.list_snapshots(request).await.unwrap().into_inner();
        assert!(answer.complete);
        answer.snapshots
    }

    /// Nothing but the database is in the data folder, once what was abandoned has ended.
    pub async fn leaves_nothing_behind(&self) {
        self.registry.settled().await;
        assert_eq!(self.left_behind(), Vec::<PathBuf>::new());
    }

    /// Files in the data folder that are not the database's.
    pub fn left_behind(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.database.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                !path
                    .file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with("registry.sqlite")
            })
            .collect()
    }
}

/// A registry that knows three operations, then two.
pub async fn two_revisions(engine: Engine) -> Fixture {
    let mut registry = Fixture::new(engine).await;
    let first = [
        operation("0150000001", "Certified", "2020-01-01"),
        operation("0150000002", "Certified", "2020-01-01"),
        operation("0150000003", "Certified", ""),
    ];
    registry.import_json("2024-01-01", true, &first).await.unwrap();
    let mut second = first[..2].to_vec();
    second[1] = operation("0150000002", "Suspended", "2024-01-20");
    registry.import_json("2024-02-01", true, &second).await.unwrap();
    registry
}

pub fn exact(revision: u32) -> wire::RevisionChoice {
    wire::RevisionChoice {
        choice: Some(wire::revision_choice::Choice::Exact(revision)),
    }
}

pub fn json_options(published_on: &str, full: bool) -> wire::ImportOptions {
    let mut options = wire::ImportOptions {
        published_on: published_on.into(),
        ..wire::ImportOptions::default()
    };
    options.set_completeness(if full {
        wire::import_options::Completeness::Full
    } else {
        wire::import_options::Completeness::Partial
    });
    options
}

/// What an import said.
#[derive(Debug, Default)]
pub struct Report {
    pub rejects: Vec<nopic_proto::common::Reject>,
    pub duplicates: Vec<wire::DuplicateOperation>,
    pub progress: Vec<wire::ImportProgress>,
    pub result: wire::ImportResult,
}

pub fn messages(options: wire::ImportOptions, files: &[(&str, Vec<u8>)]) -> Vec<wire::ImportSnapshotRequest> {
    let mut parts = vec![Part::Options(options)];
    for (name, bytes) in files {
        parts.push(Part::File(wire::FileStart {
            name: (*name).into(),
            size_kib: 0,
        }));
        parts.extend(
            bytes
                .chunks(1 << 18)
                .map(|chunk| Part::Chunk(bytes::Bytes::copy_from_slice(chunk))),
        );
    }
    parts.push(Part::End(wire::ImportEnd {}));
    parts
        .into_iter()
        .map(|part| wire::ImportSnapshotRequest { part: Some(part) })
        .collect()
}

pub async fn import(
    client: &mut Client,
    options: wire::ImportOptions,
    files: &[(&str, Vec<u8>)],
) -> Result<Report, Status> {
    send(client, futures::stream::iter(messages(options, files))).await
}

/// Imports a file without holding it in memory.
pub async fn import_file(
    client: &mut Client,
    options: wire::ImportOptions,
    name: &str,
    path: &Path,
) -> Result<Report, Status> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path).unwrap();
    let mut start = messages(options, &[(name, Vec::new())]);
    let end = start.pop();
    let chunks = std::iter::from_fn(move || {
        let mut chunk = vec![0; 1 << 18];
        let length = file.read(&mut chunk).unwrap();
        chunk.truncate(length);
        (length > 0).then(|| wire::ImportSnapshotRequest {
            part: Some(Part::Chunk(chunk.into())),
        })
    });
    send(
        client,
        futures::stream::iter(start.into_iter().chain(chunks).chain(end)),
    )
    .await
}

async fn send(
    client: &mut Client,
    requests: impl futures::Stream<Item = wire::ImportSnapshotRequest> + Send + 'static,
) -> Result<Report, Status> {
    let mut answers = client.import_snapshot(requests).await?.into_inner();
    let mut report = Report::default();
    let mut ended = false;
    while let Some(answer) = answers.message().await? {
        match answer.part.unwrap() {
            Answer::Progress(progress) => report.progress.push(progress),
            Answer::Reject(reject) => report.rejects.push(reject),
            Answer::Duplicate(duplicate) => report.duplicates.push(duplicate),
            Answer::Result(result) => {
                report.result = result;
                ended = true;
            }
        }
    }
    assert!(ended, "an import ends with a result or an error");
    Ok(report)
}

/// An operation as a JSON page holds it.
pub fn operation(nop_id: &str, status: &str, from: &str) -> serde_json::Value {
    serde_json::json!({
        "op_nopOpID": nop_id, "op_name": format!("Farm {nop_id}"), "op_status": status,
        "op_statusEffectiveDate": from, "op_certifierName": "Tilia Certified", "opPA_country": "Peru",
    })
}

/// So many operations, each with a status and a certifier of its own.
pub fn farms(
    count: u64,
    status: impl Fn(u64) -> &'static str,
    certifier: impl Fn(u64) -> String,
) -> Vec<serde_json::Value> {
    (0..count)
        .map(|number| {
            let mut farm = operation(
                &format!("{:010}", 150_000_000 + number),
                status(number),
                "2020-01-01",
            );
            farm["op_certifierName"] = certifier(number).into();
            farm
        })
        .collect()
}

/// A file of the shared cases; `None`, loudly, where they are missing.
pub fn case(name: &str) -> Option<Vec<u8>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases"));
    let file = std::fs::read(folder.join(name)).ok();
    if file.is_none() {
        eprintln!(
            "!!! {name} is missing below {}: this test tested nothing",
            folder.display()
        );
    }
    file
}
