//! The time that a caller gives is kept, through every hop.

use std::process::Command;
use std::time::Duration;

use nopic_chassis::client::channel;
use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::Principal;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::verdict::Outcome;
use nopic_sql::testing::Engine;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use crate::running::{Processes, sample};
use crate::support::a_drawing_entry;

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([name, &process.to_string()]).status();
    assert!(sent.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hop_that_hangs_leaves_time_for_the_answer() {
    let place = sample(1_500);
    let database = Engine::Postgres.database().await;
    let mut processes = Processes::prepare(&place, &database, None, 1);
    processes.start_all();
    processes.import();
    let attach = AttachPrincipal::new(&Principal::built_in("tester"));
    let client =
        EntryValidationServiceClient::with_interceptor(channel(processes.target(2)).unwrap(), attach);
    let line = a_drawing_entry(&place).remove(0);
    let ask = async |time: Duration| -> Result<Response<wire::ValidateEntryResponse>, Status> {
        let mut request = Request::new(wire::ValidateEntryRequest {
            line: Some(line.clone()),
            freshness: Some(wire::Freshness {
                latest_certificates: true,
                ..wire::Freshness::default()
            }),
        });
        request.set_timeout(time);
        client.clone().validate_entry(request).await
    };
    let outcome = |answer: Result<Response<wire::ValidateEntryResponse>, Status>| {
        answer.unwrap().into_inner().verdict.unwrap().verdict()
    };
    // The statuses and the connections are there from now on.
    let known = outcome(ask(Duration::from_secs(20)).await);
    assert_ne!(known, Outcome::Indeterminate);

    let certificates = processes.running[1].as_ref().unwrap().process();
    signal(certificates, "-STOP");
    let began = Instant::now();
    // Without the time that each hop keeps, the caller would hear nothing but that the time is over.
    let answer = outcome(ask(Duration::from_millis(500)).await);
    let took = began.elapsed();
    signal(certificates, "-CONT");
    assert_eq!(answer, Outcome::Indeterminate);
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!(outcome(ask(Duration::from_secs(20)).await), known);

    // What leaves no time for the reply is not begun.
    let refused = ask(Duration::from_millis(15)).await.unwrap_err();
    assert!(
        matches!(refused.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{refused}"
    );
}
