//! The real program on real files: what a broker types, what comes out, and the exit status.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{summary, worked_cases};

fn nopic(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nopic"))
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = nopic(folder, arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "nopic {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout).to_owned()
}

#[test]
fn the_program_agrees_with_the_worked_cases() {
    let Some(cases) = worked_cases() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| cases.join(name).to_string_lossy().into_owned();
    done(
        folder.path(),
        &["registry", "import", &file("INTEGRITY_Export_20240301.xlsx")],
    );
    done(
        folder.path(),
        &["registry", "import", &file("operations-2024-09-30.zip")],
    );
    let refused = nopic(
        folder.path(),
        &["registry", "import", &file("operations-2026-03-01.json")],
    );
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("--full"),
        "{}",
        text(&refused.stderr)
    );
    done(
        folder.path(),
        &[
            "registry",
            "import",
            &file("operations-2026-03-01.json"),
            "--full",
        ],
    );
    done(
        folder.path(),
        &["flags", "import", &file("flags.csv"), "--replace"],
    );
    done(folder.path(), &["flags", "import", &file("tariff-report.csv")]);
    done(
        folder.path(),
        &["certificate", "import", &file("certificates.jsonl")],
    );
    for (entries, expected) in [
        ("entries.jsonl", "expected.jsonl"),
        ("entries.csv", "expected.jsonl"),
        ("entries.xlsx", "expected.jsonl"),
        ("entries.abi", "expected-abi.jsonl"),
        ("entries-se.abi", "expected-se.jsonl"),
    ] {
        let output = nopic(
            folder.path(),
            &["entry", "validate", &file(entries), "--output", "jsonl"],
        );
        // Some of the lines are rejected.
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        let found: Vec<Value> = text(&output.stdout)
            .lines()
            .map(|line| summary(&parse(line)))
            .collect();
        let expected: Vec<Value> = std::fs::read_to_string(cases.join(expected))
            .unwrap()
            .lines()
            .map(parse)
            .collect();
        assert_eq!(found, expected, "{entries}");
        for line in text(&output.stdout).lines() {
            for finding in parse(line)["findings"].as_array().unwrap() {
                let message = finding["message"].as_str().unwrap();
                assert!(
                    message.ends_with(['.', '?']) && !message.contains(['{', '}']),
                    "{message}"
                );
                assert!(!finding["field"].as_str().unwrap().is_empty());
            }
        }
    }
}

#[test]
fn files_that_are_no_entries_are_named_and_nothing_is_made_of_them() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("empty.jsonl", &b""[..]),
        ("page.csv", b"<!DOCTYPE html><html><body>Sign in</body></html>"),
        ("archive.abi", b"PK\x03\x04rest"),
        ("prose.txt", b"Dear broker,\nplease find attached\n"),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
        let output = nopic(folder.path(), &["entry", "validate", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(
            text(&output.stderr).contains(name),
            "{name}: {}",
            text(&output.stderr)
        );
        assert_eq!(text(&output.stdout), "", "{name}");
    }
    let missing = nopic(folder.path(), &["entry", "validate", "missing.jsonl"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("missing.jsonl"));
}

#[test]
fn a_bad_line_is_reported_and_its_neighbours_are_validated() {
    let folder = tempfile::tempdir().unwrap();
    let good =
        r#"{"entryNumber":"B7603245278","lineNumber":1,"entryDate":"2026-01-15","htsCode":"0901110015"}"#;
    let long = format!(
        r#"{{"entryNumber":"B7603245278","lineNumber":3,"description":"{}"}}"#,
        "x".repeat(10 << 20)
    );
    let content = format!(
        "{good}\n{{\"entryNumber\":\"B7603245278\",\"lineNumber\":2,\"colour\":\"red\"}}\n{long}\n{}\n",
        good.replace("\"lineNumber\":1", "\"lineNumber\":4")
    );
    std::fs::write(folder.path().join("lines.jsonl"), content).unwrap();
    let output = nopic(
        folder.path(),
        &["entry", "validate", "lines.jsonl", "--output", "jsonl"],
    );
    assert_eq!(output.status.code(), Some(1));
    let verdicts: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let numbers: Vec<Value> = verdicts
        .iter()
        .map(|verdict| verdict["lineNumber"].clone())
        .collect();
    assert_eq!(numbers, [json!(1), json!(4)]);
    // An AM8 line without message set, whatever is known of registry and certificates.
    assert_eq!(verdicts[0]["findings"][0]["code"], "PGA_DATA_MISSING");
    let errors = text(&output.stderr);
    assert!(
        errors.contains("colour") && errors.contains("lines.jsonl"),
        "{errors}"
    );
    let rejects: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("rejects"))
        .collect();
    assert_eq!(rejects.len(), 1);
    assert_eq!(std::fs::read_to_string(&rejects[0]).unwrap().lines().count(), 2);
}

#[test]
fn the_readme_shows_what_the_demo_prints() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let shown = readme.split("<!-- demo -->\n```\n").nth(1).unwrap();
    let shown = shown.split("```\n<!-- /demo -->").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let printed = done(folder.path(), &["demo", "--exit"]);
    let shown: Vec<&str> = shown.lines().filter(|line| line.trim() != "…").collect();
    assert!(shown.len() > 8, "the README shows a piece of the table");
    for line in shown {
        assert!(
            printed.lines().any(|printed| printed == line),
            "not printed by the demo: {line}\n{printed}"
        );
    }
}
