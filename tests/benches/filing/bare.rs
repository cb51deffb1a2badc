//! The rows of filings, written by bare SQL: the same commits, the same rows, the same conditional update, and nothing
//! else. The rows are read from a database where the services wrote them.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{FromRow, PgPool, Row as _};

/// A struct of columns, read by their names.
macro_rules! row {
    ($name:ident { $($column:ident: $type:ty,)* }) => {
        struct $name {
            $($column: $type,)*
        }

        impl FromRow<'_, PgRow> for $name {
            fn from_row(row: &PgRow) -> sqlx::Result<Self> {
                Ok(Self { $($column: row.try_get(stringify!($column))?,)* })
            }
        }
    };
}

/// Everything that one request to file wrote, but for its trail.
pub(crate) struct Filing {
    filing: FilingRow,
    versions: Vec<VersionRow>,
    decisions: Vec<DecisionRow>,
    draws: Vec<DrawRow>,
    /// Each certificate once, with what is drawn from it.
    certificates: Vec<i64>,
    units: Vec<i64>,
    counts: Vec<i64>,
    /// With what the filing permits past each.
    limits: Vec<i64>,
    drawn: Option<RequestRow>,
    audits: Vec<AuditRow>,
    /// One of each entry.
    messages: Vec<MessageRow>,
}

impl Filing {
    /// The lines of the filing.
    pub(crate) fn lines(&self) -> usize {
        self.decisions.len()
    }
}

row!(FilingRow {
    filing_id: i64,
    request_id: String,
    request_hash: Vec<u8>,
    inputs: Vec<u8>,
    ledger: Vec<u8>,
    lease_holder: String,
    began_at: DateTime<Utc>,
});

row!(VersionRow {
    entry_id: i64,
    entry_number: String,
    actor: String,
    filed_on: NaiveDate,
});

row!(DecisionRow {
    place: i64,
    entry_id: i64,
    line_number: i64,
    pga_line_number: i64,
    verdict: Vec<u8>,
    line: Vec<u8>,
    outcome: String,
    codes: String,
    importer_nop_id: Option<i64>,
    certificate: Option<i64>,
    is_organic: bool,
    drawn_units: Option<i64>,
    excess_units: Option<i64>,
});

row!(DrawRow {
    certificate: i64,
    entry_number: String,
    line_number: i64,
    pga_line_number: i64,
    weight_units: i64,
    excess_units: i64,
});

row!(RequestRow {
    request_id: String,
    answer: Vec<u8>,
});

row!(MessageRow {
    subject: String,
    content: Vec<u8>,
});

row!(AuditRow {
    action: String,
    subject: String,
    detail: String,
});

/// Connections to the database of the services, with both their schemas in sight.
pub(crate) async fn connect(place: &PgConnectOptions, connections: u32) -> PgPool {
    let place = place
        .clone()
        .options([("search_path", "entry_validation,certificate")]);
    PgPoolOptions::new()
        .max_connections(connections)
        .connect_with(place)
        .await
        .unwrap()
}

/// What a request wrote.
pub(crate) async fn read(pool: &PgPool, request_id: &str) -> Filing {
    let filing: FilingRow = sqlx::query_as(
        "SELECT filing_id, request_id, request_hash, inputs, ledger, lease_holder, began_at
        FROM filing WHERE request_id = $1",
    )
    .bind(request_id)
    .fetch_one(pool)
    .await
    .unwrap();
    let versions: Vec<VersionRow> = sqlx::query_as(
        "SELECT v.entry_id, e.entry_number, v.actor, v.filed_on
        FROM entry_version v JOIN entry e USING (entry_id) WHERE v.filing_id = $1 ORDER BY v.entry_id",
    )
    .bind(filing.filing_id)
    .fetch_all(pool)
    .await
    .unwrap();
    let decisions = sqlx::query_as(
        "SELECT place, entry_id, line_number, pga_line_number, verdict, line, outcome, codes, importer_nop_id,
            certificate, is_organic, drawn_units, excess_units
        FROM decision WHERE filing_id = $1 ORDER BY place",
    )
    .bind(filing.filing_id)
    .fetch_all(pool)
    .await
    .unwrap();
    let numbers: Vec<&str> = versions
        .iter()
        .map(|version| version.entry_number.as_str())
        .collect();
    let draws: Vec<DrawRow> = sqlx::query_as(
        "SELECT certificate, entry_number, line_number, pga_line_number, weight_units, excess_units
        FROM draw WHERE entry_number = ANY($1) AND source = 'FILING' AND ended_at IS NULL ORDER BY draw_id",
    )
    .bind(numbers)
    .fetch_all(pool)
    .await
    .unwrap();
    let drawn: Option<RequestRow> =
        sqlx::query_as("SELECT request_id, answer FROM certificate.request WHERE request_id = $1")
            .bind(format!("filing/{}/1", filing.filing_id))
            .fetch_optional(pool)
            .await
            .unwrap();
    let mut audits = Vec::new();
    for (table, subject) in [
        (
            "certificate.audit_record",
            format!("filing/{}/1", filing.filing_id),
        ),
        ("entry_validation.audit_record", filing.filing_id.to_string()),
    ] {
        let statement = format!("SELECT action, subject, detail FROM {table} WHERE subject = $1");
        let row: Option<AuditRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(subject)
            .fetch_optional(pool)
            .await
            .unwrap();
        audits.extend(row);
    }
    let messages: Vec<MessageRow> = sqlx::query_as(
        "SELECT subject, content FROM entry_validation.outbox WHERE subject IN (
            SELECT entry_number FROM entry_validation.entry JOIN entry_validation.entry_version USING (entry_id)
            WHERE filing_id = $1)
        ORDER BY outbox_id",
    )
        .bind(filing.filing_id)
        .fetch_all(pool)
        .await
        .unwrap();
    let mut sums: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for draw in &draws {
        let sum = sums.entry(draw.certificate).or_default();
        *sum = (sum.0 + draw.weight_units, sum.1 + 1);
    }
    let certificates: Vec<i64> = sums.keys().copied().collect();
    let limits = sqlx::query_scalar(
        "SELECT limit_units + excess_units FROM certificate WHERE certificate = ANY($1) ORDER BY certificate",
    )
    .bind(&certificates)
    .fetch_all(pool)
    .await
    .unwrap();
    Filing {
        filing,
        versions,
        decisions,
        draws,
        certificates,
        limits,
        units: sums.values().map(|sum| sum.0).collect(),
        counts: sums.values().map(|sum| sum.1).collect(),
        drawn,
        audits,
        messages,
    }
}

fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Writes it all again, in three transactions as the services do.
pub(crate) async fn write(pool: &PgPool, rows: &Filing) {
    let (filing_id, entries) = begin(pool, rows).await;
    if !rows.draws.is_empty() {
        draw(pool, rows).await;
    }
    finish(pool, rows, filing_id, &entries).await;
}

/// The filing and its entries, claimed.
async fn begin(pool: &PgPool, rows: &Filing) -> (i64, rustc_hash::FxHashMap<i64, i64>) {
    let filing = &rows.filing;
    let mut transaction = pool.begin().await.unwrap();
    let filing_id: i64 = sqlx::query_scalar(
        "INSERT INTO filing (tenant, request_id, request_hash, state, attempt, inputs, lease_holder, lease_until,
            began_at)
        VALUES ('test', $1, $2, 'OPEN', 1, $3, $4, $5, $5) RETURNING filing_id",
    )
    .bind(&filing.request_id)
    .bind(&filing.request_hash)
    .bind(&filing.inputs)
    .bind(&filing.lease_holder)
    .bind(filing.began_at)
    .fetch_one(&mut *transaction)
    .await
    .unwrap();
    let entries: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO entry (tenant, entry_number, version, claimed_by)
        SELECT 'test', number, 0, $2 FROM unnest($1::text[]) number RETURNING entry_id",
    )
    .bind(column(&rows.versions, |version| version.entry_number.as_str()))
    .bind(filing_id)
    .fetch_all(&mut *transaction)
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    let entries = rows
        .versions
        .iter()
        .map(|version| version.entry_id)
        .zip(entries)
        .collect();
    (filing_id, entries)
}

async fn draw(pool: &PgPool, rows: &Filing) {
    let at = rows.filing.began_at;
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query(
        "SELECT certificate FROM certificate WHERE certificate = ANY($1) ORDER BY certificate FOR UPDATE",
    )
    .bind(&rows.certificates)
    .execute(&mut *transaction)
    .await
    .unwrap();
    let updated = sqlx::query(
        "UPDATE certificate c SET drawn_units = c.drawn_units + d.units, draw_count = c.draw_count + d.count,
            limit_units = d.limited
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) d (certificate, units, count, limited)
        WHERE c.certificate = d.certificate AND c.drawn_units + d.units <= d.limited",
    )
    .bind(&rows.certificates)
    .bind(&rows.units)
    .bind(&rows.counts)
    .bind(&rows.limits)
    .execute(&mut *transaction)
    .await
    .unwrap();
    assert_eq!(updated.rows_affected(), rows.certificates.len() as u64);
    sqlx::query(
        "INSERT INTO draw (certificate, entry_number, line_number, pga_line_number, source, tenant, weight_units,
            excess_units, entry_version, recorded_by, recorded_at)
        SELECT certificate, entry_number, line_number, pga_line_number, 'FILING', 'test', weight_units, excess_units,
            1, 'test', $7
        FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
            d (certificate, entry_number, line_number, pga_line_number, weight_units, excess_units)",
    )
    .bind(column(&rows.draws, |draw| draw.certificate))
    .bind(column(&rows.draws, |draw| draw.entry_number.as_str()))
    .bind(column(&rows.draws, |draw| draw.line_number))
    .bind(column(&rows.draws, |draw| draw.pga_line_number))
    .bind(column(&rows.draws, |draw| draw.weight_units))
    .bind(column(&rows.draws, |draw| draw.excess_units))
    .bind(at)
    .execute(&mut *transaction)
    .await
    .unwrap();
    if let Some(drawn) = &rows.drawn {
        sqlx::query(
            "INSERT INTO certificate.request (tenant, request_id, request_hash, answer, answered_at)
            VALUES ('test', $1, $2, $3, $4)",
        )
        .bind(&drawn.request_id)
        .bind(&rows.filing.request_hash)
        .bind(&drawn.answer)
        .bind(at)
        .execute(&mut *transaction)
        .await
        .unwrap();
    }
    audit(&mut transaction, "certificate.audit_record", rows, 0).await;
    transaction.commit().await.unwrap();
}

async fn finish(pool: &PgPool, rows: &Filing, filing_id: i64, entries: &rustc_hash::FxHashMap<i64, i64>) {
    let at = rows.filing.began_at;
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query(
        "UPDATE filing SET state = 'DONE', ledger = $1, done_at = $2 WHERE filing_id = $3 AND state = 'OPEN'",
    )
    .bind(&rows.filing.ledger)
    .bind(at)
    .bind(filing_id)
    .execute(&mut *transaction)
    .await
    .unwrap();
    let decisions = &rows.decisions;
    sqlx::query(
        "INSERT INTO decision (filing_id, place, entry_id, version, tenant, line_number, pga_line_number, verdict, line,
            outcome, codes, importer_nop_id, certificate, is_organic, filed_on, drawn_units, excess_units, recorded_at)
        SELECT $1, place, entry_id, 1, 'test', line_number, pga_line_number, verdict, line, outcome, codes,
            importer_nop_id, certificate, is_organic, $2, drawn_units, excess_units, $3
        FROM unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[], $9::bytea[], $10::text[],
            $11::text[], $12::bigint[], $13::bigint[], $14::boolean[], $15::bigint[], $16::bigint[])
            d (place, entry_id, line_number, pga_line_number, verdict, line, outcome, codes, importer_nop_id,
                certificate, is_organic, drawn_units, excess_units)",
    )
    .bind(filing_id)
    .bind(rows.versions[0].filed_on)
    .bind(at)
    .bind(column(decisions, |row| row.place))
    .bind(column(decisions, |row| entries[&row.entry_id]))
    .bind(column(decisions, |row| row.line_number))
    .bind(column(decisions, |row| row.pga_line_number))
    .bind(column(decisions, |row| row.verdict.as_slice()))
    .bind(column(decisions, |row| row.line.as_slice()))
    .bind(column(decisions, |row| row.outcome.as_str()))
    .bind(column(decisions, |row| row.codes.as_str()))
    .bind(column(decisions, |row| row.importer_nop_id))
    .bind(column(decisions, |row| row.certificate))
    .bind(column(decisions, |row| row.is_organic))
    .bind(column(decisions, |row| row.drawn_units))
    .bind(column(decisions, |row| row.excess_units))
    .execute(&mut *transaction)
    .await
    .unwrap();
    let entries: Vec<i64> = column(&rows.versions, |version| entries[&version.entry_id]);
    sqlx::query(
        "INSERT INTO entry_version (entry_id, version, filing_id, kind, actor, reason, filed_on, recorded_at)
        SELECT entry_id, 1, $2, 'FILED', $3, '', $4, $5 FROM unnest($1::bigint[]) entry_id",
    )
    .bind(&entries)
    .bind(filing_id)
    .bind(&rows.versions[0].actor)
    .bind(rows.versions[0].filed_on)
    .bind(at)
    .execute(&mut *transaction)
    .await
    .unwrap();
    sqlx::query("UPDATE entry SET claimed_by = NULL, version = 1 WHERE entry_id = ANY($1)")
        .bind(&entries)
        .execute(&mut *transaction)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO entry_validation.outbox (recorded_at, tenant, topic, subject, content)
        SELECT $1, 'test', 'entry_recorded', subject, content
        FROM unnest($2::text[], $3::bytea[]) AS m (subject, content)",
    )
    .bind(at)
    .bind(column(&rows.messages, |row| row.subject.as_str()))
    .bind(column(&rows.messages, |row| row.content.as_slice()))
    .execute(&mut *transaction)
    .await
    .unwrap();
    audit(
        &mut transaction,
        "entry_validation.audit_record",
        rows,
        rows.audits.len() - 1,
    )
    .await;
    transaction.commit().await.unwrap();
}

async fn audit(connection: &mut sqlx::PgConnection, table: &str, rows: &Filing, which: usize) {
    let row = &rows.audits[which];
    let statement = format!(
        "INSERT INTO {table} (recorded_at, tenant, actor, action, subject, reason, detail)
        VALUES ($1, 'test', 'test', $2, $3, '', $4)"
    );
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(rows.filing.began_at)
        .bind(&row.action)
        .bind(&row.subject)
        .bind(&row.detail)
        .execute(connection)
        .await
        .unwrap();
}
