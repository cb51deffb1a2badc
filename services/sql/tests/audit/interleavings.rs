//! Random interleavings of writers with a reader that crashes between reading and keeping its position.
//!
//! `NOPIC_EVENTS_SEED=7` runs the one of that seed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use nopic_sql::outbox::{NewMessage, Position, Whose};
use nopic_sql::testing::Engine;
use nopic_sql::{postgres, sqlite};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rstest::rstest;

use super::outbox::message;
use super::support::{Database, World, moment};

const RUNS: u64 = 1_000;
/// Whose messages there are: one tenant's, another's, everybody's.
const TENANTS: [&str; 3] = ["acme", "other", ""];

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("NOPIC_EVENTS_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..RUNS,
    }
}

enum Open {
    Sqlite(sqlite::WriteTransaction),
    Postgres(postgres::WriteTransaction),
}

impl Open {
    async fn begin(world: &World) -> Self {
        match &world.database {
            Database::Sqlite(database) => Self::Sqlite(database.write("test").await.unwrap()),
            Database::Postgres(database) => Self::Postgres(database.write("test").await.unwrap()),
        }
    }

    /// Has a number, and with it a place among transactions, though it puts nothing yet.
    async fn take_number(&mut self) {
        if let Self::Postgres(transaction) = self {
            sqlx::query("SELECT pg_current_xact_id()")
                .execute(&mut **transaction)
                .await
                .unwrap();
        }
    }

    async fn put(&mut self, messages: Vec<NewMessage>) {
        match self {
            Self::Sqlite(transaction) => sqlite::outbox::put(transaction, moment(0), messages).await,
            Self::Postgres(transaction) => postgres::outbox::put(transaction, moment(0), messages).await,
        }
        .unwrap();
    }

    async fn end(self, commits: bool) {
        match self {
            Self::Sqlite(transaction) if commits => transaction.commit().await.unwrap(),
            Self::Postgres(transaction) if commits => transaction.commit().await.unwrap(),
            _ => {}
        }
    }
}

#[derive(Default)]
struct Writer {
    open: Option<Open>,
    /// What it put in the open transaction.
    put: Vec<(String, String)>,
}

/// One that does things with what it reads, keeps its position then, and may lose all that it did not keep.
struct Reader {
    whose: Option<&'static str>,
    /// Of which run: messages of the one before may come late.
    run: String,
    kept: Option<Position>,
    /// Tenants and subjects with which it has done for good.
    done: Vec<(String, String)>,
    /// What it read behind the kept position before it crashed: it must come again, in this order.
    seen: VecDeque<(String, String)>,
}

impl Reader {
    async fn step(&mut self, world: &World, random: &mut ChaCha8Rng, crashes: bool) {
        let whose = self.whose.map_or(Whose::All, Whose::Of);
        let (mut at, mut read) = (self.kept, Vec::new());
        for _ in 0..random.random_range(1..=2) {
            let (page, position, _) = world.after(whose, at, random.random_range(1..=4)).await;
            assert!(page.iter().is_sorted_by_key(|message| message.position));
            assert!(
                page.iter()
                    .all(|message| at < Some(message.position) && message.position <= position)
            );
            let own = page
                .into_iter()
                .filter(|message| message.subject.starts_with(&self.run));
            read.extend(own.map(|message| (message.tenant, message.subject)));
            at = Some(position);
        }
        for (before, again) in self.seen.iter().zip(&read) {
            assert_eq!(before, again, "what was read before a crash comes again");
        }
        if crashes {
            if read.len() > self.seen.len() {
                self.seen = read.into();
            }
            return;
        }
        self.seen.drain(..read.len().min(self.seen.len()));
        self.done.extend(read);
        self.kept = at;
    }
}

/// What was committed, by writer and in its order.
type Committed = BTreeMap<usize, Vec<(String, String)>>;

async fn writer_step(
    world: &World,
    writers: &mut [Writer],
    random: &mut ChaCha8Rng,
    committed: &mut Committed,
    name: &mut u32,
    seed: u64,
) {
    let which = random.random_range(0..writers.len());
    // The one writer of SQLite holds all others up: there, transactions come one after the other.
    let is_serial = matches!(world.database, Database::Sqlite(_));
    let which = match writers.iter().position(|writer| writer.open.is_some()) {
        Some(open) if is_serial => open,
        _ => which,
    };
    let writer = &mut writers[which];
    let Some(open) = &mut writer.open else {
        let mut open = Open::begin(world).await;
        if random.random_bool(0.3) {
            open.take_number().await;
        }
        writer.open = Some(open);
        return;
    };
    if random.random_bool(0.6) {
        let messages: Vec<NewMessage> = (0..random.random_range(0..=2))
            .map(|_| {
                *name += 1;
                message(
                    TENANTS[random.random_range(0..3)],
                    &format!("{seed}/{which}/{name}"),
                )
            })
            .collect();
        writer.put.extend(
            messages
                .iter()
                .map(|message| (message.tenant.clone(), message.subject.clone())),
        );
        open.put(messages).await;
        return;
    }
    let commits = random.random_bool(0.75);
    if let Some(open) = writer.open.take() {
        open.end(commits).await;
    }
    let put = std::mem::take(&mut writer.put);
    if commits {
        committed.entry(which).or_default().extend(put);
    }
}

/// One interleaving; gives where its reader ended.
async fn run(world: &World, seed: u64, start: Option<Position>) -> Option<Position> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut writers: Vec<Writer> = (0..random.random_range(2..=4))
        .map(|_| Writer::default())
        .collect();
    let mut reader = Reader {
        whose: [None, Some("acme"), Some("stranger")][random.random_range(0..3)],
        run: format!("{seed}/"),
        kept: start,
        done: Vec::new(),
        seen: VecDeque::new(),
    };
    let (mut committed, mut name) = (Committed::new(), 0);
    for _ in 0..random.random_range(10..=30) {
        if random.random_bool(0.75) {
            writer_step(world, &mut writers, &mut random, &mut committed, &mut name, seed).await;
        } else {
            let crashes = random.random_bool(0.4);
            reader.step(world, &mut random, crashes).await;
        }
    }
    // Whoever is open still is given up.
    drop(writers);
    let whose = reader.whose;
    let is_told = |(tenant, _): &(String, String)| whose.is_none_or(|own| tenant.is_empty() || tenant == own);
    for put in committed.values_mut() {
        put.retain(is_told);
    }
    committed.retain(|_, put| !put.is_empty());
    let expected: usize = committed.values().map(Vec::len).sum();
    while reader.done.len() < expected {
        let before = reader.done.len();
        reader.step(world, &mut random, false).await;
        if reader.done.len() == before {
            // Transactions of other tests may hold messages back.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // Nothing comes behind the last.
    reader.step(world, &mut random, false).await;
    let mut by_writer = Committed::new();
    for (tenant, subject) in reader.done {
        let writer = subject.split('/').nth(1).unwrap().parse().unwrap();
        by_writer.entry(writer).or_default().push((tenant, subject));
    }
    assert_eq!(by_writer, committed);
    reader.kept
}

#[rstest]
#[tokio::test]
async fn no_message_is_skipped_and_none_comes_again_behind_a_kept_position(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let world = World::new(engine).await;
    let mut start = None;
    for seed in seeds() {
        #[allow(clippy::print_stdout, reason = "whoever replays a failure needs it")]
        {
            println!("NOPIC_EVENTS_SEED={seed}");
        }
        let ran = run(&world, seed, start);
        start = tokio::time::timeout(Duration::from_secs(30), ran).await.unwrap();
    }
}
