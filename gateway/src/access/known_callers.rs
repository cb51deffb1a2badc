//! Who comes in by what is shown, as the store knew it at most two seconds ago.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;
use nopic_chassis::clock::Clock;
use nopic_domain::principal::Principal;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::key;
use super::record::{Known, KnownKey, Subject};
use super::store::LookUp;
use super::token::Tokens;
use crate::authenticate::{Callers, Refused};

/// For how long an answer of the store is used. With [`PATIENCE`], what is revoked is out within two seconds.
const FRESH: Duration = Duration::from_secs(1);
/// How long the store may take to answer: what it then says may be as old.
const PATIENCE: Duration = Duration::from_millis(900);
/// Answers of each kind that are kept, found and not found together.
const KEPT: u64 = 50_000;

/// For how long who was found is known: what is asked about such a caller waits for nobody who was not.
const KNOWN: Duration = Duration::from_secs(300);
/// How many questions about others are asked of the store at a time, and how many wait for that, each as long as the store
/// may take: credentials can be made up as fast as calls can be made.
const STRANGERS: usize = 8;
const WAITING: usize = 56;

/// Answers of the store about credentials of one kind.
struct Answers<K, V> {
    fresh: Cache<K, Option<Arc<V>>>,
    /// Who was found lately.
    known: Cache<K, ()>,
}

/// Places for questions about those who are not known.
struct Strangers {
    /// All who are asked about or wait.
    all: Semaphore,
    asked: Semaphore,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            all: Semaphore::new(STRANGERS + WAITING),
            asked: Semaphore::new(STRANGERS),
        }
    }
}

impl Strangers {
    /// Asks when it is its turn.
    async fn ask<F: Future>(&self, question: F) -> Result<F::Output, Refused> {
        let busy = |_| Refused::Busy;
        let _place = self.all.try_acquire().map_err(busy)?;
        let turn = timeout(PATIENCE, self.asked.acquire()).await;
        let _turn = turn.map_err(|_| Refused::Busy)?.map_err(|_| Refused::Busy)?;
        Ok(question.await)
    }
}

/// Those who are in the store.
pub(crate) struct KnownCallers {
    store: Arc<dyn LookUp>,
    clock: Arc<dyn Clock>,
    strangers: Strangers,
    keys: Answers<String, KnownKey>,
    subjects: Answers<Subject, Known>,
    certificates: Answers<String, Known>,
    /// Absent: no tokens are taken.
    tokens: Option<Tokens>,
}

impl KnownCallers {
    /// Those of this store, who may also show tokens of an identity provider, where there is one.
    pub(crate) fn new(store: Arc<dyn LookUp>, clock: Arc<dyn Clock>, tokens: Option<Tokens>) -> Self {
        Self {
            store,
            clock,
            strangers: Strangers::default(),
            keys: answers(),
            subjects: answers(),
            certificates: answers(),
            tokens,
        }
    }
}

fn answers<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static>() -> Answers<K, V> {
    Answers {
        fresh: Cache::builder().max_capacity(KEPT).time_to_live(FRESH).build(),
        known: Cache::builder().max_capacity(KEPT).time_to_live(KNOWN).build(),
    }
}

/// What is kept, or what the store says: asked once for however many wait for it. That it cannot be asked is not kept.
async fn look_up<Q, V, Load>(
    kept: &Answers<Q::Owned, V>,
    strangers: &Strangers,
    key: &Q,
    load: impl FnOnce() -> Load,
) -> Result<Option<Arc<V>>, Refused>
where
    Q: ToOwned<Owned: Hash + Eq + Send + Sync + 'static> + Hash + Eq + ?Sized,
    V: Send + Sync + 'static,
    Load: Future<Output = Result<Option<V>, nopic_sql::Error>>,
{
    // Nearly always.
    if let Some(found) = kept.fresh.get(key).await {
        return Ok(found);
    }
    let load = async {
        let ask = async { timeout(PATIENCE, load()).await };
        let answer = if kept.known.contains_key(key) {
            ask.await
        } else {
            strangers.ask(ask).await?
        };
        match answer {
            Ok(Ok(found)) => {
                if found.is_some() {
                    kept.known.insert(key.to_owned(), ()).await;
                }
                Ok(found.map(Arc::new))
            }
            Ok(Err(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "who calls cannot be looked up"
                );
                Err(Refused::Unavailable)
            }
            Err(_) => {
                tracing::error!("who calls cannot be looked up: the database takes too long");
                Err(Refused::Unavailable)
            }
        }
    };
    kept.fresh
        .try_get_with(key.to_owned(), load)
        .await
        .map_err(|refused: Arc<Refused>| *refused)
}

#[async_trait]
impl Callers for KnownCallers {
    async fn of_key(&self, text: &str) -> Result<Principal, Refused> {
        let (prefix, secret_hash) = key::read(text).ok_or(Refused::Unknown)?;
        let found = look_up(&self.keys, &self.strangers, prefix, || self.store.by_key(prefix)).await?;
        found
            .ok_or(Refused::Unknown)?
            .admit(&secret_hash, self.clock.now())
    }

    async fn of_token(&self, token: &str) -> Result<Principal, Refused> {
        let tokens = self.tokens.as_ref().ok_or(Refused::Unknown)?;
        let subject = tokens.subject(token).await?;
        let found = look_up(&self.subjects, &self.strangers, &subject, || {
            self.store.by_token(&subject)
        })
        .await?;
        found.ok_or(Refused::Unknown)?.admit()
    }

    async fn of_certificate(&self, name: &str) -> Result<Principal, Refused> {
        let found = look_up(&self.certificates, &self.strangers, name, || {
            self.store.by_certificate(name)
        })
        .await?;
        found.ok_or(Refused::Unknown)?.admit()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use futures::FutureExt as _;
    use futures::future::join_all;
    use nopic_chassis::clock::SystemClock;
    use tokio::time::Instant;

    use super::super::key::NewKey;
    use super::*;

    /// Knows one key at once, and takes its time to say that it knows no other.
    struct Slow {
        prefix: String,
        known: KnownKey,
    }

    #[async_trait]
    impl LookUp for Slow {
        async fn by_key(&self, prefix: &str) -> Result<Option<KnownKey>, nopic_sql::Error> {
            if prefix == self.prefix {
                return Ok(Some(self.known.clone()));
            }
            tokio::time::sleep(PATIENCE / 2).await;
            Ok(None)
        }
        async fn by_token(&self, _: &Subject) -> Result<Option<Known>, nopic_sql::Error> {
            Ok(None)
        }
        async fn by_certificate(&self, _: &str) -> Result<Option<Known>, nopic_sql::Error> {
            Ok(None)
        }
        async fn is_anybody_known(&self, _: DateTime<Utc>) -> Result<bool, nopic_sql::Error> {
            Ok(true)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_are_made_up_hold_up_nobody_who_is_known() {
        let key = NewKey::generate().unwrap();
        let known = KnownKey {
            secret_hash: key.secret_hash,
            ends_at: None,
            revoked_at: None,
            known: Known {
                principal: Principal::built_in("maria"),
                is_removed: false,
                is_suspended: false,
            },
        };
        let prefix = key.prefix.clone();
        let key = key.into_text();
        let callers = KnownCallers::new(Arc::new(Slow { prefix, known }), Arc::new(SystemClock), None);
        assert!(callers.of_key(&key).await.is_ok());
        // What was said of it has ended; moka goes by the real clock.
        callers.keys.fresh.invalidate_all();
        callers.keys.fresh.run_pending_tasks().await;
        let made_up: Vec<_> = (0..200)
            .map(|_| NewKey::generate().unwrap().into_text())
            .collect();
        let mut asked = Box::pin(join_all(made_up.iter().map(|key| callers.of_key(key))));
        let began = Instant::now();
        assert!(asked.as_mut().now_or_never().is_none());
        let found = callers.of_key(&key).now_or_never();
        assert!(found.is_some_and(|found| found.is_ok()), "it waits for nobody");
        let answers = asked.await;
        let refused = |with| answers.iter().filter(|answer| **answer == Err(with)).count();
        assert_eq!(refused(Refused::Busy) + refused(Refused::Unknown), 200);
        assert!(refused(Refused::Busy) >= 200 - (STRANGERS + WAITING));
        assert!(refused(Refused::Unknown) >= STRANGERS);
        assert!(began.elapsed() <= 2 * PATIENCE);
    }
}
