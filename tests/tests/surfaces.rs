//! Every way to ask gives the same verdicts: unary, batch, stream, document; any batch and chunk size; each form.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::path::Path;

use nopic_formats::entries::{EntryEvent, Form, read_entries};
use nopic_proto::entry_validation::finding::{Code, Severity};
use nopic_proto::entry_validation::verdict::{Outcome, Remedy};
use nopic_proto::entry_validation::{EntryLine, ValidateStreamRequest, Verdict, document_options};
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
