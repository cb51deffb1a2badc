//! What is kept of cases of enforcement.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_domain::date::{Date, Period};
use nopic_domain::enforcement::{Cases, Step};
use nopic_domain::identifier::NopId;
use nopic_sql::Error;
use serde::{Deserialize, Serialize};

use super::{Act, Refusal};

/// The cases of one importer, as their history makes them.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) importer: NopId,
    pub(crate) cases: Cases,
}

/// An importer as it is kept.
pub(crate) fn importer_of(text: &str) -> Result<NopId, Error> {
    text.parse()
        .map_err(|_| Error::corrupt("case_event.importer", text))
}

/// A letter as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentLetter {
    /// Word of the step.
    pub(crate) step: String,
    pub(crate) date: Date,
    /// The day of the finding that made it due: of an importer's cases it belongs to the one of that day.
    pub(crate) cause: Date,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) sent_by: String,
    pub(crate) sent_at: DateTime<Utc>,
}

/// Cases of enforcement.
#[async_trait]
pub(crate) trait CaseStore: Send + Sync {
    /// Tenants and importers that have a history, behind one of them, in their order.
    async fn importers(
        &self,
        after: Option<&(String, String)>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, Error>;

    /// Those of a tenant from an importer on (that one included), in their order.
    async fn histories_of(
        &self,
        tenant: &str,
        from: Option<NopId>,
        limit: u32,
    ) -> Result<Vec<History>, Error>;

    /// Those of one importer; empty ones where nothing was told of it.
    async fn cases(&self, tenant: &str, importer: NopId) -> Result<Cases, Error>;

    /// Closes what is to be closed by today, by the days on which the importer is certified; how many notices are new.
    async fn close_cases(
        &self,
        tenant: &str,
        importer: NopId,
        today: Date,
        certified: &[Period],
        now: DateTime<Utc>,
    ) -> Result<usize, Error>;
}

/// Who sends a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Somebody, who knows of it then.
    Person,
    /// The service by itself: its people are told.
    Itself,
}

/// Letters.
#[async_trait]
pub(crate) trait LetterStore: Send + Sync {
    /// Takes a step by its letter of this date, which is kept as it goes out; with it, how many notices are new.
    async fn send_letter(
        &self,
        act: &Act,
        importer: NopId,
        letter: (Step, Date),
        by: By,
    ) -> Result<(SentLetter, usize), Refusal>;

    /// What this request sent before, where it did.
    async fn letter_of_request(&self, act: &Act) -> Result<Option<SentLetter>, Refusal>;

    /// The letters of a step and date that were sent to an importer: one, or rarely one in each of two cases.
    async fn letters(
        &self,
        tenant: &str,
        importer: NopId,
        step: Step,
        date: Date,
    ) -> Result<Vec<SentLetter>, Error>;
}
