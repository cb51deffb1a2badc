//! The certificate service killed and frozen: lines that need no certificate are decided as before, others are decided
//! where a certificate is still remembered, and else cannot be told.

use std::time::Duration;

use crate::filing::Filing;
use crate::lines::Kind;
use crate::load::{Load, Report};
use crate::tally::Depth;
use crate::world::{Name, Plan, World};

const OTHERS: [Name; 2] = [Name::Registry, Name::EntryValidation];
/// Lines that need no certificate.
const WITHOUT: [Kind; 3] = [Kind::Disclaimed, Kind::Nothing, Kind::SpecialCode];
/// Of all lines a quarter needs no certificate or is rejected for another reason.
const LEAST_DECIDED: f64 = 25.0;
/// Of all filings, from before the fault until after it.
const LEAST_FILED: usize = 20;
/// A service that refuses is noticed at once.
const LONGEST_REFUSED: Duration = Duration::from_millis(250);
/// One that does not answer is waited for 2 s by the first calls, and by one call a second for a moment: no call waits
/// for it more than once for certificates and once for the draws of its entry.
const LONGEST_SILENT: Duration = Duration::from_millis(2250);
/// The first calls do not make up half of all.
const USUAL: Duration = Duration::from_millis(250);

fn check(report: &Report, fault: &str, longest: Duration) {
    report.check(fault);
    let during = &report.during;
    let failed = during.failures() * 100 / during.calls;
    assert_eq!(failed, 0, "in a hundred: {:?}", during.failed);
    let decided = during.decided(&WITHOUT);
    assert!(
        decided > 99.999,
        "{decided} % of the lines that need no certificate are decided"
    );
    let decided = during.decided(&Kind::ALL);
    assert!(
        decided >= LEAST_DECIDED,
        "{decided} %, at least {LEAST_DECIDED} % must be"
    );
    during.assert_p99(longest);
    let p50 = during.percentile(50);
    assert!(p50 <= USUAL, "p50 {p50:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_service_killed() {
    let mut world = World::start(Plan::default()).await;
    let processes = world.processes();
    let filing = Filing::begin(&world).await;
    let mut load = Load::begin(&world, Depth::Verdicts, Name::Registry).await;
    load.fault_begins();
    filing.burst().await;
    world.kill(Name::Certificate);
    load.fault_goes_on().await;
    world.assert_serves(Name::EntryValidation).await;
    world.start_one(Name::Certificate);
    load.fault_ends();
    let (report, settled) = tokio::join!(load.end(), filing.end(&world));
    check(&report, "certificate service killed", LONGEST_REFUSED);
    settled.check("  filings", LEAST_FILED);
    world.assert_still(&OTHERS, processes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_service_frozen() {
    let mut world = World::start(Plan::default()).await;
    let processes = world.processes();
    let filing = Filing::begin(&world).await;
    let mut load = Load::begin(&world, Depth::Verdicts, Name::Registry).await;
    load.fault_begins();
    filing.burst().await;
    world.signal(Name::Certificate, "STOP");
    load.fault_goes_on().await;
    world.assert_serves(Name::EntryValidation).await;
    world.signal(Name::Certificate, "CONT");
    load.fault_ends();
    let (report, settled) = tokio::join!(load.end(), filing.end(&world));
    check(&report, "certificate service frozen", LONGEST_SILENT);
    settled.check("  filings", LEAST_FILED);
    world.assert_still(&[Name::Certificate, OTHERS[0], OTHERS[1]], processes);
}
