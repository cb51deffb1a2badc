//! PostgreSQL killed, all of it, and back: pre-checks go on where they need nothing from it, filings wait or are refused
//! and have one result each in the end.

use std::time::Duration;

use tonic_health::pb::health_check_response::ServingStatus;

use crate::database::Postgres;
use crate::filing::Filing;
use crate::lines::Kind;
use crate::load::{Load, RECOVERY};
use crate::tally::Depth;
use crate::world::{Name, Plan, World};

const ALL: [Name; 3] = [Name::Registry, Name::Certificate, Name::EntryValidation];
/// What cannot go on without its database; the empty name is all of a server.
const PARTS: [(Name, &str); 3] = [
    (Name::Registry, ""),
    (Name::Certificate, ""),
    (
        Name::EntryValidation,
        "nopic.entry_validation.v1.EntryRecordService",
    ),
];
/// By when health says that a service's own database is gone.
const NOTICED: Duration = Duration::from_secs(6);
/// Of all lines that are answered: those that need no certificate, and those whose certificate is still remembered.
const LEAST_DECIDED: f64 = 30.0;
/// Calls without an answer, in a hundred: those with a line that names no operation as importer, because the links of
/// importers are in the database that is gone.
const MOST_FAILED: usize = 25;
/// Of all filings, from before the fault until after it.
const LEAST_FILED: usize = 80;
/// The first calls wait 2 s for certificates and links each, at once; after that nobody does.
const LONGEST: Duration = Duration::from_millis(2250);
const USUAL: Duration = Duration::from_millis(250);
/// Lines that need no certificate.
const WITHOUT: [Kind; 3] = [Kind::Disclaimed, Kind::Nothing, Kind::SpecialCode];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_killed_and_back() {
    let mut postgres = Postgres::start();
    let mut world = World::start(Plan {
        database: Some(postgres.url()),
        ..Plan::default()
    })
    .await;
    let processes = world.processes();
    let filing = Filing::begin(&world).await;
    let mut load = Load::begin(&world, Depth::Verdicts, Name::Registry).await;
    load.fault_begins();
    filing.burst().await;
    postgres.kill();
    let watching = async {
        for (name, part) in PARTS {
            world
                .until_health(name, part, ServingStatus::NotServing, NOTICED)
                .await;
        }
        // What is judged before it is filed needs no database.
        world.assert_serves(Name::EntryValidation).await;
    };
    tokio::join!(watching, load.fault_goes_on());
    postgres.restart();
    load.fault_ends();
    let serving = async {
        for (name, part) in PARTS {
            world
                .until_health(name, part, ServingStatus::Serving, RECOVERY)
                .await;
        }
    };
    let (report, settled, ()) = tokio::join!(load.end(), filing.end(&world), serving);
    report.check("PostgreSQL killed");
    settled.check("  filings", LEAST_FILED);
    let during = &report.during;
    let failed = during.failures() * 100 / during.calls;
    assert!(failed <= MOST_FAILED, "{failed} % of the calls failed");
    let (decided, without) = (during.decided(&Kind::ALL), during.decided(&WITHOUT));
    assert!(decided >= LEAST_DECIDED, "{decided} % are decided");
    assert!(
        without > 99.999,
        "{without} % of the lines that need no certificate are decided"
    );
    during.assert_p99(LONGEST);
    let p50 = during.percentile(50);
    assert!(p50 <= USUAL, "p50 {p50:?}");
    world.assert_still(&ALL, processes);
}
