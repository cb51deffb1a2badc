//! The store on SQLite, and what only it does so.

use nopic_domain::date::Date;
use nopic_sql::Error;
use nopic_sql::row::json;
use nopic_sql::sqlite as engine;
use nopic_sql::sqlite::{Connection, bytes, rows};
use serde::Serialize;

use super::filings::DecisionRow;

#[path = "statements/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one body for both engines")]
mod statements;

pub(super) use statements::Store;
#[cfg(test)]
pub(super) use statements::{prepare_all, query_plans};

/// Decisions are a JSON list of lists, bytes as hexadecimal digits: faster than row by row.
const INSERT: &str = concat!(
    "/* filing.finish */ INSERT INTO decision (filing_id, place, entry_id, version, tenant, line_number,
        pga_line_number, verdict, line, outcome, codes, importer_nop_id, certificate, is_organic, filed_on, drawn_units,
        excess_units, recorded_at, ended_at)
    SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6, ",
    bytes!("r.value ->> 7"),
    ", ",
    bytes!("r.value ->> 8"),
    ", r.value ->> 9, r.value ->> 10, r.value ->> 11, r.value ->> 12, r.value ->> 13, r.value ->> 14, r.value ->> 15,
        r.value ->> 16, $2, CASE WHEN r.value ->> 17 THEN $2 END
    FROM ",
    rows!("$1"),
    " WHERE true RETURNING place, decision_id"
);

/// The columns, in their order.
#[derive(Serialize)]
struct Row<'a>(
    i64,
    i64,
    i64,
    i64,
    &'a str,
    i64,
    i64,
    String,
    String,
    &'a str,
    &'a str,
    Option<i64>,
    Option<i64>,
    bool,
    Date,
    Option<i64>,
    Option<i64>,
    bool,
);

impl<'a> Row<'a> {
    fn new(row: &'a DecisionRow) -> Self {
        Self(
            row.filing_id,
            row.place,
            row.entry_id,
            row.version,
            &row.tenant,
            row.line_number,
            row.pga_line_number,
            hex::encode(&row.verdict),
            hex::encode(&row.line),
            row.outcome,
            &row.codes,
            row.importer,
            row.certificate,
            row.is_organic,
            row.filed_on,
            row.drawn_units,
            row.excess_units,
            row.ended_at.is_some(),
        )
    }
}

/// Places of the lines, and the ids of their decisions.
async fn insert_decisions(
    connection: &mut Connection,
    decisions: &[DecisionRow],
) -> Result<Vec<(i64, i64)>, Error> {
    let Some(first) = decisions.first() else {
        return Ok(Vec::new());
    };
    let rows: Vec<Row<'_>> = decisions.iter().map(Row::new).collect();
    Ok(sqlx::query_as(INSERT)
        .bind(json(rows)?)
        .bind(first.recorded_at)
        .fetch_all(connection)
        .await?)
}
