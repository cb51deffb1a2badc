//! What every container is allowed, given and asked.

use nopic_chassis::serving::DRAIN;
use serde_json::{Value, json};

use crate::objects::{Pods, arguments, called, is_ours, list, name, of_kind, served, text};
use crate::rendered::{OVERLAYS, objects};

/// What is wrong with them.
pub(crate) fn problems(objects: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    for pods in Pods::of(objects) {
        let mut say = |what: String| problems.push(format!("{}: {what}", pods.called()));
        if pods.spec.pointer("/automountServiceAccountToken") != Some(&json!(false)) {
            say("it has a token of the cluster".to_owned());
        }
        if pods.spec.pointer("/enableServiceLinks") != Some(&json!(false)) {
            say("names of services are put into its environment".to_owned());
        }
        restricted(&pods, &mut say);
        for container in pods.containers() {
            let mut say = |what: String| say(format!("container {}: {what}", text(container, "/name")));
            image(container, &mut say);
            resources(container, &mut say);
            mounts(&pods, container, &mut say);
        }
        for volume in list(pods.spec, "/volumes") {
            let named = volume.pointer("/name");
            let mut mounts = pods
                .containers()
                .flat_map(|container| list(container, "/volumeMounts"));
            if !mounts.any(|mount| mount.pointer("/name") == named) {
                say(format!("nobody mounts the volume {}", text(volume, "/name")));
            }
        }
        if let Some(part) = served(&pods) {
            if text(pods.object, "/metadata/name") != part {
                say(format!("it serves {part}"));
            }
            stopping(&pods, &mut say);
            probes(&pods, &mut say);
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    let migration = format!("migrate-{}", version.replace('.', "-"));
    if !of_kind(objects, "Job").any(|job| name(job) == migration) {
        problems.push(format!(
            "no Job is named {migration}: a Job of another version is never run again"
        ));
    }
    for object in objects {
        let label = object.pointer("/metadata/labels/app.kubernetes.io~1version");
        if label.is_some_and(|label| label != version) {
            problems.push(format!("{}: it is labelled with another version", called(object)));
        }
    }
    problems
}

/// Pod Security `restricted`, and a root file system that nobody writes to.
fn restricted(pods: &Pods<'_>, say: &mut impl FnMut(String)) {
    const VOLUMES: [&str; 7] = [
        "configMap",
        "secret",
        "emptyDir",
        "persistentVolumeClaim",
        "projected",
        "downwardAPI",
        "ephemeral",
    ];
    let of_pod = |path: &str| pods.spec.pointer(&format!("/securityContext/{path}"));
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if pods.spec.pointer(&format!("/{field}")).is_some() {
            say(format!("{field} is not restricted"));
        }
    }
    for container in pods.containers() {
        let of = |path: &str| {
            let own = container.pointer(&format!("/securityContext/{path}"));
            own.or_else(|| of_pod(path)).cloned().unwrap_or_default()
        };
        let mut want = |path: &str, value: Value| {
            if of(path) != value {
                say(format!(
                    "container {}: {path} is not {value}",
                    text(container, "/name")
                ));
            }
        };
        want("runAsNonRoot", json!(true));
        want("seccompProfile/type", json!("RuntimeDefault"));
        want("allowPrivilegeEscalation", json!(false));
        want("capabilities", json!({"drop": ["ALL"]}));
        want("readOnlyRootFilesystem", json!(true));
        if of("runAsUser").as_u64().is_none_or(|user| user == 0) {
            say("it runs as root, or as nobody knows whom".to_owned());
        }
        if !of("privileged").is_null()
            || list(container, "/ports")
                .iter()
                .any(|port| port.get("hostPort").is_some())
        {
            say("privileged, or a port of the host".to_owned());
        }
    }
    for volume in list(pods.spec, "/volumes") {
        let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key);
        for kind in kinds.filter(|kind| *kind != "name") {
            if !VOLUMES.contains(&kind.as_str()) {
                say(format!("volumes of the kind {kind} are not restricted"));
            }
        }
    }
}

/// The program in this version, anything else in one that is named.
fn image(container: &Value, say: &mut impl FnMut(String)) {
    let image = text(container, "/image");
    let tag = image
        .rsplit('/')
        .next()
        .and_then(|last| last.split_once(':'))
        .map(|(_, tag)| tag);
    match tag {
        None | Some("latest") => say(format!("the image {image} names no version")),
        Some(tag) if is_ours(container) && tag != env!("CARGO_PKG_VERSION") => {
            say(format!("the image is of version {tag}"));
        }
        Some(_) => {}
    }
}

/// Asked for, and bounded where too much harms others.
fn resources(container: &Value, say: &mut impl FnMut(String)) {
    let amount = |path: &str| -> Option<u64> { quantity(text(container, &format!("/resources/{path}"))) };
    if amount("requests/cpu").is_none() {
        say("requests/cpu is no amount".to_owned());
    }
    match (amount("requests/memory"), amount("limits/memory")) {
        (Some(request), Some(limit)) if request <= limit => {}
        amounts => say(format!("memory is asked and limited as {amounts:?}")),
    }
}

/// In thousandths: `250m`, `512Mi`.
fn quantity(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let unit = match &text[end..] {
        "m" => 1,
        "" => 1_000,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        _ => return None,
    };
    (number > 0).then_some(number * unit)
}

fn mounts(pods: &Pods<'_>, container: &Value, say: &mut impl FnMut(String)) {
    for mount in list(container, "/volumeMounts") {
        let named = text(mount, "/name");
        let claimed = list(pods.object, "/spec/volumeClaimTemplates")
            .iter()
            .any(|claim| name(claim) == named);
        if pods.volume(named).is_none() && !claimed {
            say(format!("there is no volume {named}"));
        }
    }
    let folder = text(container, "/workingDir");
    let is_writable = list(container, "/volumeMounts")
        .iter()
        .any(|mount| text(mount, "/mountPath") == folder && mount.get("readOnly").is_none());
    if !folder.is_empty() && !is_writable {
        say(format!("it works in {folder}, where it may not write"));
    }
    if is_ours(container) && arguments(container).is_empty() {
        say("it is not told what to do".to_owned());
    }
    let has_url = list(container, "/env")
        .iter()
        .any(|variable| text(variable, "/valueFrom/secretKeyRef/name").starts_with("database"));
    let finds_files = list(container, "/volumeMounts")
        .iter()
        .any(|mount| text(mount, "/mountPath") == "/run/nopic/database");
    if has_url && !finds_files {
        say("the authority that the URL of the database may name is not mounted".to_owned());
    }
}

/// Pause and drain fit into the time that is left to it, with some to spare.
fn stopping(pods: &Pods<'_>, say: &mut impl FnMut(String)) {
    const TO_SPARE: u64 = 5;
    let grace = pods
        .spec
        .pointer("/terminationGracePeriodSeconds")
        .and_then(Value::as_u64);
    let pause = pods
        .spec
        .pointer("/containers/0/lifecycle/preStop/sleep/seconds")
        .and_then(Value::as_u64);
    let needed = pause.unwrap_or_default() + DRAIN.as_secs() + TO_SPARE;
    if pause.is_none() || grace.is_none_or(|grace| grace < needed) {
        say(format!("of {grace:?} s, {needed} are needed to stop"));
    }
}

/// Each asks its own path of the admin port.
fn probes(pods: &Pods<'_>, say: &mut impl FnMut(String)) {
    for (probe, path) in PROBES {
        let asked = text(pods.spec, &format!("/containers/0/{probe}/httpGet/path"));
        let port = text(pods.spec, &format!("/containers/0/{probe}/httpGet/port"));
        if asked != path || port != "admin" {
            say(format!("{probe} asks {asked:?} of {port:?}"));
        }
    }
}

pub(crate) const PROBES: [(&str, &str); 3] = [
    ("startupProbe", "/startup"),
    ("readinessProbe", "/ready"),
    ("livenessProbe", "/live"),
];

#[test]
fn containers_are_restricted_bounded_and_of_this_version() {
    for overlay in OVERLAYS {
        let problems = problems(&objects(overlay));
        assert!(problems.is_empty(), "{overlay}: {problems:#?}");
    }
}

#[test]
fn one_of_each_in_dev_and_three_over_zones_in_prod() {
    let dev = objects("dev");
    assert_eq!(of_kind(&dev, "HorizontalPodAutoscaler").count(), 0);
    for pods in Pods::of(&dev).iter().filter(|pods| served(pods).is_some()) {
        assert_eq!(pods.object["spec"]["replicas"], 1, "{}", pods.called());
    }
    let prod = objects("prod");
    for pods in Pods::of(&prod).iter().filter(|pods| served(pods).is_some()) {
        // The autoscaler says how many.
        assert!(pods.object["spec"].get("replicas").is_none(), "{}", pods.called());
        let spread = &pods.spec["topologySpreadConstraints"][0];
        assert_eq!(spread["topologyKey"], "topology.kubernetes.io/zone");
        assert_eq!(spread["whenUnsatisfiable"], "DoNotSchedule");
        // A node that takes none of these pods is not one that has none of them.
        for spread in list(pods.spec, "/topologySpreadConstraints") {
            assert_eq!(spread["nodeTaintsPolicy"], "Honor", "{}", pods.called());
        }
    }
    for scaler in of_kind(&prod, "HorizontalPodAutoscaler") {
        assert_eq!(scaler["spec"]["minReplicas"], 3, "{}", called(scaler));
    }
}
