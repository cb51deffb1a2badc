//! The image, made of the program under test: what is in it, and that the program runs on it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rendered::{folder, printed};
use crate::support::Place;

const TAG: &str = "localhost/nopic:under-test";

/// A container of the image, with its files; removed in the end.
struct Container {
    name: String,
    root: PathBuf,
}

impl Container {
    fn of_the_program() -> Self {
        // Nobody reads its symbols here.
        let binary = tempfile::tempdir().unwrap();
        let stripped = binary.path().join("nopic");
        printed(
            Command::new("strip")
                .arg("-o")
                .arg(&stripped)
                .arg(env!("CARGO_BIN_EXE_nopic")),
        );
        let tag = printed(Command::new(folder().join("build-local")).arg(&stripped).arg(TAG));
        assert_eq!(tag.trim(), TAG);
        let name = printed(Command::new("buildah").args(["from", "--pull-never", TAG]))
            .trim()
            .to_owned();
        let root = printed(Command::new("buildah").args(["mount", &name]))
            .trim()
            .into();
        Self { name, root }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // What is left is of no harm.
        let _ = Command::new("buildah").args(["rm", &self.name]).output();
        let _ = Command::new("buildah").args(["rmi", TAG]).output();
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            walk(&path, found);
        }
        found.push(path);
    }
}

/// The program on the image's files, as the user of its containers, with a volume at /data alone.
async fn answers_health(root: &Path) {
    let data = root.join("data");
    fs::create_dir_all(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(65532), Some(65532)).unwrap();
    let mut command = Command::new("/usr/sbin/chroot");
    command
        .arg("--userspec=65532:65532")
        .arg(root)
        .arg("/usr/local/bin/nopic")
        .args(SERVES)
        .env_clear()
        .env("TMPDIR", "/data")
        .env("NOPIC_ADMIN_LISTEN", "127.0.0.1:0");
    answers(command).await;
}

/// The same as a container runs it, where this machine has podman.
async fn answers_health_in_podman() {
    if Command::new("podman").arg("--version").output().is_err() {
        eprintln!("NOT RUN: there is no podman: the image's files are tried in a chroot alone");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(data.path(), Some(65532), Some(65532)).unwrap();
    let mut command = Command::new("podman");
    command
        .args(["--runtime", "runc", "run", "--rm", "--network", "host"])
        // Some machines let nobody have more.
        .args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"])
        .args(["--read-only", "--read-only-tmpfs=false", "--cap-drop", "all"])
        .args(["--volume", &format!("{}:/data", data.path().display())])
        .args(["--env", "TMPDIR=/data"])
        .args(["--env", "NOPIC_ADMIN_LISTEN=127.0.0.1:0", TAG])
        .args(SERVES);
    answers(command).await;
}

const SERVES: [&str; 6] = ["serve", "all", "--listen", "127.0.0.1:0", "--data", "/data"];

/// A server that begins by this command answers health, and ends when it is told to.
async fn answers(command: Command) {
    let place = Place::new();
    let serving = place.serve_by(command);
    let admin = serving
        .before
        .lines()
        .find_map(|line| line.strip_prefix("showing metrics and health on "))
        .unwrap()
        .trim()
        .to_owned();
    // The client of HTTP asks for it though nothing here is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    for path in ["startup", "live", "ready"] {
        let answer = reqwest::get(format!("{admin}/{path}")).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}: {}", serving.said());
    }
    assert_eq!(serving.stop(), Some(0));
}

#[tokio::test]
async fn the_image_holds_the_program_and_nothing_that_helps_an_intruder() {
    let container = Container::of_the_program();
    let root = &container.root;
    let mut paths = Vec::new();
    walk(root, &mut paths);
    let mut programs = Vec::new();
    for path in &paths {
        let shown = path.strip_prefix(root).unwrap().to_owned();
        let what = fs::symlink_metadata(path).unwrap();
        let mode = what.permissions().mode();
        if what.is_symlink() {
            continue;
        }
        assert_eq!(
            (what.uid(), mode & 0o6000),
            (0, 0),
            "{}: of root, and nobody's by running",
            shown.display()
        );
        assert_eq!(mode & 0o002, 0, "{}: nobody else writes it", shown.display());
        // Shared libraries and the loader are executable by custom.
        let is_library = shown.to_str().unwrap().contains(".so");
        if what.is_file() && mode & 0o111 != 0 && !is_library {
            programs.push(shown);
        }
    }
    assert_eq!(programs, [Path::new("usr/local/bin/nopic")]);
    let said = printed(
        Command::new("chroot")
            .arg("--userspec=65532:65532")
            .arg(root)
            .args(["/usr/local/bin/nopic", "--version"]),
    );
    assert_eq!(said.trim(), format!("nopic {}", env!("CARGO_PKG_VERSION")));
    answers_health(root).await;
    answers_health_in_podman().await;
    let certificates = fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(certificates.matches("BEGIN CERTIFICATE").count() > 50);
    let inspected: serde_json::Value = serde_json::from_str(&printed(
        Command::new("buildah").args(["inspect", &container.name]),
    ))
    .unwrap();
    let config = &inspected["OCIv1"]["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"][0], "/usr/local/bin/nopic");
    assert_eq!(
        config["Labels"]["org.opencontainers.image.version"],
        env!("CARGO_PKG_VERSION")
    );
}
