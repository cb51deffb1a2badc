//! The data folder: one process at a time, and who is asked in its place.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use support::Place;

#[test]
fn a_folder_in_use_is_said_with_its_process() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("nopic-data")).unwrap();
    let mut lock = File::create(place.path().join("nopic-data/lock")).unwrap();
    lock.lock().unwrap();
    lock.write_all(b"process 4711\n").unwrap();
    let ended = place.run(&["registry", "list"]);
    assert_eq!(ended.status, 2);
    assert!(ended.out.is_empty());
    assert!(ended.said.contains("in use by process 4711"), "{}", ended.said);
    assert!(ended.said.contains("--data"), "{}", ended.said);
    drop(lock);
    place.done(&["registry", "list"]);
}

#[test]
fn a_server_of_the_folder_is_asked_and_drains_when_told() {
    let place = Place::new();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let ended = place.done(&["importer", "link", "12-3456789AB", "0150000002"]);
    assert!(
        ended.said.contains(&format!("process {}", server.process())) && ended.said.contains(&server.url),
        "{}",
        ended.said
    );
    let listed = place.done(&["importer", "list", "--output", "jsonl", "--quiet"]);
    assert!(listed.out.contains("\"linkedBy\":\"tester\""), "{}", listed.out);
    assert!(listed.said.is_empty(), "{}", listed.said);
    // The same by address, from a place without a folder.
    let elsewhere = Place::new();
    let same = elsewhere.done(&["importer", "list", "--output", "jsonl", "--endpoint", &server.url]);
    assert_eq!(same.out, listed.out);
    assert!(!elsewhere.path().join("nopic-data").exists());
    // A second server has no folder to serve.
    let second = place.run(&["serve", "all", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status, 2);
    // A policy that the server has, too, is no reason to refuse; another one is, where something is judged.
    let same = place.done(&["policy", "show"]).out;
    place.file("same.toml", &same);
    place.file(
        "other.toml",
        same.replace("tolerance_percent = \"0\"", "tolerance_percent = \"3\""),
    );
    place.file("none.toml", "");
    for arguments in [&["--data", "nopic-data"][..], &["--endpoint", &server.url]] {
        let explain = |policy: &str| {
            let mut command = place.command(&[&["policy", "explain"], arguments].concat());
            command.env("NOPIC_POLICY", policy);
            let output = command.output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            (output.status.code(), said)
        };
        assert_eq!(explain("same.toml").0, Some(0));
        let (status, said) = explain("other.toml");
        assert_eq!(status, Some(2));
        assert!(
            said.contains("another policy") && said.contains("version"),
            "{said}"
        );
        for unusable in ["none.toml", "missing.toml"] {
            let (status, said) = explain(unusable);
            assert_eq!(status, Some(2));
            assert!(said.contains(unusable), "{said}");
        }
        let mut listed = place.command(&[&["registry", "list"], arguments].concat());
        assert!(
            listed
                .env("NOPIC_POLICY", "other.toml")
                .output()
                .unwrap()
                .status
                .success()
        );
    }
    assert_eq!(server.stop(), Some(0));
    // Nobody is sent to a server that is gone, and what it recorded is there.
    let after = place.done(&["importer", "list", "--output", "jsonl"]);
    assert_eq!(after.out, listed.out);
    assert!(!after.said.contains("asking"), "{}", after.said);
}

#[test]
fn a_server_that_was_killed_leaves_no_lock() {
    let place = Place::new();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    drop(server);
    let ended = place.done(&["importer", "list"]);
    assert!(!ended.said.contains("asking"), "{}", ended.said);
}

#[test]
fn a_server_that_is_not_there_is_a_clear_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let ended = Place::new().run(&["registry", "list", "--endpoint", &url]);
    assert_eq!(ended.status, 2);
    assert!(
        ended.said.contains(&url) && ended.said.contains("cannot be reached"),
        "{}",
        ended.said
    );
    assert!(!ended.said.to_lowercase().contains("transport"), "{}", ended.said);
}

#[test]
fn a_server_that_is_killed_meanwhile_is_named() {
    let place = Place::new();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let url = server.url.clone();
    let mut command = place
        .command(&["entry", "validate", "-", "--output", "jsonl", "--endpoint", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let line = |entry: &str| {
        format!(
            "{{\"entryNumber\":\"{entry}\",\"lineNumber\":1,\"entryDate\":\"2026-03-02\",\"htsCode\":\"0901110025\"}}\n"
        )
    };
    // Held open: the command waits for more.
    let mut input = command.stdin.take().unwrap();
    let lines = [line("B7600000015"), line("B7600000023"), line("B7600000031")];
    input.write_all(lines.concat().as_bytes()).unwrap();
    let mut verdicts = BufReader::new(command.stdout.take().unwrap());
    let mut first = String::new();
    verdicts.read_line(&mut first).unwrap();
    assert!(first.contains("B7600000015"), "{first}");
    drop(server);
    let mut said = String::new();
    command.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(command.wait().unwrap().code(), Some(2), "{said}");
    assert!(
        said.contains(&format!("The server at {url} stopped answering")) && said.contains("nopic serve all"),
        "{said}"
    );
    for word in ["h2", "transport", "stream", "inside"] {
        assert!(!said.contains(word), "{said}");
    }
    drop(input);
}

#[test]
fn a_key_is_never_said() {
    let place = Place::new();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    place.file("key", "secret-key-1\n");
    let output = place
        .command(&["registry", "list", "--endpoint", &server.url])
        .env("NOPIC_API_KEY_FILE", "key")
        .env("NOPIC_LOG", "trace")
        .output()
        .unwrap();
    // Nobody has it.
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.len() > 1_000 && !said.contains("secret-key-1"));
    let both = place
        .command(&["registry", "list", "--endpoint", &server.url])
        .env("NOPIC_API_KEY_FILE", "key")
        .env("NOPIC_API_KEY", "other")
        .output()
        .unwrap();
    assert_eq!(both.status.code(), Some(2));
}
#[test]
fn what_is_given_by_hand_goes_before_the_configuration() {
    let place = Place::new();
    place.file(
        "nopic.toml",
        "[storage]\ndata = \"configured\"\n[redis]\nurl = \"redis://127.0.0.1:1\"\n\
         [upstream.registry]\naddress = \"127.0.0.1:1\"\n",
    );
    let serve = [
        "serve",
        "all",
        "--listen",
        "127.0.0.1:0",
        "--config",
        "nopic.toml",
    ];
    let is_there = |folder: &str| place.path().join(folder).exists();
    // Even where it is what would be taken anyway.
    let server = place.serve(&[&serve[..], &["--data", "./nopic-data"]].concat());
    assert!(is_there("nopic-data") && !is_there("configured"));
    let said = server.said();
    for unused in ["[redis] is not used", "[upstream.registry] is not used"] {
        assert!(said.contains(unused), "{said}");
    }
    assert!(!said.contains("[upstream.certificate]"), "{said}");
    assert_eq!(server.stop(), Some(0));
    let server = place.serve(&serve);
    assert!(is_there("configured"));
    assert_eq!(server.stop(), Some(0));
}
