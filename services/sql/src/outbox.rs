//! Messages of the outbox, whatever the engine.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::Error;

/// A place in the outbox: it stays the place of its message. To be kept by readers as it is; the default is before
/// every message that ever was.
///
/// On PostgreSQL the transaction counts, too: of two messages the one with the lower id may be committed much later. A
/// database that is restored from a dump into another server counts its transactions anew: whoever opens it first sets
/// `transaction_id` of what the outbox holds to 0, and readers, to whom their position was never told there, begin again at
/// the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Number of the transaction that put the message; 0 on SQLite.
    pub transaction: i64,
    /// Number of the message.
    pub id: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.transaction, self.id)
    }
}

/// A text that is no position.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("it is no position that this program has told")]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let number = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| text.parse().ok()).flatten().ok_or(NoPosition)
        };
        let (transaction, id) = text.split_once('.').ok_or(NoPosition)?;
        Ok(Self {
            transaction: number(transaction)?,
            id: number(id)?,
        })
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it is.
    pub position: Position,
    /// When it was put there.
    pub recorded_at: DateTime<Utc>,
    /// For which tenant; empty: for everybody.
    pub tenant: String,
    /// What kind of thing happened.
    pub topic: String,
    /// To what.
    pub subject: String,
    /// What to tell.
    pub content: Vec<u8>,
}

/// A message that is to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// For which tenant; empty: for everybody.
    pub tenant: String,
    /// What kind of thing happened.
    pub topic: &'static str,
    /// To what.
    pub subject: String,
    /// What to tell.
    pub content: Vec<u8>,
}

/// Whose messages are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Those of all tenants.
    All,
    /// Those of this one, and those for everybody.
    Of(&'a str),
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Messages in their order.
    Messages {
        /// At most as many as were asked for.
        messages: Vec<Message>,
        /// Where a reader is that has done with them. Where it read to the end, that is behind the messages of others as
        /// well: else one who hears of nothing for long would be told that he missed what was never for him.
        position: Position,
        /// When the next one was put, where there is one already.
        next_recorded_at: Option<DateTime<Utc>>,
    },
    /// Some that were behind the position are not kept any more.
    Gone,
    /// Nobody was ever told of this position here: the database is another one, or was set back.
    NeverTold,
}

/// The outbox of one service.
#[async_trait::async_trait]
pub trait Outbox: fmt::Debug + Send + Sync {
    /// Name of the service, as of its schema.
    fn service(&self) -> &'static str;

    /// Messages behind a position, or from the oldest that is kept, in an order that stays: one is given only when no
    /// transaction is open any more that could still put one before it.
    async fn read(&self, whose: Whose<'_>, after: Option<Position>, limit: u32) -> Result<Page, Error>;

    /// Forgets messages that were put before this moment, the oldest first and at most so many; how many it were.
    async fn forget(&self, before: DateTime<Utc>, at_most: u32) -> Result<u64, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_told_and_nothing_else_is() {
        for position in [
            Position::default(),
            Position {
                transaction: 7,
                id: i64::MAX,
            },
        ] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for text in [
            "",
            ".",
            "1",
            "1.",
            ".1",
            "-1.2",
            "+1.2",
            "1.2.3",
            "1. 2",
            "1.9223372036854775808",
        ] {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text:?}");
        }
    }
}
