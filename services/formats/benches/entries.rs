//! How fast entry lines are read and verdicts written, beside plain `serde_json` doing the same work.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nopic_domain::entry::EntryLine;
use nopic_formats::entries::{
    AbiTransmission, EntryReader, Form, write_abi, write_abi_release, write_csv, write_csv_header,
    write_jsonl, write_xlsx,
};
use nopic_formats::verdicts::{
    EvidenceRecord, FindingRecord, VerdictRecord, write_verdict_csv, write_verdict_jsonl,
};

const LINES: usize = 20_000;

/// Lines as brokers send them: most fields present, some with lots.
fn lines() -> Vec<EntryLine> {
    let text = |text: &str| Some(text.to_owned());
    (0..LINES)
        .map(|index| EntryLine {
            entry_number: format!("B76{:08}", index / 3),
            line_number: u32::try_from(index % 3 + 1).unwrap_or(1),
            pga_line_number: Some(1),
            entry_date: text("2025-06-10"),
            export_date: text("2025-06-02"),
            importer_of_record: text("12-345678900"),
            importer_nop_id: text("8023222048"),
            hts_code: text("0804400020"),
            description: text("ORGANIC HASS AVOCADOS"),
            message_set: text("OR2"),
            certificate_number: Some(format!("480-4805453341-{index:06}")),
            net_weight_kg: Some(format!("{}.25", index + 1)),
            lots: if index % 4 == 0 {
                vec!["L-1".into(), "LOTE 3".into()]
            } else {
                Vec::new()
            },
            country_of_origin: text("MX"),
            country_of_export: text("MX"),
            port_of_entry: text("2704"),
            ..EntryLine::default()
        })
        .collect()
}

/// Reads everything in chunks of the size that the service receives.
fn read(form: Form, bytes: &[u8]) -> usize {
    let mut reader = EntryReader::new(form);
    let mut events = Vec::with_capacity(1024);
    let mut count = 0;
    for chunk in bytes.chunks(64 * 1024) {
        reader.push(chunk, &mut events).expect("a good file");
        count += events.len();
        black_box(&events);
        events.clear();
    }
    reader.finish(&mut events).expect("a good file");
    count + events.len()
}

fn entries(criterion: &mut Criterion) {
    let lines = lines();
    let mut jsonl = Vec::new();
    lines.iter().for_each(|line| write_jsonl(&mut jsonl, line));
    let mut csv = Vec::new();
    write_csv_header(&mut csv);
    lines
        .iter()
        .for_each(|line| write_csv(&mut csv, line).expect("no lot has a semicolon"));
    let mut abi = Vec::new();
    write_abi(&mut abi, &AbiTransmission::default(), &lines).expect("all fields fit");
    let released: Vec<_> = lines
        .iter()
        .map(|line| EntryLine {
            export_date: None,
            country_of_export: None,
            ..line.clone()
        })
        .collect();
    let mut release = Vec::new();
    write_abi_release(&mut release, &AbiTransmission::default(), &released).expect("all fields fit");
    let xlsx = write_xlsx(&lines).expect("a worksheet holds them");

    let mut group = criterion.benchmark_group("entries");
    group
        .throughput(Throughput::Elements(LINES as u64))
        .sample_size(20);
    // The domain's own derived reader: the floor that the budgets are stated against.
    group.bench_function("floor: serde_json reads", |bencher| {
        bencher.iter(|| {
            let mut count = 0;
            for line in jsonl.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                black_box(serde_json::from_slice::<EntryLine>(line).expect("a good line"));
                count += 1;
            }
            count
        });
    });
    group.bench_function("floor: serde_json writes", |bencher| {
        bencher.iter_batched_ref(
            || Vec::with_capacity(jsonl.len()),
            |out| {
                for line in &lines {
                    serde_json::to_writer(&mut *out, line).expect("memory");
                    out.push(b'\n');
                }
            },
            BatchSize::LargeInput,
        );
    });
    for (name, form, bytes) in [
        ("read JSON lines", Form::Jsonl, &jsonl),
        ("read CSV", Form::Csv, &csv),
        ("read ABI", Form::Abi, &abi),
        ("read ABI, cargo releases", Form::Abi, &release),
        ("read XLSX", Form::Xlsx, &xlsx),
    ] {
        assert_eq!(read(form, bytes), LINES);
        group.bench_function(name, |bencher| bencher.iter(|| read(form, black_box(bytes))));
    }
    let findings = [FindingRecord {
        code: "IMPORTER_NOT_CERTIFIED",
        severity: "REJECT",
        field: "importerNopId",
        message: "Importer 8023222048 was not certified on 2025-06-10 (Suspended): do not file as organic.",
        citation: Some("7 CFR 205.273(d)"),
    }];
    let verdict = VerdictRecord {
        entry_number: "B7603245278",
        line_number: 1,
        pga_line_number: 1,
        verdict: "REJECT",
        declaration: "ORGANIC",
        findings: &findings,
        remedies: &["REEXPORT", "DESTRUCTION"],
        evidence: EvidenceRecord {
            policy: "STRICT",
            policy_version: "2026-02-21",
            rules_version: "1",
            flags_version: "4f2a90c1",
            registry_revision: Some(2),
            registry_published_on: Some("2024-10-01"),
            certificate_version: Some(1),
        },
    };
    type Write = fn(&mut Vec<u8>, &VerdictRecord<'_>);
    for (name, write) in [
        ("write verdicts as JSON lines", write_verdict_jsonl as Write),
        ("write verdicts as CSV", write_verdict_csv as Write),
    ] {
        group.bench_function(name, |bencher| {
            let mut out = Vec::with_capacity(LINES * 512);
            bencher.iter(|| {
                out.clear();
                for _ in 0..LINES {
                    write(&mut out, black_box(&verdict));
                }
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, entries);
criterion_main!(benches);
