//! Who may speak to whom: as the callers' tables say, and no further.

use std::collections::BTreeSet;

use nopic_host::PARTS;
use serde_json::{Value, json};

use crate::configuration::{configuration, says};
use crate::objects::{Labels, Pods, find, list, name, of_kind, selects, served, text};
use crate::rendered::{OVERLAYS, objects};

/// What is wrong with it.
pub(crate) fn problems(objects: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let pods = Pods::of(objects);
    for from in &pods {
        for to in &pods {
            if std::ptr::eq(from.object, to.object) {
                continue;
            }
            for port in ["grpc", "admin", "postgres", "redis"] {
                let Some(number) = to.port(&json!(port)) else {
                    continue;
                };
                let may = may_speak(objects, from, to, number);
                let should = should_speak(objects, from, to, port);
                if may != should {
                    let verb = if may { "may" } else { "may not" };
                    problems.push(format!(
                        "{} {verb} speak to {} by {port}",
                        from.called(),
                        to.called()
                    ));
                }
            }
        }
    }
    for pods in &pods {
        if !of_kind(objects, "NetworkPolicy").any(|policy| isolates(policy, &pods.labels, "Egress"))
            || !of_kind(objects, "NetworkPolicy").any(|policy| isolates(policy, &pods.labels, "Ingress"))
        {
            problems.push(format!("{} may speak to everybody", pods.called()));
        }
    }
    problems
}

/// By the tables of the program, and by what it is configured to use.
fn should_speak(objects: &[Value], from: &Pods<'_>, to: &Pods<'_>, port: &str) -> bool {
    match port {
        "grpc" => {
            let Some(to) = served(to) else { return false };
            match served(from) {
                Some(from) => {
                    let from = PARTS.iter().find(|part| part.name == from).unwrap();
                    from.asks.iter().any(|asked| asked.part == to)
                }
                // Jobs go through the door.
                None => is_door(to) && uses(from, "NOPIC_ENDPOINT"),
            }
        }
        "postgres" => served(from).is_some() || uses(from, "NOPIC_DATABASE"),
        "redis" => served(from).is_some_and(|part| says(&configuration(objects, part), "[redis]")),
        // Prometheus comes from another namespace.
        _ => false,
    }
}

fn is_door(part: &str) -> bool {
    PARTS.iter().any(|other| other.name == part && other.is_door)
}

fn uses(pods: &Pods<'_>, variable: &str) -> bool {
    pods.containers()
        .flat_map(|container| list(container, "/env"))
        .any(|own| text(own, "/name") == variable)
}

/// Whether a policy is for these pods in this direction.
fn isolates(policy: &Value, labels: &Labels, direction: &str) -> bool {
    list(policy, "/spec/policyTypes").contains(&json!(direction))
        && selects(&policy["spec"]["podSelector"], labels)
}

/// Whether the policies let it go out, and come in.
fn may_speak(objects: &[Value], from: &Pods<'_>, to: &Pods<'_>, port: u64) -> bool {
    let passes = |direction: &str, own: &Pods<'_>, other: &Pods<'_>, peers: &str| {
        of_kind(objects, "NetworkPolicy")
            .filter(|policy| isolates(policy, &own.labels, direction))
            .flat_map(|policy| list(policy, &format!("/spec/{}", direction.to_lowercase())))
            .any(|rule| names_port(rule, to, port) && names_peer(rule, other, peers))
    };
    passes("Egress", from, to, "/to") && passes("Ingress", to, from, "/from")
}

fn names_port(rule: &Value, to: &Pods<'_>, port: u64) -> bool {
    let ports = list(rule, "/ports");
    ports.is_empty() || ports.iter().any(|own| to.port(&own["port"]) == Some(port))
}

fn names_peer(rule: &Value, other: &Pods<'_>, path: &str) -> bool {
    // Without the list everybody is meant.
    if rule.pointer(path).is_none() {
        return true;
    }
    list(rule, path).iter().any(|peer| {
        // Another namespace, and addresses, are elsewhere.
        peer.get("namespaceSelector").is_none()
            && peer
                .get("podSelector")
                .is_some_and(|selector| selects(selector, &other.labels))
    })
}

#[test]
fn who_may_speak_to_whom_is_what_the_program_asks() {
    for overlay in OVERLAYS {
        let objects = objects(overlay);
        let problems = problems(&objects);
        assert!(problems.is_empty(), "{overlay}: {problems:#?}");
    }
}

#[test]
fn only_who_sends_or_fetches_reaches_the_internet() {
    let prod = objects("prod");
    let reaching: BTreeSet<&str> = of_kind(&prod, "NetworkPolicy")
        .filter(|policy| {
            list(policy, "/spec/egress")
                .iter()
                .flat_map(|rule| list(rule, "/to"))
                .any(|peer| text(peer, "/ipBlock/cidr") == "0.0.0.0/0")
        })
        .map(name)
        .collect();
    assert_eq!(
        reaching,
        BTreeSet::from(["fetches-snapshots", "sends-mail", "sends-webhooks"])
    );
}

#[test]
fn only_mail_goes_to_private_addresses_and_the_internet_alike() {
    let prod = objects("prod");
    for policy in of_kind(&prod, "NetworkPolicy") {
        let rules = list(policy, "/spec/egress");
        for peer in rules.iter().flat_map(|rule| list(rule, "/to")) {
            if text(peer, "/ipBlock/cidr") == "0.0.0.0/0" {
                let but = list(peer, "/ipBlock/except");
                assert!(but.contains(&json!("169.254.0.0/16")), "{}", name(policy));
                let is_private_meant = !but.contains(&json!("10.0.0.0/8"));
                assert_eq!(is_private_meant, name(policy) == "sends-mail", "{}", name(policy));
            }
        }
    }
}

#[test]
fn numbers_of_every_service_are_read_from_the_namespace_that_one_policy_names() {
    for overlay in OVERLAYS {
        let objects = objects(overlay);
        let from_elsewhere: Vec<&Value> = of_kind(&objects, "NetworkPolicy")
            .filter(|policy| {
                list(policy, "/spec/ingress")
                    .iter()
                    .flat_map(|rule| list(rule, "/from"))
                    .any(|peer| peer.get("namespaceSelector").is_some())
            })
            .collect();
        let [policy] = from_elsewhere.as_slice() else {
            panic!("{overlay}: {from_elsewhere:#?}");
        };
        assert_eq!(list(policy, "/spec/ingress/0/ports"), [json!({"port": "admin"})]);
        for pods in Pods::of(&objects).iter().filter(|pods| served(pods).is_some()) {
            assert!(isolates(policy, &pods.labels, "Ingress"), "{}", pods.called());
        }
    }
}

#[test]
fn names_are_looked_up_where_pods_and_where_nodes_answer() {
    for overlay in OVERLAYS {
        let objects = objects(overlay);
        let policy = find(&objects, "NetworkPolicy", "names").unwrap();
        let peers = list(policy, "/spec/egress/0/to");
        let addresses: BTreeSet<&str> = peers
            .iter()
            .map(|peer| text(peer, "/ipBlock/cidr"))
            .filter(|range| !range.is_empty())
            .collect();
        assert_eq!(
            addresses,
            BTreeSet::from(["169.254.20.10/32", "169.254.169.254/32"])
        );
        assert!(peers.iter().any(|peer| peer.get("podSelector").is_some()));
        // At one of these addresses there is more than names.
        for port in list(policy, "/spec/egress/0/ports") {
            assert_eq!(port["port"], 53);
        }
    }
}
