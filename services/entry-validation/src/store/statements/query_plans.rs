//! How statements find what they read.

use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_sql::SchemaUpdate;
use sqlx::{AssertSqlSafe, Executor as _, Row};

use super::engine::{self, bytes, date, moment};
use super::{Store, decisions};

const FILING: &str = concat!(
    "INSERT INTO filing (tenant, request_id, request_hash, state, attempt, inputs, lease_holder, lease_until, began_at)
    VALUES ('ours', 'one', ",
    bytes!("'00'"),
    ", 'DONE', 1, ",
    bytes!("'00'"),
    ", 'tester', ",
    moment!("'2026-01-01T00:00:00Z'"),
    ", ",
    moment!("'2026-01-01T00:00:00Z'"),
    ")"
);
const ENTRIES: &str = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
    INSERT INTO entry (tenant, entry_number, version) SELECT 'ours', 'entry ' || i, 3 FROM n";
/// Of each entry three, of which one stands.
const DECISIONS: &str = concat!(
    "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 5999)
    INSERT INTO decision (filing_id, place, entry_id, version, tenant, line_number, pga_line_number, verdict, line,
        outcome, codes, is_organic, filed_on, recorded_at, ended_at)
    SELECT 1, i, 1 + i % 2000, 1 + i / 2000, 'ours', 1, 1, ",
    bytes!("'00'"),
    ", ",
    bytes!("'00'"),
    ", 'ACCEPT', '', TRUE, ",
    date!("'2026-01-01'"),
    ", ",
    moment!("'2026-01-01T00:00:00Z'"),
    ", CASE WHEN i < 4000 THEN ",
    moment!("'2026-01-02T00:00:00Z'"),
    " END FROM n"
);

/// How the decisions of one entry are found among those of many: as the engine explains it, before and after it has
/// counted what there is. Each with the index that is to serve it.
pub(crate) async fn of_one_entry(place: &engine::Place, explain: &str) -> Vec<(&'static str, String)> {
    let store = Store::open(place, SchemaUpdate::Apply).await.unwrap();
    let mut transaction = store.database.write("test").await.unwrap();
    for statement in [FILING, ENTRIES, DECISIONS] {
        (*transaction).execute(statement).await.unwrap();
    }
    let explained = |statement: &str| AssertSqlSafe(format!("{explain} {statement}"));
    let mut plans = Vec::new();
    for _ in 0..2 {
        let now = sqlx::query(explained(decisions::OF_ENTRY))
            .bind("ours")
            .bind("entry 7")
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        let then = sqlx::query(explained(decisions::OF_ENTRY_AT))
            .bind("ours")
            .bind(DateTime::<Utc>::UNIX_EPOCH)
            .bind("entry 7")
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        let listed = sqlx::query(explained(decisions::LIST_OF_ENTRY))
            .bind("ours")
            .bind(None::<DateTime<Utc>>)
            // With those that have ended: those that stand may be found as all that stand are.
            .bind(true)
            .bind(None::<i64>)
            .bind(None::<i64>)
            .bind(None::<String>)
            .bind(None::<String>)
            .bind(None::<Date>)
            .bind(None::<Date>)
            .bind(i64::MAX)
            .bind(101_i64)
            .bind("entry 7")
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        plans.push(("decision_standing", text(&now)));
        plans.push(("decision_of_entry", text(&then)));
        plans.push(("decision_of_entry", text(&listed)));
        (*transaction).execute("ANALYZE").await.unwrap();
    }
    plans
}

/// Of each row of a plan the last column says what is done.
fn text(rows: &[<engine::Engine as sqlx::Database>::Row]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| row.get(row.len() - 1)).collect();
    lines.join("\n")
}
