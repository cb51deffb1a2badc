//! What is delivered: the same message on every try.

use std::fmt;

use chrono::{DateTime, Utc};
use nopic_domain::notice::Notice;
use thiserror::Error;

/// The longest identifier of a message.
const MAX_LENGTH: usize = 100;

/// The identifier of a message, by which receivers know that they have it already. It consists of letters, digits,
/// `-` and `_`, so that it needs no escapes in any header, address or name of a file, and no full stop, which ends
/// it where it is signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

/// Why a text is no identifier of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a message's identifier has 1 to {MAX_LENGTH} letters, digits, - and _")]
pub struct MessageIdError;

impl MessageId {
    /// An identifier of this text.
    ///
    /// # Errors
    /// It is empty or too long, or has other characters than letters, digits, `-` and `_`.
    pub fn parse(text: &str) -> Result<Self, MessageIdError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.is_empty() || text.len() > MAX_LENGTH || !text.bytes().all(is_plain) {
            return Err(MessageIdError);
        }
        Ok(Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message to a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same on all tries.
    pub id: MessageId,
    /// Whose it is.
    pub tenant: String,
    /// To what it happened: messages of one subject can be asked for in order. Of a digest it may be empty.
    pub subject: String,
    /// What is told.
    pub content: Content,
    /// When it was made.
    pub made_at: DateTime<Utc>,
}

/// What a message tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One notice, at once.
    Notice(Box<Notice>),
    /// Those of some time, together.
    Digest(Vec<Notice>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_needs_no_escapes_anywhere() {
        for text in ["a", "msg_2026-11-30", &"x".repeat(100)] {
            assert_eq!(MessageId::parse(text).unwrap().as_str(), text);
        }
        let others = ["", "a.b", "a b", "a\r\nb", "ä", "../a", "a@b", &"x".repeat(101)];
        for text in others {
            assert_eq!(MessageId::parse(text), Err(MessageIdError), "{text:?}");
        }
    }
}
