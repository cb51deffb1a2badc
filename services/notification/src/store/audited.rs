//! The rows that the audit log answers for: who is told, and by which way; what was recorded in cases, and the letters.

use nopic_sql::audit::Audited;
use nopic_sql::audit::Column::{Date, Json, Moment, Number, Text};

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
/// Something in the history of a case.
pub(crate) const CASE_EVENT: Audited = Audited {
    kind: "case_event",
    page: "/* notification.audit_case_events */ SELECT event_id, tenant, importer, content, recorded_at
        FROM case_event WHERE event_id > $1 ORDER BY event_id LIMIT $2",
    key: 1,
    columns: &[Number, Text, Text, Json, Moment],
    shown: str::to_owned,
};
/// A letter as it was sent.
pub(crate) const LETTER: Audited = Audited {
    kind: "letter",
    page: "/* notification.audit_letters */ SELECT event_id, tenant, importer, step, letter_on, cause_on, content, page,
            sent_by, sent_at
        FROM letter WHERE event_id > $1 ORDER BY event_id LIMIT $2",
    key: 1,
    columns: &[Number, Text, Text, Text, Date, Date, Text, Text, Text, Moment],
    shown: str::to_owned,
};

/// All of them.
pub(crate) const AUDITED: &[&Audited] = &[&RECEIVER, &SUBSCRIPTION, &CASE_EVENT, &LETTER];
