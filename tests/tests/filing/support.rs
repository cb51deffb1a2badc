//! Services with a sample, and what tests of filing ask of them.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};

use nopic_formats::entries::{AbiTransmission, EntryEvent, Form, read_entries, write_abi};
use nopic_formats::sample::{SampleOptions, generate};
use nopic_proto::certificate::{DrawRecord, ListDrawsRequest};
use nopic_proto::entry_validation::verdict::Outcome;
use nopic_proto::entry_validation::{
    Decision, EntryLine, FileEntriesRequest, FileOptions, FileStreamRequest, ListDecisionsRequest,
};
use nopic_proto::registry::import_options::Completeness;
use nopic_sql::testing::Engine;
use nopic_sql::{Location, SchemaUpdate, postgres, sqlite};
use nopic_tests::services::{Services, Setup};
use sqlx::AssertSqlSafe;
use tokio_stream::StreamExt as _;

/// Services with a sample of the registry and of certificates, and lines of entries.
pub(crate) struct Filing {
    pub(crate) services: Services,
    pub(crate) lines: Vec<EntryLine>,
    /// The same lines as a file.
    pub(crate) document: String,
}

impl Filing {
    pub(crate) async fn new(engine: Engine, lines: u64) -> Self {
        Self::with(
            &Setup {
                engine,
                ..Setup::default()
            },
            lines,
        )
        .await
    }

    pub(crate) async fn with(setup: &Setup, lines: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SampleOptions {
            operations: 120,
            certificates: 40,
            lines,
            seed: 5,
        };
        let sample = generate(&options, folder.path()).unwrap();
        let mut services = Services::start(setup).await;
        for snapshot in &sample.files[..2] {
            services
                .import_snapshot(snapshot, Completeness::Unspecified)
                .await
                .unwrap();
        }
        let certificates = std::fs::read(folder.path().join("certificates.jsonl")).unwrap();
        // Without the draws of the sample, so that what is filed is all that is drawn.
        let certificates: String = String::from_utf8(certificates)
            .unwrap()
            .lines()
            .map(|line| {
                let mut certificate: serde_json::Value = serde_json::from_str(line).unwrap();
                certificate.as_object_mut().unwrap().remove("draws");
                format!("{certificate}\n")
            })
            .collect();
        services
            .import_certificates(certificates.as_bytes())
            .await
            .unwrap();
        let document = std::fs::read_to_string(folder.path().join("entries.jsonl")).unwrap();
        let lines = read_entries(Form::Jsonl, document.as_bytes())
            .unwrap()
            .into_iter()
            .filter_map(|event| match event {
                EntryEvent::Line { line, .. } => Some(EntryLine::from(line)),
                EntryEvent::Reject(_) | EntryEvent::Deleted { .. } => None,
            })
            .collect();
        Self {
            services,
            lines,
            document,
        }
    }

    pub(crate) async fn file(
        &mut self,
        request_id: &str,
        lines: Vec<EntryLine>,
    ) -> Result<Vec<Decision>, tonic::Status> {
        let request = FileEntriesRequest {
            request_id: request_id.to_owned(),
            lines,
            ..FileEntriesRequest::default()
        };
        let answer = self.services.records.file_entries(request).await?;
        Ok(answer.into_inner().decisions)
    }

    /// What stands on record, and what was drawn by it, must be the same: by entry, line and PGA line.
    pub(crate) async fn assert_the_ledger_agrees(&mut self) {
        let mut recorded: BTreeMap<(String, u32, u32), String> = BTreeMap::new();
        let mut request = ListDecisionsRequest {
            page_size: 1_000,
            ..ListDecisionsRequest::default()
        };
        let mut numbers = BTreeSet::new();
        loop {
            let page = self
                .services
                .records
                .list_decisions(request.clone())
                .await
                .unwrap()
                .into_inner();
            for decision in page.decisions {
                let verdict = decision.verdict.unwrap();
                numbers.insert(decision.line.unwrap().certificate_number.trim().to_owned());
                let may_file = matches!(verdict.verdict(), Outcome::Accept | Outcome::Warn);
                assert!(may_file || decision.drawn_kg.is_empty());
                if !decision.drawn_kg.is_empty() {
                    let key = (verdict.entry_number, verdict.line_number, verdict.pga_line_number);
                    recorded.insert(key, decision.drawn_kg);
                }
            }
            if page.complete {
                break;
            }
            request.page_token = page.next_page_token;
        }
        let mut drawn = BTreeMap::new();
        for number in numbers {
            for draw in self.draws_in_force(number).await {
                let key = (draw.entry_number, draw.line_number, draw.pga_line_number);
                assert_eq!(
                    drawn.insert(key.clone(), draw.weight_kg),
                    None,
                    "{key:?} draws twice"
                );
            }
        }
        assert_eq!(drawn, recorded);
    }

    /// The draws in force on a certificate. Lines name special codes and numbers that are none, too: those have none.
    async fn draws_in_force(&mut self, number: String) -> Vec<DrawRecord> {
        let request = ListDrawsRequest {
            number,
            page_size: 1_000,
            ..ListDrawsRequest::default()
        };
        let Ok(page) = self.services.ledger.list_draws(request).await else {
            return Vec::new();
        };
        let page = page.into_inner();
        assert!(page.complete);
        let mut draws = page.draws;
        draws.retain(|draw| draw.ended_at.is_empty());
        draws
    }

    /// How many draws of an entry stand on the certificates that these lines name.
    pub(crate) async fn draws(&mut self, entry_number: &str, lines: &[EntryLine]) -> usize {
        let numbers: BTreeSet<&str> = lines.iter().map(|line| line.certificate_number.trim()).collect();
        let mut count = 0;
        for number in numbers {
            let draws = self.draws_in_force(number.to_owned()).await;
            count += draws
                .iter()
                .filter(|draw| draw.entry_number == entry_number)
                .count();
        }
        count
    }

    /// Files lines on a stream, so many a message.
    pub(crate) async fn stream(
        &mut self,
        request_id: &str,
        lines: &[EntryLine],
        size: usize,
    ) -> Result<Vec<Decision>, tonic::Status> {
        let options = FileOptions {
            request_id: request_id.to_owned(),
            ..FileOptions::default()
        };
        let mut requests: Vec<FileStreamRequest> = lines
            .chunks(size)
            .map(|lines| FileStreamRequest {
                lines: lines.to_vec(),
                ..FileStreamRequest::default()
            })
            .collect();
        requests[0].options = Some(options);
        requests.last_mut().unwrap().end = true;
        let requests = tokio_stream::iter(requests);
        let mut answers = self.services.records.file_stream(requests).await?.into_inner();
        let mut decisions = Vec::new();
        while let Some(answer) = answers.next().await {
            decisions.extend(answer?.decisions);
        }
        Ok(decisions)
    }
}

/// A transmission of one entry: first with an action in its header, then as it is.
pub(crate) fn transmission(first_action: char, lines: &[EntryLine]) -> Vec<u8> {
    let lines: Vec<_> = lines.iter().cloned().map(Into::into).collect();
    let mut written = Vec::new();
    write_abi(&mut written, &AbiTransmission::default(), &lines).unwrap();
    let text = String::from_utf8(written).unwrap();
    let records: Vec<&str> = text.lines().collect();
    let (entry, around) = (&records[2..records.len() - 2], records.len() - 2);
    assert!(entry[0].starts_with("10"), "{}", entry[0]);
    let mut all: Vec<String> = records[..2].iter().map(ToString::to_string).collect();
    all.push(format!("10{first_action}{}", &entry[0][3..]));
    all.extend(entry[1..].iter().chain(entry).map(ToString::to_string));
    all.extend(records[around..].iter().map(ToString::to_string));
    all.join("\n").into_bytes()
}

/// A transmission that deletes the entry of these lines and does nothing else.
pub(crate) fn deletion(lines: &[EntryLine]) -> String {
    let both = String::from_utf8(transmission('D', lines)).unwrap();
    let records: Vec<&str> = both.lines().collect();
    // Two records before what is deleted and what is filed, which are as many each, and two behind.
    let (deleted_to, filed_to) = (records.len() / 2, records.len() - 2);
    let all = [&records[..deleted_to], &records[filed_to..]].concat();
    all.join("\n")
}

/// A document of these lines in which something cannot be read behind every so many.
pub(crate) fn with_rejects(document: &str, every: usize) -> Vec<u8> {
    let mut all = String::new();
    for (index, line) in document.lines().enumerate() {
        all.push_str(line);
        all.push('\n');
        if index % every == every - 1 {
            all.push_str(&format!("{{\"number\": {index}\n"));
        }
    }
    all.into_bytes()
}

pub(crate) fn verdicts(decisions: &[Decision]) -> Vec<(String, u32, Outcome, Vec<i32>)> {
    decisions
        .iter()
        .map(|decision| {
            let verdict = decision.verdict.as_ref().unwrap();
            let codes = verdict.findings.iter().map(|finding| finding.code).collect();
            (
                verdict.entry_number.clone(),
                verdict.line_number,
                verdict.verdict(),
                codes,
            )
        })
        .collect()
}

pub(crate) fn ids(decisions: &[Decision]) -> Vec<u64> {
    decisions.iter().map(|decision| decision.decision_id).collect()
}

/// The lines of the first entry that may be filed and draws.
pub(crate) fn an_entry_that_draws(lines: &[EntryLine], decisions: &[Decision]) -> (String, Vec<EntryLine>) {
    let entry = decisions
        .iter()
        .find(|decision| !decision.drawn_kg.is_empty() && decision.drawn_kg != "0")
        .unwrap()
        .verdict
        .as_ref()
        .unwrap()
        .entry_number
        .clone();
    let of_entry = lines
        .iter()
        .filter(|line| line.entry_number.replace('-', "") == entry)
        .cloned()
        .collect();
    (entry, of_entry)
}

/// Runs SQL behind the back of entry validation.
pub(crate) async fn run_sql(services: &Services, sql: &str) {
    macro_rules! run {
        ($engine:ident, $place:expr) => {{
            let schema = &nopic_entry_validation::SCHEMA;
            let database = $engine::Database::open($place, schema, SchemaUpdate::Refuse)
                .await
                .unwrap();
            let mut transaction = database.write("test").await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                .execute(&mut *transaction)
                .await
                .map(|_| ())
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
            transaction.commit().await.unwrap();
            database.close().await;
        }};
    }
    match &services.database.location {
        Location::Folder(folder) => run!(sqlite, folder),
        Location::Postgres(options) => run!(postgres, options),
    }
}
