//! The worked cases of the specification read as they should, in every form.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]
#![allow(clippy::print_stderr, reason = "a test that could not run must say so")]

use std::path::PathBuf;

use nopic_domain::entry::EntryLine;
use nopic_formats::certificates::{CertificateEvent, read_certificates};
use nopic_formats::entries::{EntryEvent, Form, read_entries};

/// A file of the specification's cases; `None`, said aloud, where the specification is not at hand.
fn case(name: &str) -> Option<Vec<u8>> {
    beside("cases", name)
}

/// The same of its second set, which has every form.
fn second_case(name: &str) -> Option<Vec<u8>> {
    beside("cases-2", name)
}

fn beside(folder: &str, name: &str) -> Option<Vec<u8>> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../../shared", folder, name]
        .iter()
        .collect();
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        eprintln!("NOT TESTED: the specification's {folder}/{name} is not at hand");
    }
    bytes
}

fn lines(form: Form, bytes: &[u8]) -> Vec<EntryLine> {
    read_entries(form, bytes)
        .unwrap()
        .into_iter()
        .map(|event| match event {
            EntryEvent::Line { line, .. } => line,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn json_lines_and_csv_hold_the_same_lines() {
    let (Some(jsonl), Some(csv)) = (case("entries.jsonl"), case("entries.csv")) else {
        return;
    };
    let from_jsonl = lines(Form::Auto, &jsonl);
    let from_csv = lines(Form::Auto, &csv);
    assert_eq!(from_jsonl.len(), 300);
    assert_eq!(from_csv.len(), 300);
    for (one, other) in from_jsonl.into_iter().zip(from_csv) {
        assert_eq!(one.normalise(), other.normalise());
    }
}

#[test]
fn the_transmission_holds_the_lines_that_verdicts_are_expected_for() {
    let (Some(abi), Some(expected)) = (case("entries.abi"), case("expected-abi.jsonl")) else {
        return;
    };
    let read = lines(Form::Auto, &abi);
    let expected: Vec<serde_json::Value> = expected
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(read.len(), 150);
    assert_eq!(expected.len(), 150);
    for (line, expected) in read.iter().zip(&expected) {
        assert_eq!(expected["entryNumber"], line.entry_number.as_str());
        assert_eq!(expected["lineNumber"], line.line_number);
        assert_eq!(expected["pgaLineNumber"], line.pga_line_number.unwrap_or(1));
    }
}

#[test]
fn every_form_of_the_second_set_holds_its_lines() {
    if let Some(jsonl) = second_case("entries.jsonl") {
        let from_jsonl = lines(Form::Auto, &jsonl);
        for name in ["entries.csv", "entries.xlsx"] {
            let Some(bytes) = second_case(name) else { return };
            let read = lines(Form::Auto, &bytes);
            assert_eq!(read.len(), from_jsonl.len(), "{name}");
            for (one, other) in from_jsonl.iter().zip(read) {
                assert_eq!(one.clone().normalise(), other.normalise(), "{name}");
            }
        }
    }
    for (name, expected) in [
        ("entries.abi", "expected-abi.jsonl"),
        ("entries-se.abi", "expected-se.jsonl"),
    ] {
        let (Some(bytes), Some(expected)) = (second_case(name), second_case(expected)) else {
            return;
        };
        let keys: Vec<_> = read_entries(Form::Auto, &bytes)
            .unwrap()
            .into_iter()
            .filter_map(|event| match event {
                EntryEvent::Line { line, .. } => {
                    let pga_line_number = line.pga_line_number.unwrap_or(1);
                    Some((line.entry_number, line.line_number, pga_line_number))
                }
                EntryEvent::Deleted { .. } => None,
                EntryEvent::Reject(reject) => panic!("{name}: {reject}"),
            })
            .collect();
        let expected: Vec<_> = String::from_utf8(expected)
            .unwrap()
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let number = |name: &str| u32::try_from(line[name].as_u64().unwrap()).unwrap();
                (
                    line["entryNumber"].as_str().unwrap().to_owned(),
                    number("lineNumber"),
                    number("pgaLineNumber"),
                )
            })
            .collect();
        assert_eq!(keys, expected, "{name}");
    }
}

#[test]
fn every_certificate_is_read() {
    let Some(bytes) = case("certificates.jsonl") else {
        return;
    };
    let events = read_certificates(&bytes).unwrap();
    assert_eq!(events.len(), 170);
    for event in &events {
        assert!(matches!(event, CertificateEvent::Certificate(_)), "{event:?}");
    }
}
