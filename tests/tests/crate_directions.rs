//! No crate reaches what the design does not let it reach.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each crate may use of the others, directly or through them.
const MAY_USE: &[(&str, &[&str])] = &[
    ("nopic-domain", &[]),
    ("nopic-proto", &["nopic-domain"]),
    ("nopic-formats", &["nopic-domain"]),
    // Carries the caller beside each call, hence the contract.
    ("nopic-chassis", &["nopic-domain", "nopic-proto"]),
    ("nopic-sql", &[]),
    ("nopic-cache", &["nopic-chassis", "nopic-domain", "nopic-proto"]),
    ("nopic-registry", SERVICE),
    ("nopic-certificate", SERVICE),
    ("nopic-entry-validation", SERVICE),
    ("nopic-notification", SERVICE),
    (
        "nopic-gateway",
        &[
            "nopic-cache",
            "nopic-chassis",
            "nopic-domain",
            "nopic-proto",
            "nopic-sql",
        ],
    ),
    ("nopic-host", HOST),
    // Servers and certificates for tests, of no crate of ours.
    ("nopic-testing", &[]),
];

/// Services use everything below them and never each other.
const SERVICE: &[&str] = &[
    "nopic-cache",
    "nopic-chassis",
    "nopic-domain",
    "nopic-formats",
    "nopic-proto",
    "nopic-sql",
];

/// The host knows every service and the gateway; only the command line is above it.
const HOST: &[&str] = &[
    "nopic-cache",
    "nopic-certificate",
    "nopic-chassis",
    "nopic-domain",
    "nopic-entry-validation",
    "nopic-formats",
    "nopic-gateway",
    "nopic-notification",
    "nopic-proto",
    "nopic-registry",
    "nopic-sql",
];

/// What pure crates must not reach, not even through others.
const IMPURE: &[&str] = &["tokio", "tonic", "sqlx", "redis", "hyper", "reqwest"];
const PURE: &[&str] = &["nopic-domain", "nopic-formats"];

/// Crates that no other may use: the binary and the tests use all.
const TOP: &[&str] = &["nopic-cli", "nopic-tests"];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// For each package, those that its library needs (not its tests, not its build).
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
        .collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let needs = graph
            .entry(names[node["id"].as_str().unwrap()].to_owned())
            .or_default();
        for dependency in node["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            if kinds.iter().any(|kind| kind["kind"].is_null()) {
                needs.insert(names[dependency["pkg"].as_str().unwrap()].to_owned());
            }
        }
    }
    graph
}

fn reached<'a>(graph: &'a BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        for needed in graph.get(name).into_iter().flatten() {
            if reached.insert(needed.as_str()) {
                open.push(needed);
            }
        }
    }
    reached
}

#[test]
fn crates_reach_only_what_the_design_allows() {
    let graph = graph();
    let ours: BTreeSet<&str> = graph
        .keys()
        .map(String::as_str)
        .filter(|name| name.starts_with("nopic-"))
        .collect();
    let listed: BTreeSet<&str> = MAY_USE
        .iter()
        .map(|(name, _)| *name)
        .chain(TOP.iter().copied())
        .collect();
    let unlisted: Vec<_> = ours.difference(&listed).collect();
    assert!(unlisted.is_empty(), "missing from this test: {unlisted:?}");
    let gone: Vec<_> = listed.difference(&ours).collect();
    assert!(gone.is_empty(), "in this test, but no crate: {gone:?}");
    for (name, allowed) in MAY_USE {
        for needed in reached(&graph, name) {
            assert!(
                !needed.starts_with("nopic-") || allowed.contains(&needed),
                "{name} reaches {needed}, which the design does not allow"
            );
        }
    }
}

#[test]
fn pure_crates_stay_pure() {
    let graph = graph();
    for name in PURE {
        let reached = reached(&graph, name);
        for impure in IMPURE {
            assert!(!reached.contains(impure), "{name} reaches {impure}");
        }
    }
}
