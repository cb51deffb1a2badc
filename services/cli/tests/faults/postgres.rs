//! PostgreSQL killed, all of it, and back: pre-checks go on where they need nothing from it, filings wait or are refused
//! and have one result each in the end.

use std::time::Duration;

use tonic_health::pb::health_check_response::ServingStatus;

use crate::database::Postgres;
use crate::filing::Filing;
use crate::lines::Kind;
use crate::load::{Load, RECOVERY};
use crate::tally::Depth;
use crate::world::{Name, Plan, World, fault_time};

const ALL: [Name; 3] = [Name::Registry, Name::Certificate, Name::EntryValidation];
/// By when health says that a service's own database is gone.
const NOTICED: Duration = Duration::from_secs(6);
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
        for name in ALL {
            world.until_health(name, ServingStatus::NotServing, NOTICED).await;
        }
    };
    tokio::join!(watching, load.fault_goes_on());
    postgres.restart();
    load.fault_ends();
    let serving = async {
        for name in ALL {
            world.until_health(name, ServingStatus::Serving, RECOVERY).await;
        }
    };
    let (report, settled, ()) = tokio::join!(load.end(), filing.end(&world), serving);
    report.check("PostgreSQL killed");
    settled.check("  filings", 50);
    let decided = report.during.decided(&WITHOUT);
    eprintln!("{decided} {:?}", fault_time());
    world.assert_still(&ALL, processes);
}
