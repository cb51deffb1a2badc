//! Python and Node.js with packages of their own, installed once into a folder and anew where what is wanted has changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs into a folder of this name in `all`, by one process at a time.
fn installed(all: &Path, name: &str, wanted: &Path, install: impl FnOnce(&Path)) -> PathBuf {
    fs::create_dir_all(all).unwrap();
    let lock = File::create(all.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let (folder, done) = (all.join(name), all.join(format!("{name}.done")));
    let wanted = fs::read(wanted).unwrap();
    if fs::read(&done).ok().as_ref() != Some(&wanted) {
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        install(&folder);
        fs::write(&done, wanted).unwrap();
    }
    folder
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A Python that has what these requirements name.
///
/// # Panics
/// There is no Python with `venv`, or the requirements cannot be had.
#[must_use]
pub fn python(all: &Path, name: &str, requirements: &Path) -> PathBuf {
    let folder = installed(all, name, requirements, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder));
        run(Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--requirement")
            .arg(requirements));
    });
    folder.join("bin/python")
}

/// A folder in which Node.js finds the packages that `package.json` and `package-lock.json` of another name.
///
/// # Panics
/// There is no npm, or the packages cannot be had.
#[must_use]
pub fn node(all: &Path, name: &str, package: &Path) -> PathBuf {
    installed(all, name, &package.join("package-lock.json"), |folder| {
        fs::create_dir_all(folder).unwrap();
        for file in ["package.json", "package-lock.json"] {
            fs::copy(package.join(file), folder.join(file)).unwrap();
        }
        run(Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(folder));
    })
}
