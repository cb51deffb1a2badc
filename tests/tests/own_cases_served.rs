//! The project's own cases through the services: what the rules find, callers get, by each way to ask.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeMap;

use nopic_proto::entry_validation::finding::{Code, Severity};
use nopic_proto::entry_validation::verdict::{Outcome, Remedy};
use nopic_proto::entry_validation::{
    Decision, EntryLine, FileEntriesRequest, LinkImporterRequest, Verdict, document_options,
};
use nopic_proto::registry::import_options::Completeness;
use nopic_sql::testing::Engine;
use nopic_tests::cases::{Case, CertificatesAnswer, Expected, Files, RegistryAnswer};
use nopic_tests::services::{Services, Setup, validate_document, validate_entries, validate_stream};
use rstest::rstest;

fn expected_of(verdict: &Verdict, fields: bool) -> Expected {
    let findings = &verdict.findings;
    let name = |code: i32| Code::try_from(code).unwrap().as_str_name().to_owned();
    let severity = |severity: i32| Severity::try_from(severity).unwrap().as_str_name().to_owned();
    let remedy = |remedy: i32| Remedy::try_from(remedy).unwrap().as_str_name().to_owned();
    Expected {
        declaration: verdict.declaration().as_str_name().to_owned(),
        verdict: Outcome::try_from(verdict.verdict)
            .unwrap()
            .as_str_name()
            .to_owned(),
        codes: findings.iter().map(|finding| name(finding.code)).collect(),
        severities: findings
            .iter()
            .map(|finding| severity(finding.severity))
            .collect(),
        remedies: verdict.remedies.iter().map(|code| remedy(*code)).collect(),
        policy: verdict.evidence.as_ref().unwrap().policy.clone(),
        fields: fields.then(|| findings.iter().map(|finding| finding.field.clone()).collect()),
    }
}

fn compare(case: &Case, how: &str, verdicts: &[Verdict]) {
    assert_eq!(verdicts.len(), case.expected.len(), "{}: {how}", case.name);
    for (verdict, expected) in verdicts.iter().zip(&case.expected) {
        let found = expected_of(verdict, expected.fields.is_some());
        assert_eq!(found, *expected, "{}: {how}", case.name);
        for finding in &verdict.findings {
            assert!(
                !finding.message.is_empty() && !finding.message.contains(['{', '}']),
                "{finding:?}"
            );
        }
    }
}

async fn services(engine: Engine, files: &Files, case: &Case) -> (Services, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, files.policy_text(&case.world)).unwrap();
    let setup = Setup {
        engine,
        registry_answers: case.world.registry != RegistryAnswer::Unavailable,
        certificates_answer: case.world.certificates == CertificatesAnswer::Answers,
        policy: Some(policy),
        ..Setup::default()
    };
    let mut services = Services::start(&setup).await;
    if case.world.registry != RegistryAnswer::Empty {
        for (name, text) in files.snapshots.iter().take(case.world.snapshots) {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            services.import_snapshot(&path, Completeness::Full).await.unwrap();
        }
    }
    services.import_flags(files.flags.as_bytes(), true).await.unwrap();
    if case.world.report {
        services
            .import_flags(files.report.as_bytes(), false)
            .await
            .unwrap();
    }
    let imported = services
        .import_certificates(files.certificates.as_bytes())
        .await
        .unwrap();
    assert_eq!(imported.rejected, 0);
    for (importer_of_record, nop_id) in &case.world.links {
        let request = LinkImporterRequest {
            importer_of_record: importer_of_record.clone(),
            nop_id: nop_id.clone(),
        };
        services.entries.link_importer(request).await.unwrap();
    }
    (services, folder)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_give_the_verdicts_that_were_written_by_hand(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let files = Files::own().unwrap();
    let cases = files.cases().unwrap();
    let mut by_world: BTreeMap<String, Vec<&Case>> = BTreeMap::new();
    for case in &cases {
        by_world
            .entry(format!("{:?}", case.world))
            .or_default()
            .push(case);
    }
    // Each world has its own database, and one on a server takes longer than a file: every fourth shows the engine.
    let step = match engine {
        Engine::Sqlite => 1,
        Engine::Postgres => 4,
    };
    for cases in by_world.values().step_by(step) {
        let (mut services, _folder) = services(engine, &files, cases[0]).await;
        for case in cases {
            let lines: Vec<EntryLine> = case.entry_lines().unwrap().into_iter().map(Into::into).collect();
            if let Some(filed_on) = &case.world.filed_on {
                let request = FileEntriesRequest {
                    request_id: case.name.clone(),
                    lines,
                    filed_on: filed_on.clone(),
                    ..FileEntriesRequest::default()
                };
                let filed = services.records.file_entries(request).await.unwrap().into_inner();
                let verdict = |decision: Decision| decision.verdict.unwrap();
                let verdicts: Vec<_> = filed.decisions.into_iter().map(verdict).collect();
                compare(case, "filed", &verdicts);
                continue;
            }
            let verdicts = validate_entries(&mut services.entries, &lines).await.unwrap();
            compare(case, "in one call", &verdicts);
            for batch in [1, 2] {
                let streamed = validate_stream(&mut services.entries, &lines, batch)
                    .await
                    .unwrap();
                assert_eq!(streamed, verdicts, "{}: in batches of {batch}", case.name);
            }
            let form = document_options::Form::Jsonl;
            let content = case.jsonl();
            let document = validate_document(&mut services.entries, form, content.as_bytes(), 64)
                .await
                .unwrap();
            assert_eq!(document.verdicts, verdicts, "{}: as a document", case.name);
        }
    }
}
