//! A replica of entry validation that is killed, that is frozen, and that answers errors, behind a gateway: callers who ask
//! what may be asked twice see nothing of it once it is found out, and it gets calls again soon after it is back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use nopic_chassis::balance::Balancer;
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::{EntryLine, GetEntryRequest, ValidateEntryRequest};
use nopic_testing::process::send_signal;
use sqlx::{Connection as _, Executor as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::{Code, Request};

use crate::deployment::{Deployment, number};
use crate::support::a_drawing_entry;

const CALLERS: usize = 12;
/// Callers leave the machine to the servers now and then.
const BETWEEN: Duration = Duration::from_millis(5);
/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long calls are watched once a replica is found out.
const WATCHED: Duration = Duration::from_secs(3);
/// Within this time of its return a replica is asked again.
const BACK: Duration = Duration::from_secs(10);
/// Longer than it takes to find out.
const SOON: Duration = Duration::from_secs(20);
/// Calls that a replica must have answered to be one that is asked.
const ASKED: u64 = 20;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// A pre-check, which needs no database once it is warm.
    Validate,
    /// What is on record, which needs the database.
    Record,
}

/// When a call began, and why it failed, if it did.
type Calls = Arc<Mutex<Vec<(Instant, Option<String>)>>>;

/// Callers who ask all the time.
struct Load {
    calls: Calls,
    _callers: JoinSet<()>,
}

impl Load {
    fn begin(balancer: &Balancer, asked: Asked, line: &EntryLine) -> Self {
        let calls = Calls::default();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (calls, line, balancer) = (Arc::clone(&calls), line.clone(), balancer.clone());
            callers.spawn(async move {
                loop {
                    let began = Instant::now();
                    let failed = ask(balancer.clone(), asked, line.clone()).await;
                    calls.lock().unwrap().push((began, failed));
                    sleep(BETWEEN).await;
                }
            });
        }
        Self {
            calls,
            _callers: callers,
        }
    }

    /// Calls that began since, and those of them that failed.
    fn since(&self, moment: Instant) -> (usize, Vec<String>) {
        let calls = self.calls.lock().unwrap();
        let since: Vec<_> = calls.iter().filter(|(began, _)| *began >= moment).collect();
        let failed = since.iter().filter_map(|(_, failed)| failed.clone());
        (since.len(), failed.collect())
    }
}

async fn ask(balancer: Balancer, asked: Asked, line: EntryLine) -> Option<String> {
    let failed = match asked {
        Asked::Validate => {
            let mut request = Request::new(ValidateEntryRequest {
                line: Some(line),
                freshness: None,
                finding_detail: 0,
            });
            request.set_timeout(PATIENCE);
            let answer = EntryValidationServiceClient::new(balancer)
                .validate_entry(request)
                .await;
            answer.err()
        }
        Asked::Record => {
            let mut request = Request::new(GetEntryRequest {
                entry_number: line.entry_number,
                as_of: String::new(),
            });
            request.set_timeout(PATIENCE);
            let answer = EntryRecordServiceClient::new(balancer).get_entry(request).await;
            // That it is not on record is what there is to say.
            answer.err().filter(|status| status.code() != Code::NotFound)
        }
    };
    failed.map(|status| format!("{:?}: {}", status.code(), status.message()))
}

/// Waits for something.
async fn until(what: &str, within: Duration, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < within, "{what}: not within {within:?}");
        sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

/// Calls that a replica has answered.
async fn answered(deployment: &Deployment, replica: usize) -> u64 {
    let serving = deployment.replicas[replica].as_ref().unwrap();
    let of = "rpc_method=\"nopic.entry_validation.v1.";
    number(serving, "rpc_server_call_duration_seconds_count", &[of]).await
}

async fn is_asked(deployment: &Deployment, replica: usize) -> Duration {
    let before = answered(deployment, replica).await;
    let what = format!("replica {replica} is asked");
    until(&what, BACK, async || {
        answered(deployment, replica).await >= before + ASKED
    })
    .await
}

/// Endpoints that the gateway calls, by their states.
async fn endpoints(deployment: &Deployment, state: &str) -> u64 {
    let gateway = deployment.gateways[0].as_ref().unwrap();
    let state = format!("state=\"{state}\"");
    number(
        gateway,
        "client_endpoints",
        &["target=\"entry-validation\"", &state],
    )
    .await
}

/// Watches calls from now on; hardly any may fail.
async fn assert_well(load: &Load, fault: &str, since_fault: Instant, found_out: Duration) {
    let moment = Instant::now();
    sleep(WATCHED).await;
    let (calls, failed) = load.since(moment);
    let (_, at_all) = load.since(since_fault);
    eprintln!(
        "{fault}: found out after {found_out:.1?}; {} of {calls} calls failed after that, {} in all",
        failed.len(),
        at_all.len()
    );
    assert!(calls > 100, "{fault}: {calls} calls are none");
    assert!(
        failed.len() * 1_000 <= calls,
        "{fault}: of {calls} failed {failed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_in_trouble_costs_callers_nothing_once_it_is_found_out() {
    let mut deployment = Deployment::prepare().await;
    let url = deployment.url();
    let mut database = sqlx::PgConnection::connect(&url).await.unwrap();
    // Roles are of the whole server.
    database
        .execute("DO $$ BEGIN CREATE ROLE second_replica LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object THEN ALTER ROLE second_replica LOGIN; END $$")
        .await
        .unwrap();
    deployment.users[1] = Some("second_replica");
    deployment.start_services();
    deployment.start_replica(0);
    deployment.start_replica(1);
    deployment.start_gateway(0);
    let line = a_drawing_entry(&deployment.place).remove(0);
    let balancer = deployment.balanced(&[0]);

    let load = Load::begin(&balancer, Asked::Validate, &line);
    for replica in [0, 1] {
        is_asked(&deployment, replica).await;
    }
    let began = Instant::now();
    drop(deployment.replicas[1].take());
    let gone = until("one is left", SOON, async || {
        endpoints(&deployment, "connected").await < 2
    })
    .await;
    assert_well(&load, "killed", began, gone).await;
    deployment.start_replica(1);
    let back = is_asked(&deployment, 1).await;

    let began = Instant::now();
    let process = deployment.replicas[1].as_ref().unwrap().process();
    send_signal(process, "STOP");
    let out = until("it is left alone", SOON, async || {
        endpoints(&deployment, "connected").await < 2
    })
    .await;
    assert_well(&load, "frozen", began, out).await;
    send_signal(process, "CONT");
    let thawed = is_asked(&deployment, 1).await;
    drop(load);

    let load = Load::begin(&balancer, Asked::Record, &line);
    for replica in [0, 1] {
        is_asked(&deployment, replica).await;
    }
    let began = Instant::now();
    database
        .execute("ALTER ROLE second_replica NOLOGIN")
        .await
        .unwrap();
    database
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'second_replica'")
        .await
        .unwrap();
    let out = until("it is left alone", SOON, async || {
        endpoints(&deployment, "ejected").await > 0
    })
    .await;
    assert_well(&load, "answering errors", began, out).await;
    database.execute("ALTER ROLE second_replica LOGIN").await.unwrap();
    let mended = is_asked(&deployment, 1).await;
    eprintln!(
        "asked again {back:.1?} after its start, {thawed:.1?} after its thaw, {mended:.1?} after its mending"
    );
}
