//! Determinism, counts, and that what is written reads back as what the product expects.

use std::collections::HashSet;
use std::io::{Cursor, Read};

use nopic_domain::certificate::{CertificateKind, CertificateStatus};
use nopic_domain::date::parse_iso;
use nopic_domain::flags::{Flag, FlagTable};
use nopic_domain::hts::HtsCode;
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_domain::weight::Weight;

use super::*;
use crate::certificates::{CertificateEvent, read_certificates};
use crate::entries::{EntryEvent, Form, read_entries};
use crate::oid::EXPORT_COLUMNS;

const SMALL: SampleOptions = SampleOptions {
    operations: 400,
    certificates: 300,
    lines: 3_000,
    seed: 7,
};

fn made(options: &SampleOptions) -> (tempfile::TempDir, SampleSummary) {
    let folder = tempfile::tempdir().unwrap();
    let summary = generate(options, folder.path()).unwrap();
    (folder, summary)
}

fn lines_of(events: Vec<EntryEvent>) -> Vec<nopic_domain::entry::EntryLine> {
    events
        .into_iter()
        .map(|event| match event {
            EntryEvent::Line { line, .. } => line,
            other => panic!("no line: {other:?}"),
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (one, summary) = made(&SMALL);
    let (other, again) = made(&SMALL);
    assert_eq!(summary.files.len(), 9);
    for (file, twin) in summary.files.iter().zip(&again.files) {
        let content = std::fs::read(file).unwrap();
        assert!(!content.is_empty());
        assert!(content == std::fs::read(twin).unwrap(), "{}", file.display());
    }
    let (_third, different) = made(&SampleOptions { seed: 8, ..SMALL });
    for (file, different) in summary.files.iter().zip(&different.files) {
        let is_flags = file.ends_with("flags.csv");
        let is_same = std::fs::read(file).unwrap() == std::fs::read(different).unwrap();
        assert_eq!(is_same, is_flags, "{}", file.display());
    }
    drop((one, other));
}

#[test]
fn every_form_of_the_entries_has_the_same_lines() {
    let (folder, summary) = made(&SMALL);
    let read = |name: &str, form| {
        let content = std::fs::read(folder.path().join(name)).unwrap();
        lines_of(read_entries(form, &content).unwrap())
    };
    let lines = read("entries.jsonl", Form::Jsonl);
    let table = read("entries.csv", Form::Csv);
    let transmission = read("entries.abi", Form::Abi);
    assert_eq!(lines.len(), 3_000);
    assert_eq!((summary.lines, summary.certificates), (3_000, 300));
    assert_eq!(transmission.len() as u64, summary.abi_lines);
    assert!(summary.abi_lines > 1_500, "{}", summary.abi_lines);
    let normal = |lines: &[nopic_domain::entry::EntryLine]| {
        lines
            .iter()
            .map(|line| line.clone().normalise())
            .collect::<Vec<_>>()
    };
    assert_eq!(normal(&lines), normal(&table));
    let mut seen = HashSet::new();
    let mut last = None;
    for line in &lines {
        if last != Some(&line.entry_number) {
            assert!(
                seen.insert(&line.entry_number),
                "{} comes twice",
                line.entry_number
            );
        }
        last = Some(&line.entry_number);
    }
    assert_eq!(seen.len() as u64, summary.entries);
    let key = |line: &nopic_domain::entry::EntryLine| {
        let line = line.clone().normalise();
        (
            line.entry_number.clone(),
            line.line_number,
            line.pga_line_number(),
        )
    };
    let by_key: std::collections::HashMap<_, _> = lines.iter().map(|line| (key(line), line)).collect();
    assert_eq!(by_key.len(), lines.len());
    for carried in &transmission {
        let line = by_key[&key(carried)];
        assert_eq!(carried.certificate_number, line.certificate_number);
        assert_eq!(carried.entry_date, line.entry_date);
        let weight = |text: &Option<String>| text.as_ref().map(|text| text.parse::<Weight>());
        assert_eq!(weight(&carried.net_weight_kg), weight(&line.net_weight_kg));
    }
}

#[test]
fn most_lines_are_good_and_every_mistake_is_made() {
    let world = World::new(1, 2_000, 2_000);
    let certificates: std::collections::HashMap<_, _> = world
        .certificates()
        .map(|sample| (sample.certificate.number, sample))
        .collect();
    assert_eq!(certificates.len(), 2_000);
    let mut taken: std::collections::HashMap<CertificateNumber, i64> = std::collections::HashMap::new();
    let (mut untouched, mut valid_entries, mut sound, mut certified) = (0u32, 0u32, 0u32, 0u32);
    let mut mistakes = HashSet::new();
    let count = 40_000;
    let flags = FlagTable::shipped();
    for SampleLine { line, mistake } in world.entry_lines(count) {
        let line = line.normalise();
        valid_entries += u32::from(EntryNumber::parse(&line.entry_number).is_some());
        if let Some(mistake) = mistake {
            mistakes.insert(mistake);
            continue;
        }
        untouched += 1;
        let entry_date = parse_iso(line.entry_date.as_deref().unwrap()).unwrap();
        let code: HtsCode = line.hts_code.as_deref().unwrap().parse().unwrap();
        let weight: Weight = line.net_weight_kg.as_deref().unwrap().parse().unwrap();
        assert!(weight > Weight::ZERO);
        let number = line.certificate_number.as_deref();
        let Some(number) = number.and_then(CertificateNumber::parse) else {
            continue;
        };
        certified += 1;
        assert_eq!(flags.flag_on(&code, entry_date), Some(Flag::Am8));
        let sample = &certificates[&number];
        let certificate = &sample.certificate;
        assert_eq!(certificate.hts_code, code);
        *taken.entry(number).or_default() += weight.units();
        if certificate.status == CertificateStatus::Issued {
            sound += 1;
            assert!(
                certificate.valid_from.unwrap() <= entry_date && entry_date <= certificate.valid_to.unwrap()
            );
            assert!(
                certificate.issued_on.unwrap()
                    <= parse_iso(&line.export_date.clone().unwrap_or("2099-01-01".into())).unwrap()
            );
        }
    }
    assert!(f64::from(untouched) > 0.80 * count as f64, "{untouched}");
    assert!(f64::from(valid_entries) > 0.98 * count as f64, "{valid_entries}");
    assert!(
        f64::from(sound) > 0.97 * f64::from(certified),
        "{sound} of {certified}"
    );
    assert!(mistakes.len() >= 35, "{mistakes:?}");
    let exceeded = taken
        .iter()
        .filter(|(number, taken)| {
            let sample = &certificates[number];
            let drawn: i64 = sample.draws.iter().map(|draw| draw.weight_kg.units()).sum();
            **taken + drawn > sample.certificate.total_weight_kg.units()
        })
        .count();
    assert!(exceeded * 100 < taken.len(), "{exceeded} of {}", taken.len());
}

#[test]
fn certificates_read_back_and_have_every_status_and_kind() {
    let (folder, _) = made(&SampleOptions {
        certificates: 4_001,
        lines: 0,
        ..SMALL
    });
    let content = std::fs::read(folder.path().join("certificates.jsonl")).unwrap();
    let mut certificates = std::collections::HashMap::new();
    let mut draws = 0;
    for event in read_certificates(&content).unwrap() {
        let CertificateEvent::Certificate(record) = event else {
            panic!("refused: {event:?}");
        };
        draws += record.draws.map_or(0, |draws| draws.len());
        assert!(
            certificates
                .insert(record.certificate.number, record.certificate)
                .is_none()
        );
    }
    assert_eq!(certificates.len(), 4_001);
    assert!(draws > 100);
    for status in CertificateStatus::ALL {
        assert!(
            certificates
                .values()
                .any(|certificate| certificate.status == status),
            "{status:?}"
        );
    }
    for kind in CertificateKind::ALL {
        assert!(
            certificates.values().any(|certificate| certificate.kind == kind),
            "{kind:?}"
        );
    }
    for certificate in certificates.values() {
        let is_superseded = certificate.status == CertificateStatus::Superseded;
        assert_eq!(certificate.superseded_by.is_some(), is_superseded);
        if let Some(successor) = certificate.superseded_by {
            assert_eq!(certificates[&successor].hts_code, certificate.hts_code);
            assert_eq!(certificates[&successor].status, CertificateStatus::Issued);
        }
    }
    let flags = std::fs::read(folder.path().join("flags.csv")).unwrap();
    let mut table = FlagTable::shipped();
    let summary = crate::flags::read(&flags)
        .unwrap()
        .import(&mut table, false)
        .unwrap();
    assert_eq!((summary.am8, summary.am7), (178, 31));
}

#[test]
fn names_are_distinct_and_of_many_tongues() {
    let mut names = HashSet::new();
    let mut ids = HashSet::new();
    let (mut accented, mut others) = (0, 0);
    for operation in operations(42, 76_000) {
        accented += usize::from(!operation.name.is_ascii());
        others += usize::from(!operation.other_names.is_empty());
        ids.insert(operation.nop_id);
        names.insert(operation.name);
    }
    assert_eq!(ids.len(), 76_000);
    assert!(names.len() >= 75_924, "{} distinct names", names.len());
    assert!(accented > 10_000 && others > 15_000, "{accented} {others}");
    let certifiers: HashSet<_> = ids.iter().map(|id| id.certifier()).collect();
    assert_eq!(certifiers.len(), 80);
}

#[test]
fn publications_differ_as_time_makes_them_differ() {
    let mut seen = HashSet::new();
    for operation in operations(3, 5_000) {
        let [one, two, three] = operation.states.map(|state| state.map(|state| state.status));
        seen.insert((one, two, three));
        for (state, published) in operation.states.iter().zip(PUBLICATIONS) {
            assert!(state.is_none_or(|state| state.effective <= published));
        }
    }
    let certified = Some("Certified");
    for expected in [
        (certified, certified, certified),
        (None, certified, certified),
        (None, None, certified),
        (certified, None, None),
        (certified, Some("Suspended"), certified),
        (certified, Some("Suspended"), Some("Suspended")),
        (certified, certified, Some("Surrendered")),
    ] {
        assert!(seen.contains(&expected), "{expected:?}");
    }
}

#[test]
fn the_exports_hold_what_the_publication_lists() {
    let listed = operations(5, 300)
        .filter(|operation| operation.states[0].is_some())
        .count();
    let mut workbook = Vec::new();
    assert_eq!(
        write_xlsx(Cursor::new(&mut workbook), 5, 300, 0).unwrap(),
        listed as u64
    );
    let mut workbook: calamine::Xlsx<_> = calamine::Reader::new(Cursor::new(workbook)).unwrap();
    let range = calamine::Reader::worksheet_range_at(&mut workbook, 0)
        .unwrap()
        .unwrap();
    assert_eq!(range.height(), listed + 4);
    assert_eq!(range.width(), EXPORT_COLUMNS.len());
    let effective = EXPORT_COLUMNS
        .iter()
        .position(|name| *name == "op_statusEffectiveDate")
        .unwrap();
    assert!(
        range
            .get((4, effective))
            .is_some_and(|cell| matches!(cell, calamine::Data::Float(_)))
    );

    let mut archive = Vec::new();
    let count = write_xml_zip(Cursor::new(&mut archive), 5, 300, 1).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    assert_eq!(archive.len(), 1);
    let mut stream = String::new();
    archive
        .by_name("stream")
        .unwrap()
        .read_to_string(&mut stream)
        .unwrap();
    assert_eq!(stream.matches("<op_nopOpID>").count() as u64, count);
    assert!(stream.contains("<Item><ci_nopOpID>"));

    let mut page = Vec::new();
    let count = write_json(&mut page, 5, 300, 2).unwrap();
    let page: serde_json::Value = serde_json::from_slice(&page).unwrap();
    assert_eq!(page["operations"].as_array().unwrap().len() as u64, count);
    assert_eq!(
        page["operations"][0].as_object().unwrap().len(),
        EXPORT_COLUMNS.len()
    );
}

#[test]
fn too_much_or_too_little_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for options in [
        SampleOptions {
            operations: 9,
            ..SMALL
        },
        SampleOptions {
            operations: 2_000_000,
            ..SMALL
        },
        SampleOptions {
            certificates: 1_000_000,
            ..SMALL
        },
        SampleOptions {
            lines: 200_000_000,
            ..SMALL
        },
    ] {
        assert!(generate(&options, folder.path()).is_err(), "{options:?}");
    }
    let smallest = SampleOptions {
        operations: 10,
        certificates: 1,
        lines: 5,
        seed: 0,
    };
    assert_eq!(generate(&smallest, folder.path()).unwrap().lines, 5);
    let nothing = SampleOptions {
        operations: 0,
        certificates: 0,
        lines: 0,
        seed: 0,
    };
    assert_eq!(generate(&nothing, folder.path()).unwrap().lines, 0);
}
