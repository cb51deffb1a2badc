//! Who changed what, when and why: written in the transaction of the change.

use chrono::{DateTime, Utc};

use super::engine::Connection;
use crate::Error;

const INSERT: &str = "/* audit.record */ INSERT INTO audit_record \
    (recorded_at, tenant, actor, action, subject, reason, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// One change.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// For which tenant.
    pub tenant: &'a str,
    /// Who: person or job.
    pub actor: &'a str,
    /// What was done, such as `CERTIFICATE_VOIDED`.
    pub action: &'static str,
    /// To what: a certificate or entry number, a name.
    pub subject: &'a str,
    /// Why, where a reason was given.
    pub reason: &'a str,
    /// What changed, as JSON.
    pub detail: &'a str,
}

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
