//! Durable filing on PostgreSQL with fsync as the server has it: `FileEntries` in batches of a thousand lines over four
//! connections, and line by line over one, beside bare SQL that writes the same rows in as many commits.
//!
//! `tests/with-postgres cargo bench -p nopic-tests --bench filing`. Both take turns, batch by batch of what the other
//! wrote, each on a database of its own. Fails where filing has less than 0.6 of the bare SQL's lines a second.
#![allow(clippy::print_stderr, reason = "figures for people")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail where it stands")]

mod bare;

use std::time::Duration;

use futures::future::join_all;
use nopic_formats::entries::{EntryEvent, Form, read_entries};
use nopic_formats::sample::{SampleOptions, generate};
use nopic_proto::entry_validation::{EntryLine, FileEntriesRequest};
use nopic_proto::registry::import_options::Completeness;
use nopic_sql::Location;
use nopic_sql::testing::Engine;
use nopic_tests::services::{Services, Setup};
use sqlx::PgPool;
use tokio::time::Instant;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 4;
const BATCH: usize = 1_000;
/// Of one turn, over all connections.
const BATCHES: usize = 12;
const SINGLES: usize = 200;
const TURNS: usize = 5;
const LEAST_SHARE: f64 = 0.6;

/// One database with the services' schemas, the registry's sample and its certificates.
struct Side {
    services: Services,
    pool: PgPool,
}

async fn side(sample: &std::path::Path, snapshots: &[std::path::PathBuf]) -> Side {
    let mut services = Services::start(&Setup {
        engine: Engine::Postgres,
        ..Setup::default()
    })
    .await;
    for snapshot in snapshots {
        services
            .import_snapshot(snapshot, Completeness::Unspecified)
            .await
            .unwrap();
    }
    // Without the sample's draws, and with room for all that is filed: every line that can draw does.
    let certificates: String = std::fs::read_to_string(sample.join("certificates.jsonl"))
        .unwrap()
        .lines()
        .map(|line| {
            let mut certificate: serde_json::Value = serde_json::from_str(line).unwrap();
            certificate.as_object_mut().unwrap().remove("draws");
            format!("{certificate}\n")
        })
        .collect();
    services
        .import_certificates(certificates.as_bytes())
        .await
        .unwrap();
    let Location::Postgres(place) = &services.database.location else {
        panic!("the engine is PostgreSQL");
    };
    let pool = bare::connect(place, CONNECTIONS.try_into().unwrap()).await;
    Side { services, pool }
}

/// Lines cut into requests of at most so many, between entries.
fn requests(lines: &[EntryLine], size: usize) -> Vec<Vec<EntryLine>> {
    let mut requests: Vec<Vec<EntryLine>> = vec![Vec::new()];
    for entry in lines.chunk_by(|one, next| one.entry_number == next.entry_number) {
        if size == 1 && entry.len() > 1 {
            continue;
        }
        if requests
            .last()
            .is_some_and(|request| !request.is_empty() && request.len() + entry.len() > size)
        {
            requests.push(Vec::new());
        }
        requests.last_mut().unwrap().extend_from_slice(entry);
    }
    requests
}

async fn file(side: &Side, request: FileEntriesRequest) {
    let lines = request.lines.len();
    let mut client = side.services.records.clone();
    let answer = client.file_entries(request).await.unwrap().into_inner();
    assert_eq!(answer.decisions.len(), lines);
}

/// Runs work over so many connections, each taking the next; how long all took and each.
async fn timed<T, F: Future<Output = ()>>(
    connections: usize,
    work: Vec<T>,
    run: impl Fn(T) -> F,
) -> (Duration, Vec<Duration>) {
    let work = std::sync::Mutex::new(work.into_iter());
    let began = Instant::now();
    let connection = || async {
        let mut times = Vec::new();
        loop {
            let next = work.lock().unwrap().next();
            let Some(next) = next else { break times };
            let began = Instant::now();
            run(next).await;
            times.push(began.elapsed());
        }
    };
    let times = join_all((0..connections).map(|_| connection())).await;
    (began.elapsed(), times.concat())
}

/// Files and writes in turns; the share of the bare SQL's lines a second that filing has.
async fn compare(
    ours: &Side,
    floor: &Side,
    name: &str,
    connections: usize,
    turns: Vec<Vec<Vec<EntryLine>>>,
) -> f64 {
    let (mut filing, mut writing) = ((Duration::ZERO, Vec::new()), (Duration::ZERO, Vec::new()));
    let mut lines = 0;
    for (turn, batches) in turns.into_iter().enumerate() {
        let requests: Vec<FileEntriesRequest> = batches
            .into_iter()
            .enumerate()
            .map(|(batch, lines)| FileEntriesRequest {
                request_id: format!("{name}-{turn}-{batch}"),
                lines,
                ..FileEntriesRequest::default()
            })
            .collect();
        let ids: Vec<String> = requests
            .iter()
            .map(|request| request.request_id.clone())
            .collect();
        let took = timed(connections, requests, |request| file(ours, request)).await;
        let mut rows = Vec::with_capacity(ids.len());
        for id in &ids {
            rows.push(bare::read(&ours.pool, id).await);
        }
        let written: usize = rows.iter().map(bare::Filing::lines).sum();
        let floor_took = timed(connections, rows.iter().collect(), |rows| {
            bare::write(&floor.pool, rows)
        })
        .await;
        // The first turn warms both up.
        if turn > 0 {
            lines += written;
            filing.0 += took.0;
            filing.1.extend(took.1);
            writing.0 += floor_took.0;
            writing.1.extend(floor_took.1);
        }
    }
    for (who, (total, times)) in [("FileEntries", &mut filing), ("bare SQL", &mut writing)] {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        eprintln!(
            "{name}: {who}: {lines} lines in {total:.2?}, {:.0} lines/s; a request: median {:.2?}, p99 {:.2?}",
            lines as f64 / total.as_secs_f64(),
            at(50),
            at(99),
        );
    }
    let share = writing.0.as_secs_f64() / filing.0.as_secs_f64();
    eprintln!("{name}: {share:.2} of the bare SQL");
    share
}

#[tokio::main]
async fn main() {
    let is_trial = std::env::args().any(|argument| argument == "--test");
    let (turns, batches, singles) = if is_trial {
        (2, 2, 10)
    } else {
        (TURNS, BATCHES, SINGLES)
    };
    let folder = tempfile::tempdir().unwrap();
    let sample = generate(
        &SampleOptions {
            operations: 5_000,
            certificates: 50_000,
            lines: u64::try_from((turns * batches + 1) * BATCH * 2).unwrap(),
            seed: 17,
        },
        folder.path(),
    )
    .unwrap();
    let ours = side(folder.path(), &sample.files[..2]).await;
    let floor = side(folder.path(), &sample.files[..2]).await;
    let content = std::fs::read(folder.path().join("entries.jsonl")).unwrap();
    let lines: Vec<EntryLine> = read_entries(Form::Jsonl, &content)
        .unwrap()
        .into_iter()
        .filter_map(|event| match event {
            EntryEvent::Line { line, .. } => Some(EntryLine::from(line)),
            EntryEvent::Reject(_) | EntryEvent::Deleted { .. } => None,
        })
        .collect();
    let (batch_lines, single_lines) = lines.split_at(lines.len() / 2);
    let in_turns = |lines: &[EntryLine], size: usize, of_turn: usize| -> Vec<Vec<Vec<EntryLine>>> {
        let requests = requests(lines, size);
        assert!(requests.len() >= turns * of_turn, "the sample is too small");
        requests.chunks(of_turn).take(turns).map(<[_]>::to_vec).collect()
    };
    let share = compare(
        &ours,
        &floor,
        "batches of 1,000",
        CONNECTIONS,
        in_turns(batch_lines, BATCH, batches),
    )
    .await;
    compare(
        &ours,
        &floor,
        "single lines",
        1,
        in_turns(single_lines, 1, singles),
    )
    .await;
    assert!(
        is_trial || share >= LEAST_SHARE,
        "filing has {share:.2} of the bare SQL, less than {LEAST_SHARE}"
    );
}
