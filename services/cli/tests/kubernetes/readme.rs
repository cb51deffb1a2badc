//! The operator's page speaks of what there is.

use std::collections::BTreeSet;
use std::fs;

use nopic_host::PARTS;

use crate::names::MADE_BEFORE;
use crate::objects::{find, name, of_kind};
use crate::rendered::{folder, objects};
use crate::schemas::components;
use crate::{alerts, support::Place};

fn page() -> String {
    fs::read_to_string(folder().join("README.md")).unwrap()
}

#[test]
fn every_alert_is_explained_and_no_other() {
    let prod = objects("prod");
    let names = alerts::names(&find(&prod, "PrometheusRule", "nopic").unwrap()["spec"]);
    let page = page();
    let explained: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `Nopic")?.split('`').next())
        .map(|name| format!("Nopic{name}"))
        .collect();
    assert_eq!(explained, names);
}

#[test]
fn what_is_made_before_is_listed() {
    let page = page();
    for (secret, keys) in MADE_BEFORE {
        let line = page
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("| `{secret}` |")));
        let line = line.unwrap_or_else(|| panic!("{secret} is not listed"));
        for key in keys {
            assert!(line.contains(&format!("`{key}`")), "{secret}: {key}");
        }
    }
}

#[test]
fn rights_are_given_to_every_schema() {
    let page = page();
    let schemas: Vec<&str> = PARTS
        .iter()
        .filter_map(|part| part.schema)
        .map(|schema| schema.name)
        .collect();
    let list = schemas.join(", ");
    for right in [
        format!("GRANT USAGE ON SCHEMA {list} TO nopic;"),
        format!("ON ALL TABLES IN SCHEMA {list} TO nopic;"),
        format!("ON ALL SEQUENCES IN SCHEMA {list} TO nopic;"),
    ] {
        // A statement may go on in the next line.
        let words: Vec<&str> = page.split_whitespace().collect();
        assert!(words.join(" ").contains(&right), "{right}");
    }
}

#[test]
fn components_and_jobs_are_listed() {
    let page = page();
    let prod = objects("prod");
    let jobs = of_kind(&prod, "CronJob").map(|job| name(job).to_owned());
    for named in components().into_iter().chain(jobs) {
        let row = format!("| `{named}` |");
        assert!(page.lines().any(|line| line.starts_with(&row)), "{row}");
    }
    // A restore stops all of them, and lets them go on.
    let stopped: Vec<&str> = page
        .lines()
        .filter(|line| line.trim_start().starts_with("for job in "))
        .collect();
    assert_eq!(stopped.len(), 2);
    for job in of_kind(&prod, "CronJob").map(name) {
        assert!(stopped.iter().all(|line| line.contains(job)), "{job}");
    }
}

#[test]
fn commands_of_the_page_are_read() {
    let place = Place::new();
    let page = page();
    let mut read = 0;
    for line in page.lines() {
        let Some((_, command)) = line
            .trim_start()
            .split_once("nopic ")
            .filter(|(before, _)| before.is_empty())
        else {
            continue;
        };
        let command = command.split(['#', '>', '<', '|']).next().unwrap();
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let ended = place.run(&arguments);
        assert_eq!(ended.status, 0, "{line}: {}", ended.said);
        read += 1;
    }
    assert!(read > 3, "{read} commands were read");
}
