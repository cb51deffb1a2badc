//! What others must hear of: written in the transaction of the change, read later in the order of commits.

use chrono::{DateTime, Utc};

use super::engine::{Connection, SELECT_MESSAGES};
use crate::Error;
use crate::outbox::{Message, Position};

crate::statements! {
    const INSERT_MESSAGE: &str = "INSERT INTO outbox (recorded_at, tenant, topic, subject, content) \
        VALUES ($1, $2, $3, $4, $5)";
}

type Row = (i64, i64, DateTime<Utc>, String, String, String, Vec<u8>);

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
    sqlx::query(INSERT_MESSAGE)
        .bind(now)
        .bind(tenant)
        .bind(topic)
        .bind(subject)
        .bind(content)
        .execute(connection)
        .await?;
    Ok(())
}

/// At most so many messages behind a position, in an order that stays: a message is given only when no transaction is
/// open any more that could still put one before it.
///
/// # Errors
/// What the engine reports.
pub async fn after(
    connection: &mut Connection,
    position: Position,
    limit: u32,
) -> Result<Vec<Message>, Error> {
    let rows: Vec<Row> = sqlx::query_as(SELECT_MESSAGES)
        .bind(position.transaction)
        .bind(position.id)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(
            |(transaction, id, recorded_at, tenant, topic, subject, content)| Message {
                position: Position { transaction, id },
                recorded_at,
                tenant,
                topic,
                subject,
                content,
            },
        )
        .collect())
}
