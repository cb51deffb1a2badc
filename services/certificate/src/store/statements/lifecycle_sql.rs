//! Every statement of requests, issuing, voiding and amending.

use super::engine::{date, for_update, one_of, rows};

nopic_sql::statements! {
    /// The tenants of which draws stand on either of two certificates, and who asked for the first of them, or for one in
    /// whose place it came.
    pub(super) const SELECT_CONCERNED: &str = "WITH RECURSIVE line(certificate) AS (SELECT CAST($1 AS BIGINT) UNION \
        SELECT s.certificate FROM certificate_succession s JOIN line ON s.successor = line.certificate) \
        SELECT tenant FROM draw WHERE certificate IN ($1, $2) AND ended_at IS NULL UNION \
        SELECT tenant FROM certificate_request WHERE certificate IN (SELECT certificate FROM line)";
    /// The tenants whose people took steps that a certifier alone takes, upon its newest requests.
    pub(super) const SELECT_CERTIFIERS: &str = "SELECT DISTINCT v.tenant FROM certificate_request_version v
        WHERE v.certificate_request IN (SELECT r.certificate_request FROM certificate_request r
            WHERE r.certifier_id = $1 ORDER BY r.certificate_request DESC LIMIT 100)
        AND v.step IN ('START_REVIEW', 'ASK_FOR_MORE', 'APPROVE', 'ENTER_NUMBER', 'REJECT')";
    /// The number of the next request: under a lock, so that numbers are in the order of the commits.
    pub(super) const NEXT_REQUEST: &str =
        "SELECT COALESCE(MAX(certificate_request), 0) + 1 FROM certificate_request";
    /// One request, held until the transaction ends.
    pub(super) const SELECT_REQUEST: &str = concat!(
        "SELECT version, tenant, CAST(content AS TEXT) FROM certificate_request
        WHERE certificate_request = $1",
        for_update!()
    );
    /// Writes a request: a JSON list of one `[number, version, content, stage, certifier, exporter, importer, due on,
    /// tenant, certificate]`.
    pub(super) const UPSERT_REQUEST: &str = concat!(
        "INSERT INTO certificate_request (certificate_request, version, content, stage, certifier_id,
            exporter_nop_id, importer_nop_id, due_on, tenant, certificate)
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT), r.value -> 2, r.value ->> 3,
            CAST(r.value ->> 4 AS BIGINT), CAST(r.value ->> 5 AS BIGINT), CAST(r.value ->> 6 AS BIGINT), ",
        date!("r.value ->> 7"),
        ", r.value ->> 8, CAST(r.value ->> 9 AS BIGINT)
        FROM ",
        rows!("$1"),
        " WHERE true
        ON CONFLICT (certificate_request) DO UPDATE SET version = excluded.version, content = excluded.content,
            stage = excluded.stage, importer_nop_id = excluded.importer_nop_id, certificate = excluded.certificate"
    );
    /// Keeps the version: a JSON list of one `[number, version, content]`.
    pub(super) const INSERT_REQUEST_VERSION: &str = concat!(
        "INSERT INTO certificate_request_version (certificate_request, version, content, step, reason,
            tenant, actor, recorded_at)
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT), r.value -> 2, $2, $3, $4, $5, $6
        FROM ",
        rows!("$1"),
        " WHERE true"
    );
    /// The versions of a request up to a moment.
    pub(super) const SELECT_REQUEST_VERSIONS: &str =
        "SELECT v.version, CAST(v.content AS TEXT), v.step, v.reason, v.tenant, v.actor, v.recorded_at
        FROM certificate_request_version v
        WHERE v.certificate_request = $1 AND v.recorded_at <= $2 ORDER BY v.version";
    /// Who asked.
    pub(super) const SELECT_REQUEST_TENANT: &str =
        "SELECT tenant FROM certificate_request WHERE certificate_request = $1";
    /// A page of requests after a number. `$2`: whether of everybody; else those of this tenant, certifier or exporters (a
    /// JSON list of lists of one).
    pub(super) const LIST_REQUESTS: &str = concat!(
        "SELECT q.certificate_request, q.version, q.tenant, CAST(q.content AS TEXT)
        FROM certificate_request q
        WHERE q.certificate_request > $1
          AND ($2 OR q.tenant = $3 OR q.certifier_id = $4
            OR q.exporter_nop_id IN (SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
        rows!("$5"),
        "))
          AND (CAST($6 AS TEXT) IS NULL OR q.stage = $6)
          AND (CAST($7 AS BIGINT) IS NULL OR q.certifier_id = $7)
          AND (CAST($8 AS BIGINT) IS NULL OR q.exporter_nop_id = $8)
          AND (CAST($9 AS BIGINT) IS NULL OR q.importer_nop_id = $9)
          AND (CAST($10 AS DATE) IS NULL OR (q.due_on <= $10 AND q.stage NOT IN ('ISSUED', 'REJECTED')))
        ORDER BY q.certificate_request LIMIT $11"
    );
    /// The last serial number given here or named by an import, and the greatest key of a certificate of the operation.
    pub(super) const SELECT_LAST_SERIAL: &str = "SELECT
            (SELECT last_serial FROM certificate_serial WHERE certifier_id = $1 AND exporter_nop_id = $2),
            (SELECT MAX(certificate) FROM certificate WHERE certificate BETWEEN $3 AND $4)";
    pub(super) const UPSERT_SERIAL: &str =
        "INSERT INTO certificate_serial (certifier_id, exporter_nop_id, last_serial) VALUES ($1, $2, $3)
        ON CONFLICT (certifier_id, exporter_nop_id) DO UPDATE SET last_serial = excluded.last_serial
        WHERE excluded.last_serial > certificate_serial.last_serial";
    /// A new certificate that nobody drew on, unless its number exists: a JSON list of one `[key, content, status,
    /// certifier, exporter, importer, valid from, valid to, limit, moment]`.
    pub(super) const INSERT_CERTIFICATE: &str = concat!(
        "INSERT INTO certificate (certificate, version, content, status, certifier_id, exporter_nop_id,
            importer_nop_id, valid_from, valid_to, limit_units, drawn_units, excess_units, draw_count, changed_micros)
        SELECT CAST(r.value ->> 0 AS BIGINT), 1, r.value -> 1, r.value ->> 2, CAST(r.value ->> 3 AS BIGINT),
            CAST(r.value ->> 4 AS BIGINT), CAST(r.value ->> 5 AS BIGINT), ",
        date!("r.value ->> 6"),
        ", ",
        date!("r.value ->> 7"),
        ", CAST(r.value ->> 8 AS BIGINT), 0, 0, 0, CAST(r.value ->> 9 AS BIGINT)
        FROM ",
        rows!("$1"),
        " WHERE true ON CONFLICT (certificate) DO NOTHING"
    );
    /// Keeps a version that a step made: a JSON list of one `[key, version, content]`.
    pub(super) const INSERT_VERSION: &str = concat!(
        "INSERT INTO certificate_version (certificate, version, content, source, reason, tenant, actor,
            recorded_at)
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT), r.value -> 2, $2, $3, $4, $5, $6
        FROM ",
        rows!("$1"),
        " WHERE true"
    );
    /// One certificate with the sums of its ledger, and how many draws of a tenant (`$2`) stand on it, held until the
    /// transaction ends.
    pub(super) const HOLD_CERTIFICATE: &str = concat!(
        "SELECT version, CAST(content AS TEXT), limit_units, drawn_units, excess_units,
            (SELECT COUNT(*) FROM draw d WHERE d.certificate = $1 AND d.ended_at IS NULL AND d.tenant = $2),
            marked_units, changed_micros,
            draw_count > 0 AND (drawer_tenant IS NULL OR first_drawer <> last_drawer)
        FROM certificate WHERE certificate = $1",
        for_update!()
    );
    /// What a certificate was replaced by.
    pub(super) const SELECT_SUCCESSOR: &str =
        "SELECT successor FROM certificate_succession WHERE certificate = $1";
    /// The next version of a certificate; the content is a JSON list of one.
    pub(super) const UPDATE_CERTIFICATE: &str = concat!(
        "UPDATE certificate SET version = $2, status = $3, changed_micros = $5, content = (SELECT r.value FROM ",
        rows!("$4"),
        ") WHERE certificate = $1"
    );
    pub(super) const INSERT_SUCCESSION: &str =
        "INSERT INTO certificate_succession (certificate, successor) VALUES ($1, $2)";
    /// Ends the draws in force on a certificate, and names them: a line has one in force from filing, so they end before
    /// their equals begin.
    pub(super) const END_DRAWS_ON: &str = "UPDATE draw SET ended_at = $2
        WHERE certificate = $1 AND ended_at IS NULL RETURNING draw_id";
    /// Records on a successor what the draws of a JSON list of lists of one id recorded.
    pub(super) const COPY_DRAWS: &str = concat!(
        "INSERT INTO draw (certificate, entry_number, line_number, pga_line_number, source, tenant,
            weight_units, excess_units, entry_version, recorded_by, recorded_at)
        SELECT $2, entry_number, line_number, pga_line_number, source, tenant, weight_units, excess_units, entry_version,
            recorded_by, $3
        FROM draw WHERE ",
        one_of!(
            "draw_id",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        ),
        " ORDER BY draw_id"
    );
    /// The sums of a certificate's ledger, on its successor.
    pub(super) const COPY_SUMS: &str = "UPDATE certificate SET
            (drawn_units, marked_units, draw_count, first_drawer, last_drawer, drawer_tenant) = (
                SELECT p.drawn_units, p.marked_units, p.draw_count, p.first_drawer, p.last_drawer, p.drawer_tenant
                FROM certificate p WHERE p.certificate = $1),
            limit_units = $3, excess_units = $4
        WHERE certificate = $2";
    pub(super) const CLEAR_SUMS: &str =
        "UPDATE certificate SET drawn_units = 0, excess_units = 0,
            marked_units = 0, draw_count = 0, first_drawer = NULL, last_drawer = NULL, drawer_tenant = NULL
        WHERE certificate = $1";
    /// The versions of a certificate up to a moment.
    pub(super) const SELECT_CERTIFICATE_VERSIONS: &str =
        "SELECT v.version, CAST(v.content AS TEXT), v.source, v.reason, v.tenant, v.actor, v.recorded_at
        FROM certificate_version v
        WHERE v.certificate = $1 AND v.recorded_at <= $2 ORDER BY v.version";
    /// What a certificate replaced, and the request that it was issued upon.
    pub(super) const SELECT_ORIGIN: &str = "SELECT
            (SELECT certificate FROM certificate_succession WHERE successor = $1),
            (SELECT certificate_request FROM certificate_request WHERE certificate = $1)";
}
