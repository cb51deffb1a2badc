//! What objects say of each other.

use std::collections::{BTreeMap, BTreeSet};

use nopic_host::PARTS;
use serde_json::Value;

use crate::objects::{Pods, called, find, kind, labels, list, name, of_kind, selects, served, text};
use crate::rendered::{OVERLAYS, objects};

/// Secrets, and the keys in them, that operators make before they apply the overlay `prod`.
pub(crate) const MADE_BEFORE: [(&str, &[&str]); 5] = [
    ("audit-key", &["audit-signing-key.der"]),
    ("database", &["url"]),
    ("database-migration", &["url"]),
    ("mail", &["password"]),
    ("redis", &["ca.crt", "password", "sentinel-password"]),
];

/// Keys of a Secret that cert-manager makes.
const OF_CERTIFICATE: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];

/// The keys of every Secret or ConfigMap that is there when the objects are applied.
pub(crate) fn keys<'a>(objects: &'a [Value], wanted: &'a str) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for object in of_kind(objects, wanted) {
        let own = ["/data", "/stringData", "/binaryData"]
            .iter()
            .filter_map(|path| object.pointer(path)?.as_object())
            .flat_map(|map| map.keys().cloned());
        keys.entry(name(object).to_owned()).or_default().extend(own);
    }
    if wanted == "Secret" {
        for certificate in of_kind(objects, "Certificate") {
            keys.insert(
                text(certificate, "/spec/secretName").to_owned(),
                OF_CERTIFICATE.map(str::to_owned).into(),
            );
        }
        // Only an overlay that makes none of its own relies on others.
        if of_kind(objects, "Secret").count() == 0 {
            for (secret, own) in MADE_BEFORE {
                keys.insert(
                    secret.to_owned(),
                    own.iter().map(|key| (*key).to_owned()).collect(),
                );
            }
        }
    }
    keys
}

/// What is wrong with them.
pub(crate) fn problems(objects: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let pods = Pods::of(objects);
    unique(objects, &mut problems);
    for part in PARTS {
        has_everything(objects, part.name, &mut problems);
    }
    for pods in &pods {
        references(objects, pods, &mut problems);
        if matches!(kind(pods.object), "Deployment" | "StatefulSet")
            && !selects(&pods.object["spec"]["selector"], &pods.labels)
        {
            problems.push(format!("{}: it does not select its own pods", pods.called()));
        }
    }
    for service in of_kind(objects, "Service") {
        let selector = labels(service, "/spec/selector");
        let behind: Vec<_> = pods
            .iter()
            .filter(|pods| {
                selector
                    .iter()
                    .all(|(key, value)| pods.labels.get(key) == Some(value))
            })
            .collect();
        if behind.len() != 1 {
            problems.push(format!(
                "{}: {} kinds of pods are behind it",
                called(service),
                behind.len()
            ));
        }
        for port in list(service, "/spec/ports") {
            if behind.iter().any(|pods| pods.port(&port["targetPort"]).is_none()) {
                problems.push(format!(
                    "{}: no pod has the port {}",
                    called(service),
                    port["targetPort"]
                ));
            }
        }
    }
    for budget in of_kind(objects, "PodDisruptionBudget") {
        let behind = pods
            .iter()
            .filter(|pods| selects(&budget["spec"]["selector"], &pods.labels))
            .count();
        if behind != 1 {
            problems.push(format!("{}: it is of {behind} kinds of pods", called(budget)));
        }
    }
    for scaler in of_kind(objects, "HorizontalPodAutoscaler") {
        let target = "/spec/scaleTargetRef";
        if find(
            objects,
            text(scaler, &format!("{target}/kind")),
            text(scaler, &format!("{target}/name")),
        )
        .is_none()
        {
            problems.push(format!(
                "{}: there is nothing of that name to scale",
                called(scaler)
            ));
        }
    }
    for certificate in of_kind(objects, "Certificate") {
        if find(objects, "Issuer", text(certificate, "/spec/issuerRef/name")).is_none() {
            problems.push(format!("{}: nobody issues it", called(certificate)));
        }
    }
    for issuer in of_kind(objects, "Issuer") {
        let secret = text(issuer, "/spec/ca/secretName");
        if !secret.is_empty() && !keys(objects, "Secret").contains_key(secret) {
            problems.push(format!("{}: there is no Secret {secret}", called(issuer)));
        }
    }
    routes(objects, &mut problems);
    for monitor in of_kind(objects, "ServiceMonitor") {
        let watched: Vec<_> = of_kind(objects, "Service")
            .filter(|service| selects(&monitor["spec"]["selector"], &labels(service, "/metadata/labels")))
            .collect();
        if watched.len() != PARTS.len() {
            problems.push(format!(
                "{}: it watches {} services",
                called(monitor),
                watched.len()
            ));
        }
        for endpoint in list(monitor, "/spec/endpoints") {
            for service in &watched {
                if !list(service, "/spec/ports")
                    .iter()
                    .any(|port| port["name"] == endpoint["port"])
                {
                    problems.push(format!(
                        "{}: {} has no port {}",
                        called(monitor),
                        called(service),
                        endpoint["port"]
                    ));
                }
            }
        }
    }
    problems
}

fn unique(objects: &[Value], problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for object in objects {
        if !seen.insert(called(object)) {
            problems.push(format!("{} is there twice", called(object)));
        }
        let namespace = text(object, "/metadata/namespace");
        let wanted = if kind(object) == "Namespace" { "" } else { "nopic" };
        if namespace != wanted {
            problems.push(format!("{} is in the namespace {namespace:?}", called(object)));
        }
    }
    let enforced = find(objects, "Namespace", "nopic")
        .and_then(|namespace| namespace.pointer("/metadata/labels/pod-security.kubernetes.io~1enforce"));
    if enforced != Some(&Value::from("restricted")) {
        problems.push("the namespace does not enforce Pod Security restricted".to_owned());
    }
}

/// Each service is there with all that belongs to it.
fn has_everything(objects: &[Value], part: &str, problems: &mut Vec<String>) {
    for kind in [
        "Deployment",
        "Service",
        "ServiceAccount",
        "PodDisruptionBudget",
        "Certificate",
        "NetworkPolicy",
    ] {
        if find(objects, kind, part).is_none() {
            problems.push(format!("{part} has no {kind}"));
        }
    }
    let has_scalers = of_kind(objects, "HorizontalPodAutoscaler").count() > 0;
    if has_scalers && find(objects, "HorizontalPodAutoscaler", part).is_none() {
        problems.push(format!("{part} has no HorizontalPodAutoscaler"));
    }
    if !Pods::of(objects).iter().any(|pods| served(pods) == Some(part)) {
        problems.push(format!("nobody serves {part}"));
    }
    if let Some(service) = find(objects, "Service", part)
        && text(service, "/spec/clusterIP") != "None"
    {
        problems.push(format!(
            "the Service {part} is not headless: callers find one address only"
        ));
    }
    if let Some(certificate) = find(objects, "Certificate", part) {
        // The first name is the client's, and the one that callers look for.
        if list(certificate, "/spec/dnsNames").first() != Some(&Value::from(part)) {
            problems.push(format!("the Certificate {part} is of another name"));
        }
    }
    if let Some(account) = find(objects, "ServiceAccount", part)
        && account["automountServiceAccountToken"] != false
    {
        problems.push(format!("the ServiceAccount {part} gives tokens"));
    }
}

fn references(objects: &[Value], pods: &Pods<'_>, problems: &mut Vec<String>) {
    let mut say = |what: String| problems.push(format!("{}: {what}", pods.called()));
    let account = text(pods.spec, "/serviceAccountName");
    if !account.is_empty() && find(objects, "ServiceAccount", account).is_none() {
        say(format!("there is no ServiceAccount {account}"));
    }
    let (secrets, maps) = (keys(objects, "Secret"), keys(objects, "ConfigMap"));
    let mut refers = |all: &BTreeMap<String, BTreeSet<String>>, to: &str, key: Option<&str>| match all.get(to)
    {
        None => say(format!("nobody makes {to}")),
        Some(keys) if key.is_some_and(|key| !keys.contains(key)) => say(format!("{to} has no {key:?}")),
        Some(_) => {}
    };
    for volume in list(pods.spec, "/volumes") {
        for (all, path, named) in [(&secrets, "secret", "secretName"), (&maps, "configMap", "name")] {
            let to = text(volume, &format!("/{path}/{named}"));
            if to.is_empty() {
                continue;
            }
            refers(all, to, None);
            // Keys that need not be there are in none of ours.
            if volume.pointer(&format!("/{path}/optional")) == Some(&Value::Bool(true)) {
                continue;
            }
            for item in list(volume, &format!("/{path}/items")) {
                refers(all, to, Some(text(item, "/key")));
            }
        }
    }
    for container in pods.containers() {
        for mount in list(container, "/volumeMounts") {
            let volume = pods.volume(text(mount, "/name")).cloned().unwrap_or_default();
            let secret = text(&volume, "/secret/secretName");
            if !secret.is_empty() && !text(mount, "/subPath").is_empty() {
                refers(&secrets, secret, Some(text(mount, "/subPath")));
            }
        }
        for variable in list(container, "/env") {
            for (all, path) in [(&secrets, "secretKeyRef"), (&maps, "configMapKeyRef")] {
                if let Some(to) = variable.pointer(&format!("/valueFrom/{path}")) {
                    refers(all, text(to, "/name"), Some(text(to, "/key")));
                }
            }
        }
    }
    for volume in list(pods.spec, "/volumes") {
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        if !claim.is_empty() && find(objects, "PersistentVolumeClaim", claim).is_none() {
            say(format!("there is no PersistentVolumeClaim {claim}"));
        }
    }
}

/// From outside to a port that there is, by a listener that there is.
fn routes(objects: &[Value], problems: &mut Vec<String>) {
    for route in objects
        .iter()
        .filter(|object| ["GRPCRoute", "HTTPRoute"].contains(&kind(object)))
    {
        for parent in list(route, "/spec/parentRefs") {
            let gateway = find(objects, "Gateway", text(parent, "/name"))
                .cloned()
                .unwrap_or_default();
            let listener = list(&gateway, "/spec/listeners")
                .iter()
                .find(|listener| listener["name"] == parent["sectionName"]);
            let hosts = list(route, "/spec/hostnames");
            if listener.is_none_or(|listener| hosts != [listener["hostname"].clone()]) {
                problems.push(format!("{}: no listener takes its names", called(route)));
            }
        }
        for backend in list(route, "/spec/rules")
            .iter()
            .flat_map(|rule| list(rule, "/backendRefs"))
        {
            let service = find(objects, "Service", text(backend, "/name"))
                .cloned()
                .unwrap_or_default();
            if !list(&service, "/spec/ports")
                .iter()
                .any(|port| port["port"] == backend["port"])
            {
                problems.push(format!("{}: nobody serves {backend}", called(route)));
            }
            let protected = of_kind(objects, "BackendTLSPolicy")
                .flat_map(|policy| list(policy, "/spec/targetRefs"))
                .any(|target| target["name"] == backend["name"]);
            if !protected {
                problems.push(format!("{}: {backend} is spoken to without TLS", called(route)));
            }
        }
    }
}

#[test]
fn objects_speak_of_objects_that_there_are() {
    for overlay in OVERLAYS {
        let problems = problems(&objects(overlay));
        assert!(problems.is_empty(), "{overlay}: {problems:#?}");
    }
}
