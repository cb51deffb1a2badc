//! Every statement of the ledger.

use super::engine::{for_update, json_of, look_up, one_of, rows};

nopic_sql::statements! {
    /// Holds certificates until the transaction ends, in the order of their keys, so that no two changes wait for each
    /// other: those of a JSON list of lists of one key, and those that entries drew on: a JSON list of lists of entry
    /// number, of the tenant `$3`. All in one value, NULL for none.
    pub(super) const HOLD: &str = concat!(
        "WITH wanted AS (
            SELECT CAST(r.value ->> 0 AS BIGINT) AS certificate FROM ",
        rows!("$1"),
        " UNION SELECT d.certificate FROM ",
        rows!("$2"),
        look_up!(
            "draw",
            "d",
            "d.entry_number = r.value ->> 0 AND d.tenant = $3 AND d.ended_at IS NULL"
        ),
        ")
        SELECT '[' || string_agg('[' || c.certificate || ',' || c.version || ',' || ",
        json_of!("c.kind"),
        " || ',' || ",
        json_of!("c.total"),
        " || ',' || c.limit_units || ',' || c.drawn_units || ',' || c.excess_units || ',' || c.marked_units || ','
            || c.draw_count || ',' || ",
        json_of!("c.first_drawer"),
        " || ',' || ",
        json_of!("c.last_drawer"),
        " || ',' || ",
        json_of!("c.drawer_tenant"),
        " || ',' || c.changed_micros || ']', ',') || ']'
        FROM (
            SELECT c.certificate, c.version, c.content ->> 'kind' AS kind, c.content ->> 'totalWeightKg' AS total,
                c.limit_units, c.drawn_units, c.excess_units, c.marked_units, c.draw_count, c.first_drawer,
                c.last_drawer, c.drawer_tenant, c.changed_micros
            FROM certificate c WHERE ",
        one_of!("c.certificate", "SELECT wanted.certificate FROM wanted"),
        " ORDER BY c.certificate",
        for_update!(),
        ") c"
    );
    /// What entries have drawn: a JSON list of lists of entry number, of the tenant `$2`. All in one value, NULL for none.
    pub(super) const SELECT_DRAWN: &str = concat!(
        "SELECT '[' || string_agg('[' || d.draw_id || ',' || d.certificate || ',\"' || d.entry_number
            || '\",' || d.line_number || ',' || d.pga_line_number || ',' || d.weight_units || ',' || d.excess_units
            || ']', ',') || ']'
        FROM ",
        rows!("$1"),
        look_up!(
            "draw",
            "d",
            "d.entry_number = r.value ->> 0 AND d.tenant = $2 AND d.ended_at IS NULL"
        )
    );
    /// Who else drew on certificates of a JSON list of lists of one key: others than the entries of a JSON list of lists of
    /// entry number, of the tenant `$3`.
    pub(super) const SELECT_OTHER_DRAWERS: &str = concat!(
        "SELECT d.certificate, MIN(d.entry_number), MAX(d.entry_number),
            CASE WHEN MIN(d.tenant) = MAX(d.tenant) THEN MIN(d.tenant) END
        FROM ",
        rows!("$1"),
        look_up!(
            "draw",
            "d",
            "d.certificate = CAST(r.value ->> 0 AS BIGINT) AND d.ended_at IS NULL"
        ),
        " WHERE NOT (d.tenant = $3 AND d.entry_number IN (SELECT r.value ->> 0 FROM ",
        rows!("$2"),
        ")) GROUP BY d.certificate"
    );
    /// Ends draws: a JSON list of lists of one id.
    pub(super) const END_DRAWS: &str = concat!(
        "UPDATE draw SET ended_at = $2 WHERE ",
        one_of!(
            "draw_id",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        )
    );
    /// Records draws, and names them in their order: a JSON list of `[key, entry number, line, PGA line, weight, excess, version of the entry]`.
    pub(super) const INSERT_DRAWS: &str = concat!(
        "INSERT INTO draw (certificate, entry_number, line_number, pga_line_number, source, tenant,
            weight_units, excess_units, entry_version, recorded_by, recorded_at)
        SELECT CAST(r.value ->> 0 AS BIGINT), r.value ->> 1, CAST(r.value ->> 2 AS BIGINT),
            CAST(r.value ->> 3 AS BIGINT), 'FILING', $2, CAST(r.value ->> 4 AS BIGINT), CAST(r.value ->> 5 AS BIGINT),
            CAST(r.value ->> 6 AS BIGINT), $3, $4
        FROM ",
        rows!("$1"),
        " WHERE true RETURNING draw_id"
    );
    /// Writes ledgers: a JSON list of `[key, limit, drawn, excess, marked, count, first drawer, last drawer, tenant,
    /// moment]`.
    pub(super) const UPDATE_LEDGERS: &str = concat!(
        "UPDATE certificate SET limit_units = CAST(r.value ->> 1 AS BIGINT),
            drawn_units = CAST(r.value ->> 2 AS BIGINT), excess_units = CAST(r.value ->> 3 AS BIGINT),
            marked_units = CAST(r.value ->> 4 AS BIGINT), draw_count = CAST(r.value ->> 5 AS BIGINT),
            first_drawer = r.value ->> 6, last_drawer = r.value ->> 7, drawer_tenant = r.value ->> 8,
            changed_micros = CAST(r.value ->> 9 AS BIGINT)
        FROM ",
        rows!("$1"),
        " WHERE certificate = CAST(r.value ->> 0 AS BIGINT) AND ",
        // Says the same again, for a look-up by index.
        one_of!(
            "certificate",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        )
    );
    /// What was drawn from a certificate at the moment `$2`, by its version then.
    pub(super) const SELECT_BALANCE: &str = "SELECT v.version, v.content ->> 'totalWeightKg',
            (SELECT CAST(COALESCE(SUM(d.weight_units), 0) AS BIGINT) FROM draw d
                WHERE d.certificate = $1 AND d.recorded_at <= $2 AND (d.ended_at IS NULL OR d.ended_at > $2)),
            (SELECT COUNT(*) FROM draw d
                WHERE d.certificate = $1 AND d.recorded_at <= $2 AND (d.ended_at IS NULL OR d.ended_at > $2)
                    AND ($3 OR d.tenant = $4)),
            (SELECT CAST(COALESCE(SUM(d.weight_units), 0) AS BIGINT) FROM draw d
                WHERE d.certificate = $1 AND d.recorded_at <= $2 AND (d.ended_at IS NULL OR d.ended_at > $2)
                    AND ($3 OR d.tenant = $4))
        FROM certificate_version v
        WHERE v.certificate = $1 AND v.recorded_at <= $2
        ORDER BY v.version DESC LIMIT 1";
    pub(super) const IS_KNOWN: &str =
        "SELECT EXISTS (SELECT 1 FROM certificate WHERE certificate = $1)";
    /// The draws on a certificate after the id `$2`, up to `$6`; `$3`: whether of every tenant, `$4`: else of this one;
    /// `$5`: those that stood at this moment, NULL: all.
    pub(super) const SELECT_HISTORY: &str =
        "SELECT d.draw_id, d.entry_number, d.line_number, d.pga_line_number, d.weight_units, d.excess_units,
            d.source, d.entry_version, d.recorded_by, d.recorded_at, d.ended_at, d.tenant
        FROM draw d
        WHERE d.certificate = $1 AND d.draw_id > $2 AND ($3 OR d.tenant = $4)
            AND (CAST($5 AS TIMESTAMPTZ) IS NULL
                OR (d.recorded_at <= $5 AND (d.ended_at IS NULL OR d.ended_at > $5)))
        ORDER BY d.draw_id LIMIT $6";
}
