//! Filing, drained anywhere: nothing is filed twice, and the parts are those of an undisturbed filing.

use nopic_proto::common::Reject;
use nopic_proto::entry_validation::file_document_request::Part;
use nopic_proto::entry_validation::{
    Decision, DocumentSummary, EntryLine, FileDocumentEnd, FileDocumentOptions, FileDocumentRequest,
    FileDocumentResponse, FileOptions, FileStreamRequest, ResumeAfter,
};
use nopic_sql::testing::Engine;
use nopic_tests::services::Replica;
use rstest::rstest;

use crate::calls::{MOST_DRAINS, Manner, Seeded, call, is_boundary, seeds};
use crate::support::{Filing, an_entry_that_draws, transmission, with_rejects};

fn options(request_id: &str, place: Option<ResumeAfter>) -> FileOptions {
    FileOptions {
        request_id: request_id.to_owned(),
        resume_after: place,
        ..FileOptions::default()
    }
}

async fn stream(
    replica: &Replica,
    options: FileOptions,
    pieces: &[&[EntryLine]],
    manner: Manner,
) -> (Vec<Decision>, Option<ResumeAfter>) {
    let mut options = Some(options);
    let messages = pieces.iter().enumerate().map(|(index, lines)| {
        let request = FileStreamRequest {
            options: options.take(),
            lines: lines.to_vec(),
            end: index + 1 == pieces.len(),
        };
        (request, 0)
    });
    let mut client = replica.records.clone();
    let ended = call(
        messages.collect(),
        manner,
        &replica.draining,
        async move |requests| client.file_stream(requests).await,
        |answer| (answer.decisions.len(), answer.resume_after),
    )
    .await;
    let decisions = ended.answers.into_iter().flat_map(|answer| answer.decisions);
    (decisions.collect(), ended.resume_after)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filing_drained_anywhere_goes_on_exactly(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    for seed in seeds(3, 30) {
        let mut filing = Filing::new(engine, 4_000).await;
        let lines = filing.lines.clone();
        let mut seeded = Seeded::new(seed);
        let longest = 1 + seeded.below(900);
        let falls_silent = seed % 3 == 1;
        let mut decisions: Vec<Decision> = Vec::new();
        let mut place: Option<ResumeAfter> = None;
        let mut drains = 0;
        loop {
            let replica = filing.services.replica().await;
            let start = decisions.len();
            let pieces = seeded.pieces(&lines[start..], longest);
            let manner = Manner {
                drain_after: if drains < MOST_DRAINS {
                    1 + seeded.below(pieces.len() + 1)
                } else {
                    usize::MAX
                },
                falls_silent,
                ..Manner::UNDISTURBED
            };
            let (mut more, reached) = stream(&replica, options("whole", place), &pieces, manner).await;
            decisions.append(&mut more);
            let Some(reached) = reached else { break };
            drains += 1;
            // What was answered is what is on record.
            assert_eq!(reached.records, (decisions.len() - start) as u64, "seed {seed}");
            assert!(is_boundary(&lines, decisions.len()), "seed {seed}");
            place = Some(reached);
        }
        eprintln!("seed {seed}: {drains} drains ({engine:?}); NOPIC_DRAINING_SEED={seed} repeats it");
        assert_eq!(decisions.len(), lines.len());
        // An undisturbed stream of the same request id finds each of its parts on record: the ids and the cuts are its own.
        let replica = filing.services.replica().await;
        let (again, reached) = stream(&replica, options("whole", None), &[&lines], Manner::UNDISTURBED).await;
        assert_eq!(reached, None);
        assert!(
            again == decisions,
            "seed {seed}: it was filed as an undisturbed stream files it"
        );
        filing.assert_the_ledger_agrees().await;
    }
}

/// What was told of a document.
#[derive(Debug, Default, PartialEq)]
struct Told {
    decisions: Vec<Decision>,
    rejects: Vec<Reject>,
    cancelled: Vec<String>,
    summary: Option<DocumentSummary>,
}

async fn document(
    replica: &Replica,
    options: FileOptions,
    chunks: &[&[u8]],
    manner: Manner,
    told: &mut Told,
) -> Option<ResumeAfter> {
    let options = FileDocumentOptions {
        filing: Some(options),
        ..FileDocumentOptions::default()
    };
    let chunks = chunks.iter().map(|chunk| Part::Chunk(chunk.to_vec().into()));
    let parts = [Part::Options(options)]
        .into_iter()
        .chain(chunks)
        .chain([Part::End(FileDocumentEnd {})]);
    let messages = parts.map(|part| (FileDocumentRequest { part: Some(part) }, 0));
    let mut client = replica.records.clone();
    let ended = call(
        messages.collect(),
        manner,
        &replica.draining,
        async move |requests| client.file_document(requests).await,
        |answer: &FileDocumentResponse| (0, answer.resume_after),
    )
    .await;
    for answer in ended.answers {
        told.decisions.extend(answer.decisions);
        told.rejects.extend(answer.rejects);
        told.cancelled.extend(answer.cancelled_entries);
        told.summary = answer.summary.or(told.summary);
    }
    ended.resume_after
}

/// Files a document from server to server, each of which drains; gives what was told, and how many drained.
async fn drained(
    filing: &Filing,
    content: &[u8],
    longest: usize,
    request_id: &str,
    seeded: &mut Seeded,
) -> (Told, usize) {
    let mut told = Told::default();
    let mut place = None;
    let mut drains = 0;
    loop {
        let replica = filing.services.replica().await;
        let chunks = seeded.pieces(content, longest);
        let manner = Manner {
            drain_after: if drains < MOST_DRAINS {
                1 + seeded.below(chunks.len() + 1)
            } else {
                usize::MAX
            },
            ..Manner::UNDISTURBED
        };
        let filing_options = options(request_id, place);
        let Some(reached) = document(&replica, filing_options, &chunks, manner, &mut told).await else {
            return (told, drains);
        };
        drains += 1;
        let apart = told
            .rejects
            .iter()
            .filter(|reject| reject.reason.contains("is not replaced"));
        assert!(reached.lines >= told.decisions.len() as u64);
        assert_eq!(reached.rejects, (told.rejects.len() - apart.count()) as u64);
        place = Some(reached);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_drained_anywhere_is_filed_exactly(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut all_drains = 0;
    for seed in seeds(3, 30) {
        let mut filing = Filing::new(engine, 3_500).await;
        let content = with_rejects(&filing.document, 90);
        let (told, drains) = drained(&filing, &content, 300_000, "document", &mut Seeded::new(seed)).await;
        all_drains += drains;
        // An entry that would be replaced is not, where a line beside it cannot be read.
        let is_of = |reject: &&Reject| reject.reason.contains("is not replaced");
        let not_replaced: Vec<&Reject> = told.rejects.iter().filter(is_of).collect();
        let left_out = |line: &&EntryLine| {
            let number = line.entry_number.replace('-', "");
            not_replaced.iter().any(|reject| reject.key == number)
        };
        let left_out = filing.lines.iter().filter(left_out).count();
        assert_eq!(told.decisions.len(), filing.lines.len() - left_out, "seed {seed}");
        assert_eq!(told.rejects.len(), 3_500 / 90 + not_replaced.len(), "seed {seed}");
        let replica = filing.services.replica().await;
        let mut again = Told::default();
        let undisturbed = options("document", None);
        let chunks: Vec<&[u8]> = content.chunks(1 << 20).collect();
        let reached = document(&replica, undisturbed, &chunks, Manner::UNDISTURBED, &mut again).await;
        assert_eq!(reached, None);
        assert!(
            again == told,
            "it was filed as an undisturbed call files it; NOPIC_DRAINING_SEED={seed} repeats it"
        );
        filing.assert_the_ledger_agrees().await;
    }
    eprintln!("{all_drains} drains ({engine:?})");
    assert!(all_drains > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_is_done_once_wherever_the_drain_comes() {
    let mut filing = Filing::new(Engine::Sqlite, 100).await;
    let lines = filing.lines.clone();
    let decisions = filing.file("all", lines.clone()).await.unwrap();
    // On record by now, so that the document takes it back and files it anew.
    let (entry_number, lines) = an_entry_that_draws(&lines, &decisions);
    let content = transmission('D', &lines);
    let mut all_drains = 0;
    for seed in seeds(10, 200) {
        let request_id = format!("seed-{seed}");
        let (told, drains) = drained(&filing, &content, 400, &request_id, &mut Seeded::new(seed)).await;
        all_drains += drains;
        assert_eq!(told.cancelled, std::slice::from_ref(&entry_number), "seed {seed}");
        assert_eq!(told.decisions.len(), lines.len(), "seed {seed}");
        assert_eq!(told.summary.unwrap().deleted_entries, 1, "seed {seed}");
        let replica = filing.services.replica().await;
        let mut again = Told::default();
        let undisturbed = options(&request_id, None);
        document(
            &replica,
            undisturbed,
            &[&content],
            Manner::UNDISTURBED,
            &mut again,
        )
        .await;
        assert_eq!(again, told, "seed {seed}");
    }
    assert!(all_drains > 0);
    filing.assert_the_ledger_agrees().await;
}
