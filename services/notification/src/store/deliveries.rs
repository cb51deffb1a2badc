//! Messages to receivers, as they are shown and sent again.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_sql::Error;
use serde::{Deserialize, Serialize};

use super::Act;
use crate::error::Error as Refusal;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DeliveryState {
    Waiting,
    Delivered,
    Dead,
}

impl DeliveryState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Delivered => "DELIVERED",
            Self::Dead => "DEAD",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Delivered, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredDelivery {
    pub(crate) id: i64,
    pub(crate) receiver: String,
    pub(crate) state: DeliveryState,
    pub(crate) message_id: String,
    pub(crate) notices: Vec<i64>,
    pub(crate) attempts: u32,
    pub(crate) next_attempt_at: Option<DateTime<Utc>>,
    pub(crate) last_result: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// Which messages are listed, or sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DeliveryFilter {
    pub(crate) receiver: Option<String>,
    pub(crate) state: Option<DeliveryState>,
}

/// Messages as they are shown, and sent again.
#[async_trait]
pub(crate) trait DeliveryList: Send + Sync {
    /// Those before this number, the newest first.
    async fn deliveries(
        &self,
        tenant: &str,
        filter: &DeliveryFilter,
        before: i64,
        limit: u32,
    ) -> Result<Vec<StoredDelivery>, Error>;

    /// Sends one again whatever came of it, or all dead ones of a filter; how many.
    async fn redeliver(
        &self,
        act: &Act,
        delivery: Option<i64>,
        receiver: Option<&str>,
    ) -> Result<u64, Refusal>;
}
