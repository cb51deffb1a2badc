//! What was done to the records behind the program's back is found from the command line.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use support::Place;

const DATABASE: &str = "nopic-data/entry-validation.sqlite";

/// A folder in which a few importers were linked, one in each run. The first of them also keeps the flags and the policy
/// that ship, and notes both: records 1 and 2.
fn linked() -> Place {
    let place = Place::new();
    for number in 1..=5 {
        place.done(&["importer", "link", &format!("12-345678{number}00"), "0150000001"]);
    }
    place
}

/// Runs SQL without the triggers that protect the log.
fn tamper(place: &Place, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = SqliteConnectOptions::new()
            .filename(place.path().join(DATABASE))
            .connect()
            .await
            .unwrap();
        let triggers =
            sqlx::query("SELECT 'DROP TRIGGER ' || name FROM sqlite_schema WHERE type = 'trigger'")
                .fetch_all(&mut connection)
                .await
                .unwrap();
        for sql in triggers
            .iter()
            .map(|row| row.get::<String, _>(0))
            .chain([sql.to_owned()])
        {
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await
                .unwrap();
        }
    });
}

#[test]
fn a_log_that_nobody_touched_is_well() {
    let place = linked();
    let verified = place.done(&["audit", "verify"]);
    assert!(
        verified.out.contains(
            "entry_validation: all is as it was written: 7 records in 5 seals, 5 heads and 7 rows compared"
        ),
        "{verified:?}"
    );
    assert!(
        verified
            .out
            .contains("certificate: all is as it was written: 0 records"),
        "{verified:?}"
    );
    let only = place.done(&["audit", "verify", "--service", "certificate"]);
    assert!(!only.out.contains("entry_validation"), "{only:?}");
    let listed = place.done(&["audit", "heads"]);
    assert!(listed.out.contains("entry_validation  5     7"), "{listed:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let key = place.path().join("nopic-data/audit-signing-key.der");
        assert_eq!(
            std::fs::metadata(key).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[test]
fn an_import_of_certificates_is_noted() {
    let place = Place::new();
    place.sample(50, 5, 0, 5);
    place.done(&["certificate", "import", "sample/certificates.jsonl"]);
    let verified = place.done(&["audit", "verify", "--service", "certificate"]);
    assert!(
        verified
            .out
            .contains("1 record in 1 seal, 1 head and 15 rows compared"),
        "{verified:?}"
    );
}

#[test]
fn a_changed_record_is_named() {
    let place = linked();
    tamper(&place, "UPDATE audit_record SET actor = 'eve' WHERE sequence = 5");
    let verified = place.run(&["audit", "verify"]);
    assert_eq!(verified.status, 1, "{verified:?}");
    for expected in [
        "entry_validation: NOT AS IT WAS WRITTEN",
        "record 5 was changed after it was sealed; now it says IMPORTER_LINKED of 12-345678300 by eve at",
        "(seal 3 of ",
        "A backup that was made before that moment",
    ] {
        assert!(verified.out.contains(expected), "{expected}: {verified:?}");
    }
    let listed = place.run(&["audit", "verify", "--output", "jsonl"]);
    assert_eq!(listed.status, 1, "{listed:?}");
    let lines: Vec<serde_json::Value> = listed
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of_log = |line: &&serde_json::Value| line["service"] == "entry_validation";
    let [compared, finding] = lines.iter().filter(of_log).collect::<Vec<_>>()[..] else {
        panic!("{listed:?}");
    };
    assert_eq!(compared["kind"], "COMPARED");
    assert_eq!(
        (&compared["rows"], &compared["rows_before"]),
        (&7.into(), &0.into())
    );
    assert_eq!(finding["rows"], serde_json::Value::Null);
    assert_eq!(finding["kind"], "RECORD_CHANGED");
    assert_eq!((&finding["record"], &finding["seal"]), (&5.into(), &3.into()));
}

#[test]
fn what_was_compared_is_counted() {
    let place = Place::new();
    for form in ["jsonl", "csv"] {
        let verified = place.done(&["audit", "verify", "--service", "certificate", "--output", form]);
        assert!(
            verified
                .out
                .contains("0 records in 0 seals, 0 heads and 0 rows compared"),
            "{verified:?}"
        );
    }
}

#[test]
fn an_anchor_that_was_kept_elsewhere_finds_a_log_that_was_cut_off() {
    let place = linked();
    let anchor = place.done(&["audit", "heads", "--output", "jsonl"]).out;
    place.file("kept.jsonl", &anchor);
    tamper(
        &place,
        "DELETE FROM audit_seal WHERE seal > 2; DELETE FROM audit_record WHERE sequence > 4; \
         UPDATE sqlite_sequence SET seq = 4 WHERE name = 'audit_record'; \
         DELETE FROM importer_link WHERE importer_of_record > '12-345678200'",
    );
    std::fs::remove_dir_all(place.path().join("nopic-data/heads")).unwrap();
    place.done(&["audit", "verify"]);
    for anchor in ["kept.jsonl", anchor.trim()] {
        let verified = place.run(&["audit", "verify", "--anchor", anchor]);
        assert_eq!(verified.status, 1, "{verified:?}");
        assert!(
            verified.out.contains("the log was cut off behind record 4"),
            "{verified:?}"
        );
        assert!(verified.out.contains("7 records, in 5 seals"), "{verified:?}");
    }
}

#[test]
fn a_cut_off_log_is_said_by_whoever_writes_to_it_next() {
    let place = linked();
    tamper(
        &place,
        "DELETE FROM audit_seal WHERE seal > 2; DELETE FROM audit_record WHERE sequence > 2",
    );
    let linked = place.done(&["importer", "link", "12-345678900", "0150000001"]);
    assert!(linked.said.contains("run `nopic audit verify`"), "{linked:?}");
}

#[test]
fn wrong_anchors_are_explained() {
    let place = linked();
    place.file("empty.jsonl", "\n");
    place.file("other.jsonl", "{\"service\":1}\n");
    for (anchor, says) in [
        ("nowhere.jsonl", "it does not exist"),
        ("empty.jsonl", "holds no head"),
        ("other.jsonl", "line 1"),
        ("{}", "is not a head"),
    ] {
        let verified = place.run(&["audit", "verify", "--anchor", anchor]);
        assert_eq!(verified.status, 2, "{verified:?}");
        assert!(verified.said.contains(says), "{verified:?}");
    }
    let head = place.done(&["audit", "heads", "--output", "jsonl"]).out;
    let verified = place.run(&[
        "audit",
        "verify",
        "--service",
        "certificate",
        "--anchor",
        head.trim(),
    ]);
    assert_eq!(verified.status, 2, "{verified:?}");
    assert!(
        verified.said.contains("whose log is not verified"),
        "{verified:?}"
    );
}

#[test]
fn a_server_seals_while_it_serves_and_when_it_ends() {
    let place = Place::new();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    place.done(&["importer", "link", "12-345678100", "0150000001"]);
    let is_sealed = (0..300).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        !place.done(&["audit", "heads"]).out.is_empty()
    });
    assert!(is_sealed);
    place.done(&["importer", "link", "12-345678200", "0150000001"]);
    assert_eq!(server.stop(), Some(0));
    let heads = place.done(&["audit", "heads"]);
    assert!(heads.out.contains("entry_validation  2     4"), "{heads:?}");
    place.done(&["audit", "verify"]);
}
