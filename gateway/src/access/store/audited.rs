//! The rows that the audit log answers for.

use nopic_sql::audit::Audited;
use nopic_sql::audit::Column::{Bytes, Moment, Number, Text};

/// A tenant.
pub(crate) const TENANT: Audited = Audited {
    kind: "tenant",
    page: "/* access.audit_tenants */ SELECT tenant, filer_codes, certifier_id, nop_ids, created_at, suspended_at
        FROM tenant WHERE tenant > $1 ORDER BY tenant LIMIT $2",
    key: 1,
    columns: &[Text, Text, Text, Text, Moment, Moment],
    shown: str::to_owned,
};
/// A person or job.
pub(crate) const PERSON: Audited = Audited {
    kind: "person",
    page: "/* access.audit_people */ SELECT person_id, tenant, name, role, certificate_name, token_issuer,
            token_subject, added_at, removed_at
        FROM person WHERE person_id > $1 ORDER BY person_id LIMIT $2",
    key: 1,
    columns: &[Number, Text, Text, Text, Text, Text, Text, Moment, Moment],
    shown: str::to_owned,
};
/// An API key: what is known of it.
pub(crate) const KEY: Audited = Audited {
    kind: "API key",
    page: "/* access.audit_keys */ SELECT prefix, person_id, secret_hash, created_at, created_by, ends_at, revoked_at,
            replaced_by
        FROM api_key WHERE prefix > $1 ORDER BY prefix LIMIT $2",
    key: 1,
    columns: &[Text, Number, Bytes, Moment, Text, Moment, Moment, Text],
    shown: str::to_owned,
};

/// All of them.
pub(crate) const AUDITED: &[&Audited] = &[&TENANT, &PERSON, &KEY];
