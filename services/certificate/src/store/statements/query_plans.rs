//! How statements find what they read.

use nopic_sql::SchemaUpdate;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::engine::{self, moment};
use super::{Store, sql};

/// How the draws of entries are found on a certificate on which many others drew, too, most of them more than once: as
/// the engine explains it, before and after it has counted what there is.
pub(crate) async fn of_own_draws(place: &engine::Place, explain: &str) -> [String; 2] {
    const CERTIFICATE: &str = "INSERT INTO certificate (certificate, version, content, status, certifier_id,
            exporter_nop_id, importer_nop_id, limit_units, drawn_units, excess_units, draw_count)
        VALUES (1, 1, '{}', 'ISSUED', 15, 1, 2, 1000000, 0, 0, 0)";
    const DRAWS: &str = concat!(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 5999)
        INSERT INTO draw (certificate, entry_number, line_number, pga_line_number, source, tenant, weight_units,
            excess_units, entry_version, recorded_by, recorded_at, ended_at)
        SELECT 1, 'entry ' || (i % 2000), 1, 1, 'FILING', 'ours', 1, 0, 1, 'tester', ",
        moment!("'2026-01-01T00:00:00Z'"),
        ", CASE WHEN i < 4000 THEN ",
        moment!("'2026-01-02T00:00:00Z'"),
        " END FROM n"
    );
    let store = Store::open(place, SchemaUpdate::Apply).await.unwrap();
    let mut transaction = store.database.write("test").await.unwrap();
    for statement in [CERTIFICATE, DRAWS] {
        (*transaction).execute(statement).await.unwrap();
    }
    let questions = serde_json::json!([[1, "entry 7"], [1, "entry 8"]]).to_string();
    let mut plans = [const { String::new() }; 2];
    for plan in &mut plans {
        let rows = sqlx::query(AssertSqlSafe(format!("{explain} {}", sql::SELECT_OWN_DRAWS)))
            .bind(&questions)
            .bind(true)
            .bind("ours")
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        for row in rows {
            plan.push_str(&row.get::<String, _>(row.len() - 1));
            plan.push('\n');
        }
        (*transaction).execute("ANALYZE").await.unwrap();
    }
    plans
}
