//! A gateway that is asked to stop under load: no single call fails, and every stream goes on at another gateway as if
//! nothing had happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nopic_chassis::balance::Balancer;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::{
    EntryLine, FileOptions, FileStreamRequest, ResumeAfter, ValidateEntryRequest, ValidateStreamRequest,
    Verdict,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;

use crate::deployment::Deployment;
use crate::support::lines_of_sample;

const VALIDATING: usize = 14;
const FILING: usize = 6;
/// Callers that make one call after the other.
const SINGLE: usize = 3;
/// They leave the machine to the streams now and then.
const BETWEEN_CALLS: Duration = Duration::from_millis(10);
/// Lines of a message, and the time from one to the next.
const MESSAGE: usize = 20;
const PACE: Duration = Duration::from_millis(40);
/// How long a stream is open before a gateway is asked to stop.
const BEFORE: Duration = Duration::from_millis(800);
/// For how long streams and calls go on at all.
const LONGEST: Duration = Duration::from_secs(60);

/// Requests of a caller that works steadily, each when its time has come.
fn paced<M: Send + 'static>(messages: Vec<M>) -> ReceiverStream<M> {
    let (requests, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for message in messages {
            // The server may have ended the stream.
            if requests.send(message).await.is_err() {
                return;
            }
            sleep(PACE).await;
        }
    });
    ReceiverStream::new(receiver)
}

/// Where a stream that was cut short goes on: between two entries.
#[track_caller]
fn place_of(lines: &[EntryLine], start: usize, reached: &ResumeAfter) -> usize {
    let place = start + usize::try_from(reached.records).unwrap();
    let is_boundary =
        place == 0 || place == lines.len() || lines[place - 1].entry_number != lines[place].entry_number;
    assert!(is_boundary, "{place} is in the middle of an entry");
    place
}

/// Validates lines, on as many streams as it takes: the verdicts, and how many streams were cut short.
async fn validate(balancer: Balancer, lines: Arc<[EntryLine]>) -> (Vec<Verdict>, u32) {
    let mut client = EntryValidationServiceClient::new(balancer).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let (mut verdicts, mut start, mut cuts) = (Vec::new(), 0, 0);
    loop {
        let messages = lines[start..].chunks(MESSAGE).map(|lines| ValidateStreamRequest {
            lines: lines.to_vec(),
            freshness: None,
            finding_detail: 0,
        });
        let answers = client.validate_stream(paced(messages.collect())).await;
        let mut answers = answers.unwrap().into_inner();
        let mut reached = None;
        while let Some(answer) = answers.message().await.unwrap() {
            assert_eq!(reached, None, "nothing comes behind it");
            verdicts.extend(answer.verdicts);
            reached = answer.resume_after;
        }
        let Some(reached) = reached else {
            return (verdicts, cuts);
        };
        cuts += 1;
        // Verdicts on an entry of which the rest did not come are given anew.
        verdicts.truncate(start + usize::try_from(reached.lines).unwrap());
        start = place_of(&lines, start, &reached);
    }
}

/// Files lines likewise; gives the number of decisions.
async fn file(balancer: Balancer, id: String, lines: Arc<[EntryLine]>) -> (usize, u32) {
    let mut client = EntryRecordServiceClient::new(balancer).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let (mut decisions, mut start, mut cuts) = (0, 0, 0);
    let mut resume_after = None;
    loop {
        let mut options = Some(FileOptions {
            request_id: id.clone(),
            resume_after,
            ..FileOptions::default()
        });
        let rest = &lines[start..];
        let last = rest.len().div_ceil(MESSAGE).saturating_sub(1);
        let messages = rest
            .chunks(MESSAGE)
            .enumerate()
            .map(|(at, lines)| FileStreamRequest {
                options: options.take(),
                lines: lines.to_vec(),
                end: at == last,
            });
        let answers = client.file_stream(paced(messages.collect())).await;
        let mut answers = answers.unwrap().into_inner();
        let mut reached = None;
        while let Some(answer) = answers.message().await.unwrap() {
            assert_eq!(reached, None, "nothing comes behind it");
            decisions += answer.decisions.len();
            reached = answer.resume_after;
        }
        let Some(reached) = reached else {
            return (decisions, cuts);
        };
        cuts += 1;
        start = place_of(&lines, start, &reached);
        assert_eq!(decisions, start, "a caller that goes on gets no decision twice");
        resume_after = Some(reached);
    }
}

/// Entries of the sample, in as many parts of whole ones.
fn parts(lines: &[EntryLine], count: usize) -> Vec<Arc<[EntryLine]>> {
    let mut parts = vec![Vec::new(); count];
    for (at, entry) in lines
        .chunk_by(|one, next| one.entry_number == next.entry_number)
        .enumerate()
    {
        parts[at % count].extend_from_slice(entry);
    }
    parts.into_iter().map(Arc::from).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_fails_no_call_and_its_streams_go_on_at_another() {
    let mut deployment = Deployment::prepare().await;
    deployment.start_services();
    deployment.start_replica(0);
    deployment.start_replica(1);
    deployment.start_gateway(0);
    deployment.start_gateway(1);
    let both = deployment.balanced(&[0, 1]);
    let mut lines = lines_of_sample(&deployment.place);
    // An entry stands together on a stream.
    lines.sort_by(|one, other| one.entry_number.cmp(&other.entry_number));
    let validated: Arc<[EntryLine]> = lines.clone().into();

    let is_over = Arc::new(AtomicBool::new(false));
    let called = Arc::new(AtomicU64::new(0));
    let mut singles = JoinSet::new();
    for line in lines.iter().take(SINGLE) {
        let mut client = EntryValidationServiceClient::new(both.clone());
        let (is_over, called, line) = (Arc::clone(&is_over), Arc::clone(&called), line.clone());
        singles.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                let request = ValidateEntryRequest {
                    line: Some(line.clone()),
                    freshness: None,
                    finding_detail: 0,
                };
                client
                    .validate_entry(request)
                    .await
                    .expect("no single call fails");
                called.fetch_add(1, Ordering::Relaxed);
                sleep(BETWEEN_CALLS).await;
            }
        });
    }
    let mut validating = JoinSet::new();
    for _ in 0..VALIDATING {
        validating.spawn(validate(both.clone(), Arc::clone(&validated)));
    }
    let mut filing = JoinSet::new();
    for (at, part) in parts(&lines, FILING).into_iter().enumerate() {
        let (both, count) = (both.clone(), part.len());
        filing.spawn(async move { (file(both, format!("file-{at}"), part).await, count) });
    }
    sleep(BEFORE).await;
    let asked = Instant::now();
    let gateway = deployment.gateways[0].take().unwrap();
    let status = tokio::task::spawn_blocking(|| gateway.stop()).await.unwrap();
    let took = asked.elapsed();
    assert_eq!(status, Some(0));

    let streams = async {
        let validated = validating.join_all().await;
        (validated, filing.join_all().await)
    };
    let (validated_all, filed_all) = timeout(LONGEST, streams)
        .await
        .expect("streams come to their ends");
    is_over.store(true, Ordering::Relaxed);
    singles.join_all().await;
    let cuts = validated_all.iter().map(|(_, cuts)| cuts).sum::<u32>()
        + filed_all.iter().map(|((_, cuts), _)| cuts).sum::<u32>();
    eprintln!(
        "the gateway ended after {took:.1?}; {} single calls, none failed; {cuts} of {} streams went on elsewhere",
        called.load(Ordering::Relaxed),
        VALIDATING + FILING
    );
    assert!(cuts > 0, "some streams went by the gateway that stopped");
    let (expected, _) = validate(deployment.balanced(&[1]), validated).await;
    for (verdicts, _) in validated_all {
        assert_eq!(verdicts.len(), expected.len());
        for (verdict, expected) in verdicts.iter().zip(&expected) {
            assert_eq!(
                (
                    &verdict.entry_number,
                    verdict.line_number,
                    verdict.pga_line_number
                ),
                (
                    &expected.entry_number,
                    expected.line_number,
                    expected.pga_line_number
                )
            );
        }
    }
    for ((decisions, _), lines) in filed_all {
        assert_eq!(decisions, lines);
    }
}
