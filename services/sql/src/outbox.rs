//! Messages of the outbox, whatever the engine.

use chrono::{DateTime, Utc};

/// A place in the outbox: it stays the place of its message. To be kept by readers as it is; the default is before
/// every message.
///
/// On PostgreSQL the transaction counts, too: of two messages the one with the lower id may be committed much later. A
/// database that is restored from a dump into another server counts its transactions anew: before it is used there,
/// `transaction_id` of what the outbox holds is set to 0, and readers begin again at the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Number of the transaction that put the message; 0 on SQLite.
    pub transaction: i64,
    /// Number of the message.
    pub id: i64,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it is.
    pub position: Position,
    /// When it was put there.
    pub recorded_at: DateTime<Utc>,
    /// For which tenant.
    pub tenant: String,
    /// What kind of thing happened.
    pub topic: String,
    /// To what.
    pub subject: String,
    /// What to tell.
    pub content: Vec<u8>,
}
