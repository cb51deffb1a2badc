//! A rolling restart of all five services under load: no call fails.

use std::time::Duration;

use nopic_host::PARTS;
use tokio::time::{Instant, sleep};

use super::calls::Calls;
use super::pods::Cluster;
use crate::draws::{assert_alike, draws_and_decisions};

const REPLICAS: u8 = 2;
/// Calls of every kind between one replica and the next.
const CALLS: usize = 15;
const SOON: Duration = Duration::from_secs(60);

/// Waits until every kind of call was answered some times more.
pub(crate) async fn some_calls(calls: &Calls) {
    let (began, wanted) = (Instant::now(), calls.least() + CALLS);
    while calls.least() < wanted {
        assert!(began.elapsed() < SOON, "calls are not answered");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_all_services_fails_no_call() {
    let mut cluster = Cluster::prepare().await;
    cluster.sample(6_000);
    cluster.start_all();
    cluster.import_sample();
    for part in PARTS {
        for replica in 1..REPLICAS {
            cluster.start(part.name, replica);
        }
    }
    let calls = Calls::begin(&cluster.balanced(REPLICAS + 1), &cluster.place, 0);
    some_calls(&calls).await;
    for part in PARTS {
        // As the manifests say it: first a new one, then the old one goes.
        cluster.start(part.name, REPLICAS);
        for replica in 0..REPLICAS {
            some_calls(&calls).await;
            cluster.stop(part.name, replica);
            some_calls(&calls).await;
            cluster.start(part.name, replica);
        }
        some_calls(&calls).await;
        cluster.stop(part.name, REPLICAS);
    }
    some_calls(&calls).await;
    let tally = calls.end().await;
    eprintln!("a rolling restart: {:?} answered", tally.answered);
    assert!(tally.failed.is_empty(), "{:?}", tally.failed);
    cluster.kill_all();
    let drawn = draws_and_decisions(&cluster.database.location, cluster.place.path()).await;
    assert_alike("a rolling restart", &drawn);
}
