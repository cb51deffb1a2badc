//! The life of a certificate from the command line: asked for, reviewed, issued, amended, voided.

#![allow(clippy::unwrap_used)]

mod support;

use support::{Ended, Place};

const FORM: &str = r#"{"exporterNopId":"0150000001","importerNopId":"0620000002","product":"Organic almonds",
    "htsCode":"0802120015","countriesOfOrigin":["ES"],"totalWeightKg":"20000","kind":"TIME_FRAME",
    "validFrom":"2099-03-01","validTo":"2099-09-30"}"#;
/// No registry is imported: everything that it would say must be accepted.
const ACCEPT: [&str; 7] = [
    "REGISTRY_RECENT",
    "EXPORTER_CERTIFIED",
    "EXPORTER_SCOPE",
    "IMPORTER_CERTIFIED",
    "IMPORTER_HANDLER",
    "PRODUCT_CERTIFIED",
    "CONTRACT_NAMES_IMPORTER",
];

fn as_certifier(place: &Place, arguments: &[&str]) -> Ended {
    let mut all = vec!["certificate"];
    all.extend(arguments);
    all.extend(["--as-certifier", "015"]);
    let output = place
        .command(&all)
        .env("NOPIC_ISSUES_FOR", "015, 062")
        .output()
        .unwrap();
    Ended {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

fn done(ended: Ended) -> String {
    assert_eq!(ended.status, 0, "{ended:?}");
    ended.out
}

#[test]
fn a_certificate_lives_from_the_request_to_its_end() {
    let place = Place::new();
    place.file("form.json", FORM);
    let request = [
        "certificate",
        "request",
        "form.json",
        "--as-exporter",
        "0150000001",
    ];
    let first = place.done(&request);
    assert!(first.out.contains("stage          REQUESTED\n"), "{}", first.out);
    assert!(
        first.out.contains("indeterminate  EXPORTER_CERTIFIED"),
        "{}",
        first.out
    );
    // The same file is the same request.
    assert_eq!(place.done(&request).out, first.out);

    done(as_certifier(&place, &["review", "start", "1"]));
    done(as_certifier(
        &place,
        &["review", "ask", "1", "--question", "Which lots?"],
    ));
    place.done(&[
        "certificate",
        "review",
        "answer",
        "1",
        "--answer",
        "Lot 2",
        "--as-exporter",
        "0150000001",
    ]);
    let open = as_certifier(&place, &["review", "approve", "1"]);
    assert_eq!(open.status, 2);
    assert!(open.said.contains("PRODUCT_CERTIFIED"), "{}", open.said);
    let mut approve = vec!["review", "approve", "1"];
    for code in ACCEPT {
        approve.extend(["--accept", code]);
    }
    let approved = done(as_certifier(&place, &approve));
    assert!(approved.contains("015-0150000001-000001"), "{approved}");

    let amended = done(as_certifier(
        &place,
        &[
            "amend",
            "015-0150000001-000001",
            "--lot",
            "LOT 2",
            "--reason",
            "lots",
            "--output",
            "jsonl",
        ],
    ));
    let amended: serde_json::Value = serde_json::from_str(&amended).unwrap();
    assert_eq!(amended["number"], "015-0150000001-000002");
    let voided = done(as_certifier(
        &place,
        &["void", "015-0150000001-000002", "--reason", "wrong"],
    ));
    assert!(voided.contains("status         VOIDED"), "{voided}");
    let again = as_certifier(
        &place,
        &["void", "015-0150000001-000002", "--reason", "once more"],
    );
    assert_eq!(again.status, 2);
    assert!(again.said.contains("VOIDED"), "{}", again.said);

    let history = place.done(&[
        "certificate",
        "history",
        "015-0150000001-000001",
        "--output",
        "jsonl",
    ]);
    let steps: Vec<serde_json::Value> = history
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let words: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(
        words,
        [
            "REQUEST",
            "START_REVIEW",
            "ASK_FOR_MORE",
            "ANSWER_QUESTION",
            "APPROVE",
            "APPROVE",
            "AMEND"
        ]
    );
    assert_eq!(steps[6]["status"], "SUPERSEDED by 015-0150000001-000002");
    let listed = place.done(&["certificate", "requests", "--stage", "issued", "--output", "csv"]);
    assert_eq!(listed.out.lines().count(), 2, "{}", listed.out);
}

#[test]
fn a_request_sent_again_shows_what_became_of_it() {
    let place = Place::new();
    place.file("form.json", FORM);
    let request = [
        "certificate",
        "request",
        "form.json",
        "--as-exporter",
        "0150000001",
    ];
    let first = place.done(&request);
    let again = place.done(&request);
    assert_eq!(again.out, first.out);
    assert!(!again.said.contains("--request-id"), "{}", again.said);
    done(as_certifier(&place, &["review", "start", "1"]));
    done(as_certifier(
        &place,
        &["review", "reject", "1", "--reasons", "no contract"],
    ));
    let again = place.done(&request);
    assert!(again.out.contains("stage          REJECTED\n"), "{}", again.out);
    assert!(again.said.contains("request 1 was made before"), "{}", again.said);
    assert!(again.said.contains("--request-id"), "{}", again.said);
    let anew = place.done(&[&request[..], &["--request-id", "anew"]].concat());
    assert!(anew.out.contains("stage          REQUESTED\n"), "{}", anew.out);
}

#[test]
fn nobody_acts_in_anothers_name() {
    let place = Place::new();
    place.file("form.json", FORM);
    let operator = place.run(&["certificate", "request", "form.json"]);
    assert_eq!(operator.status, 2);
    assert!(operator.said.contains("exporter 0150000001"), "{}", operator.said);
    place.done(&[
        "certificate",
        "request",
        "form.json",
        "--as-exporter",
        "0150000001",
    ]);
    let other = place.run(&["certificate", "review", "start", "1", "--as-certifier", "099"]);
    assert_eq!(other.status, 2);
    assert!(other.said.contains("only certifier 015"), "{}", other.said);
    let wrong = place.run_with(
        &["certificate", "request", "-", "--as-exporter", "0150000001"],
        b"[]",
    );
    assert_eq!(wrong.status, 2);
    assert!(wrong.said.contains("request form"), "{}", wrong.said);
}

#[test]
fn a_command_with_a_name_of_its_own_is_done_once() {
    let place = Place::new();
    place.file("form.json", FORM);
    place.done(&[
        "certificate",
        "request",
        "form.json",
        "--as-exporter",
        "0150000001",
    ]);
    let twice = |arguments: &[&str]| {
        let first = done(as_certifier(&place, arguments));
        assert_eq!(done(as_certifier(&place, arguments)), first, "{arguments:?}");
        first
    };
    twice(&["review", "start", "1", "--request-id", "a"]);
    let mut approve = vec!["review", "approve", "1", "--request-id", "b"];
    for code in ACCEPT {
        approve.extend(["--accept", code]);
    }
    twice(&approve);
    let (first, second) = ("015-0150000001-000001", "015-0150000001-000002");
    let amend = [
        "amend",
        first,
        "--total-weight-kg",
        "10000",
        "--reason",
        "less",
        "--request-id",
        "c",
    ];
    assert!(twice(&amend).contains(second));
    let void = ["void", second, "--reason", "wrong product", "--request-id", "d"];
    assert!(twice(&void).contains("VOIDED"));
    // Another content by that name is none of them, and without a name the state is told.
    let other = as_certifier(
        &place,
        &["void", second, "--reason", "other", "--request-id", "d"],
    );
    assert_eq!(other.status, 2);
    assert!(other.said.contains("used for another request"), "{}", other.said);
    let again = as_certifier(&place, &["void", second, "--reason", "wrong product"]);
    assert!(
        again.status == 2 && again.said.contains("VOIDED"),
        "{}",
        again.said
    );
}
