//! Every statement of the store.
//!
//! Parameters are `$n`, as both engines take them. What SQLite spells in its own way is `json_each`, `->>`,
//! `json_quote` and `group_concat` for many rows at once (PostgreSQL: `unnest`, `jsonb_to_recordset`,
//! `jsonb_build_array`, `string_agg`).

/// A certificate with its ledger, as one JSON array: one value costs far less to hand over than a dozen, and the
/// content is passed on as it stands.
macro_rules! packed {
    () => {
        "'[' || c.version || ',' || c.drawn_units || ',' || c.draw_count || ',' || json_quote(c.first_drawer) || ','
            || json_quote(c.last_drawer) || ',' || json_quote(c.drawer_tenant) || ',' || c.content || ']'"
    };
}

/// A draw, as one JSON array; entry numbers need no quoting.
macro_rules! packed_draw {
    () => {
        "'[' || d.certificate || ',\"' || d.entry_number || '\",' || d.line_number || ',' || d.pga_line_number || ','
            || d.weight_units || ']'"
    };
}

/// Certificates by a JSON list of keys, all in one value, NULL for none; unknown ones are left out.
pub(super) const SELECT_CERTIFICATES: &str = concat!(
    "/* get */ SELECT '[' || group_concat(",
    packed!(),
    ", ',') || ']' FROM json_each($1) q JOIN certificate c ON c.certificate = q.value"
);

/// What entries drew, all in one value, NULL for nothing. The questions are a JSON list of texts, each an entry number
/// of 11 characters and a key; `$2`: whether of every tenant, `$3`: else of this one.
pub(super) const SELECT_OWN_DRAWS: &str = concat!(
    "/* own_draws */ SELECT '[' || group_concat(",
    packed_draw!(),
    ", ',') || ']' FROM json_each($1) q
    JOIN draw d ON d.certificate = CAST(substr(q.value, 12) AS BIGINT) AND d.entry_number = substr(q.value, 1, 11)
    WHERE d.ended_at IS NULL AND ($2 OR d.tenant = $3)"
);

/// The draws in force on one certificate, up to `$4`; `$2`, `$3` as above.
pub(super) const SELECT_DRAWS: &str = concat!(
    "/* draws */ SELECT ",
    packed_draw!(),
    " FROM draw d
    WHERE d.certificate = $1 AND d.ended_at IS NULL AND ($2 OR d.tenant = $3)
    ORDER BY d.entry_number, d.line_number, d.pga_line_number, d.source
    LIMIT $4"
);

/// A page of certificates after a key; an absent filter is NULL. `first` is the filter whose index serves.
macro_rules! list {
    ($first:literal) => {
        concat!(
            "/* list */ SELECT ",
            packed!(),
            " FROM certificate c WHERE c.certificate > $1",
            $first,
            " AND ($2 IS NULL OR c.status = $2)
              AND ($3 IS NULL OR c.certifier_id = $3)
              AND ($4 IS NULL OR c.exporter_nop_id = $4)
              AND ($5 IS NULL OR c.importer_nop_id = $5)
              AND ($6 IS NULL OR (c.status = 'ISSUED' AND c.valid_from <= $6 AND c.valid_to >= $6))
            ORDER BY c.certificate LIMIT $7"
        )
    };
}
pub(super) const LIST: &str = list!("");
pub(super) const LIST_OF_EXPORTER: &str = list!(" AND c.exporter_nop_id = $4");
pub(super) const LIST_OF_IMPORTER: &str = list!(" AND c.importer_nop_id = $5");
pub(super) const LIST_OF_CERTIFIER: &str = list!(" AND c.certifier_id = $3");

/// The imported draws in force on certificates of a JSON list of keys.
pub(super) const SELECT_IMPORTED_DRAWS: &str =
    "/* import */ SELECT d.certificate, d.entry_number, d.line_number, d.pga_line_number, d.weight_units,
        d.excess_units, d.tenant
    FROM json_each($1) q JOIN draw d ON d.certificate = q.value
    WHERE d.source = 'IMPORT' AND d.ended_at IS NULL
    ORDER BY d.draw_id";

/// What filing drew on certificates of a JSON list of keys.
pub(super) const SELECT_FILED: &str =
    "/* import */ SELECT d.certificate, CAST(SUM(d.weight_units) AS BIGINT), CAST(SUM(d.excess_units) AS BIGINT),
        COUNT(*), MIN(d.entry_number), MAX(d.entry_number), MIN(d.tenant)
    FROM json_each($1) q JOIN draw d ON d.certificate = q.value
    WHERE d.source = 'FILING' AND d.ended_at IS NULL
    GROUP BY d.certificate";

/// Writes certificates with their ledgers: a JSON list of lists.
pub(super) const UPSERT_CERTIFICATES: &str =
    "/* import */ INSERT INTO certificate (certificate, version, content, status, certifier_id, exporter_nop_id,
        importer_nop_id, valid_from, valid_to, limit_units, drawn_units, excess_units, draw_count, first_drawer,
        last_drawer, drawer_tenant)
    SELECT r.value ->> 0, r.value ->> 1, r.value -> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6,
        r.value ->> 7, r.value ->> 8, r.value ->> 9, r.value ->> 10, r.value ->> 11, r.value ->> 12, r.value ->> 13,
        r.value ->> 14, r.value ->> 15
    FROM json_each($1) r WHERE true
    ON CONFLICT (certificate) DO UPDATE SET version = excluded.version, content = excluded.content,
        status = excluded.status, certifier_id = excluded.certifier_id,
        exporter_nop_id = excluded.exporter_nop_id, importer_nop_id = excluded.importer_nop_id,
        valid_from = excluded.valid_from, valid_to = excluded.valid_to, limit_units = excluded.limit_units,
        drawn_units = excluded.drawn_units, excess_units = excluded.excess_units,
        draw_count = excluded.draw_count, first_drawer = excluded.first_drawer,
        last_drawer = excluded.last_drawer, drawer_tenant = excluded.drawer_tenant";

/// Keeps versions that an import made: a JSON list of `[key, version, content]`.
pub(super) const INSERT_VERSIONS: &str =
    "/* import */ INSERT INTO certificate_version (certificate, version, content, source, reason, tenant, actor,
        recorded_at)
    SELECT r.value ->> 0, r.value ->> 1, r.value -> 2, 'IMPORT', $2, $3, $4, $5 FROM json_each($1) r WHERE true";

/// Ends the imported draws on certificates of a JSON list of keys.
pub(super) const END_IMPORTED_DRAWS: &str = "/* import */ UPDATE draw SET ended_at = $2
    WHERE certificate IN (SELECT q.value FROM json_each($1) q) AND source = 'IMPORT' AND ended_at IS NULL";

/// Records imported draws: a JSON list of `[key, entry number, line, PGA line, weight, excess, tenant]`.
pub(super) const INSERT_IMPORTED_DRAWS: &str =
    "/* import */ INSERT INTO draw (certificate, entry_number, line_number, pga_line_number, source, tenant,
        weight_units, excess_units, recorded_by, recorded_at)
    SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, 'IMPORT', r.value ->> 6, r.value ->> 4,
        r.value ->> 5, $2, $3
    FROM json_each($1) r WHERE true";

#[cfg(test)]
mod tests {
    use nopic_sql::Database;
    use sqlx::SqlSafeStr as _;

    use super::*;

    #[tokio::test]
    async fn every_statement_can_be_prepared() {
        let database = Database::in_memory(super::super::MIGRATIONS).await.unwrap();
        for statement in [
            SELECT_CERTIFICATES,
            SELECT_OWN_DRAWS,
            SELECT_DRAWS,
            LIST,
            LIST_OF_EXPORTER,
            LIST_OF_IMPORTER,
            LIST_OF_CERTIFIER,
            SELECT_IMPORTED_DRAWS,
            SELECT_FILED,
            UPSERT_CERTIFICATES,
            INSERT_VERSIONS,
            END_IMPORTED_DRAWS,
            INSERT_IMPORTED_DRAWS,
        ] {
            sqlx::Executor::prepare(database.writer(), statement.into_sql_str())
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }
}
