//! Every way to ask gives the same verdicts: unary, batch, stream, document; any batch and chunk size; each form.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::path::Path;

use nopic_chassis::transport::CompressionEncoding;
use nopic_formats::entries::{EntryEvent, Form, read_entries};
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::finding::{Code, Severity};
use nopic_proto::entry_validation::verdict::{Outcome, Remedy};
use nopic_proto::entry_validation::{
    EntryLine, FileEntriesRequest, FindingDetail, GetEntryRequest, ListDecisionsRequest,
    ValidateEntriesRequest, ValidateStreamRequest, Verdict, document_options,
};
use nopic_proto::registry::import_options::Completeness;
use nopic_sql::testing::Engine;
use nopic_tests::services::{
    Services, Setup, validate_document, validate_entries, validate_entry, validate_stream,
};
use nopic_tests::worked_cases;
use rstest::rstest;
use serde_json::{Value, json};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

async fn loaded(engine: Engine, cases: &Path) -> Services {
    let setup = Setup {
        engine,
        ..Setup::default()
    };
    let mut services = Services::start(&setup).await;
    for (file, completeness) in [
        ("INTEGRITY_Export_20240301.xlsx", Completeness::Unspecified),
        ("operations-2024-09-30.zip", Completeness::Unspecified),
        ("operations-2026-03-01.json", Completeness::Full),
    ] {
        services
            .import_snapshot(&cases.join(file), completeness)
            .await
            .unwrap();
    }
    let flags = std::fs::read(cases.join("flags.csv")).unwrap();
    services.import_flags(&flags, true).await.unwrap();
    let report = std::fs::read(cases.join("tariff-report.csv")).unwrap();
    services.import_flags(&report, false).await.unwrap();
    let certificates = std::fs::read(cases.join("certificates.jsonl")).unwrap();
    let result = services.import_certificates(&certificates).await.unwrap();
    assert_eq!((result.certificates, result.rejected), (170, 0));
    services
}

fn lines(cases: &Path) -> Vec<EntryLine> {
    let content = std::fs::read(cases.join("entries.jsonl")).unwrap();
    read_entries(Form::Jsonl, &content)
        .unwrap()
        .into_iter()
        .map(|event| match event {
            EntryEvent::Line { line, .. } => line.into(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn summary(verdict: &Verdict) -> Value {
    let name = |code: i32| Code::try_from(code).unwrap().as_str_name();
    let severity = |severity: i32| Severity::try_from(severity).unwrap().as_str_name();
    let remedy = |remedy: i32| Remedy::try_from(remedy).unwrap().as_str_name();
    json!({
        "entryNumber": verdict.entry_number,
        "lineNumber": verdict.line_number,
        "pgaLineNumber": verdict.pga_line_number,
        "declaration": verdict.declaration().as_str_name(),
        "verdict": Outcome::try_from(verdict.verdict).unwrap().as_str_name(),
        "codes": verdict.findings.iter().map(|finding| name(finding.code)).collect::<Vec<_>>(),
        "severities": verdict.findings.iter().map(|finding| severity(finding.severity)).collect::<Vec<_>>(),
        "remedies": verdict.remedies.iter().map(|code| remedy(*code)).collect::<Vec<_>>(),
        "policy": verdict.evidence.as_ref().unwrap().policy,
    })
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_each_form_agree_with_the_worked_cases(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let Some(cases) = worked_cases() else { return };
    let mut services = loaded(engine, &cases).await;
    for (form, entries, expected) in [
        (document_options::Form::Jsonl, "entries.jsonl", "expected.jsonl"),
        (document_options::Form::Csv, "entries.csv", "expected.jsonl"),
        (document_options::Form::Xlsx, "entries.xlsx", "expected.jsonl"),
        (document_options::Form::Abi, "entries.abi", "expected-abi.jsonl"),
        (
            document_options::Form::Unspecified,
            "entries-se.abi",
            "expected-se.jsonl",
        ),
        (
            document_options::Form::Unspecified,
            "entries.abi",
            "expected-abi.jsonl",
        ),
    ] {
        let content = std::fs::read(cases.join(entries)).unwrap();
        let expected: Vec<Value> = std::fs::read_to_string(cases.join(expected))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for chunk in [1 << 20, 1_000, 7] {
            let document = validate_document(&mut services.entries, form, &content, chunk)
                .await
                .unwrap();
            assert_eq!(document.rest.rejects, [], "{entries}");
            let found: Vec<Value> = document.verdicts.iter().map(summary).collect();
            assert_eq!(found, expected, "{entries} in chunks of {chunk}");
            assert_eq!(document.rest.summary.unwrap().lines as usize, expected.len());
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_streams_and_single_calls_give_the_same_verdicts(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let Some(cases) = worked_cases() else { return };
    let mut services = loaded(engine, &cases).await;
    let lines = lines(&cases);
    let expected = validate_entries(&mut services.entries, &lines).await.unwrap();
    assert_eq!(expected.len(), lines.len());
    for batch in [1, 2, 5, 100, 300] {
        let found = validate_stream(&mut services.entries, &lines, batch)
            .await
            .unwrap();
        assert_eq!(found, expected, "in batches of {batch}");
    }
    let mut singles = 0;
    for (index, line) in lines.iter().enumerate() {
        let alone =
            |other: Option<&EntryLine>| other.is_none_or(|other| other.entry_number != line.entry_number);
        if alone(index.checked_sub(1).map(|before| &lines[before])) && alone(lines.get(index + 1)) {
            let found = validate_entry(&mut services.entries, line.clone()).await.unwrap();
            assert_eq!(found.as_ref(), Some(&expected[index]));
            singles += 1;
        }
    }
    assert!(singles > 100, "{singles}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_waits_for_each_answer_gets_it() {
    let Some(cases) = worked_cases() else { return };
    let mut services = loaded(Engine::Sqlite, &cases).await;
    // An entry with draws on record waits for its end: what its lines to come drew does not count.
    let draws = std::fs::read_to_string(cases.join("certificates.jsonl")).unwrap();
    let mut lines = lines(&cases);
    lines.retain(|line| !draws.contains(&line.entry_number.replace('-', "")));
    let expected = validate_entries(&mut services.entries, &lines).await.unwrap();
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    let mut answers = services
        .entries
        .validate_stream(ReceiverStream::new(receiver))
        .await
        .unwrap()
        .into_inner();
    let mut found = Vec::new();
    for line in &lines {
        let request = ValidateStreamRequest {
            lines: vec![line.clone()],
            freshness: None,
            finding_detail: 0,
        };
        requests.send(request).await.unwrap();
        found.extend(answers.next().await.unwrap().unwrap().verdicts);
    }
    drop(requests);
    while let Some(answer) = answers.next().await {
        found.extend(answer.unwrap().verdicts);
    }
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_answer_makes_lines_indeterminate_and_hides_nothing() {
    let Some(cases) = worked_cases() else { return };
    let services = loaded(Engine::Sqlite, &cases).await;
    let lines = lines(&cases);
    let mut whole = services.entries.clone();
    let expected = validate_entries(&mut whole, &lines).await.unwrap();
    for (registry_answers, certificates_answer) in [(false, true), (true, false), (false, false)] {
        let setup = Setup {
            registry_answers,
            certificates_answer,
            ..Setup::default()
        };
        let mut entries = services.entry_validation_with(&setup).await;
        let found = validate_entries(&mut entries, &lines).await.unwrap();
        let mut indeterminate = 0;
        for (found, expected) in found.iter().zip(&expected) {
            if found.verdict() == Outcome::Indeterminate {
                indeterminate += 1;
            } else if found.verdict() == Outcome::Reject {
                let rejects = |verdict: &Verdict| {
                    verdict
                        .findings
                        .iter()
                        .filter(|finding| finding.severity() == Severity::Reject)
                        .map(|finding| finding.code)
                        .collect::<Vec<_>>()
                };
                let expected = rejects(expected);
                assert!(
                    rejects(found).iter().all(|code| expected.contains(code)),
                    "{found:?}"
                );
            } else {
                assert_eq!(found.verdict(), expected.verdict(), "{found:?}");
            }
        }
        assert!(indeterminate > 50, "{indeterminate} with {setup:?}");
    }
}

/// The JSON of a verdict is the ProtoJSON of its message, and a line of entries is ProtoJSON, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_forms_are_protojson() {
    use prost_reflect::prost::Message as _;
    use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage};

    let Some(cases) = worked_cases() else { return };
    let pool = DescriptorPool::decode(nopic_proto::DESCRIPTORS).unwrap();
    let line_type = pool
        .get_message_by_name("nopic.entry_validation.v1.EntryLine")
        .unwrap();
    let content = std::fs::read_to_string(cases.join("entries.jsonl")).unwrap();
    for (text, line) in content.lines().zip(lines(&cases)) {
        let mut json = serde_json::Deserializer::from_str(text);
        let options = DeserializeOptions::new();
        let message =
            DynamicMessage::deserialize_with_options(line_type.clone(), &mut json, &options).unwrap();
        let read = EntryLine::decode(message.encode_to_vec().as_slice()).unwrap();
        assert_eq!(read, line);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_alone_are_the_same_verdicts_without_sentences() {
    let Some(cases) = worked_cases() else { return };
    let mut services = loaded(Engine::Sqlite, &cases).await;
    let lines = lines(&cases);
    let mut expected = validate_entries(&mut services.entries, &lines).await.unwrap();
    let findings = |verdict: &mut Verdict| {
        for finding in &mut verdict.findings {
            assert!(!finding.message.is_empty());
            finding.message.clear();
            finding.citation.clear();
        }
    };
    expected.iter_mut().for_each(findings);
    let request = ValidateEntriesRequest {
        lines: lines.clone(),
        finding_detail: FindingDetail::Codes.into(),
        ..ValidateEntriesRequest::default()
    };
    let answer = services.entries.validate_entries(request).await.unwrap();
    assert_eq!(answer.into_inner().verdicts, expected);
    let request = ValidateStreamRequest {
        lines,
        finding_detail: FindingDetail::Codes.into(),
        ..ValidateStreamRequest::default()
    };
    let answers = services
        .entries
        .validate_stream(tokio_stream::iter([request]))
        .await;
    let mut answers = answers.unwrap().into_inner();
    let mut streamed = Vec::new();
    while let Some(answer) = answers.next().await {
        streamed.extend(answer.unwrap().verdicts);
    }
    assert_eq!(streamed, expected);
}

/// A line with as many findings as lines have, of the longest sentences.
fn at_fault(line_number: u32) -> EntryLine {
    EntryLine {
        entry_number: "B7603245278".to_owned(),
        line_number,
        entry_action: "A".repeat(60),
        entry_date: "B".repeat(60),
        importation_date: "C".repeat(60),
        arrival_date: "D".repeat(60),
        export_date: "E".repeat(60),
        importer_nop_id: "F".repeat(60),
        exporter_nop_id: "G".repeat(60),
        hts_code: "H".repeat(60),
        message_set: "I".repeat(60),
        article_set: "J".repeat(60),
        ..EntryLine::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_larger_than_stock_clients_take() {
    let services = Services::start(&Setup::default()).await;
    let mut stock = EntryValidationServiceClient::new(services.channel());
    let lines: Vec<EntryLine> = (1..=10_000).map(at_fault).collect();
    let request = |finding_detail: FindingDetail| ValidateEntriesRequest {
        lines: lines.clone(),
        finding_detail: finding_detail.into(),
        ..ValidateEntriesRequest::default()
    };
    let refused = stock
        .validate_entries(request(FindingDetail::Full))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("CODES"), "{refused}");
    let answer = stock
        .validate_entries(request(FindingDetail::Codes))
        .await
        .unwrap();
    assert_eq!(answer.into_inner().verdicts.len(), 10_000);
    // A stream is cut by bytes.
    let requests: Vec<ValidateStreamRequest> = lines
        .chunks(1_000)
        .map(|lines| ValidateStreamRequest {
            lines: lines.to_vec(),
            ..ValidateStreamRequest::default()
        })
        .collect();
    let mut answers = stock
        .validate_stream(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let mut streamed = 0;
    while let Some(answer) = answers.next().await {
        streamed += answer.unwrap().verdicts.len();
    }
    assert_eq!(streamed, 10_000);
    // What is filed is filed whole, and the answer has room for it.
    let mut records = EntryRecordServiceClient::new(services.channel());
    let request = FileEntriesRequest {
        request_id: "one".to_owned(),
        lines: lines.clone(),
        ..FileEntriesRequest::default()
    };
    let filed = records
        .file_entries(request)
        .await
        .unwrap()
        .into_inner()
        .decisions;
    assert_eq!(filed.len(), 10_000);
    let entry = GetEntryRequest {
        entry_number: "B7603245278".to_owned(),
        ..GetEntryRequest::default()
    };
    let entry = records.get_entry(entry).await.unwrap().into_inner();
    assert_eq!(entry.decisions.len(), 10_000);
    let mut request = ListDecisionsRequest {
        page_size: 1_000,
        ..ListDecisionsRequest::default()
    };
    let mut listed = 0;
    loop {
        let page = records
            .list_decisions(request.clone())
            .await
            .unwrap()
            .into_inner();
        listed += page.decisions.len();
        assert!(page.decisions.iter().all(|decision| decision.line.is_some()));
        if page.complete {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(listed, 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packed_requests_are_read_and_bounded_unpacked() {
    let Some(cases) = worked_cases() else { return };
    let mut services = loaded(Engine::Sqlite, &cases).await;
    let lines = lines(&cases);
    let expected = validate_entries(&mut services.entries, &lines).await.unwrap();
    for packed in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut client = services.entries.clone().send_compressed(packed);
        let verdicts = validate_entries(&mut client, &lines).await.unwrap();
        assert_eq!(verdicts, expected);
        // A few kilobytes that would be 80 MiB.
        let bomb = EntryLine {
            description: "a".repeat(80 << 20),
            ..EntryLine::default()
        };
        let refused = validate_entries(&mut client, &[bomb]).await.unwrap_err();
        assert_ne!(refused.code(), tonic::Code::Internal, "{refused}");
        assert!(validate_entries(&mut client, &lines[..1]).await.is_ok());
    }
}
