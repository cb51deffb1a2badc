//! No modules of a crate use each other in a circle, but those that are listed here with the reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail where it stands"
)]

mod circles;
mod modules;
mod own_logic;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use circles::circles;
use modules::Modules;

/// A circle that is accepted: folder of the crate, module around it, its modules, and why.
struct Accepted {
    folder: &'static str,
    within: &'static str,
    modules: &'static [&'static str],
    #[allow(dead_code, reason = "for those who read this list")]
    reason: &'static str,
}

const ACCEPTED: &[Accepted] = &[
    Accepted {
        folder: "services/chassis",
        within: "",
        modules: &["rpc", "transport"],
        reason: "being opened",
    },
    Accepted {
        folder: "services/chassis",
        within: "tls",
        modules: &["material", "server"],
        reason: "being opened",
    },
    Accepted {
        folder: "services/cli",
        within: "",
        modules: &["arguments", "command"],
        reason: "clap's own: the arguments hold those of each command, and completions are made of all arguments",
    },
    Accepted {
        folder: "services/formats",
        within: "entries::abi",
        modules: &["entry", "release", "summary"],
        reason: "one entry whose records two applications send: the entry asks the one that it is of, which fills it in",
    },
    Accepted {
        folder: "services/registry",
        within: "",
        modules: &["current", "import", "metrics"],
        reason: "being opened",
    },
    Accepted {
        folder: "services/sql",
        within: "",
        modules: &["location", "sqlite"],
        reason: "being opened",
    },
    Accepted {
        folder: "services/sql",
        within: "audit",
        modules: &["batch_check", "check", "encoding", "head", "heads", "log"],
        reason: "being opened",
    },
];

/// The roots of every crate of the workspace.
fn roots() -> Vec<(String, PathBuf)> {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .canonicalize()
        .unwrap();
    let manifest = std::fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    let members = manifest
        .split_once("members = [")
        .unwrap()
        .1
        .split_once(']')
        .unwrap()
        .0;
    let mut roots = Vec::new();
    for folder in members.split('"').skip(1).step_by(2) {
        for root in ["src/lib.rs", "src/main.rs"] {
            let root = workspace.join(folder).join(root);
            if root.exists() {
                roots.push((folder.to_owned(), root));
            }
        }
    }
    roots
}

#[test]
fn modules_of_no_crate_use_each_other_in_a_circle() {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (folder, root) in roots() {
        for circle in circles(&Modules::read(&root)) {
            let accepted = ACCEPTED.iter().position(|accepted| {
                accepted.folder == folder
                    && accepted.within == circle.within
                    && accepted.modules == circle.modules
            });
            match accepted {
                Some(place) => {
                    seen.insert(place);
                }
                None => faults.push(format!(
                    "{folder}: within crate::{} these use each other: {}\n    {}",
                    circle.within,
                    circle.modules.join(", "),
                    circle.uses.join("\n    ")
                )),
            }
        }
    }
    for (place, accepted) in ACCEPTED.iter().enumerate() {
        if !seen.contains(&place) {
            faults.push(format!(
                "{}: {:?} within crate::{} is accepted here and is no circle any more",
                accepted.folder, accepted.modules, accepted.within
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
