//! Who changed what, when and why: written in the transaction of the change.

use super::engine::Connection;
use crate::Error;
pub use crate::audit::Change;

const INSERT: &str = "/* audit.record */ INSERT INTO audit_record \
    (recorded_at, tenant, actor, action, subject, reason, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Every statement, to be prepared by a test.
#[cfg(feature = "testing")]
pub(crate) const STATEMENTS: &[&str] = &[INSERT];

/// Notes a change, in its transaction.
///
/// # Errors
/// What the engine reports.
pub async fn record(connection: &mut Connection, change: &Change<'_>) -> Result<(), Error> {
    sqlx::query(INSERT)
        .bind(change.at)
        .bind(change.tenant)
        .bind(change.actor)
        .bind(change.action)
        .bind(change.subject)
        .bind(change.reason)
        .bind(change.detail)
        .execute(connection)
        .await?;
    Ok(())
}
