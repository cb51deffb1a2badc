//! The store: what was read, notices, receivers, subscriptions, and what is sent.

mod audited;
pub(crate) mod cases;
mod deliveries;
mod postgres;
mod row;
mod sending;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Subscription};
use nopic_domain::principal::Principal;
use nopic_sql::{
    AUDIT_ROWS, Error, Journal, Location, Migration, OUTBOX_FLOOR, SHARED, Schema, SchemaUpdate, on_engine,
};
use serde::{Deserialize, Serialize};

use crate::cases::CaseRules;
use crate::cases::entry::ToldVersion;
use crate::error::Error as Refusal;
pub(crate) use crate::new_notice::{DealingKind, NewNotice, Whose};

pub(crate) use cases::{By, CaseStore, LetterStore, SentLetter, importer_of};
pub(crate) use deliveries::{DeliveryFilter, DeliveryList, DeliveryState, StoredDelivery};
pub(crate) use sending::{Begun, DeliveryStore, Ended, HeldReceiver, Pending, ReceiverAfter, Tried};

/// The schema of the service.
pub const SCHEMA: Schema = Schema {
    name: "notification",
    migrations: &[
        SHARED,
        AUDIT_ROWS,
        OUTBOX_FLOOR,
        Migration {
            name: "create_notification",
            sqlite: include_str!("../../migrations/sqlite/0001_create_notification.sql"),
            postgres: include_str!("../../migrations/postgres/0001_create_notification.sql"),
            oldest_compatible: 4,
        },
        Migration {
            name: "create_cases",
            sqlite: include_str!("../../migrations/sqlite/0002_create_cases.sql"),
            postgres: include_str!("../../migrations/postgres/0002_create_cases.sql"),
            // An older program would read events and leave the cases behind.
            oldest_compatible: 5,
        },
    ],
    audited: audited::AUDITED,
};

/// How long a message is tried.
pub(crate) const TRIED_FOR: chrono::TimeDelta = chrono::TimeDelta::days(3);

/// That a tenant deals with something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dealing {
    pub(crate) kind: DealingKind,
    pub(crate) subject: String,
    pub(crate) tenant: String,
    pub(crate) on: Date,
}

/// A request that waits for a certifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Review {
    pub(crate) tenant: String,
    pub(crate) request: i64,
    /// Absent: it does not wait any more.
    pub(crate) due_on: Option<Date>,
    pub(crate) exporter: String,
    pub(crate) importer: String,
    pub(crate) certifier: String,
}

/// What was made of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) notices: Vec<NewNotice>,
    pub(crate) dealings: Vec<Dealing>,
    pub(crate) reviews: Vec<Review>,
    /// Versions of entries, in the order in which they were told.
    pub(crate) entries: Vec<ToldVersion>,
}

/// From where to where events were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) service: &'static str,
    /// Empty: from the first.
    pub(crate) from: String,
    pub(crate) to: String,
}

/// Taking in what happened.
#[async_trait]
pub(crate) trait IntakeStore: Send + Sync {
    /// How far the events of a service were read; empty: not at all.
    async fn position(&self, service: &str) -> Result<String, Error>;

    /// Keeps what was made of events with how far they were read, as one; how many notices are new. `None`: another
    /// process has read further meanwhile, and nothing was kept.
    async fn take(
        &self,
        step: Option<&Step>,
        taken: &Taken,
        now: DateTime<Utc>,
    ) -> Result<Option<usize>, Error>;

    /// What tenants deal with and have since a day, behind a tenant and subject, in their order.
    async fn dealings(
        &self,
        kind: DealingKind,
        since: Date,
        after: (&str, &str),
        limit: u32,
    ) -> Result<Vec<(String, String)>, Error>;

    /// Reviews that are due up to a day, behind a tenant and request, in their order.
    async fn reviews_due(&self, until: Date, after: (&str, i64), limit: u32) -> Result<Vec<Review>, Error>;
}

/// A notice as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredNotice {
    pub(crate) id: i64,
    pub(crate) notice: Notice,
    pub(crate) created_at: DateTime<Utc>,
}

/// Which notices are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NoticeFilter {
    pub(crate) kinds: Vec<NoticeKind>,
    pub(crate) least_severity: Option<NoticeSeverity>,
    pub(crate) subject: Option<String>,
}

/// Reading notices.
#[async_trait]
pub(crate) trait NoticeStore: Send + Sync {
    /// Those before this number, the newest first.
    async fn notices(
        &self,
        tenant: &str,
        filter: &NoticeFilter,
        before: i64,
        limit: u32,
    ) -> Result<Vec<StoredNotice>, Error>;

    /// Those behind this number, the oldest first; never one before which another may still come.
    async fn notices_after(&self, tenant: &str, after: i64, limit: u32) -> Result<Vec<StoredNotice>, Error>;

    /// One with its deliveries.
    async fn notice(
        &self,
        tenant: &str,
        id: i64,
    ) -> Result<Option<(StoredNotice, Vec<StoredDelivery>)>, Error>;
}

/// A change that somebody asks for.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) principal: Principal,
    /// Names the change, for the tenant of the principal.
    pub(crate) request_id: String,
    /// SHA-256 of the call.
    pub(crate) hash: [u8; 32],
    /// In whole microseconds, which both engines keep.
    pub(crate) now: DateTime<Utc>,
}

/// Whether messages are sent to a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReceiverState {
    Active,
    Paused,
    Gone,
}

impl ReceiverState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Paused => "PAUSED",
            Self::Gone => "GONE",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Gone]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A secret that signs, and until when; absent: for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptSecret {
    pub(crate) secret: String,
    pub(crate) until: Option<DateTime<Utc>>,
}

/// A receiver as it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewReceiver {
    pub(crate) name: String,
    pub(crate) channel: &'static str,
    /// JSON object.
    pub(crate) settings: String,
    pub(crate) secrets: Vec<KeptSecret>,
    pub(crate) ordered: bool,
    /// 0: as many as there are.
    pub(crate) per_minute: u32,
    /// That it has from the start, but for those whose name is taken.
    pub(crate) subscriptions: Vec<NamedSubscription>,
}

/// A receiver as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredReceiver {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) channel: String,
    pub(crate) settings: String,
    pub(crate) ordered: bool,
    pub(crate) per_minute: u32,
    pub(crate) state: ReceiverState,
    pub(crate) because: String,
    pub(crate) failing_since: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) waiting: u64,
    pub(crate) dead: u64,
}

/// Receivers. Every change here and below is one transaction with its answer and its audit record.
#[async_trait]
pub(crate) trait ReceiverStore: Send + Sync {
    /// Keeps a new one, with its subscriptions; a second time it is refused, because its secret cannot be told again.
    async fn create_receiver(
        &self,
        act: &Act,
        new: &NewReceiver,
    ) -> Result<(StoredReceiver, Vec<NamedSubscription>), Refusal>;
    /// Those of a tenant, by name.
    async fn receivers(&self, tenant: &str) -> Result<Vec<StoredReceiver>, Error>;
    /// Pauses one, or resumes it.
    async fn set_state(
        &self,
        act: &Act,
        name: &str,
        state: ReceiverState,
        because: &str,
    ) -> Result<StoredReceiver, Refusal>;
    /// Adds a secret; those before it sign until a moment. A second time it is refused.
    async fn rotate_secret(
        &self,
        act: &Act,
        name: &str,
        secret: &str,
        until: DateTime<Utc>,
    ) -> Result<StoredReceiver, Refusal>;
    /// Takes one away, with its subscriptions and what waits.
    async fn remove_receiver(&self, act: &Act, name: &str) -> Result<StoredReceiver, Refusal>;
    /// Makes a notice for one receiver alone, to be sent now.
    async fn test_receiver(&self, act: &Act, name: &str, notice: &Notice) -> Result<StoredDelivery, Refusal>;
}

/// A subscription as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NamedSubscription {
    pub(crate) name: String,
    pub(crate) receiver: String,
    pub(crate) subscription: Subscription,
}

/// Subscriptions.
#[async_trait]
pub(crate) trait SubscriptionStore: Send + Sync {
    /// Makes one, or puts it in the place of the one of its name.
    async fn set_subscription(
        &self,
        act: &Act,
        new: &NamedSubscription,
    ) -> Result<NamedSubscription, Refusal>;
    /// Those of a tenant, by name.
    async fn subscriptions(&self, tenant: &str) -> Result<Vec<NamedSubscription>, Error>;
    /// Takes one away.
    async fn remove_subscription(&self, act: &Act, name: &str) -> Result<(), Refusal>;
}

/// All of the store.
#[async_trait]
pub(crate) trait NotificationStore:
    IntakeStore
    + CaseStore
    + LetterStore
    + NoticeStore
    + ReceiverStore
    + SubscriptionStore
    + DeliveryList
    + DeliveryStore
{
    /// Who changed what, and what others must hear of.
    fn journal(&self) -> Journal;
}

/// Opens the store where it is.
pub(crate) async fn open(
    location: &Location,
    update: SchemaUpdate,
    rules: CaseRules,
) -> Result<Arc<dyn NotificationStore>, Error> {
    Ok(on_engine!(location, engine, place => Arc::new(engine::Store::open(place, update, rules).await?)))
}

#[cfg(test)]
mod tests;
