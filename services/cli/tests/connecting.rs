//! Which server a command asks, as whom, and what it says where that comes to nothing.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{Ended, Place, Serving};
use tokio::time::Instant;

const LINE: &str = "{\"entryNumber\":\"B7603245278\",\"lineNumber\":1,\"entryDate\":\"2026-03-02\",\"htsCode\":\"0901110025\"}\n";

/// A folder with an operator of its own and the broker maria of acme, whose key stands in a file.
fn with_maria() -> Place {
    let place = Place::of_any_filing_day();
    place.done(&["tenant", "create", "acme", "--filer-code", "B76"]);
    place.done(&["person", "add", "acme", "maria", "--role", "broker"]);
    place.done(&["key", "create", "acme", "maria", "--out", "maria.key"]);
    place.file("lines.jsonl", LINE);
    place
}

/// Runs a command with more of an environment.
fn run(place: &Place, environment: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let mut command = place.command(arguments);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    Ended {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The command does not do its work, and says all of this.
#[track_caller]
fn says(ended: &Ended, parts: &[&str]) {
    assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{ended:?}");
    for part in parts {
        assert!(ended.said.contains(part), "{part}: {}", ended.said);
    }
}

#[test]
fn a_key_in_hand_decides_also_where_the_folder_names_the_server() {
    let place = with_maria();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let key = [("NOPIC_API_KEY_FILE", "maria.key")];
    let who = run(&place, &key, &["whoami"]);
    assert!(who.out.starts_with("maria of acme, BROKER"), "{who:?}");
    assert!(who.said.contains(&server.url), "{who:?}");
    let who = place.done(&["whoami"]);
    assert!(who.out.starts_with("tester of default, OPERATOR"), "{who:?}");

    // What is filed with it is of its tenant, and of no other.
    run(&place, &key, &["entry", "file", "lines.jsonl"]);
    let listed = run(&place, &key, &["entry", "decisions", "--output", "jsonl"]);
    assert!(listed.out.contains("B7603245278"), "{listed:?}");
    let listed = place.done(&["entry", "decisions", "--output", "jsonl"]);
    assert_eq!(listed.out, "");
    says(
        &run(
            &place,
            &key,
            &["certificate", "review", "start", "1", "--as-certifier", "012"],
        ),
        &["from the API key"],
    );

    // One that is not good any more lets nobody in, whoever can read the folder.
    let listed = place.done(&["key", "list", "acme", "--output", "jsonl"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    place.done(&["key", "revoke", listed["prefix"].as_str().unwrap()]);
    let began = Instant::now();
    let refused = loop {
        let ended = run(&place, &key, &["whoami"]);
        if ended.status != 0 {
            break ended;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
    };
    says(
        &refused,
        &["does not know who is calling by the API key", "revoked", "unset"],
    );
    let refused = run(&place, &key, &["entry", "file", "lines.jsonl"]);
    says(&refused, &["does not know who is calling by the API key"]);
}

#[test]
fn a_key_in_hand_is_nobodys_where_no_server_is_asked() {
    let place = with_maria();
    let key = [("NOPIC_API_KEY_FILE", "maria.key")];
    for arguments in [
        &["whoami"][..],
        &["entry", "file", "lines.jsonl"],
        &["registry", "list"],
        &["audit", "verify"],
    ] {
        says(
            &run(&place, &key, arguments),
            &["is not known", "--endpoint", "unset"],
        );
    }
    assert_eq!(place.done(&["entry", "decisions", "--output", "jsonl"]).out, "");
    // Nor is a folder made for it.
    let elsewhere = Place::new();
    elsewhere.file(
        "maria.key",
        std::fs::read(place.path().join("maria.key")).unwrap(),
    );
    for arguments in [&["whoami"][..], &["audit", "verify"]] {
        says(&run(&elsewhere, &key, arguments), &["is not known"]);
    }
    assert!(!elsewhere.path().join("nopic-data").exists());
}

#[test]
fn asking_who_one_is_makes_no_folder() {
    let place = Place::new();
    says(
        &place.run(&["whoami"]),
        &["no data folder", "--endpoint", "--data"],
    );
    assert!(!place.path().join("nopic-data").exists());
}

#[test]
fn what_is_typed_goes_before_what_a_shell_has_exported() {
    let place = Place::new();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let elsewhere = Place::new();
    let database = "postgres://nobody@127.0.0.1:1/none";
    let exported = [("NOPIC_DATABASE", database)];
    for arguments in [
        ["registry", "list", "--endpoint", &server.url],
        ["--endpoint", &server.url, "registry", "list"],
    ] {
        let ended = run(&elsewhere, &exported, &arguments);
        assert_eq!(ended.status, 0, "{ended:?}");
    }
    // The other way round the database is meant, which is not there.
    let ended = run(
        &elsewhere,
        &[("NOPIC_ENDPOINT", &server.url)],
        &["registry", "list", "--database", database],
    );
    says(&ended, &["127.0.0.1:1"]);
    let both = [
        "registry",
        "list",
        "--endpoint",
        &server.url,
        "--database",
        database,
    ];
    says(&elsewhere.run(&both), &["has its own database", "--database"]);
    let both = [
        ("NOPIC_ENDPOINT", server.url.as_str()),
        ("NOPIC_DATABASE", database),
    ];
    says(
        &run(&elsewhere, &both, &["registry", "list"]),
        &["has its own database"],
    );
}

/// A server over TLS, and the files to try it with.
struct Secured {
    place: Place,
    server: Serving,
}

impl Secured {
    /// Serves `what`, by its own certificate.
    fn serve(what: &str) -> Self {
        let place = Place::new();
        place.done(&["dev-certs", "try"]);
        let name = if what == "all" { "gateway" } else { what };
        let mut command = place.command(&["serve", what, "--listen", "127.0.0.1:0"]);
        for (variable, file) in [
            ("CERTIFICATE", format!("{name}.pem")),
            ("KEY", format!("{name}.key")),
            ("AUTHORITY", "authority.pem".to_owned()),
        ] {
            command.env(
                format!("NOPIC_TLS_{variable}"),
                place.path().join("try").join(file),
            );
        }
        if what != "all" {
            command.env("NOPIC_CONFIG", place.path().join(format!("try/{what}.toml")));
        }
        let server = place.serve_by(command);
        Self { place, server }
    }

    /// `localhost`, which stands in the certificates.
    fn url(&self) -> String {
        let port = self.server.url.rsplit(':').next().unwrap();
        format!("https://localhost:{port}")
    }

    fn ask(&self, url: &str, environment: &[(&str, &str)]) -> Ended {
        run(
            &self.place,
            environment,
            &["registry", "list", "--data", "other", "--endpoint", url],
        )
    }
}

const AUTHORITY: (&str, &str) = ("NOPIC_CLIENT_AUTHORITY", "try/authority.pem");

#[test]
fn the_wrong_scheme_is_said() {
    let secured = Secured::serve("all");
    let plain = secured.url().replace("https://", "http://");
    // Which side hears of the end first is up to the system.
    for _ in 0..10 {
        says(&secured.ask(&plain, &[]), &["speaks TLS", "https://"]);
    }
    let place = Place::new();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let url = server.url.replace("http://127.0.0.1", "https://localhost");
    for _ in 0..5 {
        says(
            &secured.ask(&url, &[AUTHORITY]),
            &["does not speak TLS", "http://"],
        );
    }
}

#[test]
fn the_certificate_that_a_service_wants_is_said() {
    let secured = Secured::serve("registry");
    let url = secured.url();
    let own = [
        AUTHORITY,
        ("NOPIC_CLIENT_CERTIFICATE", "try/operator.pem"),
        ("NOPIC_CLIENT_KEY", "try/operator.key"),
    ];
    assert_eq!(secured.ask(&url, &own).status, 0);
    secured.place.done(&["dev-certs", "strange"]);
    let strange = [
        AUTHORITY,
        ("NOPIC_CLIENT_CERTIFICATE", "strange/operator.pem"),
        ("NOPIC_CLIENT_KEY", "strange/operator.key"),
    ];
    for _ in 0..5 {
        says(
            &secured.ask(&url, &[AUTHORITY]),
            &["wants a certificate", "NOPIC_CLIENT_CERTIFICATE"],
        );
        says(
            &secured.ask(&url, &strange),
            &["does not take the certificate", "authority has signed"],
        );
    }
    // A key says nothing to a service by itself; that the certificate is not taken in its place is said.
    let both = [own.as_slice(), &[("NOPIC_API_KEY", "nopic_some_key")]].concat();
    says(
        &secured.ask(&url, &both),
        &["does not know who is calling by the API key", "gateway"],
    );
}

#[test]
fn a_file_without_the_certificate_of_an_authority_is_said() {
    let secured = Secured::serve("all");
    secured.place.file("none.pem", "no more than words\n");
    let ended = secured.ask(&secured.url(), &[("NOPIC_CLIENT_AUTHORITY", "none.pem")]);
    says(&ended, &["none.pem", "no certificate"]);
}
