//! The rows that the audit log answers for: who is told, and by which way.

use nopic_sql::audit::Audited;
use nopic_sql::audit::Column::{Json, Moment, Number, Text};

/// A receiver: what people say of it. What comes of sending changes beside the log.
pub(crate) const RECEIVER: Audited = Audited {
    kind: "receiver",
    page: "/* notification.audit_receivers */ SELECT receiver_id, tenant, name, channel, settings, created_at, removed_at
        FROM receiver WHERE receiver_id > $1 ORDER BY receiver_id LIMIT $2",
    key: 1,
    columns: &[Number, Text, Text, Text, Json, Moment, Moment],
    shown: str::to_owned,
};
/// A subscription.
pub(crate) const SUBSCRIPTION: Audited = Audited {
    kind: "subscription",
    page: "/* notification.audit_subscriptions */ SELECT tenant, name, receiver_id, content, set_at
        FROM subscription WHERE (tenant, name) > ($1, $2) ORDER BY tenant, name LIMIT $3",
    key: 2,
    columns: &[Text, Text, Number, Json, Moment],
    shown: str::to_owned,
};

/// All of them.
pub(crate) const AUDITED: &[&Audited] = &[&RECEIVER, &SUBSCRIPTION];
