//! Filing, and what happens to certificates meanwhile: the scripts of the reports, run as they stand.

use std::process::Command;

use crate::tried;

/// What a script printed, and what it said beside it; `None` where it is not there.
fn run(script: &str) -> Option<(String, String)> {
    let path = tried("tried/20-filing")?.join(script);
    let output = Command::new("bash")
        .arg(path)
        .env("NOPIC", env!("CARGO_BIN_EXE_nopic"))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, said) = (text(output.stdout), text(output.stderr));
    assert!(!said.contains("failed inside"), "{said}");
    Some((out, said))
}

/// Each of these stands in a text, one behind the other.
fn assert_in_order(text: &str, wanted: &[&str]) {
    let mut rest = text;
    for words in wanted {
        let Some((_, behind)) = rest.split_once(words) else {
            panic!("{words:?} is missing, or stands before:\n{text}");
        };
        rest = behind;
    }
}

const FIRST: &str = "012-0120000001-000001";
const SECOND: &str = "012-0120000001-000002";

#[test]
fn a_second_amendment_is_told_the_state_and_the_successor() {
    let Some((out, said)) = run("0-amend-after-import-fails-inside.sh") else {
        return;
    };
    let ended = format!("the certificate was ended here and is SUPERSEDED by {SECOND}");
    let refused = "AMEND is not possible: the state is SUPERSEDED";
    let instead = format!("its successor is {SECOND}: act on that one");
    assert_in_order(&said, &[&ended, refused, &instead]);
    let first = format!("{{\"number\":\"{FIRST}\",\"status\":\"SUPERSEDED\"");
    let second = format!("{{\"number\":\"{SECOND}\",\"status\":\"ISSUED\"");
    assert_in_order(&out, &[&second, "exit 2\n", &first, &second]);
}

#[test]
fn a_tolerance_is_a_share_of_the_successors_total() {
    let Some((out, said)) = run("1-amend-keeps-absolute-tolerance.sh") else {
        return;
    };
    let refused = "55 kg are drawn already, the successor would allow 50.6 kg";
    assert_in_order(&said, &[refused, &format!("{SECOND} is not known here")]);
    assert!(out.contains("exit 2\n"), "{out}");
}

#[test]
fn an_entry_in_two_places_leaves_its_neighbours_alone() {
    let Some((out, said)) = run("2-entry-in-two-places.sh") else {
        return;
    };
    let three = "B7600000015 1 ACCEPT []\nB7600000023 1 ACCEPT []\nB7600000031 1 ACCEPT []\n";
    assert_in_order(&out, &["-- validate\n", three, "-- file\n", three, "exit 1\n"]);
    let refused = "refused: s.jsonl, record 3 (B7600000015)";
    assert!(said.contains(refused), "{said}");
    // 1,501 verdicts, what was refused, and the end in words: the same where 1,500 entries stand between.
    let behind = out.split("1,500 entries between\n").nth(1).unwrap();
    let lines: u32 = behind.lines().next().unwrap().trim().parse().unwrap();
    assert!((1_502..1_520).contains(&lines), "{out}");
    assert_in_order(behind, &["Entry B7600000015", "2        FILED"]);
}

#[test]
fn an_entry_that_is_too_long_is_refused_by_name() {
    let Some((out, said)) = run("4-neighbours-of-too-long-entry.sh") else {
        return;
    };
    let refused = "refused: l.jsonl, record 2 (B7600000023)";
    assert!(said.contains(refused), "{said}");
    let judged = "B7600000015 1 ACCEPT []\nB7600000031 1 ACCEPT []\nexit 1\n";
    assert_in_order(&out, &[judged, "1 B7600000015\n", "1 B7600000031\n"]);
    assert!(!out.contains("1 B7600000023\n"), "{out}");
}

#[test]
fn the_same_file_after_a_cancellation_says_what_happened_since() {
    let Some((out, said)) = run("6-same-file-after-cancel-says-accept.sh") else {
        return;
    };
    for words in [
        "1 entry of this file was filed before with the same content",
        "it was taken back by version 2",
        "nopic entry file e.jsonl --refile",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let judged = "B7600000015 1 ACCEPT []\nexit 0\n";
    assert_in_order(&out, &[judged, "CANCELLED", "drawn   0 kg in 0 draws"]);
}

#[test]
fn an_export_of_last_week_brings_nothing_back() {
    let Some((out, said)) = run("7-export-again-brings-voided-back.sh") else {
        return;
    };
    let ended = "\"ISSUED\": the certificate was ended here and is";
    let first = format!("({FIRST}): {ended} SUPERSEDED by {SECOND}");
    let second = format!("({SECOND}): {ended} VOIDED");
    assert_in_order(&said, &[&first, &second]);
    let amended = format!("{{\"number\":\"{SECOND}\",\"status\":\"ISSUED\"");
    let listed = [format!("{FIRST}  SUPERSEDED"), format!("{SECOND}  ISSUED")];
    let judged = "B7600000015 1 REJECT ['CERTIFICATE_SUPERSEDED']";
    assert_in_order(
        &out,
        &[&amended, &listed[0], &listed[1], judged, "status         VOIDED"],
    );
}

#[test]
fn a_request_of_the_same_name_gets_the_first_answer() {
    let Some((out, _)) = run("8-retry-with-request-id-refused.sh") else {
        return;
    };
    assert_eq!(out.matches("exit 0\n").count(), 4, "{out}");
    assert_eq!(out.matches("\"status\":\"VOIDED\"").count(), 4, "{out}");
}
