//! The rules agree with the worked cases beside the project, line by line, in all five forms.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::path::Path;

use nopic_formats::entries::Form;
use nopic_tests::worked_cases;
use nopic_tests::world::World;
use serde_json::{Value, json};

fn world(cases: &Path) -> World {
    let mut world = World::default();
    world
        .add_snapshot(&cases.join("INTEGRITY_Export_20240301.xlsx"), true)
        .unwrap();
    world
        .add_snapshot(&cases.join("operations-2024-09-30.zip"), true)
        .unwrap();
    world
        .add_snapshot(&cases.join("operations-2026-03-01.json"), true)
        .unwrap();
    world
        .replace_flags(&std::fs::read(cases.join("flags.csv")).unwrap())
        .unwrap();
    world
        .add_flags(&std::fs::read(cases.join("tariff-report.csv")).unwrap())
        .unwrap();
    world
        .add_certificates(&std::fs::read(cases.join("certificates.jsonl")).unwrap())
        .unwrap();
    world
}

#[test]
fn the_rules_agree_with_the_worked_cases() {
    let Some(cases) = worked_cases() else { return };
    let world = world(&cases);
    for (form, entries, expected) in [
        (Form::Jsonl, "entries.jsonl", "expected.jsonl"),
        (Form::Csv, "entries.csv", "expected.jsonl"),
        (Form::Xlsx, "entries.xlsx", "expected.jsonl"),
        (Form::Abi, "entries.abi", "expected-abi.jsonl"),
        (Form::Abi, "entries-se.abi", "expected-se.jsonl"),
    ] {
        let judged = world
            .judge_file(form, &std::fs::read(cases.join(entries)).unwrap())
            .unwrap();
        let expected = std::fs::read_to_string(cases.join(expected)).unwrap();
        assert_eq!(judged.len(), expected.lines().count(), "{entries}");
        for ((line, judgement), expected) in judged.iter().zip(expected.lines()) {
            let expected: Value = serde_json::from_str(expected).unwrap();
            let found = json!({
                "entryNumber": line.entry_number,
                "lineNumber": line.line_number,
                "pgaLineNumber": line.pga_line_number(),
                "verdict": judgement.outcome.as_str(),
                "declaration": line.declaration().as_str(),
                "codes": judgement.findings.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(),
                "severities": judgement.findings.iter().map(|finding| finding.severity.as_str()).collect::<Vec<_>>(),
                "remedies": judgement.remedies.iter().map(|remedy| remedy.as_str()).collect::<Vec<_>>(),
                "policy": world.policy.phase(judgement.phase).name,
            });
            assert_eq!(found, expected, "{entries}: {line:?}");
        }
    }
}
