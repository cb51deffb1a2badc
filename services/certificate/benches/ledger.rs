//! Draws on PostgreSQL, with fsync as the server has it: `SetDraws` with a thousand lines over four connections, beside
//! the bare SQL of the same rows, conditional updates and commits on a database of its own.
//!
//! `tests/with-postgres cargo bench -p nopic-certificate --bench ledger`. Each line is an entry of its own; they are
//! spread over 50,000 certificates.
#![allow(clippy::unwrap_used, reason = "a benchmark may fail where it stands")]

#[path = "../tests/service/support/mod.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::DateTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nopic_domain::certificate::CertificateKind;
use nopic_proto::certificate::line_draw_result::Outcome;
use nopic_sql::testing::Engine;
use nopic_sql::{Location, SchemaUpdate, postgres};
use support::ledger::{added, draw, issued, judged, outcomes, request, set};
use support::sample::{Random, entry, number};
use support::{Deployment, file_of};
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CERTIFICATES: u32 = 50_000;
const CONNECTIONS: u32 = 4;
/// Never reached: every line draws.
const TOTAL: i64 = 1_000_000_000_000_000;

/// Certificate and units of each line of a batch.
fn lines(batch: u32, size: u32) -> Vec<(u32, i64)> {
    let mut random = Random(batch.into());
    (0..size)
        .map(|_| {
            let serial = 1 + u32::try_from(random.below(CERTIFICATES.into())).unwrap();
            (serial, 1 + i64::try_from(random.below(1_000)).unwrap())
        })
        .collect()
}

async fn deployment() -> Deployment {
    let deployment = Deployment::new(Engine::Postgres).await;
    let certificates: Vec<_> = (1..=CERTIFICATES)
        .map(|serial| (issued(serial, CertificateKind::TimeFrame, TOTAL), None))
        .collect();
    let imported = deployment.import(&file_of(&certificates)).await;
    assert_eq!(imported.result.added, CERTIFICATES);
    deployment
}

async fn set_draws(deployment: &Deployment, batch: u32, size: u32) {
    let lines = lines(batch, size);
    let mut serials: Vec<u32> = lines.iter().map(|(serial, _)| *serial).collect();
    serials.sort_unstable();
    serials.dedup();
    let certificates: Vec<_> = serials.into_iter().map(judged).collect();
    let entries: Vec<_> = (batch * size..)
        .zip(lines)
        .map(|(number, (serial, units))| added(number, 1, &[draw(1, serial, units)]))
        .collect();
    let mut client = deployment.ledger("ours");
    let answer = set(&mut client, request(&batch.to_string(), &certificates, &entries)).await;
    assert!(outcomes(&answer).iter().all(|line| *line == (Outcome::Drawn, 0)));
}

const HOLD: &str = "SELECT COUNT(*) FROM (SELECT c.certificate FROM jsonb_array_elements(CAST($1 AS jsonb)) r (value) \
    JOIN certificate c ON c.certificate = CAST(r.value ->> 0 AS BIGINT) ORDER BY c.certificate FOR UPDATE) held";
const UPDATE: &str = "UPDATE certificate SET drawn_units = drawn_units + r.units, draw_count = draw_count + r.lines \
    FROM (SELECT CAST(r.value ->> 0 AS BIGINT) AS key, CAST(SUM(CAST(r.value ->> 2 AS BIGINT)) AS BIGINT) AS units, \
        COUNT(*) AS lines \
        FROM jsonb_array_elements(CAST($1 AS jsonb)) r (value) GROUP BY 1) r \
    WHERE certificate = r.key AND drawn_units + r.units <= limit_units + excess_units";
const INSERT: &str = "INSERT INTO draw (certificate, entry_number, line_number, pga_line_number, source, tenant, \
        weight_units, excess_units, entry_version, recorded_by, recorded_at) \
    SELECT CAST(r.value ->> 0 AS BIGINT), r.value ->> 1, 1, 1, 'FILING', 'ours', CAST(r.value ->> 2 AS BIGINT), 0, 1, \
        'test', $2 FROM jsonb_array_elements(CAST($1 AS jsonb)) r (value)";

async fn bare_sql(database: &postgres::Database, batch: u32, size: u32) {
    // As the store keys certificates.
    let key = |serial| number(serial).number().cast_signed() - 5_000_000_000_000_000_000;
    let rows: Vec<_> = (batch * size..)
        .zip(lines(batch, size))
        .map(|(number, (serial, units))| (key(serial), entry(number).to_string(), units))
        .collect();
    let rows = serde_json::to_string(&rows).unwrap();
    let mut transaction = database.write("test").await.unwrap();
    sqlx::query(HOLD)
        .bind(&rows)
        .execute(&mut *transaction)
        .await
        .unwrap();
    let updated = sqlx::query(UPDATE)
        .bind(&rows)
        .execute(&mut *transaction)
        .await
        .unwrap();
    assert!(updated.rows_affected() > 0);
    let inserted = sqlx::query(INSERT)
        .bind(&rows)
        .bind(DateTime::from_timestamp(1_760_000_000, 0).unwrap())
        .execute(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(inserted.rows_affected(), u64::from(size));
    transaction.commit().await.unwrap();
}

/// So many batches over the connections, each taking the next.
async fn timed<F: Future<Output = ()>>(count: u64, next: &AtomicU32, batch: impl Fn(u32) -> F) -> Duration {
    let end = next.load(Ordering::Relaxed) + u32::try_from(count).unwrap();
    let began = Instant::now();
    let connection = || async {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                break;
            }
            batch(number).await;
        }
    };
    futures::future::join_all((0..CONNECTIONS).map(|_| connection())).await;
    next.store(end, Ordering::Relaxed);
    began.elapsed()
}

fn ledger(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let ours = runtime.block_on(deployment());
    let bare = runtime.block_on(deployment());
    let Location::Postgres(options) = &bare.database.location else {
        panic!("the engine is PostgreSQL");
    };
    let database = runtime
        .block_on(postgres::Database::open(
            options,
            &nopic_certificate::SCHEMA,
            SchemaUpdate::Refuse,
        ))
        .unwrap();
    let (next_of_ours, next_of_bare) = (AtomicU32::new(0), AtomicU32::new(0));
    for size in [1_000u32, 1] {
        // Entry numbers go on where the other size ended.
        for next in [&next_of_ours, &next_of_bare] {
            next.store(if size == 1 { 4_000_000 } else { 0 }, Ordering::Relaxed);
        }
        let mut group = criterion.benchmark_group(format!("{size} lines"));
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(10))
            .throughput(Throughput::Elements(size.into()));
        group.bench_function("SetDraws", |bencher| {
            bencher.iter_custom(|count| {
                runtime.block_on(timed(count, &next_of_ours, |batch| set_draws(&ours, batch, size)))
            });
        });
        group.bench_function("bare SQL", |bencher| {
            bencher.iter_custom(|count| {
                runtime.block_on(timed(count, &next_of_bare, |batch| {
                    bare_sql(&database, batch, size)
                }))
            });
        });
        group.finish();
    }
}

criterion_group!(benches, ledger);
criterion_main!(benches);
