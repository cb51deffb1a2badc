//! A large JSON-lines file validated by the command line, beside what serde needs to read and write the same lines.
//!
//! Both read a file and write a file. `NOPIC_BENCH_LINES` makes it smaller.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use nopic_domain::entry::EntryLine;
use nopic_formats::sample::{SampleOptions, generate};
use nopic_tests::memory::wait_and_watch;
use nopic_tests::program;

fn lines() -> u64 {
    let text = std::env::var("NOPIC_BENCH_LINES").unwrap_or_else(|_| "1000000".to_owned());
    text.parse().expect("NOPIC_BENCH_LINES is a number")
}

/// Reads each line with serde and writes it again.
fn serde(input: &Path, output: &Path) {
    let content = std::fs::read(input).expect("the lines can be read");
    let mut out = BufWriter::with_capacity(1 << 18, File::create(output).expect("the output can be made"));
    for line in content
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let line: EntryLine = serde_json::from_slice(line).expect("a line of the sample is valid");
        serde_json::to_writer(&mut out, &line).expect("a line is written");
        out.write_all(b"\n").expect("a line is written");
    }
    out.flush().expect("the output is written");
}

fn run(program: &Path, data: &Path, arguments: &[&str], output: &Path) -> u64 {
    let child = Command::new(program)
        .arg("--data")
        .arg(data)
        .args(arguments)
        .stdout(File::create(output).expect("the output can be made"))
        .stderr(Stdio::null())
        .spawn()
        .expect("nopic starts");
    let (status, peak) = wait_and_watch(child).expect("nopic ends");
    // 1: some lines are rejected, as they should be.
    assert!(matches!(status.code(), Some(0 | 1)), "nopic {arguments:?} failed");
    peak
}

#[allow(clippy::print_stderr)]
fn bench(criterion: &mut Criterion) {
    let program = program::built();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_string_lossy().into_owned();
    let options = SampleOptions {
        operations: 20_000,
        certificates: 50_000,
        lines: lines(),
        seed: 11,
    };
    generate(&options, folder.path()).expect("the sample is written");
    let (data, output) = (path("data"), path("output"));
    for arguments in [
        vec!["registry", "import", &text("INTEGRITY_Export_20240301.xlsx")],
        vec!["registry", "import", &text("operations-2024-09-30.zip")],
        vec![
            "registry",
            "import",
            &text("operations-2026-03-01.json"),
            "--full",
        ],
        vec!["flags", "import", &text("flags.csv"), "--replace"],
        vec!["certificate", "import", &text("certificates.jsonl")],
    ] {
        run(&program, &data, &arguments, &output);
    }
    let entries = path("entries.jsonl");
    let entries_text = text("entries.jsonl");
    let validate = ["entry", "validate", &entries_text, "--output", "jsonl"];
    let peak = run(&program, &data, &validate, &output);
    eprintln!("validation of {} lines: peak {} MiB", lines(), peak / 1024);

    let mut group = criterion.benchmark_group(format!("{} lines", lines()));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_secs(40));
    group.bench_function("serde, read and write", |bencher| {
        bencher.iter(|| serde(&entries, &output))
    });
    group.bench_function("nopic entry validate", |bencher| {
        bencher.iter(|| run(&program, &data, &validate, &output));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
