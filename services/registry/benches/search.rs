//! How well and how fast names are found: seeded misspellings over the names of a whole registry, through gRPC.
//!
//! `NOPIC_BENCH_ROWS` sets the number of operations (default 76,000). Fails where fewer than 95 of 100 are among the
//! first ten hits, or the slowest hundredth takes more than 20 ms; with `--test`, as machines with other work run it,
//! however long it takes.
#![allow(clippy::print_stderr, reason = "figures for people")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail where it stands")]

#[path = "../tests/support/misspell.rs"]
mod misspell;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use nopic_formats::sample::{operations, write_json};
use nopic_proto::registry as wire;
use nopic_sql::testing::Engine;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use support::Fixture;
use tokio::time::Instant;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const QUERIES: usize = 1_000;
const SLOWEST_HUNDREDTH: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() {
    let rows = std::env::var("NOPIC_BENCH_ROWS")
        .ok()
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(76_000);
    let all: Vec<_> = operations(7, rows)
        .filter(|operation| operation.states[2].is_some())
        .collect();
    let mut pages = Vec::new();
    write_json(&mut pages, 7, rows, 2).unwrap();
    let mut registry = Fixture::new(Engine::Sqlite).await;
    registry
        .import(
            support::json_options("2026-03-01", true),
            &[("pages.json", pages)],
        )
        .await
        .unwrap();
    let fixture = registry.restart().await;
    let mut registry = fixture;
    let began = Instant::now();
    search(&mut registry, "farm").await;
    eprintln!(
        "first search of {} operations, index built: {:?}",
        all.len(),
        began.elapsed()
    );

    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut times, mut found) = (Vec::with_capacity(QUERIES), 0);
    for _ in 0..QUERIES {
        let operation = &all[rng.random_range(0..all.len())];
        let other = operation
            .other_names
            .split(';')
            .next()
            .map(str::trim)
            .unwrap_or_default();
        let meant = if other.is_empty() {
            operation.name.as_str()
        } else {
            other
        };
        let query = misspell::misspell(meant, &mut rng);
        let began = Instant::now();
        let hits = search(&mut registry, &query).await;
        times.push(began.elapsed());
        let is_meant = |hit: &wire::SearchHit| {
            hit.nop_id == operation.nop_id.to_string() || hit.matched_name.eq_ignore_ascii_case(meant)
        };
        found += usize::from(hits.iter().any(is_meant));
    }
    times.sort_unstable();
    let slowest_hundredth = times[QUERIES * 99 / 100];
    eprintln!(
        "{found} of {QUERIES} found among the first 10; p50 {:?}, p99 {slowest_hundredth:?}, max {:?}",
        times[QUERIES / 2],
        times[QUERIES - 1]
    );
    assert!(found * 100 >= QUERIES * 95, "too few were found");
    let is_trial = std::env::args().any(|argument| argument == "--test");
    assert!(is_trial || slowest_hundredth <= SLOWEST_HUNDREDTH, "too slow");
}

async fn search(registry: &mut Fixture, query: &str) -> Vec<wire::SearchHit> {
    let request = wire::SearchOperationsRequest {
        query: query.into(),
        ..wire::SearchOperationsRequest::default()
    };
    registry
        .client
        .search_operations(request)
        .await
        .unwrap()
        .into_inner()
        .hits
}
