//! Answers to changes, by the request that asked for them: asked again, a change gives its first answer and does
//! nothing.

use chrono::{DateTime, Utc};

use super::engine::{Connection, hold};
use crate::Error;

crate::statements! {
    const SELECT_ANSWER: &str = "SELECT request_hash, answer FROM request \
        WHERE tenant = $1 AND request_id = $2";
    const INSERT_ANSWER: &str = "INSERT INTO request (tenant, request_id, request_hash, answer, answered_at) \
        VALUES ($1, $2, $3, $4, $5)";
}

/// Looks whether a request was answered before, in the transaction of its change; until that ends, nobody else asks
/// for the same. The answer, if there is one.
///
/// # Errors
/// [`Error::RequestReused`]: the id belongs to another request. Else what the engine reports.
pub async fn begin(
    connection: &mut Connection,
    tenant: &str,
    request_id: &str,
    hash: &[u8; 32],
) -> Result<Option<Vec<u8>>, Error> {
    hold(connection, &[tenant, request_id]).await?;
    let known: Option<(Vec<u8>, Vec<u8>)> = sqlx::query_as(SELECT_ANSWER)
        .bind(tenant)
        .bind(request_id)
        .fetch_optional(connection)
        .await?;
    match known {
        None => Ok(None),
        Some((known_hash, answer)) if known_hash == hash => Ok(Some(answer)),
        Some(_) => Err(Error::RequestReused(request_id.to_owned())),
    }
}

/// Keeps the answer, in the transaction of the change.
///
/// # Errors
/// What the engine reports.
pub async fn answer(
    connection: &mut Connection,
    tenant: &str,
    request_id: &str,
    hash: &[u8; 32],
    answer: &[u8],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query(INSERT_ANSWER)
        .bind(tenant)
        .bind(request_id)
        .bind(&hash[..])
        .bind(answer)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}
