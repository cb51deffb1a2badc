//! Entries on record through the real program: filed, looked at, put right, taken back, brought in from the past.

#![allow(clippy::unwrap_used)]

mod support;

use nopic_domain::entry::EntryLine;
use nopic_formats::entries::{AbiTransmission, write_abi};
use serde_json::Value;
use support::Place;

const ENTRY: &str = "ZZ900000037";
const CERTIFICATE: &str = "555-5550000001-000001";
const CERTIFICATES: &str = r#"{"number":"555-5550000001-000001","status":"ISSUED","certifierId":"555","exporterNopId":"5550000001","importerNopId":"7770000001","finalHandlerNopId":"5550000001","product":"Green coffee, organic","htsCode":"0901110015","kind":"MULTIPLE_SHIPMENTS","issuedOn":"2022-12-20","validFrom":"2023-01-01","validTo":"2026-12-31","totalWeightKg":"10000","countriesOfOrigin":["PE","EC"],"lots":["LOT-1"]}
"#;
const LINE: &str = r#"{"entryNumber":"ZZ900000037","lineNumber":1,"entryDate":"2024-02-01","exportDate":"2024-01-20","importerNopId":"7770000001","exporterNopId":"5550000001","htsCode":"0901110015","description":"Green coffee organic","organicClaim":true,"messageSet":"OR2","certificateNumber":"555-5550000001-000001","netWeightKg":"100"}
"#;

/// A folder with a registry and a certificate.
fn place() -> Place {
    let place = Place::of_any_filing_day();
    let operations = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/cases/operations-1.json"
    );
    place.done(&["registry", "import", operations, "--full"]);
    place.file("certificates.jsonl", CERTIFICATES);
    place.done(&["certificate", "import", "certificates.jsonl"]);
    place.file("entry.jsonl", LINE);
    place
}

/// A line of `--output jsonl`.
fn rows(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let ended = place.done(&[arguments, &["--output", "jsonl"]].concat());
    let lines = ended.out.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the entry drew, each draw with whether it stands.
fn drawn(place: &Place) -> Vec<(String, bool)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rows(place, &["certificate", "ledger", CERTIFICATE])
        .iter()
        .map(|row| (text(&row["weightKg"]), text(&row["endedAt"]).is_empty()))
        .collect()
}

/// How the versions of the entry came, from `show`'s table.
fn versions(place: &Place) -> Vec<String> {
    let shown = place.done(&["entry", "show", ENTRY]).out;
    let kinds = ["FILED", "AMENDED", "CANCELLED", "IMPORTED"];
    shown
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|word| kinds.contains(word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_entry_is_filed_put_right_and_taken_back() {
    let place = place();
    let filed = place.done(&["entry", "file", "entry.jsonl", "--output", "jsonl"]);
    assert!(filed.out.contains(r#""verdict":"ACCEPT""#), "{filed:?}");
    assert_eq!(drawn(&place), [("100".to_owned(), true)]);
    // Sent again, the same file gets the first answer.
    assert!(!filed.said.contains("filed before"), "{filed:?}");
    let again = place.done(&["entry", "file", "entry.jsonl", "--output", "jsonl"]);
    assert_eq!(again.out, filed.out);
    assert!(
        again
            .said
            .contains("1 entry of this file was filed before with the same content"),
        "{again:?}"
    );
    assert!(!again.said.contains("does not stand"), "{again:?}");
    assert_eq!(versions(&place), ["FILED"]);

    place.file("entry.jsonl", LINE.replace(r#""100""#, r#""250""#));
    let amend = [
        "entry",
        "amend",
        ENTRY,
        "entry.jsonl",
        "--current",
        "1",
        "--reason",
        "weighed again",
    ];
    place.done(&amend);
    assert_eq!(
        drawn(&place),
        [("100".to_owned(), false), ("250".to_owned(), true)]
    );
    // Asked for again, it is done once; another change of the version that is gone is refused with the one that is.
    place.done(&amend);
    place.file("entry.jsonl", LINE.replace(r#""100""#, r#""300""#));
    let late = place.run(&amend);
    assert_eq!(late.status, 2);
    assert!(late.said.contains("at version 2, not 1"), "{late:?}");
    assert_eq!(versions(&place), ["FILED", "AMENDED"]);

    place.done(&[
        "entry",
        "cancel",
        ENTRY,
        "--current",
        "2",
        "--reason",
        "never shipped",
    ]);
    assert_eq!(
        drawn(&place),
        [("100".to_owned(), false), ("250".to_owned(), false)]
    );
    assert_eq!(versions(&place), ["FILED", "AMENDED", "CANCELLED"]);
    // The first file once more: its answer does not stand, and it is said what came since.
    place.file("entry.jsonl", LINE);
    let again = place.done(&["entry", "file", "entry.jsonl", "--output", "jsonl"]);
    assert_eq!(again.out, filed.out);
    for words in [
        "does not stand any more: it was amended by version 2",
        "(weighed again); then it was taken back by version 3",
        "(never shipped).",
        "nopic entry file entry.jsonl --refile",
    ] {
        assert!(again.said.contains(words), "{words}: {}", again.said);
    }
    assert_eq!(versions(&place), ["FILED", "AMENDED", "CANCELLED"]);
    let unknown = place.run(&[
        "entry",
        "cancel",
        "ZZ900000045",
        "--current",
        "1",
        "--reason",
        "x",
    ]);
    assert_eq!(unknown.status, 2);
    assert!(unknown.said.contains("is not on record"), "{unknown:?}");

    let decisions = rows(&place, &["entry", "decisions", "--ended"]);
    assert_eq!(decisions.len(), 2);
    for decision in decisions {
        place.done(&["entry", "explain", &decision["decisionId"].to_string()]);
    }
}

#[test]
fn a_transmission_takes_back_what_it_deletes() {
    let place = place();
    let line = EntryLine {
        // No record has a place for it.
        organic_claim: None,
        ..serde_json::from_str(LINE).unwrap()
    };
    let mut written = Vec::new();
    write_abi(&mut written, &AbiTransmission::default(), &[line]).unwrap();
    let text = String::from_utf8(written).unwrap();
    place.file("add.abi", &text);
    place.done(&["entry", "file", "add.abi"]);
    assert_eq!(drawn(&place), [("100".to_owned(), true)]);

    let header = text.lines().find(|record| record.starts_with("10")).unwrap();
    place.file(
        "delete.abi",
        text.replace(header, &format!("10D{}", &header[3..])),
    );
    for _ in 0..2 {
        let deleted = place.done(&["entry", "file", "delete.abi"]);
        assert!(
            format!("{}{}", deleted.out, deleted.said).contains(ENTRY),
            "{deleted:?}"
        );
        assert_eq!(versions(&place), ["FILED", "CANCELLED"]);
        assert_eq!(drawn(&place), [("100".to_owned(), false)]);
    }
}

#[test]
fn the_past_is_brought_in_on_the_day_it_was_filed() {
    let place = place();
    let import = ["entry", "import", "entry.jsonl", "--filed-at"];
    place.done(&[&import[..], &["2024-02-01"]].concat());
    assert_eq!(versions(&place), ["IMPORTED"]);
    let of_the_day = [
        "entry",
        "statistics",
        "--by",
        "day",
        "--from",
        "2024-02-01",
        "--to",
        "2024-02-01",
    ];
    let counted = rows(&place, &of_the_day);
    let of_group: Vec<_> = counted.iter().map(|row| (&row["key"], &row["lines"])).collect();
    assert_eq!(
        of_group,
        [
            (&Value::from("2024-02-01"), &Value::from(1)),
            (&Value::from("total"), &Value::from(1))
        ]
    );
    for (name, lines) in [("declaredOrganic", 1), ("disclaimed", 0), ("undeclared", 0)] {
        assert_eq!(counted[1][name], lines, "{name}: {counted:?}");
    }
    for wrong in ["2024-02-30", "yesterday", "2999-01-01"] {
        let refused = place.run(&[&import[..], &[wrong]].concat());
        assert_eq!(refused.status, 2, "{refused:?}");
    }
    assert_eq!(versions(&place), ["IMPORTED"]);
}

#[test]
fn as_json_lines_an_entry_has_its_versions_and_every_group_its_key() {
    let place = place();
    // The certificate, which would name one, is not known.
    let line = LINE
        .replace("\"importerNopId\":\"7770000001\",", "")
        .replace(CERTIFICATE, "555-5550000001-000009");
    place.file("entry.jsonl", line);
    place.run(&["entry", "import", "entry.jsonl", "--filed-at", "2024-02-01"]);
    let by_importer = rows(&place, &["entry", "statistics", "--by", "importer"]);
    let keys: Vec<_> = by_importer.iter().map(|row| row["key"].as_str()).collect();
    assert_eq!(keys, [Some(""), Some("total")]);

    let shown = rows(&place, &["entry", "show", ENTRY]);
    let told: Vec<_> = shown
        .iter()
        .map(|row| {
            (
                row["entryNumber"].as_str(),
                row["kind"].as_str(),
                row["decisionId"].is_number(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [(Some(ENTRY), Some("IMPORTED"), false), (Some(ENTRY), None, true)]
    );
    assert_eq!(shown[0]["version"], 1);
    assert_eq!(shown[0]["filedOn"], "2024-02-01");
    place.done(&[
        "entry",
        "cancel",
        ENTRY,
        "--current",
        "1",
        "--reason",
        "never shipped",
    ]);
    let kinds: Vec<Value> = rows(&place, &["entry", "show", ENTRY])
        .into_iter()
        .map(|mut row| row["kind"].take())
        .collect();
    assert_eq!(kinds, ["IMPORTED", "CANCELLED"]);
    let table = place.done(&["entry", "show", ENTRY, "--output", "csv"]).out;
    assert!(table.starts_with("decisionId,entryNumber,"), "{table}");
}

#[test]
fn a_place_without_anything_to_judge_by_says_so_first_and_advises_nothing_drastic() {
    let place = Place::new();
    place.file("entry.jsonl", LINE);
    for command in ["validate", "file"] {
        let ended = place.run(&["entry", command, "entry.jsonl"]);
        assert_eq!(ended.status, 1, "{}", ended.said);
        let (snapshot, certificates) = (
            "this folder holds no registry snapshot:",
            "this folder holds no certificates:",
        );
        let place_of = |words: &str| ended.said.find(words);
        assert!(place_of(snapshot) < place_of(certificates), "{}", ended.said);
        assert!(place_of(certificates) < place_of("was judged"), "{}", ended.said);
        assert!(place_of(snapshot).is_some(), "{}", ended.said);
        assert!(ended.said.contains("1 INDETERMINATE"), "{}", ended.said);
        let all = (ended.out + &ended.said).to_lowercase();
        for drastic in ["destr", "reexport", "re-export"] {
            assert!(!all.contains(drastic), "{all}");
        }
    }
    let operations = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/cases/operations-1.json"
    );
    place.done(&["registry", "import", operations, "--full"]);
    let ended = place.run(&["entry", "validate", "entry.jsonl"]);
    assert!(!ended.said.contains("no registry snapshot"), "{}", ended.said);
    assert!(ended.said.contains("no certificates"), "{}", ended.said);
    place.file("certificates.jsonl", CERTIFICATES);
    place.done(&["certificate", "import", "certificates.jsonl"]);
    let ended = place.run(&["entry", "validate", "entry.jsonl"]);
    assert!(!ended.said.contains("holds no"), "{}", ended.said);
}

#[test]
fn a_deletion_sent_again_says_that_nothing_was_done_and_what_came_since() {
    let place = place();
    place.file("deletion.abi", "SE10DZZ9  00000037 01\n");
    let absent = place.run(&["entry", "file", "deletion.abi", "--refile"]);
    assert_eq!(absent.status, 1, "{absent:?}");
    assert!(absent.said.contains("1 could not be taken"), "{absent:?}");
    assert!(!absent.said.contains("nothing to judge"), "{absent:?}");
    place.done(&["entry", "file", "entry.jsonl"]);
    let acts = "Entry ZZ900000037 is taken back: what it drew is given back.";
    let first = place.done(&["entry", "file", "deletion.abi"]);
    assert!(first.said.contains(acts), "{first:?}");
    assert!(first.said.contains("1 entry was taken back"), "{first:?}");
    let again = place.done(&["entry", "file", "deletion.abi"]);
    assert!(!again.said.contains(acts), "{again:?}");
    assert!(
        again.said.contains("1 entry of this file was filed before"),
        "{again:?}"
    );
    assert!(
        again
            .said
            .contains("nothing was done now: it is taken back still"),
        "{again:?}"
    );
    place.done(&["entry", "file", "entry.jsonl", "--refile"]);
    let since = place.done(&["entry", "file", "deletion.abi"]);
    assert!(!since.said.contains(acts), "{since:?}");
    for words in [
        "nothing was done now; what came since: it was filed again by version 3",
        "nopic entry file deletion.abi --refile",
    ] {
        assert!(since.said.contains(words), "{words}: {}", since.said);
    }
    assert_eq!(versions(&place), ["FILED", "CANCELLED", "FILED"]);
    // So where a line of it is taken back.
    place.file("line.jsonl", LINE.replacen('{', r#"{"entryAction":"DELETE","#, 1));
    let line = place.done(&["entry", "file", "line.jsonl"]);
    assert!(
        line.said.contains("takes a line back, and declares nothing"),
        "{line:?}"
    );
    assert!(!line.said.contains("nothing was done now"), "{line:?}");
    place.done(&["entry", "file", "entry.jsonl", "--refile"]);
    let again = place.done(&["entry", "file", "line.jsonl"]);
    assert!(
        again.said.contains(
            "took lines of it back before, and nothing was done now; what came since: it was filed"
        ),
        "{again:?}"
    );
}
