//! Each check can fail: a fault that is put into what was rendered is found.

use serde_json::Value;

use crate::objects::{kind, name};
use crate::rendered::{OVERLAYS, objects};
use crate::{configuration, containers, names, network};

/// A check, and what it says.
type Check = fn(&[Value]) -> Vec<String>;

/// Where a text stands in an object, what stands there instead, and what is said of it.
const FAULTS: &[(&str, Check, &str, &str, &str, &str)] = &[
    (
        "dev",
        containers::problems,
        "Deployment registry",
        "nopic:0.1.0",
        "nopic:latest",
        "names no version",
    ),
    (
        "dev",
        containers::problems,
        "Deployment registry",
        "nopic:0.1.0",
        "nopic:0.0.9",
        "of version 0.0.9",
    ),
    (
        "dev",
        containers::problems,
        "Deployment registry",
        r#""path":"/ready""#,
        r#""path":"/live""#,
        "readinessProbe",
    ),
    (
        "dev",
        containers::problems,
        "Deployment registry",
        r#"PeriodSeconds":30"#,
        r#"PeriodSeconds":12"#,
        "needed to stop",
    ),
    (
        "dev",
        containers::problems,
        "Deployment registry",
        r#""512Mi""#,
        r#""512MB""#,
        "memory",
    ),
    (
        "dev",
        containers::problems,
        "StatefulSet redis",
        r#""readOnlyRootFilesystem":true"#,
        r#""readOnlyRootFilesystem":false"#,
        "readOnlyRoot",
    ),
    (
        "dev",
        containers::problems,
        "Job migrate-0-1-0",
        "migrate-0-1-0",
        "migrate-0-0-9",
        "no Job is named",
    ),
    (
        "dev",
        containers::problems,
        "Job migrate-0-1-0",
        "/run/nopic/database",
        "/run/nopic/files",
        "the authority",
    ),
    (
        "prod",
        containers::problems,
        "CronJob restore-check",
        r#""runAsUser":999"#,
        r#""runAsUser":0"#,
        "runs as root",
    ),
    (
        "dev",
        names::problems,
        "Service registry",
        r#""targetPort":"grpc""#,
        r#""targetPort":"rpc""#,
        "no pod has the port",
    ),
    (
        "dev",
        names::problems,
        "Service registry",
        r#""clusterIP":"None""#,
        r#""clusterIP":"""#,
        "headless",
    ),
    (
        "dev",
        names::problems,
        "Certificate registry",
        r#"["registry"]"#,
        r#"["registry.nopic"]"#,
        "another name",
    ),
    (
        "dev",
        names::problems,
        "Deployment registry",
        "registry-tls",
        "registrar-tls",
        "nobody makes registrar-tls",
    ),
    (
        "dev",
        names::problems,
        "PodDisruptionBudget registry",
        "\"app.kubernetes.io/name\":\"registry\",",
        "",
        "kinds of pods",
    ),
    (
        "prod",
        names::problems,
        "GRPCRoute nopic",
        "50051",
        "50052",
        "nobody serves",
    ),
    (
        "prod",
        names::problems,
        "ServiceMonitor nopic",
        r#""port":"admin""#,
        r#""port":"metrics""#,
        "no port",
    ),
    (
        "prod",
        names::problems,
        "Deployment certificate",
        "audit-heads",
        "heads",
        "PersistentVolumeClaim heads",
    ),
    (
        "prod",
        names::problems,
        "CronJob backup",
        r#""secretName":"database""#,
        r#""secretName":"databases""#,
        "nobody makes databases",
    ),
    (
        "dev",
        network::problems,
        "NetworkPolicy registry",
        r#"name":"certificate""#,
        r#"name":"registry""#,
        "may not speak",
    ),
    (
        "dev",
        network::problems,
        "NetworkPolicy operator",
        r#"name":"gateway""#,
        r#"name":"registry""#,
        "CronJob",
    ),
    (
        "dev",
        network::problems,
        "NetworkPolicy nobody",
        r#""podSelector":{}"#,
        r#""podSelector":{"matchLabels":{"a":"b"}}"#,
        "to everybody",
    ),
    (
        "dev",
        network::problems,
        "NetworkPolicy redis",
        r#""registry","#,
        "",
        "by redis",
    ),
    (
        "dev",
        configuration::problems,
        "ConfigMap registry-*",
        "/GetStatusManifest",
        "/GetStatus",
        "[callers]",
    ),
    (
        "dev",
        configuration::problems,
        "ConfigMap gateway-*",
        "registry:50051",
        "registrar:50051",
        "[upstream.registry]",
    ),
    (
        "prod",
        configuration::problems,
        "ConfigMap gateway-*",
        "redis/password",
        "redis/word",
        "redis/word is not there",
    ),
];

#[test]
fn faults_are_found() {
    let rendered = OVERLAYS.map(|overlay| (overlay, objects(overlay)));
    for (overlay, check, object, right, wrong, said) in FAULTS {
        let (_, whole) = rendered.iter().find(|(name, _)| name == overlay).unwrap();
        let objects: Vec<Value> = whole
            .iter()
            .cloned()
            .map(|value| {
                let (wanted_kind, wanted_name) = object.split_once(' ').unwrap();
                let is_meant = kind(&value) == wanted_kind
                    && match wanted_name.strip_suffix('*') {
                        Some(start) => {
                            // Behind it stands a hash, which has no dash in it.
                            let rest = name(&value).strip_prefix(start);
                            rest.is_some_and(|rest| !rest.contains('-') && rest.len() == 10)
                        }
                        None => name(&value) == wanted_name,
                    };
                if !is_meant {
                    return value;
                }
                let text = value.to_string();
                assert!(text.contains(right), "{object} has no {right}: {text}");
                serde_json::from_str(&text.replace(right, wrong)).unwrap()
            })
            .collect();
        let found = check(&objects);
        assert!(
            found.iter().any(|problem| problem.contains(said)),
            "{object}: {right} -> {wrong}: {found:#?}"
        );
    }
}
