//! Whether a case is over, before a letter of it is sent.

use std::sync::Arc;

use nopic_chassis::rpc::client::Client;
use nopic_domain::date::{Period, day_of};
use nopic_domain::identifier::NopId;
use thiserror::Error;
use tonic::Status;

use crate::cases::registry::certified;
use crate::store::NotificationStore;

/// Why nobody knows whether a case is over.
#[derive(Debug, Error)]
pub(crate) enum NotKnown {
    #[error("the registry is not in reach")]
    NoRegistry,
    #[error("the registry does not say whether the importer is certified: {0}")]
    Registry(Box<Status>),
    #[error(transparent)]
    Store(#[from] nopic_sql::Error),
}

/// Closes what is to be closed of an importer's cases before a letter is sent: none goes out in a case that is over. The
/// registry is asked only where something would close if the importer were certified. How many notices are new.
pub(crate) async fn close_first(
    store: &Arc<dyn NotificationStore>,
    registry: Option<&Client>,
    (tenant, importer): (&str, NopId),
    now: chrono::DateTime<chrono::Utc>,
) -> Result<usize, NotKnown> {
    let today = day_of(now);
    let cases = store.cases(tenant, importer).await?;
    if cases.close_late(today, &[Period::default()]).is_none() {
        return Ok(0);
    }
    let client = registry.ok_or(NotKnown::NoRegistry)?;
    let periods = certified(client, &[importer], today)
        .await
        .map_err(|status| NotKnown::Registry(Box::new(status)))?;
    let periods = periods.into_iter().next().unwrap_or_default();
    Ok(store.close_cases(tenant, importer, today, &periods, now).await?)
}
