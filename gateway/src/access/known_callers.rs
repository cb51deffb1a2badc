//! Who comes in by what is shown, as the store knew it at most two seconds ago.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;
use nopic_chassis::clock::Clock;
use nopic_domain::principal::Principal;
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

type Answers<K, V> = Cache<K, Option<Arc<V>>>;

/// Those who are in the store.
pub(crate) struct KnownCallers {
    store: Arc<dyn LookUp>,
    clock: Arc<dyn Clock>,
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
            keys: answers(),
            subjects: answers(),
            certificates: answers(),
            tokens,
        }
    }
}

fn answers<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static>() -> Answers<K, V> {
    Cache::builder().max_capacity(KEPT).time_to_live(FRESH).build()
}

/// What is kept, or what the store says: asked once for however many wait for it. That it cannot be asked is not kept.
async fn look_up<Q, V, Load>(
    kept: &Answers<Q::Owned, V>,
    key: &Q,
    load: impl FnOnce() -> Load,
) -> Result<Option<Arc<V>>, Refused>
where
    Q: ToOwned<Owned: Hash + Eq + Send + Sync + 'static> + Hash + Eq + ?Sized,
    V: Send + Sync + 'static,
    Load: Future<Output = Result<Option<V>, nopic_sql::Error>>,
{
    // Nearly always.
    if let Some(found) = kept.get(key).await {
        return Ok(found);
    }
    let load = async {
        match timeout(PATIENCE, load()).await {
            Ok(Ok(found)) => Ok(found.map(Arc::new)),
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
    kept.try_get_with(key.to_owned(), load)
        .await
        .map_err(|refused: Arc<Refused>| *refused)
}

#[async_trait]
impl Callers for KnownCallers {
    async fn of_key(&self, text: &str) -> Result<Principal, Refused> {
        let (prefix, secret_hash) = key::read(text).ok_or(Refused::Unknown)?;
        let found = look_up(&self.keys, prefix, || self.store.by_key(prefix)).await?;
        found
            .ok_or(Refused::Unknown)?
            .admit(&secret_hash, self.clock.now())
    }

    async fn of_token(&self, token: &str) -> Result<Principal, Refused> {
        let tokens = self.tokens.as_ref().ok_or(Refused::Unknown)?;
        let subject = tokens.subject(token).await?;
        let found = look_up(&self.subjects, &subject, || self.store.by_token(&subject)).await?;
        found.ok_or(Refused::Unknown)?.admit()
    }

    async fn of_certificate(&self, name: &str) -> Result<Principal, Refused> {
        let found = look_up(&self.certificates, name, || self.store.by_certificate(name)).await?;
        found.ok_or(Refused::Unknown)?.admit()
    }
}
