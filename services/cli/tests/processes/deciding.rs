//! Three processes decide what one decides.

use std::process::Command;
use std::time::Duration;

use nopic_sql::testing::Engine;
use rstest::rstest;
use tokio::time::Instant;

use crate::running::{IMPORTS, NAMES, Processes, sample, url, verdicts};

const VALIDATE: [&str; 6] = [
    "entry",
    "validate",
    "sample/entries.jsonl",
    "--output",
    "jsonl",
    "--quiet",
];
const FILE: [&str; 6] = [
    "entry",
    "file",
    "sample/entries.jsonl",
    "--output",
    "jsonl",
    "--quiet",
];

#[rstest]
#[tokio::test]
async fn three_processes_decide_what_one_decides(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let place = sample(1_500);
    for (_, arguments) in IMPORTS {
        place.done(arguments);
    }
    let validated = verdicts(place.command(&VALIDATE));
    let filed = verdicts(place.command(&FILE));

    let database = engine.database().await;
    if let Some(url) = url(&database) {
        let migrated = place.command(&["migrate"]).env("NOPIC_DATABASE", url).output();
        assert!(migrated.unwrap().status.success());
    }
    let processes = Processes::start(&place, &database);
    processes.import();
    assert_eq!(
        verdicts(processes.command("entry-validation", &VALIDATE)),
        validated
    );
    assert_eq!(verdicts(processes.command("entry-validation", &FILE)), filed);
    // Asked again, it is the first answer.
    assert_eq!(verdicts(processes.command("entry-validation", &FILE)), filed);
}

#[tokio::test]
async fn a_service_that_is_gone_is_missed_and_nothing_else() {
    let place = sample(1_500);
    let database = Engine::Sqlite.database().await;
    let mut processes = Processes::start(&place, &database);
    processes.import();
    let expected = verdicts(processes.command("entry-validation", &VALIDATE));

    // Killed, not stopped.
    processes.running[1] = None;
    let without = verdicts(processes.command("entry-validation", &VALIDATE));
    assert_eq!(without.len(), expected.len());
    let (mut same, mut indeterminate) = (0, 0);
    for (without, expected) in without.iter().zip(&expected) {
        if without["verdict"] == expected["verdict"] {
            same += 1;
        } else {
            // Never another answer.
            assert_eq!(without["verdict"], "INDETERMINATE", "{without} beside {expected}");
            indeterminate += 1;
        }
    }
    // Lines without a certificate are decided all the same.
    assert!(same > 0 && indeterminate > 0, "{same}, {indeterminate}");

    processes.start_one(1);
    assert_eq!(
        verdicts(processes.command("entry-validation", &VALIDATE)),
        expected
    );
}

/// The pointer to the current revision in Redis, once it is another one than before.
#[track_caller]
fn pointer_after(before: &[u8], url: &str, deployment: &str) -> Vec<u8> {
    let began = Instant::now();
    loop {
        let key = format!("oid:{deployment}:revision");
        let output = Command::new("redis-cli")
            .args(["-u", url, "--raw", "GET", &key])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        if output.stdout.len() > 1 && output.stdout != before {
            return output.stdout;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "nothing is published: {:?}",
            output.stdout
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn statuses_come_from_the_cache_while_the_registry_is_gone() {
    let url = std::env::var("NOPIC_TEST_REDIS").expect("Redis runs: begin the command with tests/with-redis");
    let place = sample(1_500);
    let database = Engine::Sqlite.database().await;
    let deployment = format!("processes-{}", std::process::id());
    let redis = Some((url.clone(), deployment.clone()));
    let mut processes = Processes::start_with(&place, &database, redis);
    let mut pointer = Vec::new();
    for (service, arguments) in IMPORTS {
        let output = processes.command(service, arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        if service == "registry" {
            pointer = pointer_after(&pointer, &url, &deployment);
        }
    }
    let expected = verdicts(processes.command("entry-validation", &VALIDATE));

    // A process that has asked nothing yet, and no registry to ask.
    processes.running[0] = None;
    processes.running[2] = None;
    processes.start_one(2);
    assert_eq!(
        verdicts(processes.command("entry-validation", &VALIDATE)),
        expected
    );
}

#[tokio::test]
async fn without_redis_the_registry_is_asked() {
    let place = sample(1_500);
    let database = Engine::Sqlite.database().await;
    let mut processes = Processes::start(&place, &database);
    processes.import();
    let expected = verdicts(processes.command("entry-validation", &VALIDATE));

    // Nobody listens there.
    processes.redis = Some(("redis://127.0.0.1:9".to_owned(), "gone".to_owned()));
    for service in 0..NAMES.len() {
        processes.running[service] = None;
        processes.start_one(service);
    }
    assert_eq!(
        verdicts(processes.command("entry-validation", &VALIDATE)),
        expected
    );
}

#[tokio::test]
async fn a_registry_that_was_restored_is_not_taken_for_what_it_was() {
    let url = std::env::var("NOPIC_TEST_REDIS").expect("Redis runs: begin the command with tests/with-redis");
    let place = sample(1_500);
    let newer: &[&str] = &[
        "registry",
        "import",
        "sample/operations-2026-03-01.json",
        "--full",
    ];
    // What a registry says that never had the second snapshot.
    for arguments in [IMPORTS[0].1, newer, IMPORTS[2].1] {
        place.done(arguments);
    }
    let expected = verdicts(place.command(&VALIDATE));

    let database = Engine::Sqlite.database().await;
    let deployment = format!("restored-{}", std::process::id());
    let redis = Some((url.clone(), deployment.clone()));
    let mut processes = Processes::start_with(&place, &database, redis);
    let import = |processes: &Processes<'_>, service: &str, arguments: &[&str]| {
        let output = processes.command(service, arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    import(&processes, "registry", IMPORTS[0].1);
    import(&processes, "certificate", IMPORTS[2].1);
    let pointer = pointer_after(&[], &url, &deployment);
    // The backup, while nothing writes.
    processes.running[0].take().unwrap().stop();
    let data = place.path().join("try/data-registry");
    // With what stands beside the database itself.
    let database_files = || {
        let files = std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.to_string_lossy().contains("registry.sqlite"))
    };
    let backup: Vec<_> = database_files()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    assert!(!backup.is_empty());
    processes.start_one(0);
    import(&processes, "registry", IMPORTS[1].1);
    let pointer = pointer_after(&pointer, &url, &deployment);
    let before = verdicts(processes.command("entry-validation", &VALIDATE));
    assert_ne!(before, expected);

    processes.running[0].take().unwrap().stop();
    database_files().for_each(|path| std::fs::remove_file(path).unwrap());
    for (path, content) in backup {
        std::fs::write(path, content).unwrap();
    }
    processes.start_one(0);
    let pointer = pointer_after(&pointer, &url, &deployment);
    // The number of the second revision is given again.
    import(&processes, "registry", newer);
    pointer_after(&pointer, &url, &deployment);

    // The process that knew the other second revision, and one that knows nothing.
    let began = Instant::now();
    while verdicts(processes.command("entry-validation", &VALIDATE)) != expected {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the old revision goes on serving"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    processes.running[2] = None;
    processes.start_one(2);
    assert_eq!(
        verdicts(processes.command("entry-validation", &VALIDATE)),
        expected
    );
}
