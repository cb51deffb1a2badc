//! Lines that the command line streams to entry validation: through the gateway, and directly.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::processes::{CERTIFICATE, ECHO, GATEWAY, Processes, REGISTRY};

/// Of what the sample is made.
const OPERATIONS: &str = "2000";
const CERTIFICATES: &str = "5000";

pub(crate) fn measure(processes: &mut Processes, lines: u32, rounds: usize) {
    processes.replace_echo_by_services();
    let count = lines.to_string();
    let sample = [
        "sample",
        "--out",
        "sample",
        "--operations",
        OPERATIONS,
        "--certificates",
        CERTIFICATES,
        "--lines",
        &count,
    ];
    processes.run(&sample);
    for snapshot in processes.files("sample", ".xlsx") {
        processes.run_as_operator(&["registry", "import", &snapshot], REGISTRY);
    }
    processes.run_as_operator(
        &["certificate", "import", "sample/certificates.jsonl"],
        CERTIFICATE,
    );
    let validate = ["entry", "validate", "sample/entries.jsonl", "--output", "jsonl"];
    let mut direct = Vec::new();
    let mut through = Vec::new();
    // The first round of each warms what it asks.
    for round in 0..=rounds {
        let times = [
            time(processes.as_operator(&validate, ECHO)),
            time(processes.by_key(&validate, GATEWAY)),
        ];
        if round > 0 {
            direct.push(times[0]);
            through.push(times[1]);
        }
    }
    let ratio = median(
        direct
            .iter()
            .zip(&through)
            .map(|(direct, through)| direct.as_secs_f64() / through.as_secs_f64()),
    );
    let per_second = |times: &[Duration]| f64::from(lines) / median(times.iter().map(Duration::as_secs_f64));
    println!(
        "\nstreamed lines/s: direct {:.0}, through the gateway {:.0}, ratio {ratio:.3}",
        per_second(&direct),
        per_second(&through)
    );
}

fn time(mut command: Command) -> Duration {
    let began = Instant::now();
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("nopic starts");
    // 1: some lines are rejected, as they should be.
    assert!(matches!(status.code(), Some(0 | 1)), "{command:?} failed");
    began.elapsed()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
