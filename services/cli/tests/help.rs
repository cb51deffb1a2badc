//! The help teaches: every command says what it does and shows an example.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn nopic(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nopic"))
        .args(arguments)
        .env_remove("NOPIC_ENDPOINT")
        .output()
        .unwrap()
}

fn help(path: &[String]) -> String {
    let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let output = nopic(&arguments);
    assert!(output.status.success(), "{path:?}");
    assert!(output.stderr.is_empty(), "{path:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that a help lists.
fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A description that wraps is indented further.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(ToOwned::to_owned)
        .collect()
}

fn every_command() -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let text = help(&path);
        for name in subcommands(&text) {
            let mut deeper: Vec<String> = path.clone();
            deeper.push(name);
            open.push(deeper);
        }
        found.push((path, text));
    }
    found
}

#[test]
fn every_command_says_what_it_does_and_shows_an_example() {
    let commands = every_command();
    assert!(commands.len() >= 30, "{}", commands.len());
    for (path, text) in commands {
        let about = text.lines().next().unwrap_or_default();
        assert!(
            about.len() > 10 && !about.starts_with("Usage"),
            "{path:?} says nothing about itself:\n{text}"
        );
        let example = text
            .split_once("Example")
            .unwrap_or_else(|| panic!("{path:?} has no example:\n{text}"))
            .1;
        assert!(
            example.contains(&format!("nopic {}", path.join(" ")).trim_end().to_owned()),
            "the example of {path:?} is of another command:\n{example}"
        );
    }
}

#[test]
fn every_command_of_the_specification_is_there() {
    let commands: Vec<String> = every_command()
        .into_iter()
        .map(|(path, _)| path.join(" "))
        .collect();
    for wanted in [
        "demo",
        "serve",
        "migrate",
        "registry import",
        "registry release",
        "registry discard",
        "registry sync",
        "registry status",
        "registry search",
        "registry watch",
        "certificate import",
        "certificate columns",
        "certificate show",
        "certificate list",
        "certificate request",
        "certificate requests",
        "certificate review start",
        "certificate review show",
        "certificate review ask",
        "certificate review answer",
        "certificate review approve",
        "certificate review reject",
        "certificate review enter-number",
        "certificate void",
        "certificate amend",
        "certificate history",
        "certificate ledger",
        "entry validate",
        "entry file",
        "entry import",
        "entry show",
        "entry decisions",
        "entry explain",
        "entry amend",
        "entry cancel",
        "entry statistics",
        "entry columns",
        "entry trail",
        "entry document",
        "entry custody",
        "entry statement",
        "entry withdraw",
        "importer link",
        "importer list",
        "importer unlink",
        "flags import",
        "flags show",
        "flags upcoming",
        "config check",
        "dev-certs",
        "policy show",
        "policy check",
        "policy explain",
        "tenant create",
        "tenant list",
        "tenant suspend",
        "tenant resume",
        "person add",
        "person list",
        "person remove",
        "key create",
        "key list",
        "key revoke",
        "key rotate",
        "whoami",
        "events",
        "audit verify",
        "audit heads",
        "sample",
        "completions",
    ] {
        assert!(commands.iter().any(|command| command == wanted), "{wanted}");
    }
}

#[test]
fn mistakes_of_usage_end_with_status_2() {
    for arguments in [
        &["nonsense"][..],
        &["entry", "validate"],
        &["entry", "validate", "x", "--format", "xml"],
        &["registry", "import", "x.json", "--full", "--partial"],
        &["flags", "show", "0901110015", "--on", "13/02/2026"],
    ] {
        let output = nopic(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn there_is_a_version_and_completions_for_every_shell() {
    let output = nopic(&["--version"]);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("nopic {}\n", env!("CARGO_PKG_VERSION"))
    );
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = nopic(&["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("validate"), "{shell}");
    }
}
