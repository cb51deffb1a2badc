//! Servers that stop under load: no call fails, and every stream goes on elsewhere as if nothing had happened.
//!
//! Two entry validations on one database take turns to stop while 20 streams and single calls are under way. A full run
//! makes 50 rounds; `NOPIC_DRAINS=N` makes N, `NOPIC_DRAINING_SEED=N` begins with another seed.
#![allow(clippy::print_stderr, reason = "the seeds of a run are told")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nopic_chassis::balance::Balancer;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_domain::principal::Principal;
use nopic_formats::entries::{EntryEvent, Form, read_entries};
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::{
    Decision, EntryLine, FileOptions, FileStreamRequest, ResumeAfter, ValidateEntryRequest,
    ValidateStreamRequest, Verdict,
};
use nopic_sql::testing::Engine;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;

use crate::draws::{assert_alike, draws_and_decisions};
use crate::running::{Processes, sample};
use crate::support::{Serving, url_of};

const FILING: usize = 6;
const VALIDATING: usize = 14;
/// Lines that are filed by one stream: a part or two, so that it can be cut.
const LONGEST_SET: usize = 1_500;
/// Callers that make one call after the other.
const SINGLE: usize = 3;
/// They leave the machine to the streams now and then.
const BETWEEN_CALLS: Duration = Duration::from_millis(4);
/// The entry validations among the processes.
pub(crate) const FIRST_SERVER: usize = 2;
const SERVERS: usize = 2;

type Wire = InterceptedService<Balancer, AttachPrincipal>;

#[derive(Clone)]
struct Clients {
    entries: EntryValidationServiceClient<Wire>,
    records: EntryRecordServiceClient<Wire>,
}

impl Clients {
    fn of(processes: &Processes<'_>) -> Self {
        let servers = FIRST_SERVER..FIRST_SERVER + SERVERS;
        let addresses: Vec<_> = servers
            .map(|server| SocketAddr::from(([127, 0, 0, 1], processes.ports[server])))
            .collect();
        let balancer = Balancer::with_lookup(processes.target(FIRST_SERVER), move || {
            Box::pin(std::future::ready(Ok(addresses.clone())))
        })
        .unwrap();
        let caller = AttachPrincipal::new(&Principal::built_in("tester"));
        Self {
            entries: EntryValidationServiceClient::with_interceptor(balancer.clone(), caller.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            records: EntryRecordServiceClient::with_interceptor(balancer, caller)
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
        }
    }
}

/// Numbers that a seed decides (splitmix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Lines in messages, none longer than that.
    fn messages(&mut self, mut lines: &[EntryLine], longest: u64) -> Vec<Vec<EntryLine>> {
        let mut messages = Vec::new();
        while !lines.is_empty() {
            let length = usize::try_from(1 + self.below(longest)).unwrap().min(lines.len());
            let (message, rest) = lines.split_at(length);
            messages.push(message.to_vec());
            lines = rest;
        }
        messages
    }
}

/// A caller that works steadily: its stream is open for a second or two.
fn paced<M: Send + 'static>(messages: Vec<M>, pause: Duration) -> ReceiverStream<M> {
    let (requests, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for message in messages {
            // The server may have ended the stream.
            if requests.send(message).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    });
    ReceiverStream::new(receiver)
}

fn is_boundary(lines: &[EntryLine], place: usize) -> bool {
    place == 0 || place == lines.len() || lines[place - 1].entry_number != lines[place].entry_number
}

/// Validates lines, on as many streams as it takes: the verdicts, and how many streams were ended early.
async fn validate(mut clients: Clients, lines: Arc<[EntryLine]>, mut seeded: Seeded) -> (Vec<Verdict>, u32) {
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut drains = 0;
    loop {
        let start = verdicts.len();
        let messages = seeded
            .messages(&lines[start..], 40)
            .into_iter()
            .map(|lines| ValidateStreamRequest {
                lines,
                freshness: None,
                finding_detail: 0,
            });
        let pause = Duration::from_millis(20 + seeded.below(40));
        let requests = paced(messages.collect(), pause);
        let mut answers = clients
            .entries
            .validate_stream(requests)
            .await
            .unwrap()
            .into_inner();
        let mut place = None;
        while let Some(answer) = answers.message().await.unwrap() {
            assert_eq!(place, None, "nothing comes behind it");
            verdicts.extend(answer.verdicts);
            place = answer.resume_after;
        }
        let Some(ResumeAfter { records, .. }) = place else {
            return (verdicts, drains);
        };
        drains += 1;
        let place = start + usize::try_from(records).unwrap();
        assert!(is_boundary(&lines, place), "{place} is in the middle of an entry");
        assert_eq!(
            verdicts.len(),
            place,
            "a caller that goes on gets no verdict twice"
        );
    }
}

/// Files lines likewise.
async fn file(
    mut clients: Clients,
    request_id: String,
    lines: Arc<[EntryLine]>,
    mut seeded: Seeded,
    pause: Duration,
) -> (Vec<Decision>, u32) {
    let mut decisions: Vec<Decision> = Vec::new();
    let mut drains = 0;
    let mut resume_after = None;
    loop {
        let start = decisions.len();
        let mut options = Some(FileOptions {
            request_id: request_id.clone(),
            resume_after,
            ..FileOptions::default()
        });
        let messages = seeded.messages(&lines[start..], 150);
        let last = messages.len() - 1;
        let messages = messages
            .into_iter()
            .enumerate()
            .map(|(index, lines)| FileStreamRequest {
                options: options.take(),
                lines,
                end: index == last,
            });
        let requests = paced(messages.collect(), pause);
        let mut answers = clients.records.file_stream(requests).await.unwrap().into_inner();
        let mut place = None;
        while let Some(answer) = answers.message().await.unwrap() {
            assert_eq!(place, None, "nothing comes behind it");
            decisions.extend(answer.decisions);
            place = answer.resume_after;
        }
        let Some(reached) = place else {
            return (decisions, drains);
        };
        drains += 1;
        let place = start + usize::try_from(reached.records).unwrap();
        assert!(is_boundary(&lines, place), "{place} is in the middle of an entry");
        assert_eq!(decisions.len(), place, "what was answered is what is on record");
        resume_after = Some(reached);
    }
}

/// Lines of entries, so that no two sets name the same certificate: one for each filing, and the rest.
fn sets(lines: Vec<EntryLine>) -> (Vec<Arc<[EntryLine]>>, Vec<EntryLine>) {
    let certificate = |line: &EntryLine| -> String {
        let number = line
            .certificate_number
            .chars()
            .filter(char::is_ascii_alphanumeric);
        number.collect::<String>().to_uppercase()
    };
    let entries: Vec<&[EntryLine]> = lines
        .chunk_by(|line, next| line.entry_number == next.entry_number)
        .collect();
    // Each entry with those that share a certificate with it, over others, too.
    let mut set_of: HashMap<String, usize> = HashMap::new();
    let mut sets: Vec<Vec<usize>> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        // Shorter ones are codes, or no numbers at all: they draw nothing.
        let numbers: Vec<String> = entry
            .iter()
            .map(certificate)
            .filter(|number| number.len() >= 15)
            .collect();
        let mut joined: Vec<usize> = numbers
            .iter()
            .filter_map(|number| set_of.get(number).copied())
            .collect();
        joined.sort_unstable();
        joined.dedup();
        // An entry that would bring too many together is left out.
        let length = |entry: &usize| entries[*entry].len();
        let together: usize = joined.iter().flat_map(|set| &sets[*set]).map(length).sum();
        if together > LONGEST_SET {
            continue;
        }
        let mut all = vec![index];
        for set in joined {
            all.append(&mut sets[set]);
        }
        let new = sets.len();
        for number in all
            .iter()
            .flat_map(|entry| entries[*entry].iter().map(certificate))
        {
            set_of.insert(number, new);
        }
        all.sort_unstable();
        sets.push(all);
    }
    sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let lines_of = |set: &[usize]| {
        set.iter()
            .flat_map(|entry| entries[*entry].to_vec())
            .collect::<Vec<_>>()
    };
    let filed = sets[..FILING].iter().map(|set| lines_of(set).into()).collect();
    let mut rest: Vec<usize> = sets[FILING..].concat();
    rest.sort_unstable();
    (filed, lines_of(&rest))
}

/// Cuts lines into about equal shares at the ends of entries.
fn shares(lines: &[EntryLine], count: usize) -> Vec<Arc<[EntryLine]>> {
    let mut shares: Vec<Vec<EntryLine>> = vec![Vec::new(); count];
    let entries: Vec<_> = lines
        .chunk_by(|line, next| line.entry_number == next.entry_number)
        .collect();
    for (index, entry) in entries.iter().enumerate() {
        shares[index * count / entries.len()].extend_from_slice(entry);
    }
    shares.into_iter().map(Into::into).collect()
}

/// Calls with one line, one after the other, until they are stopped: each must give what it gave at first.
async fn call_singly(
    mut clients: Clients,
    lines: Vec<(EntryLine, Verdict)>,
    is_over: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
) {
    while !is_over.load(Ordering::Relaxed) {
        for (line, expected) in &lines {
            let request = ValidateEntryRequest {
                line: Some(line.clone()),
                freshness: None,
                finding_detail: 0,
            };
            let answer = clients
                .entries
                .validate_entry(request)
                .await
                .unwrap()
                .into_inner();
            assert_eq!(answer.verdict.as_ref(), Some(expected));
            calls.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(BETWEEN_CALLS).await;
        }
    }
}

fn rounds() -> (u64, u64) {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse().unwrap());
    let first = number("NOPIC_DRAINING_SEED").unwrap_or(0);
    let is_full = std::env::var_os("NOPIC_TESTS_FULL").is_some();
    let count = number("NOPIC_DRAINS").unwrap_or(if is_full { 50 } else { 4 });
    (first, count)
}

/// Stops a server that is asked for at the moment; it must end well, and before its time to drain is over.
pub(crate) fn stop(server: Serving) -> Duration {
    let asked = Instant::now();
    assert_eq!(server.stop(), Some(0), "it ends well");
    let took = asked.elapsed();
    assert!(
        took < Duration::from_secs(9),
        "it waited for calls in vain: {took:?}"
    );
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_stop_under_load_fail_no_call() {
    let place = sample(16_000);
    let database = Engine::Postgres.database().await;
    let url = url_of(&database.location).unwrap();
    let migrated = place.command(&["migrate"]).env("NOPIC_DATABASE", url).output();
    assert!(migrated.unwrap().status.success());
    let mut processes = Processes::prepare(&place, &database, None, SERVERS);
    processes.start_all();
    processes.import();
    let clients = Clients::of(&processes);
    let content = std::fs::read(place.path().join("sample/entries.jsonl")).unwrap();
    let lines = read_entries(Form::Jsonl, &content)
        .unwrap()
        .into_iter()
        .filter_map(|event| match event {
            EntryEvent::Line { line, .. } => Some(EntryLine::from(line)),
            EntryEvent::Reject(_) | EntryEvent::Deleted { .. } => None,
        });
    let (filed, others) = sets(lines.collect());
    let validated = shares(&others, VALIDATING);
    let lengths = |sets: &[Arc<[EntryLine]>]| sets.iter().map(|lines| lines.len()).collect::<Vec<_>>();
    eprintln!(
        "{:?} lines are filed, {:?} validated",
        lengths(&filed),
        lengths(&validated)
    );
    let undisturbed = validated
        .iter()
        .map(|lines| validate(clients.clone(), Arc::clone(lines), Seeded(0)));
    let expected = futures::future::join_all(undisturbed).await;
    let mut singles = Vec::new();
    for line in others.iter().take(40) {
        let request = ValidateEntryRequest {
            line: Some(line.clone()),
            freshness: None,
            finding_detail: 0,
        };
        let answer = clients
            .entries
            .clone()
            .validate_entry(request)
            .await
            .unwrap()
            .into_inner();
        singles.push((line.clone(), answer.verdict.unwrap()));
    }

    let (is_over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..SINGLE)
        .map(|_| {
            let (is_over, calls) = (Arc::clone(&is_over), Arc::clone(&calls));
            tokio::spawn(call_singly(clients.clone(), singles.clone(), is_over, calls))
        })
        .collect();
    let (first, count) = rounds();
    let (mut validations_drained, mut filings_drained) = (0, 0);
    for seed in first..first + count {
        let mut seeded = Seeded(seed);
        let validating: Vec<_> = validated
            .iter()
            .map(|lines| {
                let seeded = Seeded(seeded.below(u64::MAX));
                tokio::spawn(validate(clients.clone(), Arc::clone(lines), seeded))
            })
            .collect();
        let filing: Vec<_> = filed
            .iter()
            .enumerate()
            .map(|(index, lines)| {
                let pause = Duration::from_millis(20 + seeded.below(60));
                let request_id = format!("round {seed}, stream {index}");
                let seeded = Seeded(seeded.below(u64::MAX));
                tokio::spawn(file(
                    clients.clone(),
                    request_id,
                    Arc::clone(lines),
                    seeded,
                    pause,
                ))
            })
            .collect();
        let victim = FIRST_SERVER + usize::try_from(seeded.below(SERVERS as u64)).unwrap();
        let moment = Duration::from_millis(seeded.below(1_000));
        tokio::time::sleep(moment).await;
        let took = tokio::task::block_in_place(|| {
            let took = stop(processes.running[victim].take().unwrap());
            processes.start_one(victim);
            took
        });
        let (mut validations, mut filings) = (0, 0);
        for (stream, expected) in validating.into_iter().zip(&expected) {
            let (found, drains) = stream.await.unwrap();
            let differing = found
                .iter()
                .zip(&expected.0)
                .find(|(found, expected)| found != expected);
            assert_eq!(
                differing, None,
                "seed {seed}: a resumed stream gives the rest exactly"
            );
            assert_eq!(found.len(), expected.0.len(), "seed {seed}");
            validations += drains;
        }
        for (index, stream) in filing.into_iter().enumerate() {
            let (decisions, drains) = stream.await.unwrap();
            assert_eq!(decisions.len(), filed[index].len());
            filings += drains;
            // An undisturbed stream of the same request id finds each of its parts on record.
            let request_id = format!("round {seed}, stream {index}");
            let lines = Arc::clone(&filed[index]);
            let again = file(clients.clone(), request_id, lines, Seeded(!seed), Duration::ZERO).await;
            assert!(
                again == (decisions, 0),
                "seed {seed}: it was filed as an undisturbed stream files it"
            );
        }
        eprintln!(
            "seed {seed}: stopped after {moment:?} within {took:?}; {validations} validations and {filings} filings \
             went on elsewhere; NOPIC_DRAINING_SEED={seed} NOPIC_DRAINS=1 repeats it"
        );
        validations_drained += validations;
        filings_drained += filings;
    }
    is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let calls = calls.load(Ordering::Relaxed);
    eprintln!(
        "{validations_drained} validations and {filings_drained} filings went on elsewhere; {calls} single calls"
    );
    assert!(validations_drained > 0 && filings_drained > 0);
    let drawn = draws_and_decisions(&database.location, place.path()).await;
    assert_alike("all of them", &drawn);
}
