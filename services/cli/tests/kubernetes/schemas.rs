//! Every object is one that Kubernetes knows, with no field that it does not know.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::objects::{kind, text};
use crate::rendered::{OVERLAYS, objects, printed, tool};

/// Versions of Kubernetes: the oldest that the manifests are for, and the newest that the schemas know.
const KUBERNETES: [&str; 2] = ["1.32", "1.37"];

/// Kinds of others, for which there is no schema here.
const CUSTOM: [(&str, &str); 8] = [
    ("cert-manager.io/v1", "Certificate"),
    ("cert-manager.io/v1", "Issuer"),
    ("gateway.networking.k8s.io/v1", "BackendTLSPolicy"),
    ("gateway.networking.k8s.io/v1", "GRPCRoute"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
];

/// What the validator says against a list of objects, as a text of YAML or JSON.
fn said(text: &str, version: &str) -> Vec<String> {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    fs::write(file.path(), text).unwrap();
    let output = Command::new(tool("kubernetes-validate"))
        .args(["--strict", "-k", version])
        .arg(file.path())
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    let mut said: Vec<String> = out
        .lines()
        .filter(|line| !line.starts_with("INFO") && !is_about_custom(line))
        .map(str::to_owned)
        .collect();
    if !output.status.success() && said.is_empty() {
        said.push(out);
    }
    said
}

fn is_about_custom(line: &str) -> bool {
    CUSTOM.iter().any(|(version, kind)| {
        line.starts_with("WARN")
            && line.contains(&format!(
                "Couldn't find schema for kind {kind} with api version {version} for"
            ))
    })
}

fn rendered(overlay: &str) -> String {
    printed(
        Command::new(tool("kubectl"))
            .arg("kustomize")
            .arg(crate::rendered::folder().join("overlays").join(overlay)),
    )
}

#[test]
fn kubernetes_knows_every_object_and_every_field() {
    for overlay in OVERLAYS {
        let text = rendered(overlay);
        for version in KUBERNETES {
            let said = said(&text, version);
            assert!(said.is_empty(), "{overlay}, {version}: {said:#?}");
        }
    }
}

#[test]
fn kinds_without_a_schema_are_those_that_are_listed() {
    let mut seen = BTreeSet::new();
    for overlay in OVERLAYS {
        for object in objects(overlay) {
            let version = text(&object, "/apiVersion").to_owned();
            let group = version.split('/').next().unwrap();
            // Of Kubernetes itself only this one has dots in its name.
            if group.contains('.') && group != "networking.k8s.io" {
                seen.insert((version, kind(&object).to_owned()));
            }
        }
    }
    let listed: BTreeSet<_> = CUSTOM
        .iter()
        .map(|(version, kind)| ((*version).to_owned(), (*kind).to_owned()))
        .collect();
    assert_eq!(seen, listed);
}

#[test]
fn what_is_wrong_is_said() {
    let text = rendered("dev");
    for (right, wrong) in [
        (
            "terminationGracePeriodSeconds:",
            "terminationGracePeriodsSeconds:",
        ),
        ("kind: PodDisruptionBudget", "kind: PodDisruptionBudgets"),
        ("containerPort: 9464", "containerPort: many"),
        (
            "apiVersion: cert-manager.io/v1\nkind: Issuer",
            "apiVersion: cert-manager.io/v1\nkind: Issues",
        ),
    ] {
        assert!(text.contains(right), "{right}");
        assert!(!said(&text.replace(right, wrong), "1.37").is_empty(), "{wrong}");
    }
}
