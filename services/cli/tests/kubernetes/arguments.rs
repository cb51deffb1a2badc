//! The command line reads every container's arguments.

use crate::objects::{Pods, arguments, is_ours, list, text};
use crate::rendered::{OVERLAYS, objects};
use crate::schemas::with_what_is_optional;
use crate::support::Place;

/// Variables that each command reads without naming them in its help.
const KNOWN: [&str; 4] = [
    "NOPIC_CLIENT_AUTHORITY",
    "NOPIC_CLIENT_CERTIFICATE",
    "NOPIC_CLIENT_KEY",
    "TMPDIR",
];

/// What is wrong with a command: it is read up to where it asks for help.
fn problem(place: &Place, arguments: &[&str], variables: &[&str]) -> Option<String> {
    let mut asking = arguments.to_vec();
    asking.push("--help");
    let ended = place.run(&asking);
    if ended.status != 0 {
        return Some(ended.said);
    }
    // What must be given is named in brackets, without square ones around it.
    let given = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .count();
    let usage = ended
        .out
        .lines()
        .find(|line| line.starts_with("Usage:"))
        .unwrap_or_default();
    let is_set = |name: &str| {
        // Where its value is never shown, nothing stands behind it.
        ["=", "]"]
            .iter()
            .any(|end| ended.out.contains(&format!("[env: {name}{end}")))
    };
    for variable in variables {
        if !is_set(variable) && !KNOWN.contains(variable) {
            return Some(format!("it does not read {variable}"));
        }
    }
    let wanted = usage
        .split_whitespace()
        .skip(2)
        .filter(|word| word.starts_with('<'))
        .count();
    let words = usage
        .split_whitespace()
        .skip(2)
        .take_while(|word| !word.starts_with(['[', '<']))
        .count();
    let by_variable = variables
        .iter()
        .filter(|name| is_set(name) && **name == "NOPIC_SYNC_URL")
        .count();
    (given + by_variable < words + wanted).then(|| format!("something is missing: {usage}"))
}

#[test]
fn the_command_line_reads_what_containers_are_told() {
    let place = Place::new();
    let mut read = 0;
    let whole = with_what_is_optional();
    let whole = whole.path().to_str().unwrap();
    for overlay in OVERLAYS.into_iter().chain([whole]) {
        let objects = objects(overlay);
        for pods in Pods::of(&objects) {
            for container in pods.containers().filter(|container| is_ours(container)) {
                let variables: Vec<&str> = list(container, "/env")
                    .iter()
                    .map(|variable| text(variable, "/name"))
                    .collect();
                let problem = problem(&place, &arguments(container), &variables);
                assert_eq!(problem, None, "{overlay}: {}: {container}", pods.called());
                read += 1;
            }
        }
    }
    // Five servers, each with what waits, the migration and two jobs; but in dev also two that look at a backup.
    assert_eq!(read, 3 * 13 + 2 * 2);
}

#[test]
fn what_it_does_not_read_is_said() {
    let place = Place::new();
    for (arguments, variables) in [
        (&["serve", "registrar", "--config", "x"][..], &[][..]),
        (&["serve", "registry", "--configuration", "x"], &[]),
        (&["migrate", "--wait", "soon"], &[]),
        (&["serve"], &[]),
        (&["registry", "sync"], &[]),
        (&["migrate"], &["NOPIC_DATABASES"]),
    ] {
        assert!(problem(&place, arguments, variables).is_some(), "{arguments:?}");
    }
}
