//! Questions at an even pace, whatever the answers do: who waits holds nobody up, and is counted with all its wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::Principal;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::{Freshness, ValidateEntriesRequest, ValidateEntryRequest, Verdict};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::lines::{Question, questions};
use crate::tally::{Depth, Tally, round, same_findings};
use crate::world::{Name, World, fault_time};

/// One call each: 40 a second, far below what two busy processors answer, or latencies would say nothing.
const PACE: Duration = Duration::from_millis(25);
/// Calls that a phase of this length must have seen; less means that the machine was too busy to tell anything.
pub(crate) fn least_calls(phase: Duration) -> usize {
    usize::try_from(phase.as_millis() / PACE.as_millis()).unwrap() * 8 / 10
}

/// No call waits longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long all is as it should be before the fault.
const HEALTHY: Duration = Duration::from_secs(2);
/// Calls in a row that are answered as without the fault: then it is over.
const CALM: usize = 120;
/// By when it must be.
pub(crate) const RECOVERY: Duration = Duration::from_secs(10);
/// The revision of the registry after the imports.
pub(crate) const REVISION: u32 = 2;

type Client = EntryValidationServiceClient<InterceptedService<Channel, AttachPrincipal>>;

/// The answers without a fault, one for each question.
pub(crate) type Expected = Vec<Vec<Verdict>>;

/// Who asks.
#[derive(Clone)]
pub(crate) struct Asker {
    client: Client,
}

impl Asker {
    pub(crate) fn new(world: &World) -> Self {
        let attach = AttachPrincipal::new(&Principal::built_in("broker"));
        let channel = world.channel(Name::EntryValidation);
        Self {
            client: EntryValidationServiceClient::with_interceptor(channel, attach),
        }
    }

    /// Single lines by the call for single lines.
    pub(crate) async fn ask(
        &self,
        question: &Question,
        freshness: Option<Freshness>,
    ) -> Result<Vec<Verdict>, Status> {
        let mut client = self.client.clone();
        match question.lines.as_slice() {
            [line] => {
                let request = ValidateEntryRequest {
                    line: Some(line.clone()),
                    freshness,
                    finding_detail: 0,
                };
                let answer = client.validate_entry(request).await?.into_inner();
                Ok(answer.verdict.into_iter().collect())
            }
            lines => {
                let request = ValidateEntriesRequest {
                    lines: lines.to_vec(),
                    freshness,
                    finding_detail: 0,
                };
                Ok(client.validate_entries(request).await?.into_inner().verdicts)
            }
        }
    }

    /// What is answered while all is well, by this revision of the registry.
    pub(crate) async fn expected(&self, questions: &[Question], revision: u32) -> Expected {
        let freshness = Freshness {
            at_least_revision: Some(revision),
            latest_certificates: true,
        };
        let mut expected = Vec::with_capacity(questions.len());
        for question in questions {
            expected.push(self.ask(question, Some(freshness)).await.unwrap());
        }
        let of_revision = |verdict: &Verdict| {
            let evidence = verdict.evidence.as_ref();
            evidence.and_then(|evidence| evidence.registry_revision) == Some(revision)
        };
        assert!(expected.iter().flatten().all(of_revision));
        expected
    }
}

/// One call and what came of it.
struct Record {
    phase: usize,
    question: usize,
    began: Instant,
    latency: Duration,
    answer: Result<Vec<Verdict>, String>,
}

impl Record {
    fn is_as_expected(&self, expected: &Expected) -> bool {
        let like = |answer: &Vec<Verdict>| {
            let one = &expected[self.question];
            one.len() == answer.len()
                && one
                    .iter()
                    .zip(answer)
                    .all(|(one, answer)| one.verdict == answer.verdict && same_findings(one, answer))
        };
        self.answer.as_ref().is_ok_and(like)
    }
}

/// Phases: the first one is before the fault.
const DURING: usize = 1;
const AFTER: usize = 2;

#[derive(Default)]
struct Shared {
    phase: AtomicUsize,
    records: Mutex<Vec<Record>>,
}

/// The questions that go on through a fault, from before it until after it.
pub(crate) struct Load {
    questions: Arc<Vec<Question>>,
    pub(crate) expected: Expected,
    depth: Depth,
    shared: Arc<Shared>,
    asking: JoinHandle<()>,
    idling: JoinHandle<Vec<(usize, Duration)>>,
    ended_at: Option<Instant>,
}

impl Load {
    /// Notes what is answered without a fault, begins to ask, and lets that go on for a while. A service that has no
    /// part in the fault is asked for nothing beside it.
    pub(crate) async fn begin(world: &World, depth: Depth, beside: Name) -> Self {
        let questions = Arc::new(questions());
        let asker = Asker::new(world);
        let expected = asker.expected(&questions, REVISION).await;
        let shared = Arc::new(Shared::default());
        let asking = tokio::spawn(ask_on(asker, Arc::clone(&questions), Arc::clone(&shared)));
        let idling = tokio::spawn(idle_on(world.channel(beside), Arc::clone(&shared)));
        tokio::time::sleep(HEALTHY).await;
        Self {
            questions,
            expected,
            depth,
            shared,
            asking,
            idling,
            ended_at: None,
        }
    }

    /// From now on calls count as made during the fault.
    pub(crate) fn fault_begins(&self) {
        self.shared.phase.store(DURING, Ordering::SeqCst);
    }

    /// The fault goes on for its time.
    pub(crate) async fn fault_goes_on(&self) {
        tokio::time::sleep(fault_time()).await;
    }

    /// From now on answers are to become what they were.
    pub(crate) fn fault_ends(&mut self) {
        self.shared.phase.store(AFTER, Ordering::SeqCst);
        self.ended_at = Some(Instant::now());
    }

    /// Goes on until answers are as they should be for a while, and adds up.
    pub(crate) async fn end(self) -> Report {
        self.end_with(None).await
    }

    /// The same where one of several answers is right, each of a whole: those of another revision are known only now.
    pub(crate) async fn end_with_revision(self, world: &World, revision: u32) -> Report {
        let newer = Asker::new(world).expected(&self.questions, revision).await;
        self.end_with(Some(newer)).await
    }

    async fn end_with(self, newer: Option<Expected>) -> Report {
        let ended_at = self.ended_at.expect("the fault has ended");
        let questions = self.questions;
        let allowed: Vec<_> = [Some(self.expected), newer].into_iter().flatten().collect();
        let last = allowed.last().expect("some answers are allowed");
        let waiting = async {
            while !is_calm(&self.shared.records.lock().unwrap(), ended_at, last) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // How long it took is judged by the calls themselves, below.
        let _ = timeout(RECOVERY + Duration::from_secs(5), waiting).await;
        self.shared.phase.store(usize::MAX, Ordering::SeqCst);
        self.asking.await.unwrap();
        let idle = self.idling.await.unwrap();
        let records = std::mem::take(&mut *self.shared.records.lock().unwrap());
        let recovery = records
            .iter()
            .filter(|record| record.phase == AFTER && !record.is_as_expected(last))
            .map(|record| record.began.duration_since(ended_at))
            .max();
        let mut tallies: [Tally; 3] = Default::default();
        for record in &records {
            tallies[record.phase].note(record, &questions, &allowed, self.depth);
        }
        let changed = allowed[0].iter().zip(last).filter(|(first, last)| {
            let verdicts = |answer: &[Verdict]| answer.iter().map(|one| one.verdict).collect::<Vec<_>>();
            verdicts(first) != verdicts(last)
        });
        let changed = changed.count();
        for (phase, latency) in idle {
            tallies[phase].idled(latency);
        }
        let [before, during, after] = tallies;
        before.assert_sound();
        Report {
            before,
            during,
            after,
            recovery: recovery.unwrap_or_default(),
            changed,
        }
    }
}

/// Whether the last calls were answered as without the fault, and all earlier ones are answered.
fn is_calm(records: &[Record], ended_at: Instant, expected: &Expected) -> bool {
    let mut after: Vec<_> = records
        .iter()
        .filter(|record| record.phase == AFTER && record.began >= ended_at)
        .collect();
    after.sort_unstable_by_key(|record| record.began);
    let good = after
        .iter()
        .rev()
        .take_while(|record| record.is_as_expected(expected));
    good.count() >= CALM
}

async fn ask_on(asker: Asker, questions: Arc<Vec<Question>>, shared: Arc<Shared>) {
    let mut pace = interval(PACE);
    // The pace holds on the whole, however busy the machine is.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    for turn in 0.. {
        let began = pace.tick().await;
        let phase = shared.phase.load(Ordering::SeqCst);
        if phase > AFTER {
            break;
        }
        let (asker, questions, shared) = (asker.clone(), Arc::clone(&questions), Arc::clone(&shared));
        calls.spawn(async move {
            let question = turn % questions.len();
            let answer = match timeout(PATIENCE, asker.ask(&questions[question], None)).await {
                Ok(Ok(verdicts)) => Ok(verdicts),
                Ok(Err(status)) => Err(format!("{:?}: {}", status.code(), status.message())),
                Err(_) => Err("no answer".to_owned()),
            };
            shared.records.lock().unwrap().push(Record {
                phase,
                question,
                began,
                latency: began.elapsed(),
                answer,
            });
        });
        while calls.try_join_next().is_some() {}
    }
    while let Some(ended) = calls.join_next().await {
        ended.unwrap();
    }
}

/// Asks a service for its health at the same pace: what that takes is the machine's delay, and not the fault's.
async fn idle_on(channel: Channel, shared: Arc<Shared>) -> Vec<(usize, Duration)> {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let health = HealthClient::new(channel);
    let mut calls = JoinSet::new();
    loop {
        let began = pace.tick().await;
        let phase = shared.phase.load(Ordering::SeqCst);
        if phase > AFTER {
            return calls.join_all().await;
        }
        let mut health = health.clone();
        calls.spawn(async move {
            let asked = health.check(HealthCheckRequest::default()).await;
            asked.expect("a service without a part in the fault answers");
            (phase, began.elapsed())
        });
    }
}

impl Tally {
    fn note(&mut self, record: &Record, questions: &[Question], allowed: &[Expected], depth: Depth) {
        self.called(record.latency);
        let question = &questions[record.question];
        let answer = match &record.answer {
            Err(why) => return self.failed(why.clone()),
            Ok(answer) => answer,
        };
        // Every line of an answer by the same revision: those of another one must not stand among them.
        let of = |verdict: &Verdict| {
            verdict
                .evidence
                .as_ref()
                .map(|evidence| evidence.registry_revision)
        };
        if answer.iter().any(|verdict| of(verdict) != of(&answer[0])) {
            self.other(&format!("an answer by more than one revision: {answer:?}"));
        }
        self.revisions.extend(answer.iter().filter_map(of).flatten());
        let fits = |expected: &&Expected| {
            let one = &expected[record.question];
            matches!((one.first(), answer.first()), (Some(one), Some(answer)) if of(one) == of(answer))
        };
        let expected = allowed.iter().find(fits).unwrap_or(&allowed[0]);
        self.answered(question, &expected[record.question], answer, depth);
    }
}

/// What came of a fault.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) before: Tally,
    pub(crate) during: Tally,
    pub(crate) after: Tally,
    /// From the end of the fault until the last call was made that had another answer than without it.
    pub(crate) recovery: Duration,
    /// Questions that a later revision answers otherwise.
    pub(crate) changed: usize,
}

impl Report {
    /// Prints the figures on one line, and asserts what holds for every fault.
    #[track_caller]
    pub(crate) fn check(&self, fault: &str) {
        eprintln!(
            "{fault}: {}; before it p99 {:?}; answers as before {:?} after its end",
            self.during,
            round(self.before.percentile(99)),
            round(self.recovery),
        );
        let kinds: BTreeMap<_, _> = self.during.failed.iter().collect();
        if !kinds.is_empty() {
            eprintln!("  failed: {kinds:?}");
        }
        self.during.assert_never_another(least_calls(fault_time()));
        assert_eq!(self.after.others, 0, "after the fault: {:?}", self.after);
        assert!(
            self.recovery <= RECOVERY,
            "it took {:?} until answers were as before: {}",
            self.recovery,
            self.after
        );
    }
}
