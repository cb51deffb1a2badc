//! The flags that serve here. The database says which serve for everyone: another process may import, too, and each
//! import builds on what serves then, whoever made it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use nopic_chassis::clock::Clock;
use nopic_chassis::worker::Worker;
use nopic_domain::flags::FlagTable;
use nopic_domain::principal::Principal;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use crate::error::Error;
use crate::store::{ServingFlags, Store};

/// Pause between two looks at which table serves.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long such a look may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an import is built anew on what another process imported meanwhile, before the caller is asked to come
/// again.
const ATTEMPTS: u32 = 5;

/// The table in use.
pub(crate) struct FollowedFlags {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    serving: ArcSwap<ServingFlags>,
    /// Held while the table is exchanged, so that an older one never takes the place of a newer.
    exchange: Mutex<()>,
}

impl FollowedFlags {
    /// With the table that serves now.
    pub(crate) async fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, nopic_sql::Error> {
        let serving = read(&*store, &*clock).await?;
        Ok(Self {
            store,
            clock,
            serving: ArcSwap::from_pointee(serving),
            exchange: Mutex::default(),
        })
    }

    pub(crate) fn table(&self) -> Arc<FlagTable> {
        Arc::clone(&self.serving.load().table)
    }

    /// Imports: `apply` gives the new table, if it is another, and the answer. It is asked again where another process
    /// imported meanwhile.
    pub(crate) async fn import<T, F>(&self, by: &Principal, apply: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&FlagTable) -> Result<(Option<FlagTable>, T), Error> + Send + Sync + 'static,
    {
        let apply = Arc::new(apply);
        // Those of this process come one after the other: only another process can come between.
        let exchange = self.exchange.lock().await;
        for _ in 0..ATTEMPTS {
            let before = self.catch_up(&exchange).await?;
            let (apply, table) = (Arc::clone(&apply), Arc::clone(&before.table));
            let (table, answer) = tokio::task::spawn_blocking(move || apply(&table)).await??;
            let Some(table) = table else {
                return Ok(answer);
            };
            let changed = table.other_than(&before.table);
            let serves = self
                .store
                .serve_flags(&table, before.version.as_deref(), &changed, by, self.clock.now())
                .await?;
            if serves {
                self.serving.store(Arc::new(ServingFlags::imported(table)));
                return Ok(answer);
            }
        }
        Err(Error::Busy(
            "other servers import flags at the same time, and came first each time: nothing was imported; import the \
             file again"
                .to_owned(),
        ))
    }

    /// Lets serve here what serves in the database.
    pub(crate) async fn follow(&self) -> Result<(), Error> {
        if self.store.serving_flags_version().await? != self.serving.load().version {
            let exchange = self.exchange.lock().await;
            let serving = self.catch_up(&exchange).await?;
            tracing::info!(version = serving.table.version(), "other flags serve");
        }
        Ok(())
    }

    /// The same again and again, until the future of it is dropped. A database that is away leaves the table as it is.
    pub(crate) async fn follow_forever(&self) {
        let late = |_| {
            Err(Error::Unavailable(
                "the database did not answer in time".to_owned(),
            ))
        };
        let follow = async || timeout(PATIENCE, self.follow()).await.unwrap_or_else(late);
        Worker::new("looking which flags serve", LOOK_EVERY)
            .run_alone(follow)
            .await;
    }

    /// The table of the database, which is then the one here.
    async fn catch_up(&self, _: &MutexGuard<'_, ()>) -> Result<Arc<ServingFlags>, Error> {
        if self.store.serving_flags_version().await? != self.serving.load().version {
            let serving = read(&*self.store, &*self.clock).await?;
            self.serving.store(Arc::new(serving));
        }
        Ok(self.serving.load_full())
    }
}

/// The table that serves, which is then kept: whatever is judged by it names it.
async fn read(store: &dyn Store, clock: &dyn Clock) -> Result<ServingFlags, nopic_sql::Error> {
    let serving = store.serving_flags().await?;
    store.keep_flags(&serving.table, clock.now()).await?;
    Ok(serving)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use nopic_chassis::clock::SystemClock;
    use nopic_domain::date::parse_iso;
    use nopic_domain::flags::{Flag, FlagInterval, PlainRow};
    use nopic_sql::SchemaUpdate;
    use nopic_sql::testing::{Engine, TestDatabase};
    use rstest::rstest;

    use super::*;

    /// Codes that the shipped table does not name.
    const CODES: [&str; 2] = ["0106110001", "0106110002"];

    /// A file that gives this code AM8.
    fn adding(code: &str) -> impl Fn(&FlagTable) -> Result<(Option<FlagTable>, ()), Error> + use<> {
        let code = code.parse().unwrap();
        move |table| {
            let interval = FlagInterval {
                flag: Flag::Am8,
                from: parse_iso("2020-01-01").unwrap(),
                to: None,
            };
            let mut table = table.clone();
            let row = PlainRow {
                row: 1,
                code,
                interval,
            };
            let summary = table.apply_csv(&[row], false).unwrap();
            Ok((summary.is_new_version.then_some(table), ()))
        }
    }

    /// The code of an import that overtakes this attempt of another.
    fn overtaker(attempt: u32) -> String {
        format!("01061200{attempt:02}")
    }

    fn has(flags: &FollowedFlags, code: &str) -> bool {
        !flags.table().intervals(&code.parse().unwrap()).is_empty()
    }

    fn operator() -> Principal {
        Principal::built_in("test")
    }

    /// A database and two that use it.
    async fn two(engine: Engine) -> (TestDatabase, [Arc<FollowedFlags>; 2]) {
        let database = engine.database().await;
        let store = crate::store::open(&database.location, SchemaUpdate::Apply)
            .await
            .unwrap();
        let open = || FollowedFlags::open(Arc::clone(&store), Arc::new(SystemClock));
        let flags = [open().await.unwrap(), open().await.unwrap()];
        (database, flags.map(Arc::new))
    }

    #[rstest]
    #[tokio::test]
    async fn an_import_builds_on_what_another_one_imported(
        #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    ) {
        let (_database, [one, other]) = two(engine).await;
        one.import(&operator(), adding(CODES[0])).await.unwrap();
        assert!(!has(&other, CODES[0]));
        other.import(&operator(), adding(CODES[1])).await.unwrap();
        assert!(CODES.iter().all(|code| has(&other, code)));
        assert!(!has(&one, CODES[1]));
        one.follow().await.unwrap();
        assert_eq!(one.table(), other.table());
        // What the other one imported already is nothing new.
        let version = one.table().version().to_owned();
        other.import(&operator(), adding(CODES[0])).await.unwrap();
        assert_eq!(other.table().version(), version);
    }

    #[rstest]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_import_that_another_one_overtakes_is_built_anew(
        #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
        #[values(1, 2, ATTEMPTS)] overtaken: u32,
    ) {
        let (_database, [one, other]) = two(engine).await;
        let attempts = AtomicU32::new(0);
        let (runtime, overtaking) = (tokio::runtime::Handle::current(), Arc::clone(&other));
        let apply = adding(CODES[0]);
        let imported = one
            .import(&operator(), move |table| {
                let applied = apply(table);
                let attempt = attempts.fetch_add(1, Ordering::Relaxed);
                if attempt < overtaken {
                    runtime.block_on(overtaking.import(&operator(), adding(&overtaker(attempt))))?;
                }
                applied
            })
            .await;
        if overtaken < ATTEMPTS {
            imported.unwrap();
        } else {
            assert!(matches!(imported, Err(Error::Busy(_))), "{imported:?}");
        }
        for flags in [&one, &other] {
            flags.follow().await.unwrap();
            assert_eq!(has(flags, CODES[0]), overtaken < ATTEMPTS);
            assert!((0..overtaken).all(|attempt| has(flags, &overtaker(attempt))));
        }
    }

    #[rstest]
    #[tokio::test]
    async fn a_database_that_is_away_leaves_the_table_as_it_is(
        #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    ) {
        let (_database, [one, other]) = two(engine).await;
        one.import(&operator(), adding(CODES[0])).await.unwrap();
        let before = other.table();
        other.store.close().await;
        assert!(matches!(other.follow().await, Err(Error::Store(_))));
        assert_eq!(other.table(), before);
    }
}
