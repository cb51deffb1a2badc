//! The rows that the audit log answers for.
//!
//! What a decision rests on (a filing's inputs and the ledger's answer) is proved by the decision itself: replayed, it
//! comes out the same only from what it was made of.

use chrono::{DateTime, Utc};
use nopic_sql::audit::Column::{Bytes, Date, Flag, Moment, Number, Text};
use nopic_sql::audit::{Audited, Rows};

/// An importer-of-record number and the operation behind it.
pub(crate) const LINK: Audited = Audited {
    kind: "importer link",
    page: "/* entry_validation.audit_links */ SELECT tenant, importer_of_record, nop_id, linked_by, linked_at
        FROM importer_link WHERE (tenant, importer_of_record) > ($1, $2)
        ORDER BY tenant, importer_of_record LIMIT $3",
    key: 2,
    columns: &[Text, Text, Text, Text, Moment],
    shown: str::to_owned,
};
/// A flag table.
pub(crate) const FLAG_TABLE: Audited = Audited {
    kind: "flag table",
    page: "/* entry_validation.audit_flag_tables */ SELECT version, content, first_served_by, first_served_at
        FROM flag_table WHERE version > $1 ORDER BY version LIMIT $2",
    key: 1,
    columns: &[Text, Text, Text, Moment],
    shown: str::to_owned,
};
/// Which flag table serves.
pub(crate) const SERVING_FLAG_TABLE: Audited = Audited {
    kind: "serving flag table",
    page: "/* entry_validation.audit_serving_flag_table */ SELECT slot, version FROM serving_flag_table
        WHERE slot > $1 ORDER BY slot LIMIT $2",
    key: 1,
    columns: &[Number, Text],
    shown: str::to_owned,
};
/// A policy.
pub(crate) const POLICY: Audited = Audited {
    kind: "policy",
    page: "/* entry_validation.audit_policies */ SELECT version, content, first_served_at FROM policy
        WHERE version > $1 ORDER BY version LIMIT $2",
    key: 1,
    columns: &[Text, Text, Moment],
    shown: str::to_owned,
};
/// An entry on record; before its first version is filed it is a claim, and nothing is said of it.
pub(crate) const ENTRY: Audited = Audited {
    kind: "entry",
    page: "/* entry_validation.audit_entries */ SELECT entry_id, tenant, entry_number, version FROM entry
        WHERE version >= 1 AND entry_id > $1 ORDER BY entry_id LIMIT $2",
    key: 1,
    columns: &[Number, Text, Text, Number],
    shown: str::to_owned,
};
/// A version of an entry.
pub(crate) const ENTRY_VERSION: Audited = Audited {
    kind: "entry version",
    page: "/* entry_validation.audit_entry_versions */ SELECT entry_id, version, filing_id, kind, actor, reason, filed_on,
            recorded_at
        FROM entry_version WHERE (entry_id, version) > ($1, $2) ORDER BY entry_id, version LIMIT $3",
    key: 2,
    columns: &[Number, Number, Number, Text, Text, Text, Date, Moment],
    shown: str::to_owned,
};
/// A decision without its end, by its filing and its place in it: so nobody who ends it need read it again.
pub(crate) const DECISION: Audited = Audited {
    kind: "decision",
    page: "/* entry_validation.audit_decisions */ SELECT filing_id, place, entry_id, version, tenant, line_number,
            pga_line_number, verdict, line, outcome, codes, importer_nop_id, certificate, is_organic, declaration,
            has_valid_certificate, filed_on, drawn_units, excess_units, recorded_at
        FROM decision WHERE (filing_id, place) > ($1, $2) ORDER BY filing_id, place LIMIT $3",
    key: 2,
    columns: &[
        Number, Number, Number, Number, Text, Number, Number, Bytes, Bytes, Text, Text, Number, Number, Flag,
        Text, Flag, Date, Number, Number, Moment,
    ],
    shown: str::to_owned,
};
/// The end of a decision.
pub(crate) const DECISION_END: Audited = Audited {
    kind: "end of decision",
    page: "/* entry_validation.audit_decision_ends */ SELECT filing_id, place, ended_at FROM decision
        WHERE ended_at IS NOT NULL AND (filing_id, place) > ($1, $2) ORDER BY filing_id, place LIMIT $3",
    key: 2,
    columns: &[Number, Number, Moment],
    shown: str::to_owned,
};
/// What was recorded for the trail of an entry.
pub(crate) const TRAIL_RECORD: Audited = Audited {
    kind: "trail record",
    page: "/* entry_validation.audit_trail_records */ SELECT record_id, entry_id, kind, withdraws, content, actor,
            recorded_at
        FROM trail_record WHERE record_id > $1 ORDER BY record_id LIMIT $2",
    key: 1,
    columns: &[Number, Number, Text, Number, Bytes, Text, Moment],
    shown: str::to_owned,
};

/// All of them.
pub(crate) const AUDITED: &[&Audited] = &[
    &LINK,
    &FLAG_TABLE,
    &SERVING_FLAG_TABLE,
    &POLICY,
    &ENTRY,
    &ENTRY_VERSION,
    &DECISION,
    &DECISION_END,
    &TRAIL_RECORD,
];

/// Decisions that end.
pub(crate) fn ends(rows: &mut Rows, decisions: impl IntoIterator<Item = (i64, i64)>, at: DateTime<Utc>) {
    for (filing_id, place) in decisions {
        rows.row(&DECISION_END)
            .number(filing_id)
            .number(place)
            .moment(at)
            .end();
    }
}
