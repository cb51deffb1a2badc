//! Documents that are filed while they are read.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_proto::entry_validation::file_document_request::Part;
use nopic_proto::entry_validation::{
    Decision, EntryLine, FileDocumentEnd, FileDocumentOptions, FileDocumentRequest, FileDocumentResponse,
    FileOptions, GetEntryRequest, GetEntryResponse,
};
use nopic_sql::testing::Engine;
use rstest::rstest;
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::{Filing, an_entry_that_draws, deletion, transmission};

type Told = (Vec<Decision>, Vec<String>);

/// The decisions, and the entries that were taken back; or why it ended early.
async fn try_to_file(
    mut records: EntryRecordServiceClient<Channel>,
    request_id: &str,
    document: &[u8],
) -> Result<Told, Status> {
    let options = FileDocumentOptions {
        filing: Some(FileOptions {
            request_id: request_id.to_owned(),
            ..FileOptions::default()
        }),
        ..FileDocumentOptions::default()
    };
    let parts = [
        Part::Options(options),
        Part::Chunk(document.to_vec().into()),
        Part::End(FileDocumentEnd {}),
    ];
    let requests = parts.map(|part| FileDocumentRequest { part: Some(part) });
    let mut answers = records
        .file_document(tokio_stream::iter(requests))
        .await?
        .into_inner();
    let (mut decisions, mut cancelled) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        // What was not there to be deleted; nothing else.
        assert!(
            answer
                .rejects
                .iter()
                .all(|reject| reject.reason.contains("nothing to take back")),
            "{answer:?}"
        );
        decisions.extend(answer.decisions);
        cancelled.extend(answer.cancelled_entries);
    }
    Ok((decisions, cancelled))
}

async fn file(filing: &mut Filing, request_id: &str, document: &[u8]) -> Told {
    try_to_file(filing.services.records.clone(), request_id, document)
        .await
        .unwrap()
}

/// An entry that draws where it is filed, on nobody's record yet.
async fn an_entry(filing: &Filing) -> (String, Vec<EntryLine>) {
    // Filed in another database, to find it.
    let mut other = Filing::new(Engine::Sqlite, 100).await;
    let decisions = other.file("all", filing.lines.clone()).await.unwrap();
    an_entry_that_draws(&filing.lines, &decisions)
}

async fn stored(filing: &mut Filing, entry_number: &str) -> GetEntryResponse {
    let request = GetEntryRequest {
        entry_number: entry_number.to_owned(),
        ..GetEntryRequest::default()
    };
    let answer = filing.services.records.get_entry(request).await.unwrap();
    answer.into_inner()
}

/// The entry was filed and then taken back, once, and draws nothing any more.
async fn assert_was_taken_back(filing: &mut Filing, entry_number: &str, lines: &[EntryLine]) {
    let on_record = stored(filing, entry_number).await;
    let kinds: Vec<&str> = on_record
        .versions
        .iter()
        .map(|version| version.kind.as_str())
        .collect();
    assert_eq!(kinds, ["FILED", "CANCELLED"]);
    assert_eq!(on_record.decisions, []);
    assert_eq!(filing.draws(entry_number, lines).await, 0);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_sent_again_deletes_what_it_deleted_then(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut filing = Filing::new(engine, 100).await;
    let (entry_number, lines) = an_entry(&filing).await;
    let document = transmission('D', &lines);

    // Nothing is on record: there is nothing to delete, and the entry is filed.
    let first = file(&mut filing, "first", &document).await;
    assert_eq!((first.0.len(), first.1.len()), (lines.len(), 0));
    let on_record = stored(&mut filing, &entry_number).await;
    assert_eq!(file(&mut filing, "first", &document).await, first);
    assert_eq!(
        stored(&mut filing, &entry_number).await,
        on_record,
        "sent again, it does nothing"
    );

    // Now the entry is on record, so that the same document takes it back and files it anew.
    let second = file(&mut filing, "second", &document).await;
    assert_eq!(second.1, std::slice::from_ref(&entry_number));
    let on_record = stored(&mut filing, &entry_number).await;
    assert_eq!(on_record.versions.len(), 3);
    assert_eq!(file(&mut filing, "second", &document).await, second);
    assert_eq!(file(&mut filing, "first", &document).await.0.len(), first.0.len());
    assert_eq!(
        stored(&mut filing, &entry_number).await,
        on_record,
        "sent again, it does nothing"
    );
    filing.assert_the_ledger_agrees().await;
}

/// An entry that was filed while the ledger is away, so that it is kept and waits to be finished: its number, its lines
/// and a file that deletes it.
async fn filed_without_the_ledger(engine: Engine) -> (Filing, String, Vec<EntryLine>, String) {
    let mut filing = Filing::new(engine, 100).await;
    let (entry_number, lines) = an_entry(&filing).await;
    let document = deletion(&lines);
    filing.services.ledger_is_away.store(true, Ordering::Relaxed);
    let kept = filing.file("kept", lines.clone()).await.unwrap_err();
    assert_eq!(kept.code(), Code::Unavailable, "{kept}");
    assert!(kept.message().contains("will be finished"), "{kept}");
    (filing, entry_number, lines, document)
}

async fn bring_the_ledger_back(filing: &Filing) {
    filing.services.ledger_is_away.store(false, Ordering::Relaxed);
    assert_eq!(filing.services.finish_what_was_left().await, 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_before_the_first_filing_is_finished_is_not_lost(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (mut filing, entry_number, lines, document) = filed_without_the_ledger(engine).await;

    let records = filing.services.records.clone();
    let busy = try_to_file(records, "deletion", document.as_bytes())
        .await
        .unwrap_err();
    assert_eq!(busy.code(), Code::Aborted, "{busy}");
    assert!(busy.message().contains(&entry_number), "{busy}");

    bring_the_ledger_back(&filing).await;
    assert_ne!(filing.draws(&entry_number, &lines).await, 0);
    // The same file again finds what is finished by now.
    let told = file(&mut filing, "deletion", document.as_bytes()).await;
    assert_eq!(told, (Vec::new(), vec![entry_number.clone()]));
    assert_was_taken_back(&mut filing, &entry_number, &lines).await;
    assert_eq!(file(&mut filing, "deletion", document.as_bytes()).await, told);
    assert_was_taken_back(&mut filing, &entry_number, &lines).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_waits_for_a_filing_that_is_finished_soon(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (mut filing, entry_number, lines, document) = filed_without_the_ledger(engine).await;
    let records = filing.services.records.clone();
    let soon = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        bring_the_ledger_back(&filing).await;
    };
    let (told, ()) = tokio::join!(try_to_file(records, "deletion", document.as_bytes()), soon);
    assert_eq!(told.unwrap(), (Vec::new(), vec![entry_number.clone()]));
    assert_was_taken_back(&mut filing, &entry_number, &lines).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_finds_its_entry_however_its_number_is_written(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut filing = Filing::new(engine, 100).await;
    let (entry_number, lines) = an_entry(&filing).await;
    filing.file("one", lines.clone()).await.unwrap();
    assert_ne!(filing.draws(&entry_number, &lines).await, 0);
    let filer = &entry_number[..3];
    let (as_kept, as_written) = (format!("10D{filer}"), format!("10D{}", filer.to_lowercase()));
    assert_ne!(as_kept, as_written);
    let document = deletion(&lines).replace(&as_kept, &as_written);
    assert!(document.contains(&as_written), "{document}");

    let told = file(&mut filing, "deletion", document.as_bytes()).await;
    assert_eq!(told, (Vec::new(), vec![entry_number.clone()]), "as it is kept");
    assert_was_taken_back(&mut filing, &entry_number, &lines).await;
    assert_eq!(file(&mut filing, "deletion", document.as_bytes()).await, told);
    assert_was_taken_back(&mut filing, &entry_number, &lines).await;
}

/// What a file was answered.
async fn answers(filing: &mut Filing, request_id: &str, document: &str) -> Vec<FileDocumentResponse> {
    let options = FileDocumentOptions {
        filing: Some(FileOptions {
            request_id: request_id.to_owned(),
            ..FileOptions::default()
        }),
        ..FileDocumentOptions::default()
    };
    let parts = [
        Part::Options(options),
        Part::Chunk(document.as_bytes().to_vec().into()),
        Part::End(FileDocumentEnd {}),
    ];
    let requests = parts.map(|part| FileDocumentRequest { part: Some(part) });
    let records = &mut filing.services.records;
    let answers = records.file_document(tokio_stream::iter(requests)).await.unwrap();
    answers.into_inner().map(Result::unwrap).collect().await
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_of_what_is_not_on_record_is_refused_by_name(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut filing = Filing::new(engine, 100).await;
    let (entry_number, lines) = an_entry(&filing).await;
    let document = deletion(&lines);
    // An entry of a cargo release alike.
    let release = format!("SE10D{}  {} 01\n", &entry_number[..3], &entry_number[3..]);
    for (request_id, document, record) in [("summary", document.as_str(), 3), ("release", &release, 1)] {
        let first = answers(&mut filing, request_id, document).await;
        let rejects: Vec<_> = first.iter().flat_map(|answer| &answer.rejects).collect();
        assert_eq!(rejects.len(), 1, "{first:?}");
        assert_eq!((&rejects[0].key, rejects[0].record), (&entry_number, record));
        assert!(rejects[0].reason.contains("nothing to take back"), "{rejects:?}");
        // That is the answer, whatever comes.
        assert_eq!(answers(&mut filing, request_id, document).await, first);
    }
    filing.file("one", lines).await.unwrap();
    for (request_id, document) in [("summary", &document), ("release", &release)] {
        let again = answers(&mut filing, request_id, document).await;
        assert!(
            again.iter().all(|answer| answer.cancellations.is_empty()),
            "{again:?}"
        );
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_sent_again_says_by_which_version_it_was_and_which_came_since(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut filing = Filing::new(engine, 100).await;
    let (entry_number, lines) = an_entry(&filing).await;
    let document = deletion(&lines);
    filing.file("one", lines.clone()).await.unwrap();
    let mut told = Vec::new();
    for anew in [true, false] {
        let answers = answers(&mut filing, "deletion", &document).await;
        let cancellations = answers.into_iter().flat_map(|answer| answer.cancellations);
        told.extend(cancellations);
        if anew {
            filing.file("anew", lines.clone()).await.unwrap();
        }
    }
    let versions: Vec<_> = told
        .iter()
        .map(|told| (told.version, told.current_version))
        .collect();
    assert_eq!(versions, [(2, 2), (2, 3)]);
    assert!(told.iter().all(|told| told.entry_number == entry_number));
    assert_eq!(told[0].recorded_at, told[1].recorded_at);
    assert_ne!(filing.draws(&entry_number, &lines).await, 0, "it stands");
}
