//! The outbox is read in the order of commits: nothing is skipped, nothing comes twice.

use std::time::Duration;

use chrono::{DateTime, Utc};
use nopic_sql::outbox::{Message, Position};
use nopic_sql::testing::Engine;
use nopic_sql::{postgres, sqlite};
use rstest::rstest;

use crate::support::{Database, World, moment};

fn now() -> DateTime<Utc> {
    moment(0)
}

impl World {
    async fn put(&self, subject: &str) {
        match &self.database {
            Database::Sqlite(database) => {
                let mut transaction = database.write("test").await.unwrap();
                sqlite::outbox::put(&mut transaction, now(), "default", "TOLD", subject, b"content")
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
            }
            Database::Postgres(database) => {
                let mut transaction = database.write("test").await.unwrap();
                postgres::outbox::put(&mut transaction, now(), "default", "TOLD", subject, b"content")
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
            }
        }
    }

    async fn after(&self, position: Position, limit: u32) -> Vec<Message> {
        match &self.database {
            Database::Sqlite(database) => {
                let mut connection = database.readers().acquire().await.unwrap();
                sqlite::outbox::after(&mut connection, position, limit)
                    .await
                    .unwrap()
            }
            Database::Postgres(database) => {
                let mut connection = database.readers().acquire().await.unwrap();
                postgres::outbox::after(&mut connection, position, limit)
                    .await
                    .unwrap()
            }
        }
    }

    /// Reads on until so many messages came: transactions of other tests may hold them back for a while.
    async fn read(&self, mut position: Position, count: usize) -> Vec<Message> {
        let read = async {
            let mut read: Vec<Message> = Vec::new();
            while read.len() < count {
                let page = self.after(position, 2).await;
                if let Some(last) = page.last() {
                    position = last.position;
                } else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                read.extend(page);
            }
            read
        };
        tokio::time::timeout(Duration::from_secs(30), read).await.unwrap()
    }
}

fn subjects(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.subject.as_str()).collect()
}

#[rstest]
#[tokio::test]
async fn messages_are_read_page_by_page(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let world = World::new(engine).await;
    for subject in ["a", "b", "c", "d", "e"] {
        world.put(subject).await;
    }
    let read = world.read(Position::default(), 5).await;
    assert_eq!(subjects(&read), ["a", "b", "c", "d", "e"]);
    assert!(read.is_sorted_by_key(|message| message.position));
    assert_eq!(world.after(read[4].position, 10).await, []);
    assert_eq!(read[0].content, b"content");
    assert_eq!((read[0].recorded_at, read[0].topic.as_str()), (now(), "TOLD"));
    // The same place gives the same again.
    assert_eq!(world.read(read[1].position, 3).await, read[2..]);
}

#[tokio::test]
async fn a_late_commit_is_not_skipped() {
    let world = World::new(Engine::Postgres).await;
    let Database::Postgres(database) = &world.database else {
        unreachable!()
    };
    let mut late = database.write("test").await.unwrap();
    postgres::outbox::put(&mut late, now(), "default", "TOLD", "late", b"")
        .await
        .unwrap();
    world.put("early").await;
    // Committed, but one before it is open.
    assert_eq!(world.after(Position::default(), 10).await, []);
    late.commit().await.unwrap();
    let read = world.read(Position::default(), 2).await;
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
    postgres::outbox::put(&mut younger, now(), "default", "TOLD", "younger", b"")
        .await
        .unwrap();
    postgres::outbox::put(&mut older, now(), "default", "TOLD", "older", b"")
        .await
        .unwrap();
    older.commit().await.unwrap();
    let first = world.read(Position::default(), 1).await;
    assert_eq!(subjects(&first), ["older"]);
    younger.commit().await.unwrap();
    let next = world.read(first[0].position, 1).await;
    assert_eq!(subjects(&next), ["younger"]);
    assert!(next[0].position.id < first[0].position.id);
}
