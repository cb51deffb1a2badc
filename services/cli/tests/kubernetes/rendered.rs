//! What kustomize makes of each overlay.

use std::path::{Path, PathBuf};
use std::process::Command;

use nopic_testing::languages;
use serde_json::Value;

/// Everything in the cluster, and everything elsewhere.
pub(crate) const OVERLAYS: [&str; 2] = ["dev", "prod"];

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../k8s")
}

/// A file beside this one.
pub(crate) fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/kubernetes")
        .join(name)
}

/// A program of the environment that has kubectl in it.
pub(crate) fn tool(name: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubernetes");
    languages::python(&tools, "python", &here("requirements.txt")).with_file_name(name)
}

/// What a command prints; it ends well.
pub(crate) fn printed(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, said) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{command:?}: {out}{said}");
    out
}

/// The objects of an overlay.
pub(crate) fn objects(overlay: &str) -> Vec<Value> {
    let text = printed(
        Command::new(tool("python"))
            .arg(here("render.py"))
            .arg(tool("kubectl"))
            .arg(folder().join("overlays").join(overlay)),
    );
    serde_json::from_str(&text).unwrap()
}
