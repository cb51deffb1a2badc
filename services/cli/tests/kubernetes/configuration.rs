//! The configurations that are mounted: what the program says of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nopic_host::{PARTS, Settings, trial};
use serde_json::Value;

use crate::names::keys;
use crate::objects::{Pods, arguments, find, list, served, text};
use crate::rendered::{OVERLAYS, objects};
use crate::support::Place;

/// Where secrets are mounted.
const SECRETS: &str = "/run/nopic";

/// The text of a service's configuration.
pub(crate) fn configuration(objects: &[Value], part: &str) -> String {
    let pods = Pods::of(objects);
    let Some(pods) = pods.iter().find(|pods| served(pods) == Some(part)) else {
        return String::new();
    };
    let map = pods
        .volume("config")
        .map_or("", |volume| text(volume, "/configMap/name"));
    let map = find(objects, "ConfigMap", map).cloned().unwrap_or_default();
    text(&map, "/data/config.toml").to_owned()
}

/// Whether a line stands in it.
pub(crate) fn says(configuration: &str, line: &str) -> bool {
    configuration.lines().any(|own| own == line)
}

/// The lines of a section, without notes and empty ones.
fn section<'a>(configuration: &'a str, name: &str) -> BTreeSet<&'a str> {
    configuration
        .lines()
        .skip_while(|line| *line != format!("[{name}]"))
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// What is wrong with them, by themselves.
pub(crate) fn problems(objects: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let tables = trial::configurations(PARTS);
    for part in PARTS {
        let text = configuration(objects, part.name);
        let (_, table) = tables.iter().find(|(name, _)| *name == part.name).unwrap();
        let mut wanted = section(table, "callers");
        // Jobs of the operator go through the door, and need no way to the others.
        if !part.is_door {
            wanted.remove("operator = [\"*\"]");
        }
        let listed = section(&text, "callers");
        if listed != wanted {
            problems.push(format!(
                "{}: [callers] has {listed:#?}, the program asks {wanted:#?}",
                part.name
            ));
        }
        for other in PARTS {
            let address = section(&text, &format!("upstream.{}", other.name));
            let wanted = format!("address = \"{}:50051\"", other.name);
            let asks = part.asks.iter().any(|asked| asked.part == other.name);
            if asks != address.contains(wanted.as_str()) || !asks && !address.is_empty() {
                problems.push(format!(
                    "{}: [upstream.{}] has {address:?}",
                    part.name, other.name
                ));
            }
        }
        problems.extend(unmounted(objects, part.name, &text));
    }
    problems
}

/// Files that it names and that are not there.
fn unmounted(objects: &[Value], part: &str, configuration: &str) -> Vec<String> {
    let all = Pods::of(objects);
    let Some(pods) = all.iter().find(|pods| served(pods) == Some(part)) else {
        return Vec::new();
    };
    let container = &pods.spec["containers"][0];
    let own = arguments(container).last().copied().unwrap_or_default();
    let secrets = keys(objects, "Secret");
    let files = configuration.split('"').filter(|text| text.starts_with('/'));
    let mut problems = Vec::new();
    for file in files.chain([own]) {
        let mount = list(container, "/volumeMounts")
            .iter()
            .filter(|mount| Path::new(file).starts_with(text(mount, "/mountPath")))
            .max_by_key(|mount| text(mount, "/mountPath").len());
        let Some(mount) = mount else {
            problems.push(format!("{part}: nothing is mounted at {file}"));
            continue;
        };
        let volume = pods.volume(text(mount, "/name")).cloned().unwrap_or_default();
        let key = Path::new(file).strip_prefix(text(mount, "/mountPath")).unwrap();
        let key = key.to_str().unwrap();
        let secret = text(&volume, "/secret/secretName");
        let map = text(&volume, "/configMap/name");
        let is_there = if !secret.is_empty() {
            secrets.get(secret).is_some_and(|keys| keys.contains(key))
        } else if !map.is_empty() {
            keys(objects, "ConfigMap")
                .get(map)
                .is_some_and(|keys| keys.contains(key))
        } else {
            // A folder of its own.
            key.is_empty()
        };
        if !is_there {
            problems.push(format!("{part}: {file} is not there"));
        }
    }
    problems
}

/// Puts what is mounted into a folder in place of it.
pub(crate) fn with_secrets(place: &Place, part: &str, configuration: &str) -> String {
    let folder = place.path().join(format!("run-{part}"));
    for (file, content) in [
        (
            "tls/tls.crt",
            fs::read(place.path().join(format!("try/{part}.pem"))).unwrap(),
        ),
        (
            "tls/tls.key",
            fs::read(place.path().join(format!("try/{part}.key"))).unwrap(),
        ),
        (
            "tls/ca.crt",
            fs::read(place.path().join("try/authority.pem")).unwrap(),
        ),
        (
            "redis/ca.crt",
            fs::read(place.path().join("try/authority.pem")).unwrap(),
        ),
        ("redis/password", b"secret".to_vec()),
        ("redis/sentinel-password", b"secret".to_vec()),
        ("mail/password", b"secret".to_vec()),
        ("database/url", b"postgres://nopic@db.example/nopic".to_vec()),
    ] {
        let file = folder.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    configuration.replace(SECRETS, folder.to_str().unwrap())
}

#[test]
fn callers_and_upstreams_are_those_of_the_program_and_files_are_there() {
    for overlay in OVERLAYS {
        let problems = problems(&objects(overlay));
        assert!(problems.is_empty(), "{overlay}: {problems:#?}");
    }
}

#[test]
fn the_program_takes_every_configuration() {
    let place = Place::new();
    place.done(&["dev-certs", "try"]);
    for overlay in OVERLAYS {
        let objects = objects(overlay);
        for part in PARTS {
            let text = with_secrets(&place, part.name, &configuration(&objects, part.name));
            let file = place.file(&format!("{overlay}-{}.toml", part.name), &text);
            place.done(&["config", "check", file.to_str().unwrap()]);
            // It would serve, where the container says.
            let settings = Settings::read(PARTS, Some(&file)).unwrap();
            let listen = settings.listen.unwrap();
            settings.options(part.is_door, true, listen).unwrap();
            let all = Pods::of(&objects);
            let pods = all.iter().find(|pods| served(pods) == Some(part.name)).unwrap();
            assert_eq!(pods.port(&Value::from("grpc")), Some(listen.port().into()));
            let admin = settings.observability.admin.unwrap();
            assert_eq!(pods.port(&Value::from("admin")), Some(admin.port().into()));
            assert!(listen.ip().is_unspecified() && admin.ip().is_unspecified());
            let wrong = text.replace("[storage]", "[storage]\nfolder = \"x\"");
            let wrong = place.file("wrong.toml", wrong);
            assert_eq!(place.run(&["config", "check", wrong.to_str().unwrap()]).status, 2);
        }
    }
}
