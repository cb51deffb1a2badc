//! Python and Node.js with their clients, installed once into the folder of built files.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The gateway's examples.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gateway/examples")
}

/// Where the clients of one language are installed; by one test at a time, and anew where what is asked for has changed.
fn installed(name: &str, wanted: &Path, install: impl FnOnce(&Path)) -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stock-clients");
    fs::create_dir_all(&all).unwrap();
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

/// An environment of Python with what these requirements name.
pub(crate) fn environment(name: &str, requirements: &Path) -> PathBuf {
    installed(name, requirements, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder));
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ];
        run(Command::new(folder.join("bin/python"))
            .args(pip)
            .arg(requirements));
    })
}

/// A script of Python, beside gRPC.
pub(crate) fn python(script: &Path, arguments: &[&str]) -> Command {
    let folder = environment("python", &examples().join("python/requirements.txt"));
    let mut command = Command::new(folder.join("bin/python"));
    command.arg(script).args(arguments);
    command
}

/// Where Connect and the example are installed and built.
fn node_folder() -> PathBuf {
    let example = examples().join("typescript");
    installed("node", &example.join("package-lock.json"), |folder| {
        fs::create_dir_all(folder).unwrap();
        for name in [
            "package.json",
            "package-lock.json",
            "tsconfig.json",
            "validate.ts",
        ] {
            fs::copy(example.join(name), folder.join(name)).unwrap();
        }
        run(Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(folder));
    })
}

/// A script for Node.js, beside Connect: copied to where the packages are.
pub(crate) fn node(script: &Path, arguments: &[&str]) -> Command {
    let folder = node_folder();
    let name = script.file_name().unwrap();
    let copied = folder.join(format!("{}-{}", std::process::id(), name.to_str().unwrap()));
    fs::copy(script, &copied).unwrap();
    let mut command = Command::new("node");
    command.arg(copied).args(arguments).current_dir(folder);
    command
}

/// An example in TypeScript, built.
pub(crate) fn typescript(name: &str) -> Command {
    let folder = node_folder();
    fs::copy(examples().join("typescript").join(name), folder.join(name)).unwrap();
    run(Command::new("npm")
        .args(["run", "--silent", "build"])
        .current_dir(&folder));
    let mut command = Command::new("node");
    command
        .arg(folder.join("built").join(name).with_extension("js"))
        .current_dir(&folder);
    command
}

/// What a command prints, given this.
pub(crate) fn output(mut command: Command, environment: &[(&str, &str)], input: &[u8]) -> String {
    let mut child = command
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut given = child.stdin.take().unwrap();
    let input = input.to_owned();
    let giving = std::thread::spawn(move || given.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // Who reads nothing closes it: then there is nothing to give.
    let _ = giving.join().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
