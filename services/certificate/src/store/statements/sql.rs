//! Every statement of reading and importing.

use super::engine::{date, for_update, json_of, look_up, one_of, rows};

/// A certificate with its ledger, as one JSON array: one value costs far less to hand over than a dozen, and the
/// content is passed on as it stands.
macro_rules! packed {
    () => {
        concat!(
            "'[' || c.version || ',' || c.drawn_units || ',' || c.draw_count || ',' || ",
            json_of!("c.first_drawer"),
            " || ',' || ",
            json_of!("c.last_drawer"),
            " || ',' || ",
            json_of!("c.drawer_tenant"),
            " || ',' || CAST(c.content AS TEXT) || ']'"
        )
    };
}

/// A draw, as one JSON array; entry numbers need no quoting.
macro_rules! packed_draw {
    () => {
        "'[' || d.certificate || ',\"' || d.entry_number || '\",' || d.line_number || ',' || d.pga_line_number || ','
            || d.weight_units || ']'"
    };
}

/// A page of certificates after a key; an absent filter is NULL. `first` is the filter whose index serves.
macro_rules! list {
    ($first:literal) => {
        concat!(
            "/* list */ SELECT ",
            packed!(),
            " FROM certificate c WHERE c.certificate > $1",
            $first,
            " AND (CAST($2 AS TEXT) IS NULL OR c.status = $2)
              AND (CAST($3 AS BIGINT) IS NULL OR c.certifier_id = $3)
              AND (CAST($4 AS BIGINT) IS NULL OR c.exporter_nop_id = $4)
              AND (CAST($5 AS BIGINT) IS NULL OR c.importer_nop_id = $5)
              AND (CAST($6 AS DATE) IS NULL OR (c.status = 'ISSUED' AND c.valid_from <= $6 AND c.valid_to >= $6))
            ORDER BY c.certificate LIMIT $7"
        )
    };
}
nopic_sql::statements! {
    /// Certificates by a JSON list of lists of one key, all in one value, NULL for none; unknown ones are left out.
    pub(super) const SELECT_CERTIFICATES: &str = concat!(
        "SELECT '[' || string_agg(",
        packed!(),
        ", ',') || ']' FROM ",
        rows!("$1"),
        look_up!(
            "certificate",
            "c",
            "c.certificate = CAST(r.value ->> 0 AS BIGINT)"
        )
    );
    /// The same, held until the transaction ends: in the order of their keys, so that nobody waits for each other.
    pub(super) const HOLD_CERTIFICATES: &str = concat!(
        "SELECT '[' || string_agg(",
        packed!(),
        ", ',') || ']' FROM (SELECT c.* FROM certificate c WHERE ",
        one_of!(
            "c.certificate",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        ),
        " ORDER BY c.certificate",
        for_update!(),
        ") c"
    );
    /// What entries drew, all in one value, NULL for nothing. The questions are a JSON list of lists of key and entry
    /// number; `$2`: whether of every tenant, `$3`: else of this one.
    pub(super) const SELECT_OWN_DRAWS: &str = concat!(
        "SELECT '[' || string_agg(",
        packed_draw!(),
        ", ',') || ']' FROM ",
        rows!("$1"),
        look_up!(
            "draw",
            "d",
            "d.certificate = CAST(r.value ->> 0 AS BIGINT) AND d.entry_number = r.value ->> 1 AND d.ended_at IS NULL"
        ),
        " WHERE $2 OR d.tenant = $3"
    );
    /// How many draws of a tenant (`$2`) stand on certificates of a JSON list of lists of one key, and what they take.
    pub(super) const COUNT_OWN_DRAWS: &str = concat!(
        "SELECT d.certificate, COUNT(*), CAST(SUM(d.weight_units) AS BIGINT) FROM ",
        rows!("$1"),
        look_up!(
            "draw",
            "d",
            "d.certificate = CAST(r.value ->> 0 AS BIGINT) AND d.ended_at IS NULL"
        ),
        " WHERE d.tenant = $2 GROUP BY d.certificate"
    );
    /// The draws in force on one certificate, up to `$4`; `$2`, `$3` as above.
    pub(super) const SELECT_DRAWS: &str = concat!(
        "SELECT ",
        packed_draw!(),
        " FROM draw d
        WHERE d.certificate = $1 AND d.ended_at IS NULL AND ($2 OR d.tenant = $3)
        ORDER BY d.entry_number, d.line_number, d.pga_line_number, d.source
        LIMIT $4"
    );
    pub(super) const LIST: &str = list!("");
    pub(super) const LIST_OF_EXPORTER: &str = list!(" AND c.exporter_nop_id = $4");
    pub(super) const LIST_OF_IMPORTER: &str = list!(" AND c.importer_nop_id = $5");
    pub(super) const LIST_OF_CERTIFIER: &str = list!(" AND c.certifier_id = $3");
    /// How many certificates in force end in a span of days.
    pub(super) const COUNT_ENDING: &str =
        "SELECT COUNT(*) FROM certificate WHERE status = 'ISSUED' AND valid_to BETWEEN $1 AND $2";
    /// The imported draws in force on certificates of a JSON list of lists of one key.
    pub(super) const SELECT_IMPORTED_DRAWS: &str = concat!(
        "SELECT d.certificate, d.entry_number, d.line_number, d.pga_line_number, d.weight_units,
            d.excess_units, d.tenant
        FROM ",
        rows!("$1"),
        look_up!(
            "draw",
            "d",
            "d.certificate = CAST(r.value ->> 0 AS BIGINT) AND d.ended_at IS NULL"
        ),
        " WHERE d.source = 'IMPORT' ORDER BY d.draw_id"
    );
    /// What filing drew on certificates of a JSON list of lists of one key.
    pub(super) const SELECT_FILED: &str = concat!(
        "SELECT d.certificate, CAST(SUM(d.weight_units) AS BIGINT), CAST(SUM(d.excess_units) AS BIGINT),
            COUNT(*), MIN(d.entry_number), MAX(d.entry_number),
            CASE WHEN MIN(d.tenant) = MAX(d.tenant) THEN MIN(d.tenant) END
        FROM ",
        rows!("$1"),
        look_up!(
            "draw",
            "d",
            "d.certificate = CAST(r.value ->> 0 AS BIGINT) AND d.ended_at IS NULL"
        ),
        " WHERE d.source = 'FILING' GROUP BY d.certificate"
    );
    /// The lines of a tenant (`$2`) of which filing recorded a draw on certificates of a JSON list of lists of one key.
    pub(super) const SELECT_FILED_LINES: &str = concat!(
        "SELECT d.certificate, d.entry_number, d.line_number, d.pga_line_number FROM ",
        rows!("$1"),
        look_up!(
            "draw",
            "d",
            "d.certificate = CAST(r.value ->> 0 AS BIGINT) AND d.ended_at IS NULL"
        ),
        " WHERE d.source = 'FILING' AND d.tenant = $2"
    );
    /// Which certificates of a JSON list of lists of one key a step here voided or superseded.
    pub(super) const SELECT_ENDED_HERE: &str = concat!(
        "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
        rows!("$1"),
        " WHERE EXISTS (SELECT 1 FROM certificate_version v
                WHERE v.certificate = CAST(r.value ->> 0 AS BIGINT) AND v.source = 'VOID')
            OR EXISTS (SELECT 1 FROM certificate_succession s
                WHERE s.certificate = CAST(r.value ->> 0 AS BIGINT))"
    );
    /// When certificates of a JSON list of lists of one key last changed.
    pub(super) const SELECT_CHANGED: &str = concat!(
        "SELECT certificate, changed_micros FROM certificate WHERE ",
        one_of!(
            "certificate",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        )
    );
    /// Keeps the last serial numbers that were named: a JSON list of `[certifier, exporter, serial]`.
    pub(super) const RAISE_SERIALS: &str = concat!(
        "INSERT INTO certificate_serial (certifier_id, exporter_nop_id, last_serial)
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT), CAST(r.value ->> 2 AS BIGINT)
        FROM ",
        rows!("$1"),
        " WHERE true
        ON CONFLICT (certifier_id, exporter_nop_id) DO UPDATE SET last_serial = excluded.last_serial
        WHERE excluded.last_serial > certificate_serial.last_serial"
    );
    /// Writes certificates with their ledgers: a JSON list of lists.
    pub(super) const UPSERT_CERTIFICATES: &str = concat!(
        "INSERT INTO certificate (certificate, version, content, status, certifier_id, exporter_nop_id,
            importer_nop_id, valid_from, valid_to, limit_units, drawn_units, excess_units, marked_units, draw_count,
            first_drawer, last_drawer, drawer_tenant, changed_micros)
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT), r.value -> 2, r.value ->> 3,
            CAST(r.value ->> 4 AS BIGINT), CAST(r.value ->> 5 AS BIGINT), CAST(r.value ->> 6 AS BIGINT), ",
        date!("r.value ->> 7"),
        ", ",
        date!("r.value ->> 8"),
        ", CAST(r.value ->> 9 AS BIGINT), CAST(r.value ->> 10 AS BIGINT), CAST(r.value ->> 11 AS BIGINT),
            CAST(r.value ->> 12 AS BIGINT), CAST(r.value ->> 13 AS BIGINT), r.value ->> 14, r.value ->> 15,
            r.value ->> 16, CAST(r.value ->> 17 AS BIGINT)
        FROM ",
        rows!("$1"),
        " WHERE true
        ON CONFLICT (certificate) DO UPDATE SET version = excluded.version, content = excluded.content,
            status = excluded.status, certifier_id = excluded.certifier_id,
            exporter_nop_id = excluded.exporter_nop_id, importer_nop_id = excluded.importer_nop_id,
            valid_from = excluded.valid_from, valid_to = excluded.valid_to, limit_units = excluded.limit_units,
            drawn_units = excluded.drawn_units, excess_units = excluded.excess_units,
            marked_units = excluded.marked_units, draw_count = excluded.draw_count, first_drawer = excluded.first_drawer,
            last_drawer = excluded.last_drawer, drawer_tenant = excluded.drawer_tenant,
            changed_micros = excluded.changed_micros"
    );
    /// Keeps versions that an import made: a JSON list of `[key, version, content]`.
    pub(super) const INSERT_VERSIONS: &str = concat!(
        "INSERT INTO certificate_version (certificate, version, content, source, reason, tenant, actor,
            recorded_at)
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT), r.value -> 2, 'IMPORT', $2, $3, $4, $5
        FROM ",
        rows!("$1"),
        " WHERE true"
    );
    /// Ends the imported draws, and names them, on certificates of a JSON list of lists of one key.
    pub(super) const END_IMPORTED_DRAWS: &str = concat!(
        "UPDATE draw SET ended_at = $2 WHERE ",
        one_of!(
            "certificate",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        ),
        " AND source = 'IMPORT' AND ended_at IS NULL RETURNING draw_id"
    );
    /// Records imported draws, and names them in their order: a JSON list of `[key, entry number, line, PGA line, weight, excess, tenant]`.
    pub(super) const INSERT_IMPORTED_DRAWS: &str = concat!(
        "INSERT INTO draw (certificate, entry_number, line_number, pga_line_number, source, tenant,
            weight_units, excess_units, recorded_by, recorded_at)
        SELECT CAST(r.value ->> 0 AS BIGINT), r.value ->> 1, CAST(r.value ->> 2 AS BIGINT),
            CAST(r.value ->> 3 AS BIGINT), 'IMPORT', r.value ->> 6, CAST(r.value ->> 4 AS BIGINT),
            CAST(r.value ->> 5 AS BIGINT), $2, $3
        FROM ",
        rows!("$1"),
        " WHERE true RETURNING draw_id"
    );
}
