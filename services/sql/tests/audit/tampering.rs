//! What was done to the log by hand is found, and the record is named.

use nopic_sql::audit::{Head, Kind};
use nopic_sql::testing::Engine;
use rstest::rstest;

use crate::support::World;

/// A log of ten records under four seals, with this done to it.
async fn tampered(engine: Engine, sql: &str) -> World {
    let world = World::with_records(engine, 10).await;
    world.unprotect().await;
    world.run(sql).await;
    world
}

#[rstest]
#[case(
    "UPDATE audit_record SET actor = 'eve' WHERE sequence = 5",
    Kind::RecordChanged,
    5
)]
#[case(
    "UPDATE audit_record SET detail = '{} ' WHERE sequence = 10",
    Kind::RecordChanged,
    10
)]
#[case("DELETE FROM audit_record WHERE sequence = 1", Kind::RecordRemoved, 1)]
#[case("DELETE FROM audit_record WHERE sequence = 5", Kind::RecordRemoved, 5)]
#[case("DELETE FROM audit_record WHERE sequence = 10", Kind::RecordRemoved, 10)]
#[case(
    "UPDATE audit_record SET sequence = NULL WHERE sequence = 6",
    Kind::RecordRemoved,
    6
)]
#[case(
    "UPDATE audit_record SET sequence = 99 WHERE sequence = 5",
    Kind::RecordRemoved,
    5
)]
#[tokio::test]
async fn one_record_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[case] sql: &str,
    #[case] kind: Kind,
    #[case] record: i64,
) {
    let world = tampered(engine, sql).await;
    let found = world.verify().await.findings;
    assert_eq!(
        (found[0].kind, found[0].record),
        (kind, Some(record)),
        "{found:?}"
    );
    assert!(
        found[0].sentence.contains(&format!("record {record} was ")),
        "{found:?}"
    );
    assert!(found[0].sentence.contains("2025-10-09T"), "{found:?}");
}

#[rstest]
#[tokio::test]
async fn a_removed_record_whose_followers_moved_up_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = tampered(engine, "DELETE FROM audit_record WHERE sequence = 5").await;
    world
        .run("UPDATE audit_record SET sequence = 5 WHERE sequence = 6")
        .await;
    assert_eq!(world.found().await, [(Kind::RecordRemoved, Some(5))]);
}

#[rstest]
#[tokio::test]
async fn swapped_records_are_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = tampered(engine, "UPDATE audit_record SET sequence = -1 WHERE sequence = 4").await;
    world
        .run("UPDATE audit_record SET sequence = 4 WHERE sequence = 6")
        .await;
    world
        .run("UPDATE audit_record SET sequence = 6 WHERE sequence = -1")
        .await;
    assert_eq!(
        world.found().await,
        [
            (Kind::RecordsReordered, Some(4)),
            (Kind::RecordsReordered, Some(6))
        ]
    );
}

#[rstest]
#[tokio::test]
async fn records_that_were_swapped_between_seals_are_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = tampered(engine, "UPDATE audit_record SET sequence = -1 WHERE sequence = 2").await;
    world
        .run("UPDATE audit_record SET sequence = 2 WHERE sequence = 8")
        .await;
    world
        .run("UPDATE audit_record SET sequence = 8 WHERE sequence = -1")
        .await;
    let found = world.found().await;
    // Each seal only knows its own records.
    assert_eq!(
        found,
        [(Kind::RecordChanged, Some(2)), (Kind::RecordChanged, Some(8))]
    );
}

#[rstest]
#[tokio::test]
async fn an_inserted_record_is_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = tampered(engine, "UPDATE audit_record SET sequence = -1 WHERE sequence = 9").await;
    world
        .run("UPDATE audit_record SET sequence = 9 WHERE sequence = 8")
        .await;
    let insert = world.insert(99, "8");
    world.run(&insert).await;
    let found = world.found().await;
    assert!(found.contains(&(Kind::RecordInserted, Some(8))), "{found:?}");
}

#[rstest]
#[tokio::test]
async fn a_record_inserted_behind_the_seals_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::with_records(engine, 10).await;
    world.unprotect().await;
    let insert = world.insert(99, "12");
    world.run(&insert).await;
    assert_eq!(world.found().await, [(Kind::RecordInserted, Some(12))]);
    let world = World::with_records(engine, 10).await;
    world.unprotect().await;
    let insert = world.insert(0, "0");
    world.run(&insert).await;
    assert_eq!(world.found().await[0], (Kind::RecordInserted, Some(0)));
}

#[tokio::test]
async fn a_record_removed_before_it_was_sealed_is_found_on_sqlite() {
    let world = World::with_records(Engine::Sqlite, 3).await;
    world.unprotect().await;
    world.note(4..=6).await;
    world.run("DELETE FROM audit_record WHERE audit_id = 6").await;
    let found = world.verify().await.findings;
    assert_eq!((found[0].kind, found[0].record), (Kind::RecordRemoved, Some(3)));
    world.run("DELETE FROM audit_record WHERE audit_id = 4").await;
    world.note([7]).await;
    world.seal().await;
    let found = world.verify().await.findings;
    let records: Vec<_> = found.iter().map(|finding| finding.record).collect();
    // Before number 4, which is id 5; and before number 5, which is id 7.
    assert_eq!(records, [Some(3), Some(4)], "{found:?}");
}

#[tokio::test]
async fn a_record_removed_before_it_was_sealed_leaves_a_number_on_postgres() {
    let world = World::with_records(Engine::Postgres, 3).await;
    world.unprotect().await;
    world.note([4]).await;
    world.run("DELETE FROM audit_record WHERE audit_id = 4").await;
    assert_eq!(world.verify().await.unused_numbers, 1);
}

#[rstest]
#[case("UPDATE audit_seal SET seal_hash = previous_hash WHERE seal = 2", 2)]
#[case("UPDATE audit_seal SET record_hashes = previous_hash WHERE seal = 1", 1)]
#[case("UPDATE audit_seal SET previous_hash = seal_hash WHERE seal = 4", 4)]
#[case("UPDATE audit_seal SET last_sequence = 7 WHERE seal = 2", 2)]
#[case(
    "UPDATE audit_seal SET last_sequence = 9223372036854775807, first_sequence = -5 WHERE seal = 2",
    2
)]
#[case("UPDATE audit_seal SET record_count = 2 WHERE seal = 3", 3)]
#[tokio::test]
async fn a_changed_seal_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[case] sql: &str,
    #[case] seal: i64,
) {
    let world = tampered(engine, sql).await;
    let found = world.verify().await.findings;
    assert_eq!(
        (found[0].kind, found[0].seal),
        (Kind::SealChanged, Some(seal)),
        "{found:?}"
    );
    let others = found
        .iter()
        .filter(|finding| ![Kind::SealChanged, Kind::Rewritten].contains(&finding.kind));
    assert_eq!(others.count(), 0, "{found:?}");
}

#[rstest]
#[tokio::test]
async fn a_removed_seal_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(1, 2, 4)] seal: i64,
) {
    let world = tampered(engine, &format!("DELETE FROM audit_seal WHERE seal = {seal}")).await;
    let found = world.verify().await.findings;
    assert_eq!(
        (found[0].kind, found[0].seal),
        (Kind::SealRemoved, Some(seal)),
        "{found:?}"
    );
    assert_eq!(found[0].record, Some(seal * 3 - 2), "{found:?}");
}

/// Ends the log with its second seal, as if it had never gone on.
const CUT: &str = "DELETE FROM audit_seal WHERE seal > 2; DELETE FROM audit_record WHERE sequence > 6; ";

#[rstest]
#[tokio::test]
async fn a_log_that_was_cut_off_is_found_by_its_heads(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = tampered(engine, CUT).await;
    if engine == Engine::Sqlite {
        world
            .run("UPDATE sqlite_sequence SET seq = 6 WHERE name = 'audit_record'")
            .await;
    }
    let found = world.verify().await.findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind, found[0].record), (Kind::CutOff, Some(6)));
    assert!(found[0].sentence.contains("10 records"), "{found:?}");
}

#[rstest]
#[tokio::test]
async fn an_anchor_finds_what_the_machine_itself_does_not_know(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::with_records(engine, 10).await;
    let anchors = world.audit.heads().latest("some_service", 1).unwrap();
    world.unprotect().await;
    world.run(CUT).await;
    if engine == Engine::Sqlite {
        world
            .run("UPDATE sqlite_sequence SET seq = 6 WHERE name = 'audit_record'")
            .await;
    }
    std::fs::remove_file(world.audit.heads().file("some_service")).unwrap();
    assert_eq!(world.found().await, []);
    let verified = world.audit.verify(anchors.clone()).await.unwrap();
    assert_eq!(
        (verified.findings[0].kind, verified.findings[0].record),
        (Kind::CutOff, Some(6))
    );
    // The log goes on past where it was.
    for subject in 20..26 {
        world.note([subject]).await;
        world.seal().await;
    }
    assert_eq!(world.found().await, []);
    let verified = world.audit.verify(anchors).await.unwrap();
    assert_eq!(verified.findings.len(), 1);
    assert_eq!(
        (verified.findings[0].kind, verified.findings[0].seal),
        (Kind::Rewritten, Some(4))
    );
}

#[rstest]
#[tokio::test]
async fn a_wrong_anchor_is_said(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::with_records(engine, 10).await;
    let anchor = world.audit.heads().latest("some_service", 1).unwrap().remove(0);
    assert_eq!(
        world.audit.verify(vec![anchor.clone()]).await.unwrap().findings,
        []
    );
    let changed = Head {
        records: 11,
        ..anchor.clone()
    };
    let of_another = Head {
        service: "other_service".into(),
        ..anchor
    };
    for (head, says) in [
        (changed, "it was changed"),
        (of_another, "belongs to the log of other_service"),
    ] {
        let found = world.audit.verify(vec![head]).await.unwrap().findings;
        assert_eq!(found[0].kind, Kind::HeadWrong);
        assert!(found[0].sentence.contains(says), "{found:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_changed_file_of_heads_is_said(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::with_records(engine, 10).await;
    let file = world.audit.heads().file("some_service");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"records\":3", "\"records\":4", 1)).unwrap();
    assert_eq!(world.found().await, [(Kind::HeadWrong, Some(4))]);
    std::fs::write(&file, format!("nothing\n{text}")).unwrap();
    let found = world.verify().await.findings;
    assert_eq!(found.len(), 1);
    assert!(found[0].sentence.contains("line 1 of "), "{found:?}");
}

#[rstest]
#[tokio::test]
async fn many_findings_are_counted(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    world.note(1..=150).await;
    world.seal().await;
    world.unprotect().await;
    world.run("UPDATE audit_record SET actor = 'eve'").await;
    let verified = world.verify().await;
    assert_eq!((verified.findings.len(), verified.more_findings), (100, 50));
}
