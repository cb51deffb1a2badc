//! The rows that the audit log answers for.

use chrono::{DateTime, Utc};
use nopic_domain::identifier::CertificateNumber;
use nopic_sql::Error;
use nopic_sql::audit::Column::{Date, Json, Moment, Number, Text};
use nopic_sql::audit::{Audited, Rows, json_hash};
use serde::Serialize;

macro_rules! certificate_columns {
    () => {
        "SELECT certificate, version, CAST(content AS TEXT), status, certifier_id, exporter_nop_id, importer_nop_id,
            valid_from, valid_to FROM certificate WHERE "
    };
}
macro_rules! ledger_columns {
    () => {
        "SELECT certificate, limit_units, drawn_units, excess_units, marked_units, draw_count, first_drawer,
            last_drawer, drawer_tenant FROM certificate WHERE "
    };
}
macro_rules! draw_columns {
    () => {
        "SELECT draw_id, certificate, entry_number, line_number, pga_line_number, source, tenant, weight_units,
            excess_units, entry_version, recorded_by, recorded_at FROM draw WHERE "
    };
}
macro_rules! request_columns {
    () => {
        "SELECT certificate_request, version, CAST(content AS TEXT), stage, certifier_id, exporter_nop_id,
            importer_nop_id, due_on, tenant, certificate FROM certificate_request WHERE "
    };
}

pub(super) use {certificate_columns, draw_columns, ledger_columns, request_columns};

/// What a certificate states now.
pub(crate) const CERTIFICATE: Audited = Audited {
    kind: "certificate",
    page: concat!(
        "/* certificate.audit_certificates */ ",
        certificate_columns!(),
        "certificate > $1 ORDER BY certificate LIMIT $2"
    ),
    key: 1,
    columns: &[Number, Number, Json, Text, Number, Number, Number, Date, Date],
    shown: shown_certificate,
};
/// Its ledger, which filings change all the time.
pub(crate) const LEDGER: Audited = Audited {
    kind: "ledger",
    page: concat!(
        "/* certificate.audit_ledgers */ ",
        ledger_columns!(),
        "certificate > $1 ORDER BY certificate LIMIT $2"
    ),
    key: 1,
    columns: &[Number, Number, Number, Number, Number, Number, Text, Text, Text],
    shown: shown_certificate,
};
pub(crate) const VERSION: Audited = Audited {
    kind: "certificate version",
    page: "/* certificate.audit_versions */ SELECT certificate, version, CAST(content AS TEXT), source, reason, tenant,
            actor, recorded_at
        FROM certificate_version WHERE (certificate, version) > ($1, $2) ORDER BY certificate, version LIMIT $3",
    key: 2,
    columns: &[Number, Number, Json, Text, Text, Text, Text, Moment],
    shown: shown_certificate,
};
/// A draw without its end: so nobody who ends it need read it again.
pub(crate) const DRAW: Audited = Audited {
    kind: "draw",
    page: concat!(
        "/* certificate.audit_draws */ ",
        draw_columns!(),
        "draw_id > $1 ORDER BY draw_id LIMIT $2"
    ),
    key: 1,
    columns: &[
        Number, Number, Text, Number, Number, Text, Text, Number, Number, Number, Text, Moment,
    ],
    shown: str::to_owned,
};
pub(crate) const DRAW_END: Audited = Audited {
    kind: "end of draw",
    page: "/* certificate.audit_draw_ends */ SELECT draw_id, ended_at FROM draw
        WHERE ended_at IS NOT NULL AND draw_id > $1 ORDER BY draw_id LIMIT $2",
    key: 1,
    columns: &[Number, Moment],
    shown: str::to_owned,
};
pub(crate) const REQUEST: Audited = Audited {
    kind: "request",
    page: concat!(
        "/* certificate.audit_requests */ ",
        request_columns!(),
        "certificate_request > $1 ORDER BY certificate_request LIMIT $2"
    ),
    key: 1,
    columns: &[
        Number, Number, Json, Text, Number, Number, Number, Date, Text, Number,
    ],
    shown: str::to_owned,
};
pub(crate) const REQUEST_VERSION: Audited = Audited {
    kind: "request version",
    page: "/* certificate.audit_request_versions */ SELECT certificate_request, version, CAST(content AS TEXT), step,
            reason, tenant, actor, recorded_at
        FROM certificate_request_version WHERE (certificate_request, version) > ($1, $2)
        ORDER BY certificate_request, version LIMIT $3",
    key: 2,
    columns: &[Number, Number, Json, Text, Text, Text, Text, Moment],
    shown: str::to_owned,
};

/// All of them.
pub(crate) const AUDITED: &[&Audited] = &[
    &CERTIFICATE,
    &LEDGER,
    &VERSION,
    &DRAW,
    &DRAW_END,
    &REQUEST,
    &REQUEST_VERSION,
];

/// The number of a certificate, in a key that begins with its key.
fn shown_certificate(key: &str) -> String {
    let (certificate, rest) = key.split_once('/').unwrap_or((key, ""));
    let number = certificate.parse().ok().and_then(CertificateNumber::from_key);
    match (number, rest) {
        (None, _) => key.to_owned(),
        (Some(number), "") => number.to_string(),
        (Some(number), version) => format!("{version} of {number}"),
    }
}

/// The hash of what a column holds as JSON.
pub(crate) fn content_hash(content: &impl Serialize) -> Result<[u8; 32], Error> {
    serde_json::to_value(content)
        .map(|value| json_hash(&value))
        .map_err(|error| Error::corrupt("statement parameters", error))
}

/// Draws that end.
pub(crate) fn ends(rows: &mut Rows, ids: impl IntoIterator<Item = i64>, at: DateTime<Utc>) {
    for id in ids {
        rows.row(&DRAW_END).number(id).moment(at).end();
    }
}
