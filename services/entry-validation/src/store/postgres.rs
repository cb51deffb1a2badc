//! The store on PostgreSQL, and what only it does so.

use nopic_sql::Error;
use nopic_sql::postgres as engine;
use nopic_sql::postgres::Connection;

use super::filings::DecisionRow;

#[path = "statements/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one body for both engines")]
mod statements;

pub(super) use statements::Store;
#[cfg(test)]
pub(super) use statements::{prepare_all, query_plans};

/// One list for each column: bytes travel as they are.
const INSERT: &str = "/* filing.finish */ INSERT INTO decision (filing_id, place, entry_id, version, tenant, line_number,
        pga_line_number, verdict, line, outcome, codes, importer_nop_id, certificate, is_organic, filed_on, drawn_units,
        excess_units, recorded_at, ended_at)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[],
        $7::bigint[], $8::bytea[], $9::bytea[], $10::text[], $11::text[], $12::bigint[],
        $13::bigint[], $14::boolean[], $15::date[], $16::bigint[], $17::bigint[], $18::timestamptz[],
        $19::timestamptz[])
    RETURNING place, decision_id";

/// Places of the lines, and the ids of their decisions.
async fn insert_decisions(
    connection: &mut Connection,
    decisions: &[DecisionRow],
) -> Result<Vec<(i64, i64)>, Error> {
    if decisions.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as(INSERT)
        .bind(column(decisions, |row| row.filing_id))
        .bind(column(decisions, |row| row.place))
        .bind(column(decisions, |row| row.entry_id))
        .bind(column(decisions, |row| row.version))
        .bind(column(decisions, |row| row.tenant.as_str()))
        .bind(column(decisions, |row| row.line_number))
        .bind(column(decisions, |row| row.pga_line_number))
        .bind(column(decisions, |row| row.verdict.as_slice()))
        .bind(column(decisions, |row| row.line.as_slice()))
        .bind(column(decisions, |row| row.outcome))
        .bind(column(decisions, |row| row.codes.as_str()))
        .bind(column(decisions, |row| row.importer))
        .bind(column(decisions, |row| row.certificate))
        .bind(column(decisions, |row| row.is_organic))
        .bind(column(decisions, |row| row.filed_on))
        .bind(column(decisions, |row| row.drawn_units))
        .bind(column(decisions, |row| row.excess_units))
        .bind(column(decisions, |row| row.recorded_at))
        .bind(column(decisions, |row| row.ended_at))
        .fetch_all(connection)
        .await?)
}

fn column<'a, T>(decisions: &'a [DecisionRow], value: impl Fn(&'a DecisionRow) -> T) -> Vec<T> {
    decisions.iter().map(value).collect()
}
