//! Writing the decisions of a filing at once, on PostgreSQL.

use nopic_sql::Error;
use nopic_sql::postgres::Connection;

use crate::store::filings::{DecisionRow, DecisionRows};

nopic_sql::statements! {
    /// One list for each column that is not the same for all: bytes travel as they are.
    const INSERT_DECISIONS: &str =
        "INSERT INTO decision (filing_id, tenant, filed_on, recorded_at, place, entry_id, version, line_number,
            pga_line_number, verdict, line, outcome, codes, importer_nop_id, certificate, is_organic, declaration,
            has_valid_certificate, drawn_units, excess_units, ended_at)
        SELECT $1, $2, $3, CAST($4 AS timestamptz), r.place, r.entry_id, r.version, r.line_number, r.pga_line_number,
            r.verdict, r.line, r.outcome, r.codes, r.importer_nop_id, r.certificate, r.is_organic, r.declaration,
            r.has_valid_certificate, r.drawn_units, r.excess_units, CASE WHEN NOT r.stands THEN CAST($4 AS timestamptz) END
        FROM unnest($5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[], $11::bytea[],
            $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::boolean[], $17::text[], $18::boolean[],
            $19::bigint[], $20::bigint[], $21::boolean[]) r (place, entry_id, version, line_number, pga_line_number, verdict, line, outcome, codes,
            importer_nop_id, certificate, is_organic, declaration, has_valid_certificate, drawn_units, excess_units,
            stands)
        RETURNING place, decision_id";
}

/// Places of the lines, and the ids of their decisions.
pub(super) async fn insert_decisions(
    connection: &mut Connection,
    decisions: &DecisionRows<'_>,
) -> Result<Vec<(i64, i64)>, Error> {
    let rows = &decisions.rows;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as(INSERT_DECISIONS)
        .bind(decisions.filing_id)
        .bind(decisions.tenant)
        .bind(decisions.filed_on)
        .bind(decisions.recorded_at)
        .bind(column(rows, |row| row.place))
        .bind(column(rows, |row| row.entry_id))
        .bind(column(rows, |row| row.version))
        .bind(column(rows, |row| row.line_number))
        .bind(column(rows, |row| row.pga_line_number))
        .bind(column(rows, |row| row.verdict.as_slice()))
        .bind(column(rows, |row| row.line.as_slice()))
        .bind(column(rows, |row| row.outcome))
        .bind(column(rows, |row| row.codes.as_str()))
        .bind(column(rows, |row| row.importer))
        .bind(column(rows, |row| row.certificate))
        .bind(column(rows, |row| row.is_organic))
        .bind(column(rows, |row| row.declaration))
        .bind(column(rows, |row| row.has_valid_certificate))
        .bind(column(rows, |row| row.drawn_units))
        .bind(column(rows, |row| row.excess_units))
        .bind(column(rows, |row| row.stands))
        .fetch_all(connection)
        .await?)
}

fn column<'a, T>(rows: &'a [DecisionRow], value: impl Fn(&'a DecisionRow) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
