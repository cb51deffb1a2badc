//! Who changed what, when and why: written in the transaction of the change.

use super::engine::Connection;
pub use super::rows::read_back;
use crate::Error;
pub use crate::audit::{Change, Rows};

crate::statements! {
    const INSERT_RECORD: &str = "INSERT INTO audit_record \
        (recorded_at, tenant, actor, action, subject, reason, detail, role, row_hashes) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
}

/// Notes a change, in its transaction.
///
/// # Errors
/// What the engine reports.
pub async fn record(connection: &mut Connection, change: &Change<'_>) -> Result<(), Error> {
    record_rows(connection, change, "", &Rows::new()).await
}

/// Notes a change with the role of who did it and what it leaves of rows, in its transaction and after those rows.
///
/// # Errors
/// What the engine reports.
pub async fn record_rows(
    connection: &mut Connection,
    change: &Change<'_>,
    role: &str,
    rows: &Rows,
) -> Result<(), Error> {
    sqlx::query(INSERT_RECORD)
        .bind(change.at)
        .bind(change.tenant)
        .bind(change.actor)
        .bind(change.action)
        .bind(change.subject)
        .bind(change.reason)
        .bind(change.detail)
        .bind(role)
        .bind(rows.listing())
        .execute(connection)
        .await?;
    Ok(())
}
