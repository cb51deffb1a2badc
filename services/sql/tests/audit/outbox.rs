//! The outbox is read in the order of commits: nothing is skipped, nothing comes twice, and only a beginning is forgotten.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use nopic_sql::outbox::{Message, NewMessage, Page, Position, Whose};
use nopic_sql::testing::Engine;
use nopic_sql::{SchemaUpdate, postgres, sqlite};
use rstest::rstest;

use crate::support::{Database, SCHEMA, World, moment};

fn now() -> DateTime<Utc> {
    moment(0)
}

pub(crate) fn message(tenant: &str, subject: &str) -> NewMessage {
    NewMessage {
        tenant: tenant.to_owned(),
        topic: "TOLD",
        subject: subject.to_owned(),
        content: b"content".to_vec(),
    }
}

impl World {
    pub(crate) async fn put_at(&self, at: DateTime<Utc>, messages: impl IntoIterator<Item = NewMessage>) {
        match &self.database {
            Database::Sqlite(database) => {
                let mut transaction = database.write("test").await.unwrap();
                sqlite::outbox::put(&mut transaction, at, messages).await.unwrap();
                transaction.commit().await.unwrap();
            }
            Database::Postgres(database) => {
                let mut transaction = database.write("test").await.unwrap();
                postgres::outbox::put(&mut transaction, at, messages)
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
            }
        }
    }

    async fn put(&self, subject: &str) {
        self.put_at(now(), [message("default", subject)]).await;
    }

    pub(crate) async fn page(&self, whose: Whose<'_>, after: Option<Position>, limit: u32) -> Page {
        self.outbox.read(whose, after, limit).await.unwrap()
    }

    /// Messages, where the reader is then, and when the next one was put.
    pub(crate) async fn after(
        &self,
        whose: Whose<'_>,
        after: Option<Position>,
        limit: u32,
    ) -> (Vec<Message>, Position, Option<DateTime<Utc>>) {
        match self.page(whose, after, limit).await {
            Page::Messages {
                messages,
                position,
                next_recorded_at,
            } => (messages, position, next_recorded_at),
            other => panic!("{other:?}"),
        }
    }

    /// Reads on until so many messages came: transactions of other tests may hold them back for a while.
    async fn read(&self, mut position: Option<Position>, count: usize) -> Vec<Message> {
        let read = async {
            let mut read: Vec<Message> = Vec::new();
            while read.len() < count {
                let (page, next, _) = self.after(Whose::All, position, 2).await;
                position = Some(next);
                if page.is_empty() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                read.extend(page);
            }
            read
        };
        tokio::time::timeout(Duration::from_secs(30), read).await.unwrap()
    }

    /// Forgets until nothing older is there.
    async fn forget_all(&self, before: DateTime<Utc>, at_once: u32) -> u64 {
        let mut forgotten = 0;
        loop {
            let gone = self.outbox.forget(before, at_once).await.unwrap();
            forgotten += gone;
            if gone < u64::from(at_once) {
                return forgotten;
            }
        }
    }
}

pub(crate) fn subjects(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.subject.as_str()).collect()
}

#[rstest]
#[tokio::test]
async fn messages_are_read_page_by_page(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    assert_eq!(world.outbox.service(), "some_service");
    for subject in ["a", "b", "c", "d", "e"] {
        world.put(subject).await;
    }
    let read = world.read(None, 5).await;
    assert_eq!(subjects(&read), ["a", "b", "c", "d", "e"]);
    assert!(read.is_sorted_by_key(|message| message.position));
    let last = read[4].position;
    assert_eq!(
        world.after(Whose::All, Some(last), 10).await,
        (vec![], last, None)
    );
    assert_eq!(read[0].content, b"content");
    assert_eq!((read[0].recorded_at, read[0].topic.as_str()), (now(), "TOLD"));
    // The same place gives the same again.
    assert_eq!(world.read(Some(read[1].position), 3).await, read[2..]);
    // What is left is told with its age, also to whoever asks for nothing else.
    let (page, position, next) = world.after(Whose::All, Some(read[1].position), 2).await;
    assert_eq!(
        (subjects(&page), position, next),
        (vec!["c", "d"], read[3].position, Some(now()))
    );
    let (page, position, next) = world.after(Whose::All, Some(last), 0).await;
    assert_eq!((page, position, next), (vec![], last, None));
    let (page, _, next) = world.after(Whose::All, None, 0).await;
    assert_eq!((page, next), (vec![], Some(now())));
}

#[rstest]
#[tokio::test]
async fn a_tenant_reads_its_own_and_everybodys_and_comes_past_those_of_others(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    for (tenant, subject) in [
        ("acme", "1"),
        ("other", "2"),
        ("", "3"),
        ("acme", "4"),
        ("other", "5"),
        ("other", "6"),
    ] {
        world.put_at(now(), [message(tenant, subject)]).await;
    }
    let all = world.read(None, 6).await;
    let (page, position, next) = world.after(Whose::Of("acme"), None, 2).await;
    assert_eq!((subjects(&page), next), (vec!["1", "3"], Some(now())));
    assert_eq!(position, all[2].position);
    let (page, position, next) = world.after(Whose::Of("acme"), Some(position), 2).await;
    assert_eq!((subjects(&page), next), (vec!["4"], None));
    // It has seen the end, though the last ones are not for it: when they are forgotten, it has missed nothing.
    assert_eq!(position, all[5].position);
    assert_eq!(world.forget_all(moment(1), 4).await, 6);
    let (page, still, _) = world.after(Whose::Of("acme"), Some(position), 2).await;
    assert_eq!((page, still), (vec![], position));
    let (page, _, _) = world.after(Whose::Of("stranger"), None, 2).await;
    assert_eq!(page, []);
}

#[rstest]
#[tokio::test]
async fn an_answer_is_bounded_in_bytes_and_comes_past_a_long_message(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let long = |subject: &str, bytes| NewMessage {
        content: vec![7; bytes],
        ..message("", subject)
    };
    let messages = [
        long("a", 700_000),
        long("b", 700_000),
        long("c", 3_000_000),
        long("d", 1),
    ];
    world.put_at(now(), messages).await;
    world.read(None, 4).await;
    let (mut position, mut pages) = (None, Vec::new());
    loop {
        let (page, next, left) = world.after(Whose::All, position, 100).await;
        pages.push(subjects(&page).join(" "));
        position = Some(next);
        if left.is_none() {
            break;
        }
    }
    assert_eq!(pages, ["a", "b", "c", "d"]);
}

#[rstest]
#[tokio::test]
async fn only_a_beginning_is_forgotten_and_whoever_is_behind_it_is_told(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    // Clocks of writers differ: the fourth is older than the third, which is young enough to stay.
    for (second, subject) in [(0, "a"), (1, "b"), (9, "c"), (2, "d"), (10, "e")] {
        world.put_at(moment(second), [message("default", subject)]).await;
    }
    // Whoever was there before the first has a place, and is told if it missed anything.
    let read = world.read(None, 5).await;
    assert_eq!(world.forget_all(moment(0), 1).await, 0);
    assert_eq!(world.forget_all(moment(5), 1).await, 2);
    assert_eq!(world.forget_all(moment(5), 10).await, 0);
    assert_eq!(
        world.page(Whose::All, Some(Position::default()), 9).await,
        Page::Gone
    );
    assert_eq!(
        world.page(Whose::All, Some(read[0].position), 9).await,
        Page::Gone
    );
    assert_eq!(
        world.page(Whose::Of("x"), Some(read[0].position), 9).await,
        Page::Gone
    );
    // At the floor nothing is missed; a fresh reader begins there and is not told.
    assert_eq!(
        world.after(Whose::All, Some(read[1].position), 9).await.0,
        read[2..]
    );
    let (rest, end, _) = world.after(Whose::All, None, 9).await;
    assert_eq!(rest, read[2..]);
    // When all is gone, places go on: none is given twice.
    assert_eq!(world.forget_all(moment(60), 2).await, 3);
    assert_eq!(world.after(Whose::All, None, 9).await, (vec![], end, None));
    assert_eq!(world.after(Whose::All, Some(end), 9).await, (vec![], end, None));
    world.put("f").await;
    let next = world.read(Some(end), 1).await;
    assert_eq!(subjects(&next), ["f"]);
    assert!(next[0].position > end);
}

#[rstest]
#[tokio::test]
async fn whoever_read_nothing_at_all_is_told_what_it_missed(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (page, position, _) = world.after(Whose::Of("acme"), None, 9).await;
    assert_eq!((page, position), (vec![], Position::default()));
    world.put("a").await;
    world.read(None, 1).await;
    assert_eq!(world.forget_all(moment(60), 9).await, 1);
    assert_eq!(world.page(Whose::Of("acme"), Some(position), 9).await, Page::Gone);
}

#[rstest]
#[tokio::test]
async fn a_position_that_was_never_told_here_is_no_place_to_wait_at(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    world.put("a").await;
    let mut position = world.read(None, 1).await[0].position;
    // A database that was set back: what comes up to there would be passed over.
    position.id += 1;
    assert_eq!(world.page(Whose::All, Some(position), 9).await, Page::NeverTold);
}

#[tokio::test]
async fn the_dump_of_another_server_is_read_from_its_beginning() {
    let world = World::new(Engine::Postgres).await;
    for subject in ["forgotten", "a", "b"] {
        world.put(subject).await;
    }
    let read = world.read(None, 3).await;
    world.outbox.forget(moment(60), 1).await.unwrap();
    let Database::Postgres(database) = &world.database else {
        unreachable!("it is of PostgreSQL");
    };
    // Transactions of a server that had begun many more.
    for statement in [
        "UPDATE outbox SET transaction_id = CAST(CAST(CAST(CAST(transaction_id AS text) AS bigint) + 9000000000000 AS text) AS xid8)",
        "UPDATE outbox_floor SET transaction_id = transaction_id + 9000000000000",
    ] {
        sqlx::query(statement).execute(database.readers()).await.unwrap();
    }
    let told_there = Position {
        transaction: read[2].position.transaction + 9_000_000_000_000,
        ..read[2].position
    };
    assert!(
        world.after(Whose::All, None, 9).await.0.is_empty(),
        "they are withheld"
    );

    // Whoever opens it first: as a service does, and once more.
    let nopic_sql::Location::Postgres(options) = &world.test.location else {
        unreachable!("it is of PostgreSQL");
    };
    for _ in 0..2 {
        postgres::Database::open(options, &SCHEMA, SchemaUpdate::Refuse)
            .await
            .unwrap();
    }
    assert_eq!(world.page(Whose::All, Some(told_there), 9).await, Page::NeverTold);
    let (messages, position, _) = world.after(Whose::All, None, 9).await;
    assert_eq!(subjects(&messages), ["a", "b"]);
    world.put("c").await;
    assert_eq!(subjects(&world.read(Some(position), 1).await), ["c"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_read_on_while_old_messages_are_forgotten(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    const COUNT: u32 = 600;
    let world = World::new(engine).await;
    let subject = |number: u32| format!("{number:04}");
    for first in (0..COUNT).step_by(20) {
        let messages = (first..first + 20).map(|number| message("default", &subject(number)));
        world.put_at(moment(i64::from(first)), messages).await;
    }
    world.read(None, COUNT as usize).await;
    // Never past what this reader has done with: it must not hear of it.
    let done = AtomicU32::new(0);
    let forget = async {
        while done.load(Ordering::Relaxed) < COUNT {
            let before = moment(i64::from(done.load(Ordering::Relaxed)) - 19);
            world.outbox.forget(before, 7).await.unwrap();
            tokio::task::yield_now().await;
        }
        world.forget_all(moment(i64::from(COUNT)), 50).await;
    };
    let keep_up = async {
        let (mut position, mut read) = (None, 0);
        while read < COUNT {
            let (messages, next, _) = world.after(Whose::All, position, 23).await;
            for message in &messages {
                assert_eq!(message.subject, subject(read));
                read += 1;
            }
            position = Some(next);
            done.store(read, Ordering::Relaxed);
        }
    };
    // New ones begin wherever it is, without being told so, and never with a hole.
    let begin_anew = async {
        let mut starts = BTreeSet::new();
        loop {
            let (messages, _, _) = world.after(Whose::Of("default"), None, 11).await;
            let Some(first) = messages.first() else {
                return starts;
            };
            let first: u32 = first.subject.parse().unwrap();
            for (number, message) in (first..).zip(&messages) {
                assert_eq!(message.subject, subject(number));
            }
            starts.insert(first);
        }
    };
    let ((), (), starts) = tokio::join!(forget, keep_up, begin_anew);
    assert!(starts.len() > 1, "{starts:?}");
}

#[tokio::test]
async fn a_late_commit_is_not_skipped() {
    let world = World::new(Engine::Postgres).await;
    let Database::Postgres(database) = &world.database else {
        unreachable!()
    };
    let mut late = database.write("test").await.unwrap();
    postgres::outbox::put(&mut late, now(), [message("default", "late")])
        .await
        .unwrap();
    world.put("early").await;
    // Committed, but one before it is open.
    let (page, position, _) = world.after(Whose::All, None, 10).await;
    assert_eq!((page, position), (vec![], Position::default()));
    late.commit().await.unwrap();
    let read = world.read(Some(position), 2).await;
    assert_eq!(subjects(&read), ["late", "early"]);
}

#[tokio::test]
async fn a_message_with_a_lower_number_that_is_committed_later_is_not_skipped() {
    let world = World::new(Engine::Postgres).await;
    let Database::Postgres(database) = &world.database else {
        unreachable!()
    };
    // The older transaction puts its message last, with the higher number, and commits first.
    let mut older = database.write("test").await.unwrap();
    sqlx::query("INSERT INTO lease VALUES ('older', '', now())")
        .execute(&mut *older)
        .await
        .unwrap();
    let mut younger = database.write("test").await.unwrap();
    postgres::outbox::put(&mut younger, now(), [message("default", "younger")])
        .await
        .unwrap();
    postgres::outbox::put(&mut older, now(), [message("default", "older")])
        .await
        .unwrap();
    older.commit().await.unwrap();
    let first = world.read(None, 1).await;
    assert_eq!(subjects(&first), ["older"]);
    younger.commit().await.unwrap();
    let next = world.read(Some(first[0].position), 1).await;
    assert_eq!(subjects(&next), ["younger"]);
    assert!(next[0].position.id < first[0].position.id);
}
