//! What a revision costs that says nothing new: the import of a snapshot whose content is known, published on another
//! day, beside the first import of that content, through gRPC.
//!
//! `NOPIC_BENCH_ROWS` sets the number of operations (default 20,000).
#![allow(clippy::unwrap_used, reason = "a benchmark may fail where it stands")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use chrono::{Days, NaiveDate};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nopic_formats::sample::write_json;
use nopic_proto::registry::import_result::Outcome;
use nopic_sql::testing::Engine;
use support::Fixture;
use tokio::time::Instant;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Imports a full snapshot and says how long that took.
async fn import(registry: &mut Fixture, published_on: NaiveDate, page: &[u8]) -> Duration {
    let options = support::json_options(&published_on.to_string(), true);
    let files = [("pages.json", page.to_vec())];
    let began = Instant::now();
    let report = registry.import(options, &files).await.unwrap();
    let took = began.elapsed();
    assert_eq!(report.result.outcome(), Outcome::Imported);
    took
}

fn revisions(criterion: &mut Criterion) {
    let rows = std::env::var("NOPIC_BENCH_ROWS")
        .ok()
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(20_000);
    let mut page = Vec::new();
    let operations = write_json(&mut page, 7, rows, 2).unwrap();
    let first_day = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();

    let mut group = criterion.benchmark_group("revisions");
    group.sample_size(10).throughput(Throughput::Elements(operations));
    group.bench_function("first import", |bencher| {
        bencher.iter_custom(|count| {
            runtime.block_on(async {
                let mut took = Duration::ZERO;
                for _ in 0..count {
                    let mut registry = Fixture::new(Engine::Sqlite).await;
                    took += import(&mut registry, first_day, &page).await;
                    registry.registry.close().await;
                }
                took
            })
        });
    });
    let mut registry = runtime.block_on(Fixture::new(Engine::Sqlite));
    runtime.block_on(import(&mut registry, first_day, &page));
    let mut days = (1..).map(|days| first_day + Days::new(days));
    group.bench_function("equal content of another day", |bencher| {
        bencher.iter_custom(|count| {
            runtime.block_on(async {
                let mut took = Duration::ZERO;
                for day in days.by_ref().take(usize::try_from(count).unwrap()) {
                    took += import(&mut registry, day, &page).await;
                }
                took
            })
        });
    });
    group.finish();
}

criterion_group!(benches, revisions);
criterion_main!(benches);
