//! A filing that can never be finished is tried so often, then set aside; its entries are free, and it keeps nobody.

use std::sync::atomic::Ordering;

use nopic_proto::entry_validation::{EntryLine, ListSetAsideFilingsRequest, SetAsideFiling};
use nopic_sql::testing::Engine;
use nopic_tests::services::Setup;
use rstest::rstest;
use tonic::Code;

use super::support::{Filing, run_sql};

const ATTEMPTS: u32 = 3;

async fn filing(engine: Engine) -> (Filing, Vec<Vec<EntryLine>>) {
    let setup = Setup {
        engine,
        filing_attempts: ATTEMPTS,
        ..Setup::default()
    };
    let filing = Filing::with(&setup, 120).await;
    let same_entry = |one: &EntryLine, next: &EntryLine| one.entry_number == next.entry_number;
    let entries = filing
        .lines
        .chunk_by(same_entry)
        .map(<[EntryLine]>::to_vec)
        .collect();
    (filing, entries)
}

async fn set_aside(filing: &mut Filing) -> Vec<SetAsideFiling> {
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListSetAsideFilingsRequest {
            page_size: 1,
            page_token,
        };
        let answer = filing.services.records.list_set_aside_filings(request).await;
        let answer = answer.unwrap().into_inner();
        found.extend(answer.filings);
        if answer.complete {
            return found;
        }
        page_token = answer.next_page_token;
    }
}

/// What is stored of a filing cannot be read any more.
async fn spoil(filing: &Filing, engine: Engine, request_id: &str) {
    let bytes = match engine {
        Engine::Sqlite => "x'ff'",
        Engine::Postgres => "'\\xff'",
    };
    let sql = format!("UPDATE filing SET inputs = {bytes} WHERE request_id = '{request_id}'");
    run_sql(&filing.services, &sql).await;
}

/// All entries in one filing: some of them draw, so the ledger is asked.
#[rstest]
#[tokio::test]
async fn what_the_ledger_refuses_for_ever_is_set_aside_and_can_be_filed_anew(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (mut filing, entries) = filing(engine).await;
    let lines = entries[..8].concat();
    filing.services.ledger_refuses.store(true, Ordering::Relaxed);
    let refused = filing.file("one", lines.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal, "{refused}");
    for _ in 1..ATTEMPTS {
        assert_eq!(set_aside(&mut filing).await, []);
        filing.services.try_to_finish().await;
    }
    let [aside] = &set_aside(&mut filing).await[..] else {
        panic!("one filing is set aside");
    };
    assert_eq!((aside.request_id.as_str(), aside.tries), ("one", ATTEMPTS));
    assert_eq!(aside.entry_numbers.len(), 8);
    assert!(
        aside.because.contains("certificate service") && !aside.because.contains("the test"),
        "{aside:?}"
    );
    // Asked for again, it says so at once.
    let again = filing.file("one", lines.clone()).await.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition, "{again}");
    assert!(again.message().contains("was set aside at"), "{again}");
    // Nothing is left to be done, and the entries are free.
    filing.services.ledger_refuses.store(false, Ordering::Relaxed);
    assert_eq!(filing.services.finish_what_was_left().await, 0);
    let decisions = filing.file("two", lines.clone()).await.unwrap();
    assert_eq!(decisions.len(), lines.len());
    assert!(decisions.iter().any(|decision| !decision.drawn_kg.is_empty()));
    filing.assert_the_ledger_agrees().await;
    assert_eq!(set_aside(&mut filing).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn who_files_the_entries_of_one_that_was_set_aside_asks_the_ledger(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (mut filing, entries) = filing(engine).await;
    let lines = entries[..8].concat();
    filing.services.ledger_is_away.store(true, Ordering::Relaxed);
    filing.file("one", lines.clone()).await.unwrap_err();
    filing.services.ledger_is_away.store(false, Ordering::Relaxed);
    spoil(&filing, engine, "one").await;
    filing.services.try_to_finish().await;
    assert_eq!(set_aside(&mut filing).await.len(), 1);
    // Another filing of the entries asks the ledger even where it draws nothing.
    let mut without = lines.clone();
    for line in &mut without {
        "A".clone_into(&mut line.disclaimer_code);
    }
    filing.services.ledger_is_away.store(true, Ordering::Relaxed);
    let refused = filing.file("two", without.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    filing.services.ledger_is_away.store(false, Ordering::Relaxed);
    assert_eq!(filing.services.finish_what_was_left().await, 1);
    filing.assert_the_ledger_agrees().await;
}

#[rstest]
#[tokio::test]
async fn an_outage_uses_up_no_try_and_one_that_cannot_be_read_keeps_no_other(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (mut filing, entries) = filing(engine).await;
    let (first, second) = (entries[..8].concat(), entries[8..16].concat());
    filing.services.ledger_is_away.store(true, Ordering::Relaxed);
    for (request_id, lines) in [("first", &first), ("second", &second)] {
        let away = filing.file(request_id, lines.clone()).await.unwrap_err();
        assert_eq!(away.code(), Code::Unavailable, "{away}");
    }
    for _ in 0..3 * ATTEMPTS {
        assert!(!filing.services.try_to_finish().await);
    }
    assert_eq!(set_aside(&mut filing).await, []);
    spoil(&filing, engine, "first").await;
    filing.services.ledger_is_away.store(false, Ordering::Relaxed);
    filing.services.try_to_finish().await;
    let [aside] = &set_aside(&mut filing).await[..] else {
        panic!("the one that cannot be read is set aside, at once");
    };
    assert_eq!(
        (aside.request_id.as_str(), aside.entry_numbers.len()),
        ("first", 0)
    );
    assert_eq!(aside.because, "filing.inputs cannot be read");
    // The other is on record, and the entries of the first are free.
    assert_eq!(
        filing.file("second", second.clone()).await.unwrap().len(),
        second.len()
    );
    assert_eq!(
        filing.file("third", first.clone()).await.unwrap().len(),
        first.len()
    );
    filing.assert_the_ledger_agrees().await;
}
