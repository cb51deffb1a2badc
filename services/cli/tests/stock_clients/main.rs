//! Clients from the registries of Python and of Node.js, before the gateway: every method in every form, and the examples.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(clippy::print_stderr, reason = "tests print their seeds and figures")]

#[path = "../support/mod.rs"]
mod support;

mod document;
mod tools;

use std::path::Path;

use serde_json::Value;
use support::{Place, Serving};

/// A server of the sample, and a key of an operator.
fn served() -> (Place, Serving, String) {
    let place = Place::new();
    place.sample(50, 40, 60, 3);
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    place.done(&["tenant", "create", "default", "--all-filer-codes"]);
    place.done(&["person", "add", "default", "clients", "--role", "operator"]);
    let key = place
        .done(&["key", "create", "default", "clients", "--quiet"])
        .out;
    (place, server, key.trim().to_owned())
}

fn verdicts(printed: &str) -> Vec<Value> {
    printed
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|verdict: Value| support::summary(&verdict))
        .collect()
}

/// What the command line says of the lines.
fn expected(place: &Place, server: &Serving) -> Vec<Value> {
    let arguments = [
        "entry",
        "validate",
        "sample/entries.jsonl",
        "--output",
        "jsonl",
        "--endpoint",
        &server.url,
    ];
    verdicts(&place.run(&arguments).out)
}

fn authority(server: &Serving) -> &str {
    server.url.trim_start_matches("http://")
}

#[test]
fn the_examples_say_what_the_command_line_says() {
    let (place, server, key) = served();
    let lines = std::fs::read(place.path().join("sample/entries.jsonl")).unwrap();
    let expected = expected(&place, &server);
    assert!(expected.len() > 50, "{}", expected.len());
    let python = tools::python(&tools::examples().join("python/validate.py"), &[]);
    let python = tools::output(
        python,
        &[("NOPIC_ENDPOINT", authority(&server)), ("NOPIC_API_KEY", &key)],
        &lines,
    );
    assert_eq!(verdicts(&python), expected);
    let typescript = tools::typescript("validate.ts");
    let typescript = tools::output(
        typescript,
        &[("NOPIC_ENDPOINT", &server.url), ("NOPIC_API_KEY", &key)],
        &lines,
    );
    assert_eq!(verdicts(&typescript), expected);
}

#[test]
fn every_unary_method_answers_alike_in_every_form() {
    let (_place, server, key) = served();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stock_clients");
    let python = tools::python(&here.join("every_method.py"), &[authority(&server), &key]);
    let grpc = tools::output(python, &[], b"");
    assert!(grpc.lines().count() >= 35, "{grpc}");
    for line in grpc.lines() {
        let (method, code) = line.split_once(' ').unwrap();
        // An empty message is a mistake for many, and a fault of ours for none.
        assert!(
            !["unknown", "internal", "unimplemented", "unavailable"].contains(&code),
            "{method}: {code}"
        );
    }
    for form in [
        "node-grpc",
        "node-connect",
        "node-connect-json",
        "node-grpc-web",
        "web-connect",
        "web-grpc-web",
    ] {
        let node = tools::node(&here.join("every_method.mjs"), &[&server.url, &key, form]);
        assert_eq!(tools::output(node, &[], b""), grpc, "{form}");
    }
}

#[test]
fn streams_go_in_both_directions() {
    let (place, server, key) = served();
    let expected = expected(&place, &server);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stock_clients");
    let file = place.path().join("sample/entries.jsonl");
    let file = file.to_str().unwrap();
    for streamed in [
        tools::python(&here.join("streams.py"), &[authority(&server), &key, file]),
        tools::node(&here.join("streams.mjs"), &[&server.url, &key, file]),
    ] {
        let printed = tools::output(streamed, &[], b"");
        assert_eq!(verdicts(&printed), expected);
        assert!(printed.ends_with("watched\n"), "{printed}");
    }
}
