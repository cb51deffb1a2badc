//! The same work on PostgreSQL: what is typed, what comes out, and what is said when it cannot be.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use nopic_sql::testing::Engine;
use support::{Place, url_of};

/// The URL of an empty database.
fn database() -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Engine::Postgres.database());
    url_of(&database.location).unwrap()
}

/// Everything that a user does with the sample, and what it printed.
fn work(place: &Place, options: &[&str]) -> Vec<String> {
    let mut printed = Vec::new();
    let mut run = |arguments: &[&str], status: i32| {
        let ended = place.run(&[arguments, options].concat());
        assert_eq!(ended.status, status, "{arguments:?}: {ended:?}");
        printed.push(ended.out);
    };
    for import in [
        &["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"][..],
        &["registry", "import", "sample/operations-2024-09-30.zip"],
        &[
            "registry",
            "import",
            "sample/operations-2026-03-01.json",
            "--full",
        ],
        &["flags", "import", "sample/flags.csv", "--replace"],
        &["certificate", "import", "sample/certificates.jsonl"],
        &["importer", "import", "sample/importer-links.csv"],
        &["registry", "watch", "--once", "--output", "jsonl"],
        &["registry", "search", "farm", "--output", "jsonl"],
        &["certificate", "list", "--output", "jsonl"],
        &["flags", "show", "0901.11.0015", "--on", "2026-02-13"],
    ] {
        run(import, 0);
    }
    for form in ["entries.jsonl", "entries.csv", "entries.abi"] {
        let file = format!("sample/{form}");
        run(&["entry", "validate", &file, "--output", "jsonl"], 1);
    }
    printed
}

#[test]
fn the_same_work_gives_the_same_output_on_either_engine() {
    let place = Place::new();
    place.sample(150, 40, 120, 5);
    let url = database();
    let on_server = ["--database", &url, "--data", "temporary"];

    // Nobody but `nopic migrate` changes a schema there.
    let early = place.run(&[&["registry", "list"][..], &on_server].concat());
    assert_eq!(early.status, 2);
    assert!(early.said.contains("run `nopic migrate`"), "{}", early.said);
    let migrated = place.done(&["migrate", "--database", &url]).out;
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    assert!(readme.contains(&format!("```\n{migrated}```\n")), "{migrated}");
    let again = place.done(&["migrate", "--database", &url]).out;
    assert_eq!(again.matches("up to date already\n").count(), 5, "{again}");

    let served_by_server = work(&place, &on_server);
    assert_eq!(served_by_server, work(&place, &[]));
    assert!(served_by_server.iter().any(|printed| printed.contains("REJECT")));
    // Of the data nothing is in the folder.
    let files: Vec<_> = std::fs::read_dir(place.path().join("temporary"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let is_database = |name: &std::ffi::OsString| name.to_string_lossy().contains(".sqlite");
    assert!(!files.iter().any(is_database), "{files:?}");

    // A server on the database is asked by commands of its folder, and by none that means another database.
    let server = place.serve(&[&["serve", "all", "--listen", "127.0.0.1:0"][..], &on_server].concat());
    for options in [&on_server[..], &on_server[2..]] {
        let asked = place.run(
            &[
                &["entry", "validate", "sample/entries.jsonl", "--output", "jsonl"][..],
                options,
            ]
            .concat(),
        );
        assert!(asked.said.contains(&server.url), "{}", asked.said);
        assert_eq!(asked.out, served_by_server[10]);
    }
    let other = place.run(&[
        "registry",
        "list",
        "--data",
        "temporary",
        "--database",
        "postgres://127.0.0.1/other",
    ]);
    assert_eq!(other.status, 2);
    assert!(
        other.said.contains("not on PostgreSQL database other"),
        "{}",
        other.said
    );
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_folder_can_be_migrated_too() {
    let place = Place::new();
    let migrated = place.done(&["migrate"]).out;
    assert_eq!(migrated.matches("applied: ").count(), 5, "{migrated}");
    let again = place.done(&["migrate"]).out;
    assert_eq!(again.matches("up to date already\n").count(), 5, "{again}");
    place.done(&["registry", "list"]);
}

#[test]
fn a_server_to_be_waits_for_the_migration() {
    let place = Place::new();
    let url = database();
    let ended = place.run(&["migrate", "--wait", "0", "--database", &url]);
    assert_eq!(ended.status, 2, "{ended:?}");
    assert!(
        ended.said.contains("the schema registry lacks 5 steps of 5"),
        "{}",
        ended.said
    );
    let mut waiting = place
        .command(&["migrate", "--wait", "60", "--database", &url])
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(waiting.try_wait().unwrap().is_none(), "it waits for nothing");
    place.done(&["migrate", "--database", &url]);
    assert!(waiting.wait().unwrap().success());
    // It changes nothing, and is done at once where nothing is lacking.
    assert_eq!(
        place.done(&["migrate", "--wait", "0", "--database", &url]).out,
        ""
    );
    let ended = place.run(&["migrate", "--wait", "0"]);
    assert_eq!(ended.status, 2);
    assert!(ended.said.contains("nothing to wait for"), "{}", ended.said);
}

#[test]
fn a_database_that_cannot_be_used_is_explained() {
    let place = Place::new();
    let url = database();
    let (server, _) = url.rsplit_once('/').unwrap();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, says) in [
        (format!("{server}/no_such_database"), "createdb"),
        (server.replace("postgres@", "nobody_knows@"), "~/.pgpass"),
        (
            format!("postgres://{unused}/nopic"),
            "cannot be reached: Connection refused",
        ),
        ("localhost/nopic".to_owned(), "postgres://USER@HOST"),
        ("mysql://localhost/nopic".to_owned(), "postgres://USER@HOST"),
    ] {
        for command in [&["migrate"][..], &["registry", "list"]] {
            let ended = place.run(&[command, &["--database", &url]].concat());
            assert_eq!(ended.status, 2, "{url}: {ended:?}");
            assert!(ended.said.contains(says), "{url}: {}", ended.said);
            assert!(ended.out.is_empty(), "{url}");
        }
    }
    for refused in [
        &["demo", "--exit"][..],
        &["registry", "list", "--endpoint", "http://x"],
    ] {
        let ended = place.run(&[refused, &["--database", &url]].concat());
        assert_eq!(ended.status, 2);
        assert!(
            ended.said.contains("Leave out --database"),
            "{refused:?}: {}",
            ended.said
        );
    }
}

/// Answers as PostgreSQL does when the password is wrong, to any number of connections.
fn server_that_knows_no_password() -> u16 {
    const ENCRYPT: [u8; 4] = 80_877_103u32.to_be_bytes();
    const ERROR: &[u8] = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"nopic\"\0\0";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut start = [0; 512];
            let read = stream.read(&mut start).unwrap();
            if start[4..read].starts_with(&ENCRYPT) {
                stream.write_all(b"N").unwrap();
                let _ = stream.read(&mut start).unwrap();
            }
            let length = u32::try_from(ERROR.len() + 4).unwrap();
            stream.write_all(b"E").unwrap();
            stream.write_all(&length.to_be_bytes()).unwrap();
            stream.write_all(ERROR).unwrap();
        }
    });
    port
}

#[test]
fn a_password_is_never_said() {
    let place = Place::new();
    let port = server_that_knows_no_password();
    let url = format!("postgres://nopic:top-secret@127.0.0.1:{port}/nopic");
    for arguments in [
        &["migrate"][..],
        &["registry", "list"],
        &["migrate", "--help"],
        &["--help"],
        &["registry", "list", "--nonsense"],
    ] {
        let output = place
            .command(arguments)
            .env("NOPIC_DATABASE", &url)
            .env("NOPIC_LOG", "trace")
            .output()
            .unwrap();
        for shown in [output.stdout, output.stderr] {
            let shown = String::from_utf8(shown).unwrap();
            assert!(!shown.contains("top-secret"), "{arguments:?}: {shown}");
        }
    }
    for wrong in [url.clone(), url.replace(&format!(":{port}/"), ":port/")] {
        let ended = place.run(&["migrate", "--database", &wrong]);
        assert_eq!(ended.status, 2);
        assert!(!ended.said.contains("top-secret"), "{}", ended.said);
    }
    let ended = place.run(&["migrate", "--database", &url]);
    assert!(
        ended
            .said
            .contains("does not let us in: password authentication failed"),
        "{}",
        ended.said
    );
}

#[test]
fn a_server_judges_by_flags_that_another_process_imported() {
    let place = Place::new();
    let url = database();
    place.done(&["migrate", "--database", &url]);
    let server = place.serve(&[
        "serve",
        "all",
        "--listen",
        "127.0.0.1:0",
        "--database",
        &url,
        "--data",
        "server",
    ]);
    let shown = || {
        let arguments = [
            "flags",
            "show",
            "0106110001",
            "--on",
            "2026-01-01",
            "--data",
            "server",
        ];
        place.done(&arguments).out
    };
    assert!(shown().contains("not flagged"));
    place.file("flags.csv", "hts,flag,from,to\n0106110001,AM8,2020-01-01,\n");
    // With a folder of its own, no server is asked.
    let imported = place.done(&[
        "flags",
        "import",
        "flags.csv",
        "--database",
        &url,
        "--data",
        "own",
    ]);
    assert!(!imported.said.contains(&server.url), "{}", imported.said);
    let soon = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        shown().contains("AM8")
    });
    assert!(soon, "{}", server.said());
    assert_eq!(server.stop(), Some(0));
}
