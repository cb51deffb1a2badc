//! The program of the newest tag beside the present one, on one database and one Redis: an upgrade and a roll-back, each
//! with calls of every kind and filings under way.

use std::path::PathBuf;

use nopic_host::PARTS;

use super::calls::Calls;
use super::pods::Cluster;
use super::rolling::some_calls;
use crate::draws::{assert_alike, draws_and_decisions};

/// The program of the newest tag, which `tests/previous` builds; says so loudly where there is none.
fn previous() -> Option<PathBuf> {
    let program = std::env::var_os("NOPIC_PREVIOUS_PROGRAM").filter(|path| !path.is_empty());
    if program.is_none() {
        eprintln!(
            "NOT RUN: NOPIC_PREVIOUS_PROGRAM names no program (tests/previous builds one, as `tests/run --full` does)"
        );
    }
    program.map(PathBuf::from)
}

/// Puts replicas of one program in the place of those of the other, service by service, as an upgrade does.
async fn replace(cluster: &mut Cluster, calls: &Calls, (old, new): (u8, u8)) {
    for part in PARTS {
        cluster.start(part.name, new);
        // Both are asked.
        some_calls(calls).await;
        cluster.stop(part.name, old);
        some_calls(calls).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_and_a_roll_back_fail_no_call() {
    let Some(previous) = previous() else { return };
    /// Replicas by their program.
    const PREVIOUS: u8 = 0;
    const PRESENT: u8 = 1;
    let mut cluster = Cluster::prepare_by(Some(previous.clone())).await;
    for part in PARTS {
        cluster.programs.insert((part.name, PREVIOUS), previous.clone());
    }
    cluster.sample(6_000);
    cluster.start_all();
    cluster.import_sample();
    let calls = Calls::begin(&cluster.balanced(2), &cluster.place, 0);
    some_calls(&calls).await;
    // The Job of the new version, while the old one serves.
    cluster.migrate(None);
    some_calls(&calls).await;
    replace(&mut cluster, &calls, (PREVIOUS, PRESENT)).await;
    replace(&mut cluster, &calls, (PRESENT, PREVIOUS)).await;
    let tally = calls.end().await;
    eprintln!("an upgrade and a roll-back: {:?} answered", tally.answered);
    assert!(tally.failed.is_empty(), "{:?}", tally.failed);
    cluster.done(None, &["audit", "verify"]);
    cluster.kill_all();
    let drawn = draws_and_decisions(&cluster.database.location, cluster.place.path()).await;
    assert_alike("an upgrade and a roll-back", &drawn);
}
