//! Inputs made from what people reported, given to the program as people give them: they stand beside the project, and
//! where they are not, inputs of the same kinds that are written here do.

#![allow(clippy::unwrap_used)]

mod filing;
mod lines;
mod registry;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use support::Place;

/// A file or folder of the reports, or `None` where they are not there.
#[allow(clippy::print_stderr)]
fn tried(name: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("NOT RUN: {} is not there", path.display());
    None
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder in which the common world of the reports is known.
fn in_the_common_world() -> Option<Place> {
    let world = tried("tried/world")?;
    let file = |name: &str| text(&world.join(name)).to_owned();
    let place = Place::new();
    place.done(&["registry", "import", &file("INTEGRITY_Export_20240301.xlsx")]);
    place.done(&["registry", "import", &file("operations-2024-09-30.zip")]);
    place.done(&[
        "registry",
        "import",
        &file("operations-2026-03-01.json"),
        "--full",
    ]);
    place.done(&["flags", "import", &file("flags.csv"), "--replace"]);
    place.done(&["certificate", "import", &file("certificates.jsonl")]);
    Some(place)
}
