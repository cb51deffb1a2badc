//! The seeds of the fuzz targets, run without a fuzzer: no input panics, and seeds named as good are read whole.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::path::PathBuf;

use nopic_formats::certificates::{CertificateEvent, read_certificates};
use nopic_formats::entries::{EntryEvent, Form, read_entries};
use nopic_formats::exercise;

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fuzz/corpus", target]
        .iter()
        .collect();
    let seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|seed| seed.unwrap())
        .map(|seed| {
            (
                seed.file_name().to_string_lossy().into_owned(),
                std::fs::read(seed.path()).unwrap(),
            )
        })
        .collect();
    assert!(!seeds.is_empty());
    seeds
}

#[test]
fn the_seeds_of_entry_lines_are_read() {
    let good = [
        "transmission",
        "deleted",
        "windows-and-short",
        "full",
        "snake",
        "plain",
    ];
    for (target, form) in [
        ("entries_abi", Form::Abi),
        ("entries_release", Form::Abi),
        ("entries_jsonl", Form::Jsonl),
        ("entries_csv", Form::Csv),
    ] {
        for (name, bytes) in seeds(target) {
            let events = read_entries(form, &bytes).unwrap();
            assert!(!events.is_empty(), "{target}/{name}");
            let refused = events.iter().any(|event| matches!(event, EntryEvent::Reject(_)));
            assert_eq!(
                refused,
                !good.contains(&name.as_str()),
                "{target}/{name}: {events:?}"
            );
            for other in [Form::Auto, Form::Abi, Form::Csv, Form::Jsonl, Form::Xlsx] {
                exercise::entries(other, &bytes);
            }
        }
    }
}

#[test]
fn the_seeds_of_certificates_are_read() {
    for (name, bytes) in seeds("certificates") {
        let events = read_certificates(&bytes).unwrap();
        let refused = events
            .iter()
            .any(|event| matches!(event, CertificateEvent::Reject(_)));
        assert_eq!(refused, name == "refused", "{name}: {events:?}");
        exercise::certificates(&bytes);
    }
}

#[test]
fn the_seeds_of_workbooks_are_read() {
    for (_, bytes) in seeds("entries_xlsx") {
        exercise::xlsx(&bytes);
    }
}
