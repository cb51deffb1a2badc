//! How a try ended.

use std::time::Duration;

/// How a try ended. Every `why` is a sentence (or two) for the person who owns the receiver, with nothing secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has the message.
    Delivered,
    /// It may go well later.
    Passing {
        /// What went wrong.
        why: String,
        /// How long the receiver wants to be left alone, a day at most.
        retry_after: Option<Duration>,
        /// The receiver has too much to do: others of its messages should come more slowly, too.
        slow_down: bool,
    },
    /// What is between this deployment and every receiver does not work: it may go well later, and says nothing of the
    /// receiver.
    Ours {
        /// What an operator must mend.
        why: String,
    },
    /// The receiver will never take this message.
    Refused {
        /// What is wrong, and who can mend it.
        why: String,
    },
    /// The receiver wants no message any more.
    Gone {
        /// What it said.
        why: String,
    },
}

impl Outcome {
    /// Something that may go well later, without a wish of the receiver.
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self::Passing {
            why: why.into(),
            retry_after: None,
            slow_down: false,
        }
    }

    /// The same where the receiver is slow.
    pub(super) fn slow(why: impl Into<String>) -> Self {
        Self::Passing {
            why: why.into(),
            retry_after: None,
            slow_down: true,
        }
    }

    /// Something that an operator of the deployment must mend.
    pub(super) fn ours(why: impl Into<String>) -> Self {
        Self::Ours { why: why.into() }
    }

    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into() }
    }

    /// What is told of it to the owner; of a delivery there is nothing to tell.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::Passing { why, .. } | Self::Ours { why } | Self::Refused { why } | Self::Gone { why } => {
                Some(why)
            }
        }
    }
}
