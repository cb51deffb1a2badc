//! Every object is one that Kubernetes knows, with no field that it does not know.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use nopic_testing::languages;
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

use crate::objects::{kind, of_kind, text};
use crate::rendered::{OVERLAYS, folder, here, objects, printed, tool};
use crate::{configuration, containers, names, network};

/// Versions of Kubernetes: the oldest that the manifests are for, and the newest that the schemas know.
const KUBERNETES: [&str; 2] = ["1.32", "1.37"];

/// Kinds of others: their makers' types say which fields there are.
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

/// What the types of custom resources say against those among these objects.
fn said_of_custom(objects: &[Value]) -> Vec<String> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubernetes");
    let packages = languages::node(&tools, "node", &here(""));
    // Beside the packages, where they are found, and of this run alone.
    let beside = |suffix: &str, content: &[u8]| -> NamedTempFile {
        let file = tempfile::Builder::new()
            .suffix(suffix)
            .tempfile_in(&packages)
            .unwrap();
        fs::write(file.path(), content).unwrap();
        file
    };
    let script = beside(".mjs", &fs::read(here("custom.mjs")).unwrap());
    let list = beside(".json", &serde_json::to_vec(objects).unwrap());
    printed(Command::new("node").arg(script.path()).arg(list.path()))
        .lines()
        .map(str::to_owned)
        .collect()
}

fn rendered(overlay: &str) -> String {
    printed(
        Command::new(tool("kubectl"))
            .arg("kustomize")
            .arg(folder().join("overlays").join(overlay)),
    )
}

/// A folder that makes of the overlay `prod` one with every component, and with the shell of a restore beside it. Its path
/// stands for the name of an overlay.
pub(crate) fn with_what_is_optional() -> TempDir {
    let whole = tempfile::tempdir().unwrap();
    // kustomize takes no path that begins at the root.
    let depth = fs::canonicalize(whole.path()).unwrap().components().count() - 1;
    let manifests = fs::canonicalize(folder()).unwrap();
    let manifests = format!(
        "{}{}",
        "../".repeat(depth),
        manifests.strip_prefix("/").unwrap().display()
    );
    let included = fs::read_to_string(folder().join("overlays/prod/kustomization.yaml")).unwrap();
    let mut text = format!(
        "namespace: nopic\nresources: [{manifests}/overlays/prod, {manifests}/restore]\ncomponents:\n"
    );
    let mut optional = 0;
    for component in components() {
        if !included.contains(&format!("/components/{component}\n")) {
            text.push_str(&format!("  - {manifests}/components/{component}\n"));
            optional += 1;
        }
    }
    assert!(optional > 0, "every component is in the overlay");
    fs::write(whole.path().join("kustomization.yaml"), text).unwrap();
    whole
}

/// The names of all components.
pub(crate) fn components() -> BTreeSet<String> {
    fs::read_dir(folder().join("components"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
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
fn makers_of_custom_resources_know_every_field() {
    for overlay in OVERLAYS {
        let said = said_of_custom(&objects(overlay));
        assert!(said.is_empty(), "{overlay}: {said:#?}");
    }
}

#[test]
fn what_is_optional_fits_as_well() {
    let whole = with_what_is_optional();
    let whole = whole.path().to_str().unwrap();
    let text = rendered(whole);
    for version in KUBERNETES {
        let said = said(&text, version);
        assert!(said.is_empty(), "{version}: {said:#?}");
    }
    let objects = objects(whole);
    for check in [
        configuration::problems,
        containers::problems,
        names::problems,
        network::problems,
    ] {
        let problems = check(&objects);
        assert!(problems.is_empty(), "{problems:#?}");
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

#[test]
fn what_is_wrong_with_custom_resources_is_said() {
    const MISSPELT: [(&str, &str, &str); 5] = [
        ("Certificate", "\"dnsNames\":", "\"dnsName\":"),
        ("GRPCRoute", "\"backendRefs\":", "\"backendRef\":"),
        ("BackendTLSPolicy", "\"hostname\":", "\"hostName\":"),
        (
            "ServiceMonitor",
            "\"metricRelabelings\":",
            "\"metricRelabeling\":",
        ),
        ("PrometheusRule", "\"for\":", "\"since\":"),
    ];
    let prod = objects("prod");
    let misspelt: Vec<Value> = MISSPELT
        .iter()
        .map(|(wanted, right, wrong)| {
            let text = of_kind(&prod, wanted)
                .map(Value::to_string)
                .find(|text| text.contains(right));
            let text = text.unwrap_or_else(|| panic!("no {wanted} has {right}"));
            serde_json::from_str(&text.replace(right, wrong)).unwrap()
        })
        .collect();
    let said = said_of_custom(&misspelt);
    for (wanted, _, wrong) in MISSPELT {
        let field = wrong.trim_end_matches(':');
        assert!(
            said.iter()
                .any(|line| line.starts_with(&format!("{wanted} ")) && line.contains(field)),
            "{wanted} {wrong}: {said:#?}"
        );
    }
}
