//! Every service on one data folder, as it runs on one day and the next: a process of its own each day, which looks for
//! what time brings when it begins.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nopic_chassis::clock::ManualClock;
use nopic_chassis::metrics::Metrics;
use nopic_chassis::part::Process;
use nopic_chassis::transport::in_memory;
use nopic_domain::policy::SHIPPED;
use nopic_host::{Opening, PARTS, Settings, Storage, built_in_caller};
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::{EntryLine, FileEntriesRequest};
use nopic_proto::notification::case_service_client::CaseServiceClient;
use nopic_proto::notification::notification_service_client::NotificationServiceClient;
use nopic_proto::notification::{GetLetterRequest, Letter, ListCasesRequest, ListNoticesRequest};
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use nopic_proto::registry::{
    FileStart, ImportEnd, ImportOptions, ImportSnapshotRequest, import_options::Completeness,
    import_snapshot_request::Part,
};
use sqlx::Connection as _;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;

/// How long is waited for what must come, and for what must not.
const PATIENCE: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_millis(2_500);

/// A line to file, without a certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) entry: &'static str,
    pub(crate) importer: &'static str,
}

/// What stays from day to day.
pub(crate) struct Deployment {
    folder: TempDir,
    configuration: PathBuf,
    policy: PathBuf,
}

impl Deployment {
    /// With this configuration, and letters sent as this word of the policy says; empty: as shipped.
    pub(crate) fn new(configuration: &str, letters: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, content).unwrap();
            file
        };
        let policy = match letters {
            "" => SHIPPED.to_owned(),
            word => SHIPPED.replace("letters = \"BY_A_PERSON\"", &format!("letters = \"{word}\"")),
        };
        Self {
            configuration: file("nopic.toml", configuration),
            policy: file("policy.toml", &policy),
            folder,
        }
    }

    /// Makes what is kept of an importer's cases unreadable.
    pub(crate) async fn spoil(&self, importer: &str) {
        let file = self.folder.path().join("notification.sqlite");
        let url = format!("sqlite:{}", file.display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("UPDATE case_event SET content = '{\"WHAT\": 1}' WHERE importer = $1")
            .bind(importer)
            .execute(&mut connection)
            .await
            .unwrap();
    }

    /// Runs every service at noon of a day for as long as the test needs them.
    pub(crate) fn on(&self, date: &str, test: impl AsyncFnOnce(&mut Day)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let clock = ManualClock::new(format!("{date}T17:00:00Z").parse().unwrap());
            let storage = Storage::in_folder(self.folder.path());
            let deployment =
                nopic_host::Deployment::new(storage, Some(&self.policy), Arc::new(clock)).unwrap();
            let opening = Opening {
                parts: PARTS,
                deployment: &deployment,
                settings: Settings::read(PARTS, Some(&self.configuration)).unwrap(),
                metrics: Metrics::default(),
                caller: Some(built_in_caller()),
            };
            let services = ["registry", "certificate", "entry-validation", "notification"];
            let mut opened = opening.together(&services, Process::All).await.unwrap();
            opened.recover().await;
            opened.work();
            let mut day = Day {
                date: date.to_owned(),
                channel: in_memory(opened.served.calls.clone(), "test"),
            };
            test(&mut day).await;
        });
        // The process ends, whatever it does beside.
        runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

/// The services on a day.
pub(crate) struct Day {
    date: String,
    channel: Channel,
}

impl Day {
    /// Imports a whole snapshot of the registry.
    pub(crate) async fn import(&mut self, published: &str, listed: &[(&str, &str, &str)]) {
        let operations: Vec<String> = listed
            .iter()
            .map(|(id, status, since)| {
                format!(
                    "{{\"op_nopOpID\": \"{id}\", \"op_name\": \"Importer {id}\", \"op_certifierName\": \"Certifier\", \
                     \"op_status\": \"{status}\", \"op_statusEffectiveDate\": \"{since}\", \"opSC_CR\": \"\", \
                     \"opSC_CR_ED\": \"\", \"opSC_HANDLING\": \"\", \"opSC_HANDLING_ED\": \"\", \
                     \"opPA_country\": \"United States of America (the)\", \"Pub_Date\": \"{published}\"}}"
                )
            })
            .collect();
        let file = format!(
            "{{\"success\": true, \"operations\": [{}]}}",
            operations.join(",")
        );
        let parts = [
            Part::Options(ImportOptions {
                completeness: Completeness::Full.into(),
                ..ImportOptions::default()
            }),
            Part::File(FileStart {
                name: "operations.json".to_owned(),
                size_kib: 0,
            }),
            Part::Chunk(file.into_bytes().into()),
            Part::End(ImportEnd {}),
        ];
        let requests = parts.map(|part| ImportSnapshotRequest { part: Some(part) });
        let mut answers = RegistryServiceClient::new(self.channel.clone())
            .import_snapshot(tokio_stream::iter(requests))
            .await
            .unwrap()
            .into_inner();
        while let Some(answer) = answers.next().await {
            answer.unwrap();
        }
    }

    /// Files entries of a line each today.
    pub(crate) async fn file(&mut self, lines: &[Line]) {
        let line = |line: &Line| EntryLine {
            entry_number: line.entry.to_owned(),
            line_number: 1,
            entry_date: self.date.clone(),
            importer_nop_id: line.importer.to_owned(),
            hts_code: "0802120015".to_owned(),
            organic_claim: Some(true),
            message_set: "OR2".to_owned(),
            net_weight_kg: "100".to_owned(),
            ..EntryLine::default()
        };
        let request = FileEntriesRequest {
            request_id: format!("filed on {}", self.date),
            lines: lines.iter().map(line).collect(),
            ..FileEntriesRequest::default()
        };
        let answer = EntryRecordServiceClient::new(self.channel.clone())
            .file_entries(request)
            .await
            .unwrap();
        assert_eq!(answer.into_inner().decisions.len(), lines.len());
    }

    /// Every case in words.
    async fn cases(&self) -> Vec<String> {
        let request = ListCasesRequest::default();
        let answer = CaseServiceClient::new(self.channel.clone())
            .list_cases(request)
            .await
            .unwrap();
        let cases = answer.into_inner().cases.into_iter();
        cases
            .map(|case| match case.state.as_str() {
                "OPEN" => format!("{} opened {}", case.importer_nop_id, case.opened_on),
                _ => format!("{} closed {}", case.importer_nop_id, case.ended_on),
            })
            .collect()
    }

    /// What is told, by title.
    pub(crate) async fn titles(&self) -> Vec<String> {
        let request = ListNoticesRequest {
            kinds: vec!["CASE_STEP".to_owned()],
            ..ListNoticesRequest::default()
        };
        let answer = NotificationServiceClient::new(self.channel.clone())
            .list_notices(request)
            .await
            .unwrap();
        let notices = answer.into_inner().notices.into_iter();
        notices.map(|notice| notice.title).collect()
    }

    /// The cases become these.
    pub(crate) async fn sees(&self, expected: &[&str]) {
        let begun = Instant::now();
        loop {
            let cases = self.cases().await;
            if cases == expected {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{cases:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The cases are these, and stay so.
    pub(crate) async fn still_sees(&self, expected: &[&str]) {
        tokio::time::sleep(QUIET).await;
        assert_eq!(self.cases().await, expected);
    }

    /// A notice of this title comes.
    pub(crate) async fn is_told(&self, title: &str) {
        let begun = Instant::now();
        loop {
            let titles = self.titles().await;
            if titles.iter().any(|told| told == title) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{titles:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The last letter of an importer.
    pub(crate) async fn letter(&self, importer: &str) -> Letter {
        let request = GetLetterRequest {
            importer_nop_id: importer.to_owned(),
            ..GetLetterRequest::default()
        };
        let answer = CaseServiceClient::new(self.channel.clone())
            .get_letter(request)
            .await
            .unwrap();
        answer.into_inner().letter.unwrap()
    }
}
