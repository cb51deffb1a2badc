//! Writing the decisions of a filing at once, on SQLite.

use nopic_sql::Error;
use nopic_sql::row::json;
use nopic_sql::sqlite::{Connection, bytes, rows};
use serde::Serialize;

use crate::store::filings::{DecisionRow, DecisionRows};

nopic_sql::statements! {
    /// Decisions are a JSON list of lists, bytes as hexadecimal digits: faster than row by row.
    const INSERT_DECISIONS: &str = concat!(
        "INSERT INTO decision (filing_id, tenant, filed_on, recorded_at, place, entry_id, version, line_number,
            pga_line_number, verdict, line, outcome, codes, importer_nop_id, certificate, is_organic, declaration,
            has_valid_certificate, drawn_units, excess_units, ended_at)
        SELECT $1, $2, $3, $4, r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, ",
        bytes!("r.value ->> 5"),
        ", ",
        bytes!("r.value ->> 6"),
        ", r.value ->> 7, r.value ->> 8, r.value ->> 9, r.value ->> 10, r.value ->> 11, r.value ->> 12,
            r.value ->> 13, r.value ->> 14, r.value ->> 15, CASE WHEN r.value ->> 16 THEN $4 END
        FROM ",
        rows!("$5"),
        " WHERE true RETURNING place, decision_id"
    );
}

/// The columns that the list gives, in their order; the last: whether it ended when it was recorded.
#[derive(Serialize)]
struct Row<'a>(
    i64,
    i64,
    i64,
    i64,
    i64,
    String,
    String,
    &'a str,
    &'a str,
    Option<i64>,
    Option<i64>,
    bool,
    &'a str,
    bool,
    Option<i64>,
    Option<i64>,
    bool,
);

impl<'a> Row<'a> {
    fn new(row: &'a DecisionRow) -> Self {
        Self(
            row.place,
            row.entry_id,
            row.version,
            row.line_number,
            row.pga_line_number,
            hex::encode(&row.verdict),
            hex::encode(&row.line),
            row.outcome,
            &row.codes,
            row.importer,
            row.certificate,
            row.is_organic,
            row.declaration,
            row.has_valid_certificate,
            row.drawn_units,
            row.excess_units,
            !row.stands,
        )
    }
}

/// Places of the lines, and the ids of their decisions.
pub(super) async fn insert_decisions(
    connection: &mut Connection,
    decisions: &DecisionRows<'_>,
) -> Result<Vec<(i64, i64)>, Error> {
    if decisions.rows.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row<'_>> = decisions.rows.iter().map(Row::new).collect();
    Ok(sqlx::query_as(INSERT_DECISIONS)
        .bind(decisions.filing_id)
        .bind(decisions.tenant)
        .bind(decisions.filed_on)
        .bind(decisions.recorded_at)
        .bind(json(rows)?)
        .fetch_all(connection)
        .await?)
}
