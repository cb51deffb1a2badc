//! The keys of an identity provider: read where it publishes them, kept for minutes, and read anew where a token names
//! one that is not among them.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, Url};
use thiserror::Error;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::authenticate::Refused;

/// For how long keys are used before they are read anew.
const FRESH: Duration = Duration::from_secs(300);
/// For how long they are used where they cannot be read anew.
const USABLE: Duration = Duration::from_secs(3_600);
/// How often they are read at most, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(10);
/// How long reading them may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many wait for them who cannot do without: tokens can name any key.
const WAITING: usize = 64;
/// Most bytes and keys that are taken.
const MAX_BYTES: usize = 256 << 10;
const MAX_KEYS: usize = 100;

/// Where keys are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Url(Url),
}

/// A key, and the one algorithm that it is for.
pub(super) struct VerifyingKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Why there are no keys.
#[derive(Debug, Error)]
pub(crate) enum KeysError {
    #[error("no connection can be made: {0}")]
    Client(reqwest::Error),
    #[error("the keys cannot be fetched: {0}")]
    Fetch(reqwest::Error),
    #[error("the keys cannot be read: {0}")]
    File(std::io::Error),
    #[error("they are larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("they are no JSON Web Key Set: {0}")]
    Form(serde_json::Error),
    #[error("none of them is for signatures by RS256, ES256 or EdDSA")]
    NoneUsable,
}

/// Keys as they were read.
struct Keys {
    read_at: Instant,
    by_id: HashMap<String, Arc<VerifyingKey>>,
    /// The key of a set of one: a token need not name it.
    only: Option<Arc<VerifyingKey>>,
}

impl Keys {
    fn find(&self, id: Option<&str>) -> Option<Arc<VerifyingKey>> {
        match id {
            Some(id) => self.by_id.get(id).cloned(),
            None => self.only.clone(),
        }
    }
}

/// The keys of an identity provider.
pub(crate) struct KeySet {
    source: Source,
    client: Client,
    current: RwLock<Option<Arc<Keys>>>,
    /// When they were last asked for; held while they are.
    asked: Mutex<Option<Instant>>,
    waiting: Semaphore,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl KeySet {
    /// Those of this source: read when the first token comes.
    pub(super) fn new(source: Source) -> Result<Self, KeysError> {
        // Another part of this process may have done so.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(PATIENCE)
            // Keys come from where the configuration says and from nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("nopic/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(KeysError::Client)?;
        Ok(Self {
            source,
            client,
            current: RwLock::new(None),
            asked: Mutex::new(None),
            waiting: Semaphore::new(WAITING),
        })
    }

    /// The key that a token names; absent: there is none.
    pub(super) async fn find(&self, id: Option<&str>) -> Result<Option<Arc<VerifyingKey>>, Refused> {
        let (known, age) = self.look(id);
        if known.is_some() && age.is_some_and(|age| age < FRESH) {
            return Ok(known);
        }
        let is_usable = known.is_some() && age.is_some_and(|age| age < USABLE);
        let mut asked = if is_usable {
            match self.asked.try_lock() {
                Ok(asked) => asked,
                // Somebody reads them anew: until then this one does.
                Err(_) => return Ok(known),
            }
        } else {
            let _place = self.waiting.try_acquire().map_err(|_| Refused::Busy)?;
            self.asked.lock().await
        };
        // Whoever had the lock before may have brought it.
        let (known, age) = self.look(id);
        if known.is_some() && age.is_some_and(|age| age < FRESH) {
            return Ok(known);
        }
        if asked.is_none_or(|asked| asked.elapsed() >= PAUSE) {
            *asked = Some(Instant::now());
            match self.read().await {
                Ok(keys) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
                }
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the keys of the identity provider were not read"
                ),
            }
        }
        let (known, age) = self.look(id);
        match age {
            Some(age) if age < USABLE => Ok(known),
            _ => Err(Refused::Unavailable),
        }
    }

    /// The key, and how old what is known is.
    fn look(&self, id: Option<&str>) -> (Option<Arc<VerifyingKey>>, Option<Duration>) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            None => (None, None),
            Some(keys) => (keys.find(id), Some(keys.read_at.elapsed())),
        }
    }

    async fn read(&self) -> Result<Keys, KeysError> {
        let read_at = Instant::now();
        let text = match &self.source {
            Source::File(path) => tokio::fs::read(path).await.map_err(KeysError::File)?,
            Source::Url(url) => self.fetch(url).await?,
        };
        if text.len() > MAX_BYTES {
            return Err(KeysError::TooLarge);
        }
        let set: JwkSet = serde_json::from_slice(&text).map_err(KeysError::Form)?;
        let mut by_id = HashMap::new();
        let mut usable = Vec::new();
        for jwk in set.keys.iter().take(MAX_KEYS) {
            let Some(key) = verifying_key(jwk).map(Arc::new) else {
                continue;
            };
            if let Some(id) = &jwk.common.key_id {
                by_id.insert(id.clone(), Arc::clone(&key));
            }
            usable.push(key);
        }
        if usable.is_empty() {
            return Err(KeysError::NoneUsable);
        }
        let only = usable.pop().filter(|_| usable.is_empty());
        Ok(Keys { read_at, by_id, only })
    }

    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, KeysError> {
        let answer = self.client.get(url.clone()).send().await;
        let mut answer = answer
            .and_then(reqwest::Response::error_for_status)
            .map_err(KeysError::Fetch)?;
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(KeysError::Fetch)? {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_BYTES {
                return Err(KeysError::TooLarge);
            }
        }
        Ok(text)
    }
}

/// A key for signatures by one of the algorithms that are taken; what it is for follows from the key, never from a token.
fn verifying_key(jwk: &Jwk) -> Option<VerifyingKey> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let stated = match jwk.common.key_algorithm {
        None => algorithm,
        Some(KeyAlgorithm::RS256) => Algorithm::RS256,
        Some(KeyAlgorithm::ES256) => Algorithm::ES256,
        Some(KeyAlgorithm::EdDSA) => Algorithm::EdDSA,
        Some(_) => return None,
    };
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    (stated == algorithm && signs)
        .then(|| DecodingKey::from_jwk(jwk).ok())
        .flatten()
        .map(|key| VerifyingKey { algorithm, key })
}
