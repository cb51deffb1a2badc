//! Filings that go on through a fault: each request has one result however often it is asked for, and what is drawn is
//! what was decided, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::identifier::EntryNumber;
use nopic_domain::principal::Principal;
use nopic_domain::weight::Weight;
use nopic_proto::certificate::ledger_service_client::LedgerServiceClient;
use nopic_proto::certificate::{GetBalanceRequest, ListDrawsRequest};
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::verdict::Outcome;
use nopic_proto::entry_validation::{Decision, EntryLine, FileEntriesRequest, GetEntryRequest, Verdict};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::lines::{Kind, sample_lines};
use crate::load::RECOVERY;
use crate::tally::{round, same_findings};
use crate::world::{Name, World, fault_time};

/// One filing each.
const PACE: Duration = Duration::from_millis(200);
/// So many together: some are half done when a quarter of them is answered.
const BURST: usize = 20;
/// Results that are asked for at once when the fault is over.
const AT_ONCE: usize = 4;
/// A filing that takes no longer on a busy machine waits for nothing but its turns.
const SOON: Duration = Duration::from_secs(2);
/// No filing waits longer for its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// So little that no certificate runs out.
const KILOGRAMS: &str = "0.01";
/// Lines with a certificate that are filed again and again, each time as another entry, and lines without.
const CERTIFIED: usize = 9;
const OTHERS: usize = 3;
const FILER: &str = "ABC";
/// Entries of the sample have lower numbers.
const FIRST_ENTRY: u32 = 5_000_000;

type Attached = InterceptedService<Channel, AttachPrincipal>;

#[derive(Clone)]
struct Clients {
    entries: EntryRecordServiceClient<Attached>,
    ledger: LedgerServiceClient<Attached>,
}

impl Clients {
    fn new(world: &World) -> Self {
        let attach = AttachPrincipal::new(&Principal::built_in("broker"));
        let entries = world.channel(Name::EntryValidation);
        let ledger = world.channel(Name::Certificate);
        Self {
            entries: EntryRecordServiceClient::with_interceptor(entries, attach.clone()),
            ledger: LedgerServiceClient::with_interceptor(ledger, attach),
        }
    }

    async fn file(&self, number: u32, line: &EntryLine) -> Result<Decision, Status> {
        let request = FileEntriesRequest {
            request_id: format!("fault/{number}"),
            lines: vec![of_entry(number, line)],
            ..FileEntriesRequest::default()
        };
        let mut client = self.entries.clone();
        let answer = timeout(PATIENCE, client.file_entries(request))
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")))?
            .into_inner();
        let [decision] = <[Decision; 1]>::try_from(answer.decisions).expect("one decision for one line");
        Ok(decision)
    }

    /// What was drawn on a certificate, by the balance; and by which lines, one by one.
    async fn drawn(&self, number: &str) -> (Weight, Vec<(String, u32, u32)>) {
        let mut client = self.ledger.clone();
        let balance = client
            .get_balance(GetBalanceRequest {
                number: number.to_owned(),
                ..GetBalanceRequest::default()
            })
            .await
            .unwrap()
            .into_inner();
        let mut lines = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListDrawsRequest {
                number: number.to_owned(),
                page_size: 1000,
                page_token,
                ..ListDrawsRequest::default()
            };
            let page = client.list_draws(request).await.unwrap().into_inner();
            lines.extend(
                page.draws
                    .into_iter()
                    .map(|draw| (draw.entry_number, draw.line_number, draw.pga_line_number)),
            );
            if page.complete {
                return (balance.drawn_kg.parse().unwrap(), lines);
            }
            page_token = page.next_page_token;
        }
    }
}

fn entry_number(number: u32) -> String {
    EntryNumber::from_parts(FILER, number).unwrap().to_string()
}

/// The line as the only one of an entry.
fn of_entry(number: u32, line: &EntryLine) -> EntryLine {
    EntryLine {
        entry_number: entry_number(number),
        entry_action: String::new(),
        line_number: 1,
        pga_line_number: None,
        net_weight_kg: KILOGRAMS.to_owned(),
        ..line.clone()
    }
}

/// A line that has the same verdict as any entry's.
struct Template {
    line: EntryLine,
    expected: Verdict,
}

/// One request and its first answer.
struct Filed {
    number: u32,
    template: usize,
    answer: Result<Decision, String>,
}

/// The filings that go on.
pub(crate) struct Filing {
    clients: Clients,
    templates: Arc<Vec<Template>>,
    before: BTreeMap<String, Weight>,
    filed: Arc<Mutex<Vec<Filed>>>,
    is_over: Arc<AtomicBool>,
    at_once: mpsc::UnboundedSender<()>,
    filing: JoinHandle<()>,
}

impl Filing {
    /// Looks for lines that can be filed often, and begins to file them.
    pub(crate) async fn begin(world: &World) -> Self {
        let clients = Clients::new(world);
        let mut number = FIRST_ENTRY;
        let mut templates = Vec::new();
        let lines = sample_lines();
        for (is_certified, most) in [(true, CERTIFIED), (false, OTHERS)] {
            let some = lines
                .iter()
                .filter(|line| (Kind::of(line) == Kind::Certified) == is_certified);
            let end = templates.len() + most;
            for line in some {
                if templates.len() == end {
                    break;
                }
                // As two entries: a certificate for a single shipment serves one only.
                let first = clients.file(number, line).await.unwrap();
                let second = clients.file(number + 1, line).await.unwrap();
                number += 2;
                let draws = !second.drawn_kg.is_empty();
                let expected = second.verdict.unwrap();
                let is_good = matches!(expected.verdict(), Outcome::Accept | Outcome::Warn);
                if first.verdict.unwrap().verdict() == expected.verdict() && is_good && draws == is_certified
                {
                    templates.push(Template {
                        line: line.clone(),
                        expected,
                    });
                }
            }
            assert_eq!(templates.len(), end);
        }
        let mut before = BTreeMap::new();
        for template in &templates[..CERTIFIED] {
            let certificate = template.line.certificate_number.clone();
            let (drawn, _) = clients.drawn(&certificate).await;
            before.insert(certificate, drawn);
        }
        let templates = Arc::new(templates);
        let filed = Arc::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let (at_once, told) = mpsc::unbounded_channel();
        let on = FileOn {
            clients: clients.clone(),
            templates: Arc::clone(&templates),
            filed: Arc::clone(&filed),
            is_over: Arc::clone(&is_over),
            at_once: told,
        };
        let filing = tokio::spawn(on.run(number));
        Self {
            clients,
            templates,
            before,
            filed,
            is_over,
            at_once,
            filing,
        }
    }

    /// Files many at once, and leaves them to themselves when some are half done.
    pub(crate) async fn burst(&self) {
        let answered = || self.filed.lock().unwrap().len();
        let before = answered();
        self.at_once.send(()).unwrap();
        while answered() < before + BURST / 4 {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// The fault is over: asks for the result of every request, and compares what is drawn with what was decided.
    pub(crate) async fn end(self, world: &World) -> Settled {
        let ended_at = Instant::now();
        self.is_over.store(true, Ordering::SeqCst);
        let open = {
            let filed = self.filed.lock().unwrap();
            // Those that still wait are asked for below, when they have ended.
            let open = filed.iter().filter(|filed| filed.answer.is_err());
            open.map(|filed| (filed.number, filed.template)).collect()
        };
        let settled_in = self.settle(open, ended_at).await;
        self.filing.await.unwrap();
        let filed = std::mem::take(&mut *self.filed.lock().unwrap());
        let mut settled = Settled {
            filings: filed.len(),
            settled_in,
            ..Settled::default()
        };
        let mut drawn = self.before.clone();
        let mut entries = self.clients.entries.clone();
        for filed in &filed {
            let Template { line, expected } = &self.templates[filed.template];
            let decision = self.clients.file(filed.number, line).await.unwrap();
            match &filed.answer {
                Ok(first) => assert_eq!(first, &decision, "asked again, it is the first answer"),
                Err(why) => *settled.failed.entry(why.clone()).or_default() += 1,
            }
            settled.note(expected, &decision);
            if !decision.drawn_kg.is_empty() {
                let sum = drawn.get_mut(&line.certificate_number).unwrap();
                let more: Weight = decision.drawn_kg.parse().unwrap();
                *sum = Weight::from_units(sum.units() + more.units());
            }
            let request = GetEntryRequest {
                entry_number: entry_number(filed.number),
                ..GetEntryRequest::default()
            };
            let entry = entries.get_entry(request).await.unwrap().into_inner();
            assert_eq!(entry.versions.len(), 1, "{entry:?}");
        }
        let ledger = Clients::new(world);
        for (certificate, expected) in drawn {
            let (drawn, lines) = ledger.drawn(&certificate).await;
            assert_eq!(drawn, expected, "what is drawn on {certificate} was decided");
            let once: BTreeSet<_> = lines.iter().collect();
            assert_eq!(once.len(), lines.len(), "a line draws once on {certificate}");
        }
        settled
    }

    /// Asks for the results of requests until each is there, a few at a time; when the last one came that was not there
    /// as soon as it was asked for.
    async fn settle(&self, open: Vec<(u32, usize)>, ended_at: Instant) -> Duration {
        let mut asking = JoinSet::new();
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        for (number, template) in open {
            let (clients, templates) = (self.clients.clone(), Arc::clone(&self.templates));
            let turns = Arc::clone(&turns);
            asking.spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                let asked = Instant::now();
                let mut last = None;
                while ended_at.elapsed() < RECOVERY + PATIENCE {
                    match clients.file(number, &templates[template].line).await {
                        Ok(_) if last.is_none() && asked.elapsed() < SOON => return Ok(Duration::ZERO),
                        Ok(_) => return Ok(ended_at.elapsed()),
                        Err(status) => last = Some(status),
                    }
                    sleep(PACE).await;
                }
                Err(last)
            });
        }
        let mut longest = Duration::ZERO;
        while let Some(settled) = asking.join_next().await {
            longest = longest.max(settled.unwrap().expect("every filing has a result"));
        }
        longest
    }
}

struct FileOn {
    clients: Clients,
    templates: Arc<Vec<Template>>,
    filed: Arc<Mutex<Vec<Filed>>>,
    is_over: Arc<AtomicBool>,
    at_once: mpsc::UnboundedReceiver<()>,
}

impl FileOn {
    async fn run(mut self, first: u32) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut filings = JoinSet::new();
        let mut number = first;
        while !self.is_over.load(Ordering::SeqCst) {
            let count = tokio::select! {
                _ = pace.tick() => 1,
                Some(()) = self.at_once.recv() => BURST,
            };
            for _ in 0..count {
                filings.spawn(self.file(number));
                number += 1;
            }
        }
        while let Some(ended) = filings.join_next().await {
            ended.unwrap();
        }
    }

    fn file(&self, number: u32) -> impl Future<Output = ()> + use<> {
        let (clients, templates) = (self.clients.clone(), Arc::clone(&self.templates));
        let filed = Arc::clone(&self.filed);
        async move {
            let template = number as usize % templates.len();
            let answer = clients.file(number, &templates[template].line).await;
            filed.lock().unwrap().push(Filed {
                number,
                template,
                answer: answer.map_err(|status| format!("{:?}: {}", status.code(), status.message())),
            });
        }
    }
}

/// What came of the filings.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    filings: usize,
    /// Requests that were refused at first, by what was said.
    failed: BTreeMap<String, usize>,
    equal: usize,
    indeterminate: usize,
    others: Vec<String>,
    /// From the end of the fault until no request had to wait for its result any more.
    settled_in: Duration,
}

impl Settled {
    fn note(&mut self, expected: &Verdict, decision: &Decision) {
        let verdict = decision.verdict.as_ref().unwrap();
        if verdict.verdict == expected.verdict && same_findings(verdict, expected) {
            self.equal += 1;
        } else if verdict.verdict() == Outcome::Indeterminate {
            self.indeterminate += 1;
            assert_eq!(decision.drawn_kg, "", "what cannot be told draws nothing");
        } else {
            self.others.push(format!("{verdict:?}\ninstead of\n{expected:?}"));
        }
    }

    /// Prints the figures, and asserts what holds for every fault; at least so many percent are decided as without it.
    #[track_caller]
    pub(crate) fn check(&self, label: &str, least_equal: usize) {
        eprintln!(
            "{label}: {} filings ({} refused at first), {} equal, {} indeterminate, {} other; no result late {:?} \
             after its end",
            self.filings,
            self.failed.values().sum::<usize>(),
            self.equal,
            self.indeterminate,
            self.others.len(),
            round(self.settled_in),
        );
        for (why, count) in &self.failed {
            eprintln!("    {count} × {why}");
        }
        assert!(self.others.is_empty(), "{}", self.others.join("\n\n"));
        let least = usize::try_from(fault_time().as_millis() / PACE.as_millis()).unwrap();
        assert!(self.filings >= least, "only {} filings", self.filings);
        assert!(self.equal * 100 >= self.filings * least_equal, "{self:?}");
        assert!(self.settled_in <= RECOVERY, "{:?}", self.settled_in);
    }
}
