//! What a service writes beside its tables, in the transactions of its changes.

use std::sync::Arc;

use crate::audit::AuditLog;
use crate::outbox::Outbox;

/// Who changed what, for auditors, and what happened, for others.
#[derive(Debug, Clone)]
pub struct Journal {
    /// Who changed what, and why.
    pub audit: Arc<dyn AuditLog>,
    /// What others must hear of.
    pub outbox: Arc<dyn Outbox>,
}
