//! Every statement of the store.
//!
//! Parameters are `$n`, as both engines take them. What SQLite spells in its own way is `json_each`, `->>` and
//! `json_array` for many rows at once (PostgreSQL: `jsonb_array_elements`, `jsonb_build_array`), and `IS $n`.

/// A certificate with its ledger, packed: one value a row costs far less to hand over than two dozen.
macro_rules! packed {
    () => {
        "json_array(c.certificate, c.version, c.status, c.superseded_by, c.certifier_id, c.exporter_nop_id,
            c.importer_nop_id, c.final_handler_nop_id, c.product, c.hts_code, c.kind, c.issued_on, c.valid_from,
            c.valid_to, c.total_units, json(c.countries_of_origin), json(c.lots), c.drawn_units, c.draw_count,
            c.first_drawer, c.last_drawer, c.drawer_tenant)"
    };
}

/// Certificates by a JSON list of keys; unknown ones are left out.
pub(super) const SELECT_CERTIFICATES: &str = concat!(
    "/* get */ SELECT ",
    packed!(),
    " FROM json_each($1) q JOIN certificate c ON c.certificate = q.value"
);

/// What entries drew, by a JSON list of `[key, entry number]`; `$2`: whether of every tenant, `$3`: else of this one.
pub(super) const SELECT_OWN_DRAWS: &str =
    "/* own_draws */ SELECT json_array(d.certificate, d.entry_number, d.line_number, d.pga_line_number, d.weight_units)
    FROM json_each($1) q
    JOIN draw d ON d.certificate = q.value ->> 0 AND d.entry_number = q.value ->> 1
    WHERE d.ended_at IS NULL AND ($2 OR d.tenant = $3)";

/// The draws in force on one certificate, up to `$4`; `$2`, `$3` as above.
pub(super) const SELECT_DRAWS: &str =
    "/* draws */ SELECT json_array(d.certificate, d.entry_number, d.line_number, d.pga_line_number, d.weight_units)
    FROM draw d
    WHERE d.certificate = $1 AND d.ended_at IS NULL AND ($2 OR d.tenant = $3)
    ORDER BY d.entry_number, d.line_number, d.pga_line_number, d.source
    LIMIT $4";

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
    "/* import */ INSERT INTO certificate (certificate, version, status, superseded_by, certifier_id, exporter_nop_id,
        importer_nop_id, final_handler_nop_id, product, hts_code, kind, issued_on, valid_from, valid_to, total_units,
        countries_of_origin, lots, limit_units, drawn_units, excess_units, draw_count, first_drawer, last_drawer,
        drawer_tenant)
    SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6,
        r.value ->> 7, r.value ->> 8, r.value ->> 9, r.value ->> 10, r.value ->> 11, r.value ->> 12, r.value ->> 13,
        r.value ->> 14, r.value -> 15, r.value -> 16, r.value ->> 17, r.value ->> 18, r.value ->> 19, r.value ->> 20,
        r.value ->> 21, r.value ->> 22, r.value ->> 23
    FROM json_each($1) r WHERE true
    ON CONFLICT (certificate) DO UPDATE SET version = excluded.version, status = excluded.status,
        superseded_by = excluded.superseded_by, certifier_id = excluded.certifier_id,
        exporter_nop_id = excluded.exporter_nop_id, importer_nop_id = excluded.importer_nop_id,
        final_handler_nop_id = excluded.final_handler_nop_id, product = excluded.product,
        hts_code = excluded.hts_code, kind = excluded.kind, issued_on = excluded.issued_on,
        valid_from = excluded.valid_from, valid_to = excluded.valid_to, total_units = excluded.total_units,
        countries_of_origin = excluded.countries_of_origin, lots = excluded.lots,
        limit_units = excluded.limit_units, drawn_units = excluded.drawn_units,
        excess_units = excluded.excess_units, draw_count = excluded.draw_count,
        first_drawer = excluded.first_drawer, last_drawer = excluded.last_drawer,
        drawer_tenant = excluded.drawer_tenant";

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
