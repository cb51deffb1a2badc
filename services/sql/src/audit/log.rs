//! What sealers, verifiers and those who count ask of a service's database, whatever its engine.

use std::fmt::Debug;

use chrono::{DateTime, Utc};

use super::check::Checker;
use super::encoding::HASH_BYTES;
use crate::{Connections, Error, TransactionCount};

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// From 1 and without gaps.
    pub number: i64,
    /// Number of the first record.
    pub first: i64,
    /// Number of the last record.
    pub last: i64,
    /// How many records.
    pub count: i64,
    /// SHA-256 of each record, one after the other.
    pub record_hashes: Vec<u8>,
    /// Hash of the seal before; zeros for the first.
    pub previous_hash: Vec<u8>,
    /// Hash of all of the above and the moment.
    pub hash: Vec<u8>,
    /// When.
    pub sealed_at: DateTime<Utc>,
}

impl Seal {
    /// What the first seal names as its predecessor's hash.
    pub(crate) const BEFORE_THE_FIRST: [u8; HASH_BYTES] = [0; HASH_BYTES];
}

/// What came of sealing a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// So many records were sealed.
    Sealed(u32),
    /// No record waits whose transaction has surely ended.
    NothingToDo,
    /// Another sealer holds the lease.
    HeldByAnother,
}

/// The audit log of one service.
#[async_trait::async_trait]
pub trait AuditLog: Debug + Send + Sync {
    /// Name of the service, as of its schema.
    fn service(&self) -> &'static str;

    /// How the named transactions of this process on the service's database ended.
    fn transactions(&self) -> Vec<TransactionCount>;

    /// The connections of this process to the service's database.
    fn connections(&self) -> Connections;

    /// Numbers and seals at most so many records, in one transaction, unless another than `holder` has the lease.
    async fn seal_batch(&self, holder: &str, now: DateTime<Utc>, at_most: u32) -> Result<Batch, Error>;

    /// Gives the lease back, where `holder` has it.
    async fn release(&self, holder: &str) -> Result<(), Error>;

    /// The last seal, without the hashes of its records.
    async fn last_seal(&self) -> Result<Option<Seal>, Error>;

    /// How many records are not sealed yet.
    async fn unsealed(&self) -> Result<u64, Error>;

    /// Walks one state of the database past the checker: seals and records in order, then the heads that it has.
    async fn walk(&self, checker: &mut Checker) -> Result<(), Error>;
}
