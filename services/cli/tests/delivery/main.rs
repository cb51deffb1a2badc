//! Delivery while its processes are killed: notices of many tenants go by the real intake to webhooks, a tenth of which fail
//! in every way, while processes of the notification service are killed and started anew, on both engines.
//!
//! Every notice comes to its receiver, or its message is dead with a reason, or its receiver has said that it is gone; it
//! comes under one identifier however often it comes, and to nobody else; and no process grows without bound. A full run
//! (`NOPIC_TESTS_FULL`) tells 100,000 notices to 500 receivers under 30 kills. `NOPIC_DELIVERY_SEED=N` repeats one.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(clippy::print_stderr, reason = "each test prints its figures")]

mod inbox;
mod plan;
mod settling;
mod source;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod tenants;
mod webhooks;
mod workers;

use std::sync::Arc;

use inbox::Inbox;
use nopic_sql::testing::Engine;
use plan::{Chance, Plan, Telling};
use rstest::rstest;
use settling::{killed, settled};
use source::Source;
use tally::Tally;
use tenants::Tenants;
use tokio::time::Instant;
use workers::Workers;

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_notice_arrives_or_is_accounted_for(
    #[values(Engine::Postgres, Engine::Sqlite)] engine: Engine,
) {
    let seed = plan::seed();
    let plan = Plan::of(engine, seed);
    eprintln!("NOPIC_DELIVERY_SEED={seed}: {engine:?}, {plan}");
    let inbox = Arc::new(Inbox::new(&plan));
    let port = webhooks::serve(Arc::clone(&inbox)).await;
    let telling = Arc::new(Telling::of(&plan));
    let told = Arc::clone(&telling);
    let source = Source::new(plan.of_notice.clone(), move || told.count());
    let mut workers = Workers::prepare(engine, plan.processes, &source).await;
    workers.start_all();
    let tenants = Tenants::new(workers.channels(), plan.receivers);
    tenants.make_receivers(port).await;

    let began = Instant::now();
    telling.begin();
    killed(&plan, &mut workers, &mut Chance::new(seed)).await;
    let after_kills = began.elapsed();
    settled(&plan, &source, &tenants).await;
    let took = began.elapsed();

    let deliveries = tenants.deliveries().await;
    let tally = Tally::of(&inbox, &tenants.receivers().await, &deliveries);
    let peaks = workers.peaks();
    eprintln!(
        "{engine:?}: {tally}; killed for {after_kills:.1?}, settled after {took:.1?}; memory of processes at most {:?} MiB",
        peaks.iter().map(|kib| kib / 1024).collect::<Vec<_>>()
    );
    tally.check();
    let largest = peaks.iter().max().unwrap();
    assert!(
        *largest <= plan.most_kib,
        "a process took {largest} KiB, more than {}",
        plan.most_kib
    );
}
