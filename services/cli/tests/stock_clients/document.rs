//! The document at `/openapi.json`: that it is one, and that the server keeps to it whatever it is sent.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Serving;
use crate::{served, tools};

/// Of what is sent; another one is given by this variable of the environment.
const SEED: &str = "NOPIC_DOCUMENT_SEED";
const USUAL_SEED: &str = "13";
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

/// The programs that read such documents.
fn programs() -> PathBuf {
    let requirements =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stock_clients/document-requirements.txt");
    tools::environment("document", &requirements).join("bin")
}

/// An answer without an end; `streams` follow it.
const ENDLESS: &str = "/v1/operations:watch";

/// Sends made-up requests, right and wrong ones, to every operation of the document: so many of each beside those that cover
/// every keyword of it, where those are wanted.
fn try_every_operation(server: &Serving, folder: &Path, credential: &str, phases: &str, requests: &str) {
    let seed = std::env::var(SEED).unwrap_or_else(|_| USUAL_SEED.to_owned());
    let mut command = Command::new(programs().join("schemathesis"));
    command
        .current_dir(folder)
        // One worker: its interpreter's compiler, which it calls at run time, is not proof against threads.
        .args([
            "run",
            "--workers",
            "1",
            "--seed",
            &seed,
            "--request-timeout",
            "60",
        ])
        .args([
            "--phases",
            phases,
            "--max-examples",
            requests,
            "--exclude-path",
            ENDLESS,
        ])
        .args(["--checks", CHECKS])
        .args(["--generation-database", "none", "--no-color"])
        .args(["--continue-on-failure", "--warnings", "off"])
        .args(["--header", &format!("Authorization: Bearer {credential}")])
        .arg(format!("{}/openapi.json", server.url));
    eprintln!("{SEED}={seed}");
    eprintln!("{}", tools::output(command, &[], b""));
}

#[test]
fn the_document_is_one_of_openapi() {
    let (_place, server, _) = served();
    let mut command = Command::new(programs().join("python"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stock_clients/document.py");
    command.arg(script).arg(format!("{}/openapi.json", server.url));
    assert_eq!(tools::output(command, &[], b""), "valid\n");
}

#[test]
fn the_server_answers_as_the_document_says() {
    let (place, server, key) = served();
    let is_full = std::env::var_os("NOPIC_TESTS_FULL").is_some();
    let requests = if is_full { "200" } else { "3" };
    try_every_operation(&server, place.path(), &key, "coverage,fuzzing", requests);
    // A wrong key is refused as documented, too.
    try_every_operation(&server, place.path(), "nopic_wrong", "fuzzing", "2");
}
