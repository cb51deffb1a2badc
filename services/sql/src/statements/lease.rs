//! Work that one process at a time does, until it ends or its time is over.

use chrono::{DateTime, TimeDelta, Utc};

use super::engine::Connection;
use crate::Error;

crate::statements! {
    /// A lease that ends later than any holder could ask for was taken by a clock that has been set back since.
    const TAKE_LEASE: &str = "INSERT INTO lease (name, holder, expires_at) VALUES ($1, $2, $4) \
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at \
        WHERE lease.holder = excluded.holder OR lease.expires_at <= $3 OR lease.expires_at > excluded.expires_at";
    const RELEASE_LEASE: &str = "DELETE FROM lease WHERE name = $1 AND holder = $2";
}

/// Takes a lease or makes it longer; whether the holder has it now. Until the transaction ends, nobody else gets it.
/// All holders of a lease ask for the same time.
///
/// # Errors
/// What the engine reports.
pub async fn take(
    connection: &mut Connection,
    name: &str,
    holder: &str,
    now: DateTime<Utc>,
    time: TimeDelta,
) -> Result<bool, Error> {
    let taken = sqlx::query(TAKE_LEASE)
        .bind(name)
        .bind(holder)
        .bind(now)
        .bind(now + time)
        .execute(connection)
        .await?;
    Ok(taken.rows_affected() == 1)
}

/// Gives a lease back, where the holder has it.
///
/// # Errors
/// What the engine reports.
pub async fn release(connection: &mut Connection, name: &str, holder: &str) -> Result<(), Error> {
    sqlx::query(RELEASE_LEASE)
        .bind(name)
        .bind(holder)
        .execute(connection)
        .await?;
    Ok(())
}
