//! The operator's page speaks of what there is.

use std::collections::BTreeSet;
use std::fs;

use crate::names::MADE_BEFORE;
use crate::objects::find;
use crate::rendered::{folder, objects};
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
