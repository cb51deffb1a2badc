//! Records are numbered and sealed, whole and in order, whoever seals and whenever transactions end.

use std::time::Duration;

use chrono::TimeDelta;
use nopic_sql::audit::{Audit, AuditError, Batch, Heads, Kind, Sealed};
use nopic_sql::testing::Engine;
use nopic_sql::{Location, Outcome, TransactionCount, postgres, sqlite};
use rstest::rstest;

use crate::support::{Database, SCHEMA, World, change, moment};

#[rstest]
#[tokio::test]
async fn every_statement_can_be_prepared(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    match &engine.database().await.location {
        Location::Folder(place) => sqlite::prepare_all(place, &SCHEMA, &[]).await,
        Location::Postgres(place) => postgres::prepare_all(place, &SCHEMA, &[]).await,
    }
}

/// How the transactions of a name ended, and whether they took any time.
fn counted(counts: Vec<TransactionCount>) -> Vec<(&'static str, Outcome, u64)> {
    assert!(counts.iter().all(|count| !count.time.is_zero()), "{counts:?}");
    counts
        .iter()
        .map(|count| (count.name, count.outcome, count.count))
        .collect()
}

#[rstest]
#[tokio::test]
async fn named_transactions_are_counted_by_their_end(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    macro_rules! ended {
        ($database:expr) => {{
            for _ in 0..2 {
                let transaction = $database.write("keep").await.unwrap();
                transaction.commit().await.unwrap();
            }
            drop($database.write("give_up").await.unwrap());
            counted($database.transactions())
        }};
    }
    let world = World::new(engine).await;
    let ended = match &world.database {
        Database::Sqlite(database) => ended!(database),
        Database::Postgres(database) => ended!(database),
    };
    assert_eq!(
        ended,
        [
            ("give_up", Outcome::RolledBack, 1),
            ("keep", Outcome::Committed, 2)
        ]
    );
    assert_eq!(counted(world.log.transactions()), ended);
}

#[rstest]
#[tokio::test]
async fn an_empty_log_is_well(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    assert_eq!(world.audit.seal(moment(0)).await.unwrap(), Sealed::Records(0));
    let verified = world.verify().await;
    assert_eq!((verified.seals, verified.records, verified.heads), (0, 0, 0));
    assert_eq!(verified.findings, []);
    assert!(
        !world.audit.heads().key_file().exists(),
        "nothing was to be signed"
    );
}

#[rstest]
#[tokio::test]
async fn records_are_sealed_and_the_head_is_exported(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    world.note(1..=5).await;
    assert_eq!(world.verify().await.unsealed, 5);
    world.seal().await;
    world.seal().await;
    world.note(6..=7).await;
    world.seal_at(moment(2)).await;
    let verified = world.verify().await;
    assert_eq!((verified.records, verified.unsealed), (7, 0));
    assert_eq!(verified.findings, []);
    let heads = world.audit.heads().latest("some_service", 10).unwrap();
    let last = heads.last().unwrap();
    assert_eq!((last.records, last.sealed_at), (7, moment(2)));
    assert!(heads.iter().all(nopic_sql::audit::Head::is_signed));
    assert_eq!(verified.heads, u64::try_from(heads.len()).unwrap());
}

#[rstest]
#[tokio::test]
async fn a_change_that_is_undone_leaves_no_record(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    world.note([1]).await;
    match &world.database {
        Database::Sqlite(database) => {
            let mut transaction = database.write("test").await.unwrap();
            sqlite::audit::record(&mut transaction, &change("undone", "{}"))
                .await
                .unwrap();
        }
        Database::Postgres(database) => {
            let mut transaction = database.write("test").await.unwrap();
            postgres::audit::record(&mut transaction, &change("undone", "{}"))
                .await
                .unwrap();
        }
    }
    world.note([2]).await;
    world.seal().await;
    let verified = world.verify().await;
    assert_eq!((verified.records, verified.findings), (2, vec![]));
    let unused = u64::from(engine == Engine::Postgres);
    assert_eq!(verified.unused_numbers, unused);
}

#[rstest]
#[tokio::test]
async fn the_database_refuses_to_change_the_log(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::with_records(engine, 4).await;
    world.note([5]).await;
    let mut refused = vec![
        "UPDATE audit_record SET actor = 'eve' WHERE sequence = 2".to_owned(),
        "UPDATE audit_record SET actor = 'eve', sequence = 9 WHERE sequence IS NULL".to_owned(),
        "UPDATE audit_record SET sequence = 9 WHERE sequence = 2".to_owned(),
        "UPDATE audit_record SET sequence = NULL WHERE sequence = 2".to_owned(),
        "DELETE FROM audit_record WHERE sequence = 2".to_owned(),
        "DELETE FROM audit_record WHERE sequence IS NULL".to_owned(),
        "UPDATE audit_seal SET sealed_at = sealed_at WHERE seal = 1".to_owned(),
        "DELETE FROM audit_seal".to_owned(),
        world.insert(99, "77"),
    ];
    match engine {
        Engine::Postgres => refused.extend(["TRUNCATE audit_record".into(), "TRUNCATE audit_seal".into()]),
        Engine::Sqlite => refused.extend([
            world.insert(2, "NULL").replace("INSERT", "INSERT OR REPLACE"),
            "INSERT OR REPLACE INTO audit_seal SELECT * FROM audit_seal".into(),
        ]),
    }
    for sql in refused {
        let says = world.refusal(&sql).await;
        assert!(says.contains("only added to"), "{sql}: {says}");
    }
    world.seal().await;
    assert_eq!(world.verify().await.records, 5);
}

#[rstest]
#[tokio::test]
async fn one_sealer_at_a_time(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    world.note(1..=6).await;
    assert_eq!(world.seal_batch("one", moment(0), 2).await, Batch::Sealed(2));
    assert_eq!(
        world.seal_batch("other", moment(0), 2).await,
        Batch::HeldByAnother
    );
    assert_eq!(world.seal_batch("one", moment(9), 2).await, Batch::Sealed(2));
    // It is longer held for its work.
    assert_eq!(
        world.seal_batch("other", moment(15), 2).await,
        Batch::HeldByAnother
    );
    // It crashed between two batches: the other goes on where it stopped.
    assert_eq!(world.seal_batch("other", moment(19), 2).await, Batch::Sealed(2));
    let verified = world.verify().await;
    assert_eq!(
        (verified.seals, verified.records, verified.findings),
        (3, 6, vec![])
    );
}

#[rstest]
#[tokio::test]
async fn a_lease_that_is_given_back_is_free(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    world.note(1..=2).await;
    assert_eq!(world.seal_batch("one", moment(0), 1).await, Batch::Sealed(1));
    world.log.release("other").await.unwrap();
    assert_eq!(
        world.seal_batch("other", moment(0), 1).await,
        Batch::HeldByAnother
    );
    world.log.release("one").await.unwrap();
    assert_eq!(world.seal_batch("other", moment(0), 1).await, Batch::Sealed(1));
}

#[rstest]
#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_sealing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    world.note(1..=2).await;
    assert_eq!(
        world.seal_batch("one", moment(100_000), 1).await,
        Batch::Sealed(1)
    );
    assert_eq!(world.seal_batch("other", moment(0), 1).await, Batch::Sealed(1));
    assert_eq!(world.verify().await.findings, []);
}

#[rstest]
#[tokio::test]
async fn sealers_that_race_make_one_chain(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    let sealers = (0..4).map(|holder| {
        let log = std::sync::Arc::clone(&world.log);
        tokio::spawn(async move {
            for round in 0..40 {
                // Each thinks that the others' time is over.
                let now = moment(0) + TimeDelta::days(i64::from(round * 4 + holder));
                log.seal_batch(&format!("{holder}"), now, 3).await.unwrap();
            }
        })
    });
    let sealers: Vec<_> = sealers.collect();
    world.note(1..=60).await;
    for sealer in sealers {
        sealer.await.unwrap();
    }
    world.seal_at(moment(0) + TimeDelta::days(1_000)).await;
    let verified = world.verify().await;
    assert_eq!((verified.records, verified.findings), (60, vec![]));
}

#[rstest]
#[tokio::test]
async fn a_head_that_a_crash_kept_back_is_exported_next(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    world.note([1]).await;
    // The seal, without what follows it.
    assert_eq!(world.seal_batch("crashed", moment(0), 10).await, Batch::Sealed(1));
    assert_eq!(world.audit.heads().latest("some_service", 9).unwrap(), []);
    world.audit.seal(moment(60)).await.unwrap();
    let heads = world.audit.heads().latest("some_service", 9).unwrap();
    assert_eq!(heads.iter().map(|head| head.records).collect::<Vec<_>>(), [1]);
}

#[rstest]
#[tokio::test]
async fn the_loop_seals_until_it_is_stopped_and_once_more(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let audit = world.audit.clone();
    let sealer = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        audit
            .seal_until(Duration::from_millis(20), || moment(0), stopped)
            .await;
    });
    world.note([1]).await;
    let sealed = async {
        while world.log.unsealed().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), sealed)
        .await
        .unwrap();
    stop.send(()).unwrap();
    sealer.await.unwrap();
    // The lease was given back.
    let other = world.other_sealer();
    world.note([2]).await;
    assert_ne!(other.seal(moment(0)).await.unwrap(), Sealed::ByAnother);
}

#[rstest]
#[tokio::test]
async fn a_shorter_log_is_not_exported(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::with_records(engine, 9).await;
    world.unprotect().await;
    world
        .run("DELETE FROM audit_seal WHERE seal > 1; DELETE FROM audit_record WHERE sequence > 3")
        .await;
    let refused = world.audit.seal(moment(3)).await.unwrap_err();
    assert!(matches!(refused, AuditError::NotTheLog { .. }), "{refused}");
    assert!(refused.to_string().contains("nopic audit verify"), "{refused}");
    world
        .run("DELETE FROM audit_seal; DELETE FROM audit_record")
        .await;
    let refused = world.audit.seal(moment(3)).await.unwrap_err();
    assert!(matches!(refused, AuditError::NotTheLog { .. }), "{refused}");
}

#[tokio::test]
async fn a_late_commit_is_sealed_behind_those_before_it_and_not_skipped() {
    let world = World::new(Engine::Postgres).await;
    let Database::Postgres(database) = &world.database else {
        unreachable!()
    };
    // It notes first and commits last.
    let mut late = database.write("test").await.unwrap();
    postgres::audit::record(&mut late, &change("late", "{}"))
        .await
        .unwrap();
    world.note(1..=3).await;
    for _ in 0..5 {
        assert_eq!(world.audit.seal(moment(0)).await.unwrap(), Sealed::Records(0));
    }
    assert_eq!(world.verify().await.unsealed, 3);
    late.commit().await.unwrap();
    world.seal().await;
    let verified = world.verify().await;
    assert_eq!((verified.records, verified.findings), (4, vec![]));
}

#[tokio::test]
async fn records_from_the_dump_of_another_server_are_sealed() {
    let world = World::new(Engine::Postgres).await;
    world.note([1]).await;
    world.unprotect().await;
    // That server had counted further.
    world
        .run("UPDATE audit_record SET transaction_id = '900000000000'")
        .await;
    world.seal().await;
    assert_eq!(world.verify().await.records, 1);
}

#[rstest]
#[tokio::test]
async fn a_log_with_another_key_is_found(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::with_records(engine, 3).await;
    let anchor = world.audit.heads().latest("some_service", 1).unwrap();
    std::fs::remove_file(world.audit.heads().key_file()).unwrap();
    std::fs::remove_file(world.audit.heads().file("some_service")).unwrap();
    world.audit.seal(moment(5)).await.unwrap();
    assert_eq!(world.verify().await.findings, []);
    let verified = world.audit.verify(anchor).await.unwrap();
    assert_eq!(verified.findings[0].kind, Kind::HeadWrong);
    assert!(verified.findings[0].sentence.contains("another key"));
}

#[tokio::test]
async fn a_large_log_is_walked_in_pages() {
    let world = World::new(Engine::Sqlite).await;
    let Database::Sqlite(database) = &world.database else {
        unreachable!()
    };
    let mut transaction = database.write("test").await.unwrap();
    for number in 0..5_500 {
        let subject = number.to_string();
        sqlite::audit::record(&mut transaction, &change(&subject, "{}"))
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(world.audit.seal(moment(0)).await.unwrap(), Sealed::Records(5_500));
    let verified = world.verify().await;
    assert_eq!(
        (verified.seals, verified.records, verified.findings),
        (6, 5_500, vec![])
    );
    // Heads elsewhere, for the same log.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Audit::new(
        std::sync::Arc::clone(&world.log),
        Heads::in_data_folder(elsewhere.path()),
    );
    other.seal(moment(0)).await.unwrap();
    assert_eq!(other.heads().latest("some_service", 9).unwrap().len(), 1);
}
