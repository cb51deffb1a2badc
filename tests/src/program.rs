//! The program itself, for benches that run it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds it as users build it, and says where it is: beside whoever asks, who must be optimised, too.
///
/// # Panics
/// It cannot be built.
#[must_use]
pub fn built() -> PathBuf {
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--locked", "--package", "nopic-cli"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .expect("cargo starts");
    assert!(built.success(), "nopic does not build");
    let own = std::env::current_exe().expect("this program has a path");
    let folder = own
        .parent()
        .and_then(Path::parent)
        .expect("it lies in target/release/deps");
    folder.join("nopic")
}
