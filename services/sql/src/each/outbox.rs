//! What others must hear of: written in the transaction of the change, sent later.

use chrono::{DateTime, Utc};

use super::engine::Connection;
use crate::Error;

const INSERT: &str = "/* outbox.put */ INSERT INTO outbox (recorded_at, tenant, topic, subject, content) \
    VALUES ($1, $2, $3, $4, $5)";

/// Puts a message into the outbox, in the transaction of the change that it tells of.
///
/// # Errors
/// What the engine reports.
pub async fn put(
    connection: &mut Connection,
    now: DateTime<Utc>,
    tenant: &str,
    topic: &'static str,
    subject: &str,
    content: &[u8],
) -> Result<(), Error> {
    sqlx::query(INSERT)
        .bind(now)
        .bind(tenant)
        .bind(topic)
        .bind(subject)
        .bind(content)
        .execute(connection)
        .await?;
    Ok(())
}
