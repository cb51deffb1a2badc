//! Inputs made from what people reported, with the right result: they stand beside the project.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::path::{Path, PathBuf};

use nopic_domain::entry::{Declaration, NormalisedLine};
use nopic_domain::finding::Code;
use nopic_domain::rules::{Judgement, Outcome};
use nopic_formats::entries::{EntryEvent, Form, read_entries};
use nopic_tests::beside_the_project;
use nopic_tests::world::World;
use rstest::rstest;

fn tried() -> Option<PathBuf> {
    beside_the_project("shared/tried")
}

/// What is known in each: the common world, and the certificates of the folder.
fn world(tried: &Path, folder: &str) -> World {
    let mut world = World::default();
    let common = tried.join("world");
    let mut snapshots: Vec<PathBuf> = std::fs::read_dir(&common)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("INTEGRITY") || name.starts_with("operations")
        })
        .collect();
    // By their dates: the workbook is the oldest.
    snapshots.sort();
    for snapshot in snapshots {
        world.add_snapshot(&snapshot, true).unwrap();
    }
    world
        .replace_flags(&std::fs::read(common.join("flags.csv")).unwrap())
        .unwrap();
    for certificates in [
        common.join("certificates.jsonl"),
        tried.join(folder).join("certificates.jsonl"),
    ] {
        if certificates.exists() {
            world
                .add_certificates(&std::fs::read(certificates).unwrap())
                .unwrap();
        }
    }
    world
}

fn judged(folder: &str, file: &str) -> Option<Vec<(NormalisedLine, Judgement)>> {
    let tried = tried()?;
    let content = std::fs::read(tried.join(folder).join(file)).unwrap();
    Some(world(&tried, folder).judge_file(Form::Auto, &content).unwrap())
}

#[rstest]
#[case("02-pg01-processing-digit", "or2-digit.abi", Declaration::Organic)]
#[case("02-pg01-processing-digit", "disclaim-digit.abi", Declaration::Disclaimed)]
#[case("04-canadian-provinces", "province-export-ca.abi", Declaration::Organic)]
#[case("07-space-filled-numbers", "gross-weight.abi", Declaration::Organic)]
#[case("07-space-filled-numbers", "pg29.abi", Declaration::Organic)]
#[case("11-csv-taken-for-abi", "sep-line.csv", Declaration::Disclaimed)]
#[case("15-excel-blank-rows-columns", "blank-rows.csv", Declaration::Disclaimed)]
#[case(
    "15-excel-blank-rows-columns",
    "trailing-columns.csv",
    Declaration::Disclaimed
)]
fn every_line_is_accepted(#[case] folder: &str, #[case] file: &str, #[case] declaration: Declaration) {
    let Some(judged) = judged(folder, file) else {
        return;
    };
    assert!(!judged.is_empty());
    for (line, judgement) in judged {
        assert_eq!(judgement.outcome, Outcome::Accept, "{judgement:?}");
        assert_eq!(line.declaration(), declaration);
    }
}

#[rstest]
#[case("second-nop-id.abi")]
#[case("second-unknown.abi")]
#[case("second-voided.abi")]
fn a_second_certificate_is_no_yes(#[case] file: &str) {
    let Some(judged) = judged("05-second-certificate", file) else {
        return;
    };
    for (_, judgement) in judged {
        assert_eq!(judgement.outcome, Outcome::Indeterminate, "{judgement:?}");
        assert_eq!(judgement.findings[0].code, Code::CertificateSeveral);
    }
}

#[test]
fn lines_are_judged_by_the_date_of_importation_where_there_is_no_other() {
    let Some(judged) = judged("06-blank-estimated-entry-date", "date-of-importation-only.abi") else {
        return;
    };
    assert!(!judged.is_empty());
    for (_, judgement) in judged {
        assert_eq!(
            judgement.findings[0].code,
            Code::EntryDateAssumed,
            "{judgement:?}"
        );
    }
}

#[test]
fn numbers_that_begin_anew_are_lines_of_their_own() {
    let Some(judged) = judged("16-pga-line-restarts", "two-tariffs.abi") else {
        return;
    };
    let numbers: Vec<u32> = judged.iter().map(|(line, _)| line.pga_line_number()).collect();
    assert_eq!(numbers, [1, 1001]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let Some(tried) = tried() else { return };
    let read = |name: &str| std::fs::read(tried.join(name)).unwrap();
    let error = |name: &str| read_entries(Form::Auto, &read(name)).unwrap_err().to_string();
    assert!(error("11-csv-taken-for-abi/title-row.csv").contains("row 2"));
    assert!(error("11-csv-taken-for-abi/human-header.csv").contains("entryNumber"));
    assert!(
        !read_entries(Form::Auto, &read("11-csv-taken-for-abi/cr-only.csv"))
            .unwrap()
            .is_empty()
    );
    let events = read_entries(Form::Auto, &read("03-cargo-release-silent/header-only.abi")).unwrap();
    assert!(matches!(&events[..], [EntryEvent::Reject(_)]), "{events:?}");
    let events = read_entries(Form::Auto, &read("03-cargo-release-silent/se-with-pga.abi")).unwrap();
    assert!(matches!(&events[..], [EntryEvent::Line { .. }]), "{events:?}");
    let flags = read("01-hts-float-lost-zero/flags-float.csv");
    let mut world = World::default();
    let before = world.flags.version().to_owned();
    assert!(world.add_flags(&flags).is_err());
    assert_eq!(world.flags.version(), before);
}
