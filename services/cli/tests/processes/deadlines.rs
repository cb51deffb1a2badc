//! The time that a caller gives is kept, through every hop.

use std::process::Command;
use std::time::Duration;

use nopic_chassis::balance::Balancer;
use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::Principal;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::verdict::Outcome;
use nopic_sql::testing::Engine;
use tokio::time::Instant;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Request, Status};

use crate::running::{Processes, sample};
use crate::support::{Place, a_drawing_entry};

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([name, &process.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Asks one entry validation about a line that draws.
struct Asker {
    client: EntryValidationServiceClient<InterceptedService<Balancer, AttachPrincipal>>,
    line: wire::EntryLine,
}

impl Asker {
    fn of(processes: &Processes<'_>, place: &Place) -> Self {
        let attach = AttachPrincipal::new(&Principal::built_in("tester"));
        let channel = Balancer::new(processes.target(2)).unwrap();
        Self {
            client: EntryValidationServiceClient::with_interceptor(channel, attach),
            line: a_drawing_entry(place).remove(0),
        }
    }

    async fn ask(&self, time: Duration, at_least_revision: Option<u32>) -> Result<wire::Verdict, Status> {
        let mut request = Request::new(wire::ValidateEntryRequest {
            line: Some(self.line.clone()),
            freshness: Some(wire::Freshness {
                latest_certificates: true,
                at_least_revision,
            }),
            finding_detail: 0,
        });
        request.set_timeout(time);
        let answer = self.client.clone().validate_entry(request).await?;
        Ok(answer.into_inner().verdict.unwrap())
    }

    /// The first answer of some calls that comes before the time of its call is over. On a busy machine one may come too
    /// late; if no hop kept time for it, each would.
    async fn in_time(&self, at_least_revision: Option<u32>) -> wire::Verdict {
        for _ in 0..10 {
            let began = Instant::now();
            match self.ask(SHORT, at_least_revision).await {
                Ok(verdict) if began.elapsed() < SHORT => return verdict,
                Ok(_) => {}
                Err(status) => assert!(
                    matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
                    "{status}"
                ),
            }
        }
        panic!("no answer came in time");
    }

    /// Asks with too little time: on a busy machine even the time that is kept for the answer may not be enough.
    async fn hurry(&self) {
        match self.ask(SHORT, None).await {
            Ok(verdict) => assert_eq!(verdict.verdict(), Outcome::Indeterminate),
            Err(status) => assert!(
                matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
                "{status}"
            ),
        }
    }

    /// What it answers in that time, and how long it took.
    async fn outcome(&self, time: Duration) -> (Outcome, Duration) {
        let began = Instant::now();
        let outcome = self.ask(time, None).await.unwrap().verdict();
        (outcome, began.elapsed())
    }
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hop_that_hangs_leaves_time_for_the_answer() {
    let place = sample(1_500);
    let database = Engine::Postgres.database().await;
    let processes = Processes::start(&place, &database);
    processes.import();
    let asker = Asker::of(&processes, &place);
    // The statuses and the connections are there from now on.
    let known = asker.ask(LONG, None).await.unwrap();
    assert_ne!(known.verdict(), Outcome::Indeterminate);
    let revision = known.evidence.as_ref().unwrap().registry_revision.unwrap();

    let certificates = processes.running[1].as_ref().unwrap().process();
    signal(certificates, "-STOP");
    let answer = asker.in_time(None).await;
    signal(certificates, "-CONT");
    assert_eq!(answer.verdict(), Outcome::Indeterminate);
    assert_eq!(asker.outcome(LONG).await.0, known.verdict());

    let registry = processes.running[0].as_ref().unwrap().process();
    signal(registry, "-STOP");
    // Nothing at hand is as new as that, so the registry has to be asked.
    let answer = asker.in_time(Some(revision + 1)).await;
    signal(registry, "-CONT");
    assert_eq!(answer.verdict(), Outcome::Indeterminate);
    assert_eq!(answer.evidence.unwrap().registry_revision, None);
    let again = asker.ask(LONG, Some(revision)).await.unwrap();
    assert_eq!(again.verdict(), known.verdict());

    // What leaves no time for the reply is not begun.
    let refused = asker.ask(Duration::from_millis(15), None).await.unwrap_err();
    assert!(
        matches!(refused.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_without_time_says_nothing_of_the_service_that_hangs() {
    /// Failures in a row after which the certificate service is left alone.
    const FAILURES_TO_TRIP: usize = 5;
    let place = sample(1_500);
    let database = Engine::Postgres.database().await;
    let processes = Processes::start(&place, &database);
    processes.import();
    let asker = Asker::of(&processes, &place);
    let known = asker.outcome(LONG).await.0;
    let certificates = processes.running[1].as_ref().unwrap().process();

    // However many have too little time: the next one who has it waits for the answer.
    signal(certificates, "-STOP");
    futures::future::join_all((0..2 * FAILURES_TO_TRIP).map(|_| asker.hurry())).await;
    signal(certificates, "-CONT");
    assert_eq!(asker.outcome(LONG).await.0, known);

    // Nor do they make up for the failures of those who waited as long as anybody does.
    signal(certificates, "-STOP");
    let patient = (1..FAILURES_TO_TRIP).map(|_| asker.outcome(LONG));
    for (outcome, took) in futures::future::join_all(patient).await {
        assert_eq!(outcome, Outcome::Indeterminate);
        assert!(took > 2 * SHORT, "{took:?}");
    }
    asker.hurry().await;
    let (last, took) = asker.outcome(LONG).await;
    assert_eq!(last, Outcome::Indeterminate);
    assert!(took > 2 * SHORT, "{took:?}");
    let (left_alone, took) = asker.outcome(LONG).await;
    assert_eq!(left_alone, Outcome::Indeterminate);
    assert!(took < 2 * SHORT, "nobody waits for it any more: {took:?}");
    signal(certificates, "-CONT");
}
