//! The bytes that the gateway takes and gives, in every form, as files: what changes on the wire shows in a diff.
//!
//! `NOPIC_GOLDEN=write` writes the files anew.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "../support/mod.rs"]
mod support;

mod exchange;
mod forms;

use std::path::{Path, PathBuf};

use exchange::exchange;
use forms::{Asked, Form, Request};
use support::Place;

const LINE: &str = r#"{"entryNumber": "B7603245278", "lineNumber": 1, "entryDate": "2026-10-01", "htsCode": "0901110015", "importerOfRecord": "12-3456789", "messageSet": "OR2", "certificateNumber": "not a number", "netWeightKg": "1200"}"#;

/// What is asked, in every form that has it.
fn asked() -> Vec<(&'static str, Vec<(Form, Request)>)> {
    const SERVICE: &str = "nopic.entry_validation.v1.EntryValidationService";
    let line = format!(r#"{{"line": {LINE}}}"#);
    let unary = Asked::unary(SERVICE, "ValidateEntry", &line);
    let refused = Asked::unary(
        "nopic.registry.v1.RegistryService",
        "GetOperation",
        r#"{"nopId": "not an id"}"#,
    );
    let lines = [
        format!(r#"{{"lines": [{LINE}]}}"#),
        format!(r#"{{"lines": [{LINE}]}}"#).replace(r#""lineNumber": 1"#, r#""lineNumber": 2"#),
    ];
    let stream = Asked::stream(SERVICE, "ValidateStream", &lines);
    let uploaded = format!("{}\n", LINE);
    vec![
        (
            "unary",
            [
                unary.in_forms(&Form::RPC),
                vec![(
                    Form::Rest,
                    Request::post("/v1/entries:validate", "application/json", line.into()),
                )],
            ]
            .concat(),
        ),
        (
            "refused",
            [
                refused.in_forms(&Form::RPC),
                vec![(Form::Rest, Request::get("/v1/operations/not%20an%20id"))],
            ]
            .concat(),
        ),
        (
            "stream",
            [
                stream.in_forms(&Form::STREAMS),
                vec![(
                    Form::Rest,
                    Request::post(
                        "/v1/entries:validateDocument",
                        "application/x-ndjson",
                        uploaded.into(),
                    ),
                )],
            ]
            .concat(),
        ),
        (
            "unauthenticated",
            [
                unary.in_forms(&Form::RPC),
                vec![(Form::Rest, Request::get("/v1/quota"))],
            ]
            .concat()
            .into_iter()
            .map(|(form, request)| (form, request.by_key("nopic_0000000000_wrong")))
            .collect(),
        ),
    ]
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/golden")
        .join(name)
}

#[test]
fn the_bytes_of_every_form_are_those_of_the_files() {
    let place = Place::new();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let address = server.url.trim_start_matches("http://");
    let is_writing = std::env::var("NOPIC_GOLDEN").is_ok_and(|value| value == "write");
    let mut differing = Vec::new();
    for (name, forms) in asked() {
        for (form, request) in forms {
            let name = format!("{name}.{}.txt", form.name());
            let seen = exchange(address, &request);
            if is_writing {
                std::fs::write(file(&name), &seen).unwrap();
            } else if std::fs::read_to_string(file(&name)).unwrap_or_default() != seen {
                differing.push(format!("{name}:\n{seen}"));
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
