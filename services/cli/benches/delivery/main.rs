//! Notices that wait for webhooks, sent by processes of the notification service, beside bare HTTP posts of the same bodies
//! and headers to the same server, in turn in one run, on both engines; and how fast notices are made of events.
//!
//! `tests/with-postgres cargo bench -p nopic-cli --bench delivery`; with `--test` it runs for a moment only. Fails where
//! the service posts less than half of what goes without it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may fail where it stands"
)]
#![allow(clippy::print_stderr, reason = "figures for people")]

mod bare;
mod sink;
#[path = "../../tests/delivery/source.rs"]
mod source;
#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "../../tests/delivery/tenants.rs"]
mod tenants;
#[path = "../../tests/delivery/webhooks/address.rs"]
mod webhooks;
#[path = "../../tests/delivery/workers.rs"]
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nopic_sql::testing::Engine;
use sink::Sink;
use source::Source;
use tenants::Tenants;
use tokio::time::{Instant, sleep};
use workers::Workers;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LEAST_SHARE: f64 = 0.5;
/// Posts of a process at a time: four to each of 64 receivers.
const AT_A_TIME: usize = 256;
/// How often it is looked whether all notices are made.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Nothing is sent while notices are made.
const PAUSE: &str = "UPDATE receiver SET state = 'PAUSED'";
const RESUME: &str = "UPDATE receiver SET state = 'ACTIVE'";
const WAITING: &str = "SELECT COUNT(*) FROM delivery WHERE state = 'WAITING'";

struct Size {
    notices: usize,
    receivers: usize,
    rounds: usize,
}

#[tokio::main]
async fn main() {
    let is_trial = std::env::args().any(|argument| argument == "--test");
    let size = if is_trial {
        Size {
            notices: 500,
            receivers: 20,
            rounds: 1,
        }
    } else {
        Size {
            notices: 20_000,
            receivers: 500,
            rounds: 5,
        }
    };
    let mut shares = Vec::new();
    for (engine, processes) in [(Engine::Postgres, 3), (Engine::Sqlite, 1)] {
        shares.push(compare(engine, processes, &size).await);
    }
    assert!(
        is_trial || shares.iter().all(|share| *share >= LEAST_SHARE),
        "{shares:.2?} of the bare posts, less than {LEAST_SHARE}"
    );
}

/// The share of the bare posts a second that comes by the service.
async fn compare(engine: Engine, processes: usize, size: &Size) -> f64 {
    let sink = Arc::new(Sink::default());
    let port = sink.serve().await;
    let told = Arc::new(AtomicUsize::new(0));
    let of_notice = (0..size.notices * (size.rounds + 1)).map(|notice| notice % size.receivers);
    let count = Arc::clone(&told);
    let source = Source::new(of_notice.collect(), move || count.load(Ordering::Relaxed));
    let mut workers = Workers::prepare(engine, processes, &source).await;
    workers.start_all();
    let tenants = Tenants::new(workers.channels(), size.receivers);
    tenants.make_receivers(port).await;
    let client = bare::client();

    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for round in 0..=size.rounds {
        workers.run(PAUSE).await;
        let began = Instant::now();
        told.fetch_add(size.notices, Ordering::Relaxed);
        while workers.count_of(WAITING).await < size.notices {
            sleep(LOOK_EVERY).await;
        }
        let made = size.notices as f64 / began.elapsed().as_secs_f64();
        sink.remember(true);
        sink.begin();
        let spent = workers.spent();
        workers.run(RESUME).await;
        let by_service = sink.rate(size.notices).await;
        let spent = workers.spent() - spent;
        sink.remember(false);
        let posts = bare::prepare(&client, sink.posts());
        sink.begin();
        bare::post(&client, posts, AT_A_TIME * processes).await;
        let bare = sink.rate(size.notices).await;
        eprintln!(
            "{engine:?}: {made:.0} notices/s made, {by_service:.0}/s sent, {:.0} us of the processes' time each; bare \
             {bare:.0} posts/s: {:.2}",
            spent.as_secs_f64() * 1e6 / size.notices as f64,
            by_service / bare
        );
        // The first round warms both up.
        if round > 0 {
            ours.push(by_service);
            floor.push(bare);
        }
    }
    let mut ratios: Vec<f64> = ours
        .iter()
        .zip(&floor)
        .map(|(ours, floor)| ours / floor)
        .collect();
    ratios.sort_by(f64::total_cmp);
    let share = ratios[ratios.len() / 2];
    eprintln!(
        "{engine:?}, {processes} processes: {share:.2} of bare posts; memory at most {:?} MiB",
        workers.peaks().iter().map(|kib| kib / 1024).collect::<Vec<_>>()
    );
    share
}
