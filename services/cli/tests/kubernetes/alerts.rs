//! The alerts, as Prometheus reads them: each fires when it should, and not when it should not.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use nopic_host::PARTS;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::objects::{find, list, name, of_kind, text};
use crate::rendered::{here, objects};

/// The alerts' names, and a folder with the rules as Prometheus reads them and the tests beside them.
fn rules() -> (BTreeSet<String>, TempDir) {
    let prod = objects("prod");
    let rules = &find(&prod, "PrometheusRule", "nopic").unwrap()["spec"];
    let folder = tempfile::tempdir().unwrap();
    // JSON is YAML.
    fs::write(folder.path().join("rules.yaml"), rules.to_string()).unwrap();
    fs::copy(here("alerts.yaml"), folder.path().join("alerts.yaml")).unwrap();
    (names(rules), folder)
}

pub(crate) fn names(rules: &Value) -> BTreeSet<String> {
    list(rules, "/groups")
        .iter()
        .flat_map(|group| list(group, "/rules"))
        .map(|rule| text(rule, "/alert").to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// The alerts of the overlay `prod`, each by its name and what it asks.
fn asked(prod: &[Value]) -> Vec<(&str, &str)> {
    list(find(prod, "PrometheusRule", "nopic").unwrap(), "/spec/groups")
        .iter()
        .flat_map(|group| list(group, "/rules"))
        .map(|rule| (text(rule, "/alert"), text(rule, "/expr")))
        .collect()
}

/// What stands in quotes behind each of these beginnings.
fn quoted<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.split(start)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

/// Whether promtool ends well, and what it says.
fn promtool(folder: &TempDir, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .expect("promtool is there: Debian's package prometheus");
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

#[test]
fn alerts_fire_when_they_should() {
    let (names, folder) = rules();
    let (is_well, said) = promtool(&folder, &["check", "rules", "rules.yaml"]);
    assert!(is_well, "{said}");
    let (is_well, said) = promtool(&folder, &["test", "rules", "alerts.yaml"]);
    assert!(is_well, "{said}");
    // Each has a test in which it fires, and one in which it does not.
    let tests = fs::read_to_string(here("alerts.yaml")).unwrap();
    for name in names {
        let ours = tests
            .split("- eval_time:")
            .filter(|part| part.contains(&format!("alertname: {name}\n")));
        let (silent, firing): (Vec<&str>, Vec<&str>) = ours.partition(|part| part.contains("exp_alerts: []"));
        assert!(
            !silent.is_empty() && !firing.is_empty(),
            "{name} is not tried both ways"
        );
    }
}

#[test]
fn what_is_wrong_with_alerts_is_said() {
    let (_, folder) = rules();
    let file = folder.path().join("rules.yaml");
    let right = fs::read_to_string(&file).unwrap();
    let wrong = right.replace("> 35 * 86400", "> 100 * 86400");
    assert_ne!(wrong, right);
    fs::write(&file, wrong).unwrap();
    assert!(!promtool(&folder, &["test", "rules", "alerts.yaml"]).0);
    fs::write(
        &file,
        json!({"groups": [{"name": "a", "rules": [{"alert": "A", "expr": "max("}]}]}).to_string(),
    )
    .unwrap();
    assert!(!promtool(&folder, &["check", "rules", "rules.yaml"]).0);
}

#[test]
fn every_service_is_missed_by_its_name() {
    let prod = objects("prod");
    let alerts = asked(&prod);
    let (_, expression) = alerts
        .iter()
        .find(|(name, _)| *name == "NopicServiceGone")
        .unwrap();
    for part in PARTS {
        let absent = format!("absent(up{{job=\"nopic\",part=\"{}\"}})", part.name);
        assert!(expression.contains(&absent), "{}", part.name);
    }
}

#[test]
fn alerts_speak_of_jobs_that_there_are() {
    let prod = objects("prod");
    let mut named = 0;
    for (alert, expression) in asked(&prod) {
        for cronjob in quoted(expression, "cronjob=\"") {
            assert!(find(&prod, "CronJob", cronjob).is_some(), "{alert}: {cronjob}");
            named += 1;
        }
        for pattern in quoted(expression, "job_name=~\"") {
            // Whatever is behind the name: what the cluster puts there, or who began it by hand.
            let start = pattern.strip_suffix(".*").unwrap();
            let is_there = of_kind(&prod, "CronJob").any(|job| start.strip_suffix('-') == Some(name(job)))
                || of_kind(&prod, "Job").any(|job| name(job).starts_with(start));
            assert!(is_there, "{alert}: {pattern}");
            named += 1;
        }
    }
    assert!(named > 10, "{named} were named");
}
