//! The audit log: who changed what, when and why, so that nobody can change it afterwards without being found.
//!
//! ```text
//! audit::record   in the transaction of a change: one row of `audit_record`
//! Audit::seal     one leased sealer a service numbers the records of ended transactions and chains them in batches:
//!                 a row of `audit_seal` holds the hash of each record and the hash of the seal before
//!                 ... and writes a signed head of the chain to a file outside of the database
//! Audit::verify   walks records, seals and heads and names what does not fit
//! ```
//!
//! The database refuses to change or delete records and seals. Who gets around that is found: a sealed record by the
//! hash in its seal, a seal by the next one and by the heads, a log that was cut off by the heads. A copy of a head that
//! is kept elsewhere ([`Audit::verify`] takes such anchors) also finds an owner of the machine who rewrites all of it.
//! Notes also say what a change leaves of each row that it wrote (`rows`): so a row that was changed, added or removed
//! behind the log is found, too.
//! What the seals cannot know is a record that was changed before it was sealed, which takes a second.

mod batch_check;
mod check;
mod encoding;
mod finding;
mod head;
mod heads;
mod key;
mod log;
mod rows;
mod worker;

use chrono::{DateTime, Utc};

pub use check::Verified;
pub(crate) use check::{Checker, Numbered};
pub(crate) use encoding::{HASH_BYTES, record_hash, seal_hash};
pub use finding::{Finding, Kind};
pub use head::{Head, HeadError};
pub use heads::Heads;
pub use key::SigningKey;
pub use log::{AuditLog, Batch, Seal};
pub use rows::{Audited, Column, Row, Rows, json_hash};
pub(crate) use rows::{hash_text, said};
pub use worker::{Audit, AuditError, SEAL_INTERVAL, Sealed};

/// One change.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// For which tenant.
    pub tenant: &'a str,
    /// Who: person or job.
    pub actor: &'a str,
    /// What was done, such as `CERTIFICATE_VOIDED`.
    pub action: &'static str,
    /// To what: a certificate or entry number, a name.
    pub subject: &'a str,
    /// Why, where a reason was given.
    pub reason: &'a str,
    /// What changed, as JSON.
    pub detail: &'a str,
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the order in which changes were noted.
    pub audit_id: i64,
    /// When.
    pub recorded_at: DateTime<Utc>,
    /// For which tenant.
    pub tenant: String,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// What changed, as JSON.
    pub detail: String,
    /// The role of who did it; empty where it was not noted.
    pub role: String,
    /// What is left of each row that the change wrote.
    pub row_hashes: Option<Vec<u8>>,
}
