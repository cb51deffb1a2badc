//! Several files in one command, the columns of files, and files in which there is nothing to do.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Ended, Place};

const DISCLAIMED: &str = r#"{"entryNumber":"B7603245278","lineNumber":1,"entryDate":"2026-03-02","htsCode":"0802210000","messageSet":"NONE","disclaimerCode":"A"}"#;
const UNDECLARED: &str =
    r#"{"entryNumber":"B7600000015","lineNumber":1,"entryDate":"2026-03-02","htsCode":"0901110025"}"#;
const UNKNOWN: &str = r#"{"entryNumber":"B7600000023","lineNumber":1,"entryDate":"2026-03-02","htsCode":"0901110015","messageSet":"OR2","certificateNumber":"444-123-K","importerNopId":"0150000002"}"#;
const CERTIFICATE: &str = r#"{"number":"012-0120000001-000001","status":"ISSUED","certifierId":"012","exporterNopId":"0120000001","importerNopId":"0990000001","product":"Coffee","htsCode":"0901110015","kind":"TIME_FRAME","issuedOn":"2025-01-01","validFrom":"2025-01-02","validTo":"2026-12-31","totalWeightKg":"100"}"#;

fn place() -> Place {
    let place = Place::of_any_filing_day();
    place.file("disclaimed.jsonl", DISCLAIMED);
    place.file("undeclared.jsonl", UNDECLARED);
    place.file("unknown.jsonl", UNKNOWN);
    place.file("certificate.jsonl", CERTIFICATE);
    place.file("empty.jsonl", "");
    place
}

/// How a command on files ends that prints JSON lines.
fn run(place: &Place, command: &str, files: &[&str]) -> Ended {
    place.run(&[&["entry", command, "--output", "jsonl"], files].concat())
}

fn entries_of(printed: &str) -> Vec<Value> {
    let entry = |line: &str| serde_json::from_str::<Value>(line).unwrap()["entryNumber"].take();
    printed.lines().map(entry).collect()
}

#[test]
fn each_file_is_judged_and_said_by_name() {
    for command in ["validate", "file"] {
        let place = place();
        let clean = run(&place, command, &["disclaimed.jsonl", "undeclared.jsonl"]);
        assert_eq!(clean.status, 0, "{clean:?}");
        assert_eq!(entries_of(&clean.out), ["B7603245278", "B7600000015"]);
        for words in [
            "disclaimed.jsonl: 1 line was judged (0 organic, 1 disclaimed, 0 not declared): 1 ACCEPT.",
            "undeclared.jsonl: 1 line was judged (0 organic, 0 disclaimed, 1 not declared): 1 ACCEPT.",
            "2 files: 2 lines were judged (0 organic, 1 disclaimed, 1 not declared):",
            "1 ACCEPT        can be filed with its disclaimer, not as organic",
            "1 ACCEPT        can be filed: nothing organic is declared",
        ] {
            assert!(clean.said.contains(words), "{words}: {}", clean.said);
        }
        assert!(!clean.said.contains("can be filed as organic"), "{}", clean.said);

        let found = run(&place, command, &["disclaimed.jsonl", "unknown.jsonl"]);
        assert_eq!(found.status, 1, "{found:?}");

        let in_part = run(
            &place,
            command,
            &[
                "missing.jsonl",
                "disclaimed.jsonl",
                "certificate.jsonl",
                "empty.jsonl",
                "unknown.jsonl",
            ],
        );
        assert_eq!(in_part.status, 2, "{in_part:?}");
        assert_eq!(entries_of(&in_part.out), ["B7603245278", "B7600000023"]);
        for words in [
            "missing.jsonl cannot be read: it does not exist",
            "certificate.jsonl: the file holds certificates, not entry lines: give it to `nopic certificate import`",
            "empty.jsonl: the file is empty",
            "5 files, of which 3 could not be done: 2 lines were judged",
        ] {
            assert!(in_part.said.contains(words), "{words}: {}", in_part.said);
        }
        let none = run(&place, command, &["missing.jsonl", "neither.jsonl"]);
        assert_eq!(none.status, 2);
        assert!(
            none.said.contains("missing.jsonl") && none.said.contains("neither.jsonl"),
            "{}",
            none.said
        );
    }
}

#[test]
fn the_standard_input_may_stand_among_files_once() {
    let place = place();
    for command in ["validate", "file"] {
        let arguments = ["entry", command, "disclaimed.jsonl", "-", "--output", "jsonl"];
        let ended = place.run_with(&arguments, UNDECLARED.as_bytes());
        assert_eq!(ended.status, 0, "{ended:?}");
        assert!(
            ended.said.contains("the standard input: 1 line was judged"),
            "{ended:?}"
        );
        let twice = run(&place, command, &["-", "-"]);
        assert_eq!(twice.status, 2, "{twice:?}");
        assert!(twice.said.contains("only once"), "{twice:?}");
    }
}

#[test]
fn tables_and_refusals_name_their_file() {
    let place = place();
    std::fs::create_dir(place.path().join("june")).unwrap();
    place.file("june/bad.jsonl", format!("{DISCLAIMED}\n{{\"lineNumber\":1}}\n"));
    place.file("bad.jsonl", format!("{UNDECLARED}\n{{\"lineNumber\":2}}\n"));
    let ended = place.run(&["entry", "validate", "june/bad.jsonl", "bad.jsonl"]);
    assert_eq!(ended.status, 1, "{ended:?}");
    let headings: Vec<&str> = ended
        .out
        .lines()
        .filter(|line| line.ends_with(".jsonl"))
        .collect();
    assert_eq!(headings, ["june/bad.jsonl", "bad.jsonl"]);
    // Both are called the same: each has a file of its own for its refusals, and is told from the other.
    for file in ["june/bad.jsonl", "bad.jsonl"] {
        let said = format!("refused: {file}, record 2");
        assert!(ended.said.contains(&said), "{said}: {}", ended.said);
        let rejects = place
            .path()
            .join(format!("{}.rejects.jsonl", file.replace('/', "-")));
        let rejects = std::fs::read_to_string(rejects).unwrap();
        assert_eq!(rejects.lines().count(), 1, "{rejects}");
        assert!(rejects.contains(&format!("{{\"file\":\"{file}\"")), "{rejects}");
    }
    let rejects = std::fs::read_to_string(place.path().join("bad.jsonl.rejects.jsonl")).unwrap();
    // What an earlier run refused is not written over while it is read.
    let again = place.run(&["entry", "validate", "bad.jsonl", "bad.jsonl.rejects.jsonl"]);
    assert_eq!(again.status, 2, "{again:?}");
    assert!(again.said.contains("is a file to be read"), "{again:?}");
    let kept = std::fs::read_to_string(place.path().join("bad.jsonl.rejects.jsonl")).unwrap();
    assert_eq!(kept, rejects);
}

#[test]
fn each_file_of_certificates_is_imported_and_said_by_name() {
    let place = place();
    place.file("second.jsonl", CERTIFICATE.replace("-000001\"", "-000002\""));
    let both = place.done(&["certificate", "import", "certificate.jsonl", "second.jsonl"]);
    for words in [
        "certificate.jsonl: 1 certificate read",
        "second.jsonl: 1 certificate read",
        "2 files: 2 certificates read, with 0 draws: 2 added",
    ] {
        assert!(both.out.contains(words), "{words}: {}", both.out);
    }
    let in_part = place.run(&[
        "certificate",
        "import",
        "empty.jsonl",
        "disclaimed.jsonl",
        "second.jsonl",
    ]);
    assert_eq!(in_part.status, 2, "{in_part:?}");
    for words in [
        "empty.jsonl: The file is empty",
        "disclaimed.jsonl: The file holds entry lines, not certificates: give it to `nopic entry validate`",
    ] {
        assert!(in_part.said.contains(words), "{words}: {}", in_part.said);
    }
    assert!(
        in_part
            .out
            .contains("3 files, of which 2 could not be done: 1 certificate read"),
        "{}",
        in_part.out
    );
    place.file("refused.jsonl", "{\"number\":\"1\"}\n");
    let refused = place.run(&["certificate", "import", "refused.jsonl", "second.jsonl"]);
    assert_eq!(refused.status, 1, "{refused:?}");
}

#[test]
fn what_is_odd_about_a_certificate_is_said() {
    let place = place();
    let own = CERTIFICATE.replace("ISSUED", "SUPERSEDED").replace(
        "\"certifierId\"",
        "\"supersededBy\":\"012-0120000001-000001\",\"certifierId\"",
    );
    place.file("own.jsonl", own);
    let refused = place.run(&["certificate", "import", "own.jsonl"]);
    assert_eq!(refused.status, 1, "{refused:?}");
    for words in [
        "own.jsonl, record 1, supersededBy (012-0120000001-000001)",
        "does not supersede itself",
    ] {
        assert!(refused.said.contains(words), "{words}: {}", refused.said);
    }
    let overdrawn = CERTIFICATE.replace(
        "\"100\"}",
        "\"100\",\"draws\":[{\"entryNumber\":\"B7600000023\",\"lineNumber\":1,\"weightKg\":\"60\"},\
         {\"entryNumber\":\"B7600000031\",\"lineNumber\":1,\"weightKg\":\"60.5\"}]}",
    );
    place.file("overdrawn.jsonl", overdrawn);
    let taken = place.done(&["certificate", "import", "overdrawn.jsonl"]);
    assert!(taken.out.contains("1 added"), "{taken:?}");
    assert!(
        taken.said.contains(
            "warning: certificate 012-0120000001-000001 (line 1): its draws come to 20.5 kg more than its 100 kg"
        ),
        "{taken:?}"
    );
}

#[test]
fn nothing_to_judge_is_no_success() {
    let place = place();
    // An entry without a line under it.
    let header = format!("{:<80}\n{:<80}\n", "10A   B76 03245278 2704", "11");
    place.file("header.abi", header);
    let ended = place.run(&["entry", "validate", "header.abi", "--format", "abi"]);
    assert_ne!(ended.status, 0, "{ended:?}");
    assert!(ended.said.contains("header.abi"), "{ended:?}");
    place.done(&["entry", "columns", "--template", "template.csv"]);
    for command in ["validate", "file"] {
        let ended = place.run(&["entry", command, "template.csv"]);
        assert_eq!(ended.status, 2, "{ended:?}");
        assert!(
            ended.said.contains("template.csv: nothing was found to judge"),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn nothing_to_judge_is_no_success_for_programs_either() {
    let place = place();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let post = async |path: &str, form: &str, body: &str| {
        let request = client
            .post(format!("{}{path}", server.url))
            .header("content-type", form)
            .body(body.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for (path, body) in [
        ("/v1/entries:batchValidate", "{}"),
        ("/v1/entries:file", "{\"requestId\": \"one\"}"),
    ] {
        let (status, said) = post(path, "application/json", body).await;
        assert_eq!(status, 400, "{path}: {said}");
        assert!(said.contains("lines: give at least one"), "{path}: {said}");
    }
    // The name of the request is not used up.
    let body = format!("{{\"requestId\": \"one\", \"lines\": [{}]}}", UNDECLARED.trim());
    let (status, said) = post("/v1/entries:file", "application/json", &body).await;
    assert_eq!(status, 200, "{said}");
    for path in [
        "/v1/entries:validateDocument",
        "/v1/entries:fileDocument?filing.requestId=two",
    ] {
        let (_, said) = post(path, "text/csv", "entryNumber,lineNumber\n").await;
        assert!(
            said.contains("nothing was found to judge") && !said.contains("summary"),
            "{path}: {said}"
        );
        let (_, said) = post(path, "application/octet-stream", "{\"lineNumber\":1}\n").await;
        assert!(said.contains("\"nothingToJudge\":true"), "{path}: {said}");
        let (_, said) = post(path, "application/octet-stream", UNDECLARED).await;
        assert!(
            said.contains("summary") && !said.contains("nothingToJudge"),
            "{path}: {said}"
        );
    }
}

#[test]
fn an_entry_that_is_too_long_leaves_its_neighbours_alone() {
    let place = place();
    let number = |number: u32| UNDECLARED.replace("\"lineNumber\":1", &format!("\"lineNumber\":{number}"));
    let long: Vec<String> = (1..=10_001).map(number).collect();
    let content = [
        DISCLAIMED,
        &long.join("\n"),
        &DISCLAIMED.replace("B7603245278", "B7600000031"),
    ]
    .join("\n");
    place.file("long.jsonl", content);
    let filed = run(&place, "file", &["long.jsonl"]);
    assert_eq!(filed.status, 1, "{}", filed.said);
    assert_eq!(entries_of(&filed.out), ["B7603245278", "B7600000031"]);
    assert!(filed.said.contains("B7600000015"), "{}", filed.said);
    assert!(filed.said.contains("2 lines were judged"), "{}", filed.said);
}

#[test]
fn a_file_of_which_nothing_is_taken_leaves_nothing_on_record() {
    let place = place();
    place.file("refused.jsonl", "{\"lineNumber\":1}\n");
    let filed = run(&place, "file", &["refused.jsonl"]);
    assert_eq!(filed.status, 1, "{filed:?}");
    assert!(
        filed.said.contains("0 lines were judged, 1 could not be taken.")
            && !filed.said.contains("on record"),
        "{}",
        filed.said
    );
}

#[test]
fn columns_are_listed_with_a_meaning_and_an_example() {
    let place = Place::new();
    for (command, needed) in [("entry", "entryNumber"), ("certificate", "number")] {
        let listed = place.done(&[command, "columns", "--output", "jsonl"]).out;
        let columns: Vec<Value> = listed
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(columns[0]["name"], needed);
        assert_eq!(columns[0]["isNeeded"], true);
        for column in &columns {
            assert!(
                column["meaning"].is_string() && column["example"].is_string(),
                "{column}"
            );
        }
        let csv = place.done(&[command, "columns", "--output", "csv"]).out;
        assert!(csv.starts_with("name,isNeeded,meaning,example\n"), "{csv}");
        assert!(place.done(&[command, "columns"]).out.contains(needed));
        let template = format!("{command}.csv");
        place.done(&[command, "columns", "--template", &template]);
        let header = std::fs::read_to_string(place.path().join(&template)).unwrap();
        assert_eq!(header.trim_end().split(',').count(), columns.len(), "{header}");
        let workbook = format!("{command}.xlsx");
        place.done(&[command, "columns", "--template", &workbook]);
        assert!(
            std::fs::read(place.path().join(&workbook))
                .unwrap()
                .starts_with(b"PK")
        );
    }
    // Listing needs no data, and makes none.
    assert!(!place.path().join("nopic-data").exists());
}

#[test]
fn a_template_is_not_written_over_what_is_there() {
    let place = Place::new();
    place.file("mine.csv", "mine");
    let refused = place.run(&["entry", "columns", "--template", "mine.csv"]);
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(
        refused.said.contains("mine.csv was not written: it exists"),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(place.path().join("mine.csv")).unwrap(), b"mine");
    place.done(&["entry", "columns", "--template", "mine.csv", "--overwrite"]);
    assert_ne!(std::fs::read(place.path().join("mine.csv")).unwrap(), b"mine");
    for name in ["mine.ods", "mine"] {
        let refused = place.run(&["certificate", "columns", "--template", name]);
        assert_eq!(refused.status, 2, "{refused:?}");
        assert!(refused.said.contains(".csv or .xlsx"), "{refused:?}");
        assert!(!place.path().join(name).exists());
    }
}
