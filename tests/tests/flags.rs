//! Several entry validations on one database judge by the same flags, whichever of them imports.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::finding::Code;
use nopic_proto::entry_validation::verdict::Outcome;
use nopic_proto::entry_validation::{EntryLine, FileEntriesRequest, GetFlagRequest, Verdict};
use nopic_sql::testing::Engine;
use nopic_tests::services::{Services, Setup, import_flags, validate_entry};
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

/// Codes that the shipped table does not name.
const CODES: [&str; 8] = [
    "0106110001",
    "0106110002",
    "0106110003",
    "0106110004",
    "0106110005",
    "0106110006",
    "0106110007",
    "0106110008",
];
/// How soon another server judges by an import, on a machine that is busy.
const SOON: Duration = Duration::from_secs(20);

async fn services() -> Services {
    let setup = Setup {
        engine: Engine::Postgres,
        ..Setup::default()
    };
    Services::start(&setup).await
}

/// A file that gives this code AM8.
fn adding(code: &str) -> Vec<u8> {
    format!("hts,flag,from,to\n{code},AM8,2020-01-01,\n").into_bytes()
}

/// A line of the first code without a message set.
fn line(entry_number: &str) -> EntryLine {
    EntryLine {
        entry_number: entry_number.to_owned(),
        line_number: 1,
        entry_date: "2025-11-03".to_owned(),
        export_date: "2025-10-20".to_owned(),
        hts_code: CODES[0].to_owned(),
        country_of_origin: "PE".to_owned(),
        country_of_export: "PE".to_owned(),
        port_of_entry: "5301".to_owned(),
        ..EntryLine::default()
    }
}

fn is_missing_data(verdict: &Verdict) -> bool {
    let codes: Vec<Code> = verdict.findings.iter().map(|finding| finding.code()).collect();
    match verdict.verdict() {
        Outcome::Accept => {
            assert_eq!(codes, []);
            false
        }
        outcome => {
            assert_eq!((outcome, codes), (Outcome::Reject, vec![Code::PgaDataMissing]));
            true
        }
    }
}

async fn flag(client: &mut EntryValidationServiceClient<Channel>, code: &str) -> String {
    let request = GetFlagRequest {
        hts_code: code.to_owned(),
        on: "2025-11-03".to_owned(),
    };
    client.get_flag(request).await.unwrap().into_inner().flag
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_server_judges_by_what_one_of_them_imported() {
    let mut services = services().await;
    let mut other = services.replica().await;
    tokio::spawn(other.service.clone().work_forever());
    let judged = validate_entry(&mut other.entries, line("ZZ900000698")).await;
    assert!(!is_missing_data(&judged.unwrap().unwrap()));

    let imported = services.import_flags(&adding(CODES[0]), false).await.unwrap();
    let verdict = timeout(SOON, async {
        loop {
            let judged = validate_entry(&mut other.entries, line("ZZ900000698")).await;
            let verdict = judged.unwrap().unwrap();
            if is_missing_data(&verdict) {
                return verdict;
            }
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the other server judges by the flags that were imported");
    assert_eq!(verdict.evidence.unwrap().flags_version, imported.flags_version);
    // What it files rests on them, too.
    let request = FileEntriesRequest {
        request_id: "filed".to_owned(),
        lines: vec![line("ZZ900000706")],
        ..FileEntriesRequest::default()
    };
    let filed = other.records.file_entries(request).await.unwrap().into_inner();
    assert!(is_missing_data(filed.decisions[0].verdict.as_ref().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_by_several_servers_all_survive() {
    let services = services().await;
    // Neither hears of the other's imports but by its own.
    let (mut one, mut other) = (services.replica().await, services.replica().await);
    for (replica, code) in [(&mut one, CODES[0]), (&mut other, CODES[1])] {
        import_flags(&mut replica.entries, &adding(code), false)
            .await
            .unwrap();
    }
    for code in &CODES[..2] {
        assert_eq!(flag(&mut other.entries, code).await, "AM8");
    }
    assert_eq!(flag(&mut one.entries, CODES[1]).await, "");

    // At the same time: no import is overtaken more often than the other server imports.
    let imports = CODES.iter().enumerate().skip(2).map(|(number, code)| {
        let replica = if number % 2 == 0 { &one } else { &other };
        let mut client = replica.entries.clone();
        async move { import_flags(&mut client, &adding(code), false).await.unwrap() }
    });
    futures::future::join_all(imports).await;
    let mut late = services.replica().await;
    for code in CODES {
        assert_eq!(flag(&mut late.entries, code).await, "AM8", "{code}");
    }
}
