//! What sends messages asks of the store.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_domain::notice::Notice;
use nopic_sql::Error;

use super::{DeliveryState, KeptSecret, NewNotice, ReceiverState};

/// A receiver that this process sends to, and nobody else, as it is at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldReceiver {
    pub(crate) id: i64,
    pub(crate) tenant: String,
    pub(crate) name: String,
    pub(crate) channel: String,
    pub(crate) settings: String,
    pub(crate) secrets: Vec<KeptSecret>,
    pub(crate) ordered: bool,
    /// 0: as many as there are.
    pub(crate) per_minute: u32,
    pub(crate) failing_since: Option<DateTime<Utc>>,
    /// How often that was found, one after the other.
    pub(crate) failures: u32,
    /// Until when it was left alone, after the last try at the latest.
    pub(crate) rests_until: DateTime<Utc>,
}

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) id: i64,
    pub(crate) message_id: String,
    pub(crate) subject: String,
    pub(crate) is_digest: bool,
    /// What it says, or why that cannot be read.
    pub(crate) notices: Result<Vec<Notice>, String>,
    /// The next one included.
    pub(crate) attempts: u32,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// What is to be sent to a receiver now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) receiver: HeldReceiver,
    pub(crate) pending: Vec<Pending>,
    /// Nothing else is due.
    pub(crate) is_all: bool,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tried {
    pub(crate) delivery: i64,
    pub(crate) state: DeliveryState,
    pub(crate) next_attempt_at: DateTime<Utc>,
    /// In a sentence.
    pub(crate) result: String,
}

/// What is known of a receiver after a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceiverAfter {
    pub(crate) state: ReceiverState,
    pub(crate) because: String,
    pub(crate) failing_since: Option<DateTime<Utc>>,
    pub(crate) failures: u32,
    pub(crate) rests_until: DateTime<Utc>,
    /// It stays held; otherwise it is given back.
    pub(crate) is_kept: bool,
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The rest of the receiver as it was when the tries began.
    pub(crate) rested_until: DateTime<Utc>,
    pub(crate) tried: Vec<Tried>,
    pub(crate) after: ReceiverAfter,
    /// What is told where the receiver becomes what is said here.
    pub(crate) told: Vec<NewNotice>,
}

/// Sending.
#[async_trait]
pub(crate) trait DeliveryStore: Send + Sync {
    /// Takes receivers with messages that are due, at most so many, for as long as the lease lasts.
    async fn hold_receivers(
        &self,
        holder: &str,
        now: DateTime<Utc>,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<i64>, Error>;

    /// Holds those of these longer that this process still holds.
    async fn renew_holds(
        &self,
        receivers: &[i64],
        holder: &str,
        now: DateTime<Utc>,
        lease: Duration,
    ) -> Result<(), Error>;

    /// A held receiver and its messages that are due, at most so many, and fewer where it takes only some in a minute: what
    /// they say is fixed from now on. `None`: it is not held any more, or nothing is sent to it.
    async fn begin_tries(
        &self,
        receiver: i64,
        holder: &str,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Option<Begun>, Error>;

    /// Keeps what came of tries, and, as one with it, what they tell of the receiver, which is passed over where somebody
    /// else holds it by now.
    async fn end_tries(
        &self,
        receiver: i64,
        holder: &str,
        ended: &Ended,
        now: DateTime<Utc>,
    ) -> Result<(), Error>;

    /// Gives up what waits for receivers that want nothing any more; how many messages.
    async fn give_up_gone(&self, now: DateTime<Utc>) -> Result<u64, Error>;

    /// Since when the message has been due that is due the longest, of those that could be sent now, or could if this
    /// deployment were in order.
    async fn oldest_due(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error>;

    /// How many receivers stand how: FAILING, or as their state says.
    async fn receiver_counts(&self) -> Result<Vec<(&'static str, u64)>, Error>;
}
