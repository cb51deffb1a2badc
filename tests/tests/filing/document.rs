//! Documents that are filed while they are read.

use nopic_proto::entry_validation::file_document_request::Part;
use nopic_proto::entry_validation::{
    Decision, FileDocumentEnd, FileDocumentOptions, FileDocumentRequest, FileOptions, GetEntryRequest,
};
use nopic_sql::testing::Engine;
use rstest::rstest;
use tokio_stream::StreamExt as _;

use crate::support::{Filing, an_entry_that_draws, transmission};

/// The decisions, and the entries that were taken back.
async fn file(filing: &mut Filing, request_id: &str, document: &[u8]) -> (Vec<Decision>, Vec<String>) {
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
    let mut answers = filing
        .services
        .records
        .file_document(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let (mut decisions, mut cancelled) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.rejects, []);
        decisions.extend(answer.decisions);
        cancelled.extend(answer.cancelled_entries);
    }
    (decisions, cancelled)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_sent_again_deletes_what_it_deleted_then(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut filing = Filing::new(engine, 100).await;
    let lines = filing.lines.clone();
    // Filed in another database, to find an entry that draws.
    let (entry_number, lines) = {
        let mut other = Filing::new(Engine::Sqlite, 100).await;
        let decisions = other.file("all", lines.clone()).await.unwrap();
        an_entry_that_draws(&lines, &decisions)
    };
    let document = transmission('D', &lines);
    let stored = async |filing: &mut Filing| {
        let request = GetEntryRequest {
            entry_number: entry_number.clone(),
            ..GetEntryRequest::default()
        };
        let answer = filing.services.records.get_entry(request).await.unwrap();
        answer.into_inner()
    };

    // Nothing is on record: there is nothing to delete, and the entry is filed.
    let first = file(&mut filing, "first", &document).await;
    assert_eq!((first.0.len(), first.1.len()), (lines.len(), 0));
    let on_record = stored(&mut filing).await;
    assert_eq!(file(&mut filing, "first", &document).await, first);
    assert_eq!(
        stored(&mut filing).await,
        on_record,
        "sent again, it does nothing"
    );

    // Now the entry is on record, so that the same document takes it back and files it anew.
    let second = file(&mut filing, "second", &document).await;
    assert_eq!(second.1, std::slice::from_ref(&entry_number));
    let on_record = stored(&mut filing).await;
    assert_eq!(on_record.versions.len(), 3);
    assert_eq!(file(&mut filing, "second", &document).await, second);
    assert_eq!(file(&mut filing, "first", &document).await.0.len(), first.0.len());
    assert_eq!(
        stored(&mut filing).await,
        on_record,
        "sent again, it does nothing"
    );
    filing.assert_the_ledger_agrees().await;
}
