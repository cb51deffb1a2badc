//! Alerts and the dashboard ask for numbers that a running server shows, with labels that they have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::containers::PROBES;
use crate::objects::{find, list, text};
use crate::rendered::{folder, objects};
use crate::support::{Place, Serving};

/// Numbers that others show: Prometheus itself, kube-state-metrics, and cert-manager.
const OF_OTHERS: [&str; 6] = [
    "certmanager_certificate_expiration_timestamp_seconds",
    "kube_cronjob_created",
    "kube_cronjob_status_last_successful_time",
    "kube_job_failed",
    "kube_job_status_start_time",
    "up",
];
/// Labels that the ServiceMonitor puts to every number, and those of the numbers of others.
const PUT_TO_ALL: [&str; 10] = [
    "condition",
    "cronjob",
    "exported_namespace",
    "job",
    "job_name",
    "name",
    "namespace",
    "of_service",
    "part",
    "pod",
];
/// Words of the language that are followed by no bracket.
const WORDS: [&str; 11] = [
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "bool",
    "offset",
    "group_left",
    "group_right",
];

/// What is shown: for each name the labels, each as `name` and as `name="value"`.
type Shown = BTreeMap<String, BTreeSet<String>>;

fn read(text: &str, shown: &mut Shown) {
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        let labels = shown.entry(name.to_owned()).or_default();
        let Some((own, _)) = rest.strip_prefix('{').and_then(|rest| rest.rsplit_once('}')) else {
            continue;
        };
        for label in own.split("\",") {
            let label = format!("{}\"", label.trim_end_matches('"'));
            labels.insert(label.split('=').next().unwrap().to_owned());
            labels.insert(label);
        }
    }
}

async fn get(url: &str) -> (u16, String) {
    // The one that reqwest is built to take; a second choice changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn admin(serving: &Serving) -> &str {
    let mut lines = serving.before.lines();
    let told = lines.find_map(|line| line.strip_prefix("showing metrics and health on "));
    told.expect("the admin port is told").trim()
}

fn serve(place: &Place, arguments: &[&str]) -> Serving {
    let mut command = place.command(arguments);
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("NOPIC_ADMIN_LISTEN", "127.0.0.1:0");
    place.serve_by(command)
}

/// What a server with everything shows once it has something to do, and one that has a certificate and needs another.
async fn shown() -> Shown {
    let mut shown = Shown::new();
    let place = Place::of_any_filing_day();
    place.sample(150, 60, 60, 9);
    // Before the server counts its receivers.
    place.done(&["receiver", "create", "people", "--email", "people@example.com"]);
    let all = serve(&place, &["serve", "all"]);
    for (arguments, status) in [
        (
            &["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"][..],
            0,
        ),
        (&["certificate", "import", "sample/certificates.jsonl"], 0),
        (&["entry", "file", "sample/entries.jsonl"], 1),
    ] {
        let ended = place.run(&[arguments, &["--endpoint", &all.url]].concat());
        assert_eq!(ended.status, status, "{ended:?}");
    }
    read(&get(&format!("{}/metrics", admin(&all))).await.1, &mut shown);
    for (_, path) in PROBES {
        assert_eq!(get(&format!("{}{path}", admin(&all))).await.0, 200, "{path}");
    }
    place.done(&["dev-certs", "try"]);
    let alone = serve(
        &place,
        &["serve", "certificate", "--config", "try/certificate.toml"],
    );
    read(&get(&format!("{}/metrics", admin(&alone))).await.1, &mut shown);
    shown
}

/// What a query asks for: names, and the labels in brackets behind each or in a grouping.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    names: BTreeSet<String>,
    /// With the name that they are asked of; of groupings without one.
    labels: BTreeSet<(String, String)>,
}

/// Reads as much of the language as our queries use.
fn asked(query: &str) -> Asked {
    let mut asked = Asked::default();
    let mut rest = query;
    let (mut last, mut word_before) = (String::new(), String::new());
    while let Some(first) = rest.chars().next() {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !is_letter(c)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            let behind_it = behind.trim_start();
            // `sum by (part) (…)` is a call, too.
            let is_call = ["(", "by ", "without "]
                .iter()
                .any(|start| behind_it.starts_with(start));
            if !is_call && !WORDS.contains(&word) {
                asked.names.insert(word.to_owned());
                word.clone_into(&mut last);
            }
            word.clone_into(&mut word_before);
            rest = behind;
        } else if first == '(' && ["by", "without", "on", "ignoring"].contains(&word_before.as_str()) {
            let (labels, behind) = rest[1..].split_once(')').unwrap();
            for label in labels.split(',') {
                asked.labels.insert((String::new(), label.trim().to_owned()));
            }
            word_before.clear();
            rest = behind;
        } else if first == '{' {
            let end = closing(rest, '}');
            for matcher in rest[1..end].split(',').filter(|matcher| !matcher.is_empty()) {
                let (label, value) = matcher.split_at(matcher.find(['=', '!']).unwrap());
                let label = if value.starts_with("=\"") { matcher } else { label };
                asked.labels.insert((last.clone(), label.trim().to_owned()));
            }
            rest = &rest[end + 1..];
        } else if first == '[' {
            rest = &rest[closing(rest, ']') + 1..];
        } else if first.is_ascii_digit() {
            // With a unit behind it, perhaps.
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    asked
}

fn closing(text: &str, bracket: char) -> usize {
    text.find(bracket).unwrap()
}

/// The queries of the dashboard and of the rules; and the names that the rules record.
fn queries() -> (Vec<String>, BTreeSet<String>) {
    let mut queries = Vec::new();
    let mut recorded = BTreeSet::new();
    let prod = objects("prod");
    for group in list(find(&prod, "PrometheusRule", "nopic").unwrap(), "/spec/groups") {
        for rule in list(group, "/rules") {
            queries.push(text(rule, "/expr").to_owned());
            recorded.insert(text(rule, "/record").to_owned());
        }
    }
    let map = find(&prod, "ConfigMap", "nopic-dashboard").unwrap();
    let dashboard: Value = serde_json::from_str(text(map, "/data/nopic.json")).unwrap();
    let panels = list(&dashboard, "/panels");
    assert!(!panels.is_empty());
    for panel in panels {
        let targets = list(panel, "/targets");
        assert!(!targets.is_empty(), "{}", panel["title"]);
        queries.extend(targets.iter().map(|target| text(target, "/expr").to_owned()));
    }
    (queries, recorded)
}

/// What a query asks that nobody shows.
fn unknown(query: &str, shown: &Shown, recorded: &BTreeSet<String>) -> Vec<String> {
    let Asked { names, labels } = asked(query);
    let is_of_others = |name: &str| OF_OTHERS.contains(&name) || recorded.contains(name);
    let mut unknown: Vec<String> = names
        .iter()
        .filter(|name| !shown.contains_key(*name) && !is_of_others(name))
        .cloned()
        .collect();
    for (name, label) in labels {
        let bare = label.split('=').next().unwrap();
        let has = |labels: &BTreeSet<String>| labels.contains(&label);
        let is_known = PUT_TO_ALL.contains(&bare)
            || match shown.get(&name) {
                Some(labels) => has(labels),
                // In a grouping: of something that is asked for.
                None => names.iter().filter_map(|name| shown.get(name)).any(has),
            };
        if !is_known {
            unknown.push(format!("{name}{{{label}}}"));
        }
    }
    unknown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_number_that_is_asked_for_is_shown() {
    let shown = shown().await;
    let (queries, recorded) = queries();
    for query in &queries {
        let unknown = unknown(query, &shown, &recorded);
        assert!(unknown.is_empty(), "{query}: nobody shows {unknown:?}");
    }
    for (wrong, what) in [
        ("max(registry_age_seconds)", "registry_age_seconds"),
        ("sum by (partition) (up)", "{partition}"),
        (
            "verdicts_total{verdict=\"MAYBE\"} > 0",
            "verdicts_total{verdict=\"MAYBE\"}",
        ),
        ("dependency_up{kind=~\"x\"}", "dependency_up{kind}"),
    ] {
        assert_eq!(unknown(wrong, &shown, &recorded), [what], "{wrong}");
    }
    // What operators expect of any process.
    for name in [
        "build_info",
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_resident_memory_bytes",
        "store_connections",
        "store_connections_most",
        "tls_certificate_expiry_timestamp_seconds",
    ] {
        assert!(shown.contains_key(name), "{name}: {:?}", shown.keys());
    }
}

#[test]
fn queries_are_read() {
    let read = asked(
        "sum by (part, le) (rate(a_b_total{job=\"nopic\",code=~\"X|Y\"}[5m])) / 14.4 * 0.001 and b:c < 10 * 86400 or absent(d == 1)",
    );
    let names: Vec<&str> = read.names.iter().map(String::as_str).collect();
    assert_eq!(names, ["a_b_total", "b:c", "d"]);
    let labels: Vec<(&str, &str)> = read
        .labels
        .iter()
        .map(|(name, label)| (name.as_str(), label.as_str()))
        .collect();
    assert_eq!(
        labels,
        [
            ("", "le"),
            ("", "part"),
            ("a_b_total", "code"),
            ("a_b_total", "job=\"nopic\""),
        ]
    );
}

#[test]
fn the_dashboard_is_what_is_mounted() {
    let file = fs::read_to_string(folder().join("components/monitoring/dashboard.json")).unwrap();
    let prod = objects("prod");
    assert_eq!(
        text(
            find(&prod, "ConfigMap", "nopic-dashboard").unwrap(),
            "/data/nopic.json"
        ),
        file
    );
}
