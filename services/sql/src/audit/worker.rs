//! Sealing as a service does it, and verifying.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, Utc};
use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;

use super::head::hexadecimal;
use super::{AuditLog, Batch, Checker, Head, Heads, Verified};
use crate::{Connections, Error, TransactionCount};

/// How long a record waits for its seal at most, but for transactions that are open.
pub const SEAL_INTERVAL: Duration = Duration::from_secs(1);

/// Records under one seal: few enough that a walk holds their hashes in memory.
const RECORDS_PER_SEAL: u32 = 1_000;

/// Why the log could not be sealed or checked.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// A file of heads, or the key, cannot be used.
    #[error("{} cannot be used: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The log is shorter than it was, or another.
    #[error(
        "the audit log of {service} is not the one whose head was exported at {exported_at} (seal {seal}): run `nopic \
         audit verify`"
    )]
    NotTheLog {
        /// The service.
        service: &'static str,
        /// Number of the seal that is missing or another.
        seal: i64,
        /// When its head was exported.
        exported_at: DateTime<Utc>,
    },
}

/// What sealing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// So many records were sealed, which may be none.
    Records(u64),
    /// Another sealer is at it.
    ByAnother,
}

/// The audit log of a service with its heads: one sealer, of as many as there are processes of the service.
#[derive(Debug, Clone)]
pub struct Audit {
    log: Arc<dyn AuditLog>,
    heads: Heads,
    holder: Arc<str>,
    failures: Arc<AtomicU64>,
}

impl Audit {
    /// A sealer of the log that writes heads there.
    #[must_use]
    pub fn new(log: Arc<dyn AuditLog>, heads: Heads) -> Self {
        let mut random = [0; 8];
        // Without random numbers the process alone tells sealers apart, which is enough on one machine.
        let _ = SystemRandom::new().fill(&mut random);
        let holder = format!("{}-{}", std::process::id(), hexadecimal(&random)).into();
        Self {
            log,
            heads,
            holder,
            failures: Arc::default(),
        }
    }

    /// How often records could not be sealed, or a head not be written.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Name of the service.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.log.service()
    }

    /// How the named transactions of this process on the service's database ended.
    #[must_use]
    pub fn transactions(&self) -> Vec<TransactionCount> {
        self.log.transactions()
    }

    /// The connections of this process to the service's database.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.log.connections()
    }

    /// Where the heads are.
    #[must_use]
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// Seals all records of ended transactions, and exports the head.
    ///
    /// # Errors
    /// The database or the file fails, or the log is not the one that was exported.
    pub async fn seal(&self, now: DateTime<Utc>) -> Result<Sealed, AuditError> {
        // What databases keep of a moment.
        let now = now.trunc_subsecs(6);
        let mut sealed = 0;
        loop {
            match self.log.seal_batch(&self.holder, now, RECORDS_PER_SEAL).await? {
                Batch::Sealed(count) => sealed += u64::from(count),
                Batch::NothingToDo => break,
                Batch::HeldByAnother => return Ok(Sealed::ByAnother),
            }
        }
        self.export().await?;
        Ok(Sealed::Records(sealed))
    }

    /// Writes the head of the last seal, where it is not written yet.
    async fn export(&self) -> Result<(), AuditError> {
        let service = self.log.service();
        // First the file, then the log: a head that another process writes in between is of a seal that the log has.
        let last = self.latest_head().await?;
        let seal = self.log.last_seal().await?;
        if let Some(last) = &last {
            let is_the_log = seal.as_ref().is_some_and(|seal| {
                seal.number > last.seal || seal.number == last.seal && seal.hash == last.hash
            });
            if !is_the_log {
                return Err(AuditError::NotTheLog {
                    service,
                    seal: last.seal,
                    exported_at: last.sealed_at,
                });
            }
        }
        let Some(seal) = seal else { return Ok(()) };
        if last.is_some_and(|last| last.seal == seal.number) {
            return Ok(());
        }
        self.with_file(move |heads| {
            let key = heads.key().map_err(|source| AuditError::File {
                path: heads.key_file().to_owned(),
                source,
            })?;
            let file = |source| AuditError::File {
                path: heads.file(service),
                source,
            };
            heads.append(&Head::sign(service, &seal, &key)).map_err(file)
        })
        .await
    }

    async fn latest_head(&self) -> Result<Option<Head>, AuditError> {
        let service = self.log.service();
        self.with_file(move |heads| {
            heads.last(service).map_err(|source| AuditError::File {
                path: heads.file(service),
                source,
            })
        })
        .await
    }

    /// Works on files where it keeps no task waiting.
    async fn with_file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Heads) -> Result<T, AuditError> + Send + 'static,
    ) -> Result<T, AuditError> {
        let heads = self.heads.clone();
        tokio::task::spawn_blocking(move || work(&heads))
            .await
            .map_err(|ended| AuditError::File {
                path: self.heads.file(self.log.service()),
                source: io::Error::other(ended),
            })?
    }

    /// Seals every `interval` until `stop` ends, then once more, and gives the lease back.
    pub async fn seal_until(
        &self,
        interval: Duration,
        now: impl Fn() -> DateTime<Utc> + Send,
        stop: impl Future<Output = ()> + Send,
    ) {
        tokio::pin!(stop);
        let mut said = String::new();
        loop {
            let is_last = tokio::select! {
                () = &mut stop => true,
                () = tokio::time::sleep(interval) => false,
            };
            match self.seal(now()).await {
                Ok(_) => said.clear(),
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    let says = error.to_string();
                    // Once, not once a second.
                    if says != said {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            service = self.service(),
                            "the audit log cannot be sealed"
                        );
                        said = says;
                    }
                }
            }
            if is_last {
                break;
            }
        }
        self.release().await;
    }

    /// Gives the lease back, so that another sealer need not wait for its end.
    pub async fn release(&self) {
        if let Err(error) = self.log.release(&self.holder).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the lease of the sealer runs out by itself"
            );
        }
    }

    /// The heads that were exported last, the oldest of them first.
    ///
    /// # Errors
    /// The file of heads cannot be read.
    pub async fn latest_heads(&self, at_most: usize) -> Result<Vec<Head>, AuditError> {
        let service = self.log.service();
        self.with_file(move |heads| {
            heads.latest(service, at_most).map_err(|source| AuditError::File {
                path: heads.file(service),
                source,
            })
        })
        .await
    }

    /// Walks the whole log and compares it with its exported heads and with these anchors.
    ///
    /// # Errors
    /// The database or the file of heads cannot be read. What does not fit is no error but a finding.
    pub async fn verify(&self, anchors: Vec<Head>) -> Result<Verified, AuditError> {
        let service = self.log.service();
        let file = |source| AuditError::File {
            path: self.heads.file(service),
            source,
        };
        let public_key = self.heads.public_key().map_err(|source| AuditError::File {
            path: self.heads.key_file().to_owned(),
            source,
        })?;
        // Before the walk: a head that is written during it is of a seal that the walk may not see.
        let exported = self.heads.lines(service).map_err(file)?;
        let mut checker = Checker::new(service, public_key, anchors, exported);
        self.log.walk(&mut checker).await?;
        Ok(checker.end())
    }
}
