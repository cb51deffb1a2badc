//! Tenants, people and keys: who comes in at a server, by what, and what is never said.

#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use serde_json::Value;
use support::{Ended, Place, Serving};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// A folder with the tenant acme and its broker maria.
fn with_maria() -> Place {
    let place = Place::new();
    place.done(&["tenant", "create", "acme", "--filer-code", "b76,XY1"]);
    place.done(&["person", "add", "acme", "maria", "--role", "broker"]);
    place
}

fn new_key(place: &Place) -> String {
    let made = place.done(&["key", "create", "acme", "maria"]);
    made.out.trim_end().to_owned()
}

/// The part of a key that nobody may see.
fn secret(key: &str) -> &str {
    key.rsplit('_').next().unwrap()
}

/// The part of a key that names it.
fn prefix(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command against a server, with a key or without.
fn ask(url: &str, key: Option<&str>, arguments: &[&str]) -> Ended {
    let place = Place::new();
    let mut command = place.command(&[arguments, &["--endpoint", url]].concat());
    command.envs(key.map(|key| ("NOPIC_API_KEY", key)));
    run(&mut command)
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_key_is_printed_alone_and_once_and_lets_its_person_in_until_it_is_revoked() {
    let place = with_maria();
    let made = place.done(&[
        "key",
        "create",
        "acme",
        "maria",
        "--until",
        "2999-12-31",
        "--request-id",
        "one",
    ]);
    let key = made.out.strip_suffix('\n').unwrap().to_owned();
    assert_eq!((key.lines().count(), key.len()), (1, 81), "{}", made.out);
    assert!(key.starts_with("nopic_"));
    assert!(
        made.said.contains(prefix(&key)) && made.said.contains("once"),
        "{}",
        made.said
    );
    assert!(!made.said.contains(secret(&key)));
    let again = place.run(&[
        "key",
        "create",
        "acme",
        "maria",
        "--until",
        "2999-12-31",
        "--request-id",
        "one",
    ]);
    assert_eq!((again.status, again.out.as_str()), (2, ""));
    assert!(
        again.said.contains(prefix(&key)) && again.said.contains("shown once"),
        "{}",
        again.said
    );

    let listed = place.done(&["key", "list", "acme", "--output", "jsonl"]);
    let rows = json_lines(&listed.out);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["prefix"], prefix(&key));
    assert_eq!(
        (&rows[0]["person"], &rows[0]["state"]),
        (&"maria".into(), &"ACTIVE".into())
    );
    assert_eq!(
        (&rows[0]["createdBy"], &rows[0]["endsAt"]),
        (&"tester".into(), &"3000-01-01T00:00:00Z".into())
    );
    let people = json_lines(&place.done(&["person", "list", "--output", "jsonl"]).out);
    assert_eq!(
        (&people[0]["name"], &people[0]["role"]),
        (&"maria".into(), &"BROKER".into())
    );
    let tenants = json_lines(&place.done(&["tenant", "list", "--output", "jsonl"]).out);
    assert_eq!(tenants[0]["filerCodes"], serde_json::json!(["B76", "XY1"]));

    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let url = server.url.as_str();
    let who = ask(url, Some(&key), &["whoami"]);
    assert!(
        who.out
            .starts_with("maria of acme, BROKER\nfiles under B76, XY1\n"),
        "{who:?}"
    );
    let who = ask(url, Some(&key), &["whoami", "--output", "jsonl"]);
    let methods = json_lines(&who.out)[0]["methods"].clone();
    let may = |method: &str| methods.as_array().unwrap().contains(&method.into());
    assert!(
        may("nopic.entry_validation.v1.EntryValidationService/ValidateEntries"),
        "{methods}"
    );
    assert!(
        !may("nopic.access.v1.AccessService/CreateKey")
            && !may("nopic.certificate.v1.LedgerService/SetDraws")
    );
    let refused = ask(url, Some(&key), &["key", "list"]);
    assert_eq!(refused.status, 2);
    assert!(refused.said.contains("OPERATOR"), "{}", refused.said);
    // Whoever shows nothing is this machine's user, on loopback.
    assert_eq!(ask(url, None, &["key", "list"]).status, 0);

    let began = Instant::now();
    place.done(&["key", "revoke", prefix(&key), "--reason", "lost"]);
    let refused = loop {
        let ended = ask(url, Some(&key), &["whoami"]);
        if ended.status != 0 {
            break ended;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
    };
    assert!(
        refused.said.contains("does not know who is calling")
            && refused.said.contains("NOPIC_API_KEY")
            && refused.said.contains("nopic key create"),
        "{}",
        refused.said
    );
    assert!(!refused.said.contains(secret(&key)));
    let audit = place.done(&["audit", "verify"]);
    assert!(audit.out.contains("access"), "{}", audit.out);
}

#[test]
fn a_key_is_rotated_into_a_file_that_only_its_owner_reads() {
    let place = with_maria();
    let old = new_key(&place);
    let rotate = [
        "key",
        "rotate",
        prefix(&old),
        "--grace",
        "600",
        "--out",
        "new.key",
    ];
    let rotated = place.done(&rotate);
    assert!(rotated.out.is_empty(), "{}", rotated.out);
    assert!(rotated.said.contains(prefix(&old)), "{}", rotated.said);
    let path = place.path().join("new.key");
    let key = std::fs::read_to_string(&path).unwrap();
    assert!(key.starts_with("nopic_") && !rotated.said.contains(secret(key.trim())));
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // A file that is there is never written over, and no key is made for it.
    let count = || {
        place
            .done(&["key", "list", "--output", "jsonl"])
            .out
            .lines()
            .count()
    };
    assert_eq!(count(), 2);
    let refused = place.run(&["key", "create", "acme", "maria", "--out", "new.key"]);
    assert_eq!((refused.status, count()), (2, 2), "{}", refused.said);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), key);
    // Where no key comes, no file stays.
    let refused = place.run(&["key", "create", "acme", "nobody", "--out", "other.key"]);
    assert_eq!(refused.status, 2);
    assert!(!place.path().join("other.key").exists());

    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    assert_eq!(ask(&server.url, Some(&old), &["whoami"]).status, 0);
    let elsewhere = Place::new();
    let mut command = elsewhere.command(&["whoami", "--endpoint", &server.url]);
    let who = run(command.env("NOPIC_API_KEY_FILE", &path));
    assert!(who.out.starts_with("maria of acme"), "{who:?}");
}

#[test]
fn a_key_never_travels_in_plain_text_but_on_this_machine() {
    let key = format!("nopic_abcdefghjk_{}", "0".repeat(64));
    for url in [
        "http://192.0.2.1:1",
        "http://127.0.0.1.example:1",
        "http://127.0.0.1@192.0.2.1:1",
    ] {
        let refused = ask(url, Some(&key), &["whoami"]);
        assert_eq!(refused.status, 2);
        assert!(
            refused.said.contains("everybody could read it"),
            "{}",
            refused.said
        );
        assert!(!refused.said.contains(secret(&key)), "{}", refused.said);
    }
    // Nor is a whole one told again that stands where its public part belongs.
    let place = Place::new();
    let refused = place.run(&["key", "revoke", &key]);
    assert_eq!(refused.status, 2);
    assert!(!refused.said.contains(secret(&key)), "{}", refused.said);
}

/// Whether any file below holds the text.
fn is_in_files(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_in_files(&path, text);
        }
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

/// The arguments of a process, as `ps` shows them.
fn arguments_of(server: &Serving) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{}/cmdline", server.process())).unwrap())
        .into_owned()
}

/// An OTLP receiver that keeps whatever comes.
#[derive(Debug, Clone, Default)]
struct Receiver(Arc<Mutex<String>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = format!("{:?}", request.into_inner());
        self.0.lock().unwrap().push_str(&spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_in_logs_traces_errors_arguments_or_files() {
    let place = with_maria();
    let traces = Receiver::default();
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collected_at = format!("http://{}", collector.local_addr().unwrap());
    let collecting = Server::builder()
        .add_service(TraceServiceServer::new(traces.clone()))
        .serve_with_incoming(TcpListenerStream::new(collector));
    tokio::spawn(collecting);
    let mut command = place.command(&["serve", "all", "--listen", "127.0.0.1:0"]);
    command
        .env("NOPIC_LOG", "trace")
        .env("NOPIC_TELEMETRY_LOG_FILTER", "trace")
        .env("NOPIC_TELEMETRY_OTLP_ENDPOINT", &collected_at)
        .env("NOPIC_TELEMETRY_TRACE_PERCENT", "100");
    let server = place.serve_by(command);
    let mut keys = vec![new_key(&place)];
    let rotated = place.done(&["key", "rotate", prefix(&keys[0]), "--grace", "60"]);
    keys.push(rotated.out.trim_end().to_owned());
    keys.push(format!("nopic_abcdefghjk_{}", "7".repeat(64)));
    keys.push("eyJhbGciOiJub25lIn0.eyJzdWIiOiJtYXJpYSJ9.c2lnbmF0dXJl".to_owned());
    let mut said = String::new();
    for key in &keys {
        let elsewhere = Place::new();
        for arguments in [&["whoami"][..], &["key", "list"]] {
            let mut command = elsewhere.command(&[arguments, &["--endpoint", &server.url]].concat());
            let ended = run(command.env("NOPIC_API_KEY", key).env("NOPIC_LOG", "trace"));
            said.push_str(&ended.out);
            said.push_str(&ended.said);
        }
    }
    said.push_str(&arguments_of(&server));
    let log = server.said();
    assert!(
        log.contains("AccessService/WhoAmI"),
        "the log says what was called"
    );
    said.push_str(&log);
    // The last traces are sent when it ends.
    server.stop();
    let spans = traces.0.lock().unwrap().clone();
    assert!(
        spans.contains("AccessService/WhoAmI"),
        "the traces say what was called"
    );
    said.push_str(&spans);
    for key in &keys {
        let secret = if key.starts_with("nopic_") {
            secret(key)
        } else {
            key
        };
        if let Some(place) = said.find(secret) {
            panic!("{}", &said[place.saturating_sub(300)..place]);
        }
        assert!(!is_in_files(&place.path().join("nopic-data"), secret));
    }
}

#[test]
fn beyond_loopback_a_server_needs_certificates_and_somebody_who_may_come_in() {
    let place = Place::new();
    let serve = ["serve", "all", "--listen", "0.0.0.0:0"];
    let refused = place.run(&serve);
    assert_eq!(refused.status, 2);
    assert!(
        refused.said.contains("loopback only") && refused.said.contains("[tls]"),
        "{}",
        refused.said
    );
    place.done(&["dev-certs", "try"]);
    let secured = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        for (variable, file) in [
            ("CERTIFICATE", "registry.pem"),
            ("KEY", "registry.key"),
            ("AUTHORITY", "authority.pem"),
        ] {
            command.env(
                format!("NOPIC_TLS_{variable}"),
                place.path().join("try").join(file),
            );
        }
        command
    };
    let refused = run(&mut secured(&serve));
    assert_eq!(refused.status, 2);
    assert!(
        refused.said.contains("nobody could come in") && refused.said.contains("nopic key create"),
        "{}",
        refused.said
    );
    place.done(&["tenant", "create", "acme", "--filer-code", "B76"]);
    place.done(&["person", "add", "acme", "maria", "--role", "broker"]);
    place.done(&[
        "person",
        "add",
        "acme",
        "job",
        "--role",
        "operator",
        "--certificate-name",
        "operator",
    ]);
    let key = new_key(&place);
    let server = place.serve_by(secured(&serve));
    let port = server.url.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}");
    let authority = place.path().join("try/authority.pem");
    let elsewhere = Place::new();
    let ask = |environment: &[(&str, &str)]| {
        let mut command = elsewhere.command(&["whoami", "--endpoint", &url]);
        command
            .env("NOPIC_CLIENT_AUTHORITY", &authority)
            .envs(environment.iter().copied());
        run(&mut command)
    };
    let who = ask(&[("NOPIC_API_KEY", &key)]);
    assert!(who.out.starts_with("maria of acme, BROKER"), "{who:?}");
    let refused = ask(&[]);
    assert_eq!(refused.status, 2);
    assert!(refused.said.contains("nopic key create"), "{}", refused.said);
    let own = ["operator.pem", "operator.key"].map(|file| place.path().join("try").join(file));
    let [certificate, private] = own.each_ref().map(|path| path.to_str().unwrap());
    let who = ask(&[
        ("NOPIC_CLIENT_CERTIFICATE", certificate),
        ("NOPIC_CLIENT_KEY", private),
    ]);
    assert!(who.out.starts_with("job of acme, OPERATOR"), "{who:?}");
}
