//! The main job from the outside: files in, verdicts out, and how each command ends.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use support::Place;

/// A folder with a small sample that is imported.
fn prepared() -> Place {
    let place = Place::new();
    place.sample(150, 40, 120, 5);
    for import in [
        &["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"][..],
        &["registry", "import", "sample/operations-2024-09-30.zip"],
        &[
            "registry",
            "import",
            "sample/operations-2026-03-01.json",
            "--full",
        ],
        &["flags", "import", "sample/flags.csv", "--replace"],
        &["certificate", "import", "sample/certificates.jsonl"],
        &["importer", "import", "sample/importer-links.csv"],
    ] {
        place.done(import);
    }
    place
}

fn codes(verdicts: &str) -> Vec<serde_json::Value> {
    verdicts
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_form_gives_the_same_verdicts() {
    let place = prepared();
    let from_json = place.run(&["entry", "validate", "sample/entries.jsonl", "--output", "jsonl"]);
    assert_eq!(from_json.status, 1, "{}", from_json.said);
    let verdicts = codes(&from_json.out);
    assert_eq!(verdicts.len(), 120);
    assert!(
        from_json.said.contains("120 lines were judged"),
        "{}",
        from_json.said
    );
    let from_csv = place.run(&[
        "entry",
        "validate",
        "sample/entries.csv",
        "--output",
        "jsonl",
        "--quiet",
    ]);
    assert_eq!(from_csv.out, from_json.out);
    assert!(from_csv.said.is_empty());
    let from_abi = place.run(&["entry", "validate", "sample/entries.abi", "--output", "jsonl"]);
    for verdict in codes(&from_abi.out) {
        assert!(verdicts.contains(&verdict), "{verdict}");
    }
    let input = std::fs::read(place.path().join("sample/entries.jsonl")).unwrap();
    let piped = place.run_with(
        &["entry", "validate", "-", "--format", "jsonl", "--output", "jsonl"],
        &input,
    );
    assert_eq!(piped.out, from_json.out);
    // The same through a server.
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let served = place.run(&["entry", "validate", "sample/entries.jsonl", "--output", "jsonl"]);
    assert_eq!(served.out, from_json.out);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_server_that_stops_ends_the_streams_of_changes() {
    let place = prepared();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let mut watching = place
        .command(&["registry", "watch", "--endpoint", &server.url])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(watching.stderr.take().unwrap()).lines();
    let reached = said.any(|line| line.unwrap().contains("revision 3 reached"));
    assert!(reached, "it ended early");
    assert_eq!(server.stop(), Some(0));
    // A stream that is cut at the end of the drain is a failure.
    assert_eq!(watching.wait().unwrap().code(), Some(0));
}

#[test]
fn csv_and_tables_have_a_row_for_every_line() {
    let place = prepared();
    let csv = place.run(&["entry", "validate", "sample/entries.jsonl", "--output", "csv"]);
    assert_eq!(csv.out.lines().count(), 121);
    assert!(
        csv.out
            .starts_with("entryNumber,lineNumber,pgaLineNumber,verdict,declaration,codes,")
    );
    let table = place.run(&["entry", "validate", "sample/entries.jsonl"]);
    assert!(table.out.starts_with("ENTRY "), "{}", table.out);
    assert_eq!(table.out.matches("ENTRY ").count(), 1);
    let verdicts = ["ACCEPT", "WARN", "REJECT", "INDETERMINATE"]
        .iter()
        .map(|word| {
            table
                .out
                .lines()
                .filter(|line| line.get(21..).is_some_and(|rest| rest.starts_with(word)))
                .count()
        })
        .sum::<usize>();
    assert_eq!(verdicts, 120, "{}", table.out);
    assert!(!table.out.contains('\u{1b}'));
    assert!(table.said.contains("WHAT IT MEANS"), "{}", table.said);
}

#[test]
fn exit_statuses_are_those_of_the_specification() {
    let place = Place::new();
    let disclaimed = r#"{"entryNumber":"B7603245278","lineNumber":1,"entryDate":"2026-03-02","htsCode":"0901110025","messageSet":"NONE","organicClaim":false}"#;
    place.file("good.jsonl", format!("{disclaimed}\n"));
    let good = place.run(&["entry", "validate", "good.jsonl", "--output", "jsonl"]);
    assert_eq!(good.status, 0, "{good:?}");
    assert!(!place.path().join("good.jsonl.rejects.jsonl").exists());

    place.file("refused.jsonl", format!("{disclaimed}\n{{\"lineNumber\":1}}\n"));
    let refused = place.run(&["entry", "validate", "refused.jsonl", "--output", "jsonl"]);
    assert_eq!(refused.status, 1);
    assert_eq!(refused.out.lines().count(), 1);
    assert!(
        refused.said.contains("refused: refused.jsonl, record 2"),
        "{}",
        refused.said
    );
    let file = std::fs::read_to_string(place.path().join("refused.jsonl.rejects.jsonl")).unwrap();
    assert_eq!(codes(&file)[0]["record"], 2);

    // No snapshot, so nothing is known of the importer: never a yes.
    place.file(
        "unknown.jsonl",
        r#"{"entryNumber":"B7603245278","lineNumber":1,"entryDate":"2026-03-02","htsCode":"0901110015","messageSet":"OR2","certificateNumber":"444-123-K","importerNopId":"0150000002"}"#,
    );
    let unknown = place.run(&["entry", "validate", "unknown.jsonl", "--output", "jsonl"]);
    assert_eq!(unknown.status, 1);
    assert_eq!(
        codes(&unknown.out)[0]["verdict"],
        "INDETERMINATE",
        "{}",
        unknown.out
    );

    for (name, content) in [
        ("empty.csv", ""),
        ("page.csv", "<!DOCTYPE html><html></html>"),
        ("noise.txt", "hello\n"),
    ] {
        place.file(name, content);
        let ended = place.run(&["entry", "validate", name]);
        assert_eq!(ended.status, 2, "{name}: {ended:?}");
        assert!(
            ended.out.is_empty() && !ended.said.is_empty(),
            "{name}: {ended:?}"
        );
    }
    let missing = place.run(&["entry", "validate", "missing.abi"]);
    assert_eq!(missing.status, 2);
    assert!(
        missing
            .said
            .contains("missing.abi cannot be read: it does not exist"),
        "{}",
        missing.said
    );
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let place = prepared();
    // More verdicts than a pipe holds.
    place.sample(150, 40, 7_000, 5);
    let mut child = place
        .command(&["entry", "validate", "sample/entries.jsonl", "--output", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_policy_of_ones_own_is_checked_and_used() {
    let place = Place::new();
    let shipped = place.done(&["policy", "show"]).out;
    place.file(
        "policy.toml",
        shipped.replace("stale_after_days = 35", "stale_after_days = 99"),
    );
    let checked = place.done(&["policy", "check", "policy.toml"]);
    assert!(checked.out.contains("can be used"));
    let explained = place.done(&[
        "policy",
        "explain",
        "--on",
        "2024-09-19",
        "--policy",
        "policy.toml",
    ]);
    assert!(explained.out.contains("the phase is STRICT"), "{}", explained.out);
    assert!(explained.out.contains("stale after 99 days"), "{}", explained.out);
    place.file(
        "broken.toml",
        shipped.replace("stale_after_days = 35", "stale_after_days = \"x\""),
    );
    assert_eq!(place.run(&["policy", "check", "broken.toml"]).status, 1);
    let used = place.run(&["policy", "explain", "--policy", "broken.toml"]);
    assert_eq!(used.status, 2);
    assert!(used.said.contains("broken.toml cannot be used"), "{}", used.said);
}

#[test]
fn what_was_imported_can_be_asked_for() {
    let place = prepared();
    let listed = codes(&place.done(&["registry", "list", "--output", "jsonl"]).out);
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0]["revision"], 3);
    let changes = codes(
        &place
            .done(&["registry", "watch", "--once", "--output", "jsonl"])
            .out,
    );
    let operation = changes[0]["nopId"].as_str().unwrap();
    let shown = place.done(&["registry", "show", operation]);
    assert!(
        shown.out.starts_with(operation) && shown.out.contains("history"),
        "{}",
        shown.out
    );
    let status = codes(
        &place
            .done(&[
                "registry",
                "status",
                &format!("{operation}@2026-03-01"),
                "0000000000",
                "--output",
                "jsonl",
            ])
            .out,
    );
    assert_eq!(status[0]["knowledge"], "KNOWN");
    let wrong = place.run(&["registry", "status", "12", "--output", "jsonl"]);
    assert_eq!(wrong.status, 1, "{wrong:?}");
    let certificates = codes(&place.done(&["certificate", "list", "--output", "jsonl"]).out);
    assert_eq!(certificates.len(), 40);
    let number = certificates[0]["number"].as_str().unwrap();
    assert!(
        place
            .done(&["certificate", "show", number, "--draws"])
            .out
            .contains(number)
    );
    let unknown = place.run(&["certificate", "show", "999-9999999999-999999"]);
    assert_eq!(unknown.status, 2);
    let flag = place.done(&["flags", "show", "0901.11.0015", "--on", "2026-02-13"]);
    assert!(flag.out.contains("AM8"), "{}", flag.out);
}

#[test]
fn the_demonstration_shows_verdicts_and_serves() {
    let place = Place::new();
    let shown = place.done(&["demo", "--exit"]);
    for word in [
        "ABI transmission",
        "WHAT TO DO",
        "REJECT",
        "ACCEPT",
        "WHAT IT MEANS",
    ] {
        assert!(shown.out.contains(word), "{word}: {}", shown.out);
    }
    assert_eq!(
        place.done(&["demo", "--exit"]).out,
        shown.out,
        "it shows the same each time"
    );
    let serving = place.serve(&["demo"]);
    assert!(serving.before.starts_with(&shown.out));
    let listed = place.done(&[
        "registry",
        "list",
        "--output",
        "jsonl",
        "--endpoint",
        &serving.url,
    ]);
    assert_eq!(listed.out.lines().count(), 3);
    assert_eq!(serving.stop(), Some(0));
    let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
    assert!(left.is_empty(), "nothing is left behind: {left:?}");
}
