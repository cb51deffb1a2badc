//! Snapshots of the Organic INTEGRITY Database.

use nopic_proto::registry::import_snapshot_request::Part;
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use nopic_proto::registry::{FileStart, ImportEnd, ImportOptions, ImportSnapshotRequest};
use tonic::{Code, Status};

use crate::support::Place;
use crate::{text, tried};

#[test]
fn dates_of_a_workbook_that_counts_from_1904_are_its_own() {
    let Some(folder) = tried("tried/08-date1904-foreign-workbookpr") else {
        return;
    };
    let place = Place::new();
    let file = folder.join("INTEGRITY_Export_20250601_1904-ext.xlsx");
    place.done(&["registry", "import", text(&file)]);
    let shown = place.done(&["registry", "show", "2781234567"]);
    assert!(shown.out.contains("2020-01-15"), "{}", shown.out);
}

/// The answer of a server to an import of this file.
async fn refusal(url: String, name: &str, content: Vec<u8>) -> Status {
    let mut client = RegistryServiceClient::connect(url).await.unwrap();
    let start = FileStart {
        name: name.to_owned(),
        size_kib: 0,
    };
    let parts = [
        Part::Options(ImportOptions::default()),
        Part::File(start),
        Part::Chunk(content.into()),
        Part::End(ImportEnd {}),
    ];
    let requests = parts.map(|part| ImportSnapshotRequest { part: Some(part) });
    let mut answers = match client.import_snapshot(tokio_stream::iter(requests)).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return status,
    };
    loop {
        match answers.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it was imported"),
            Err(status) => return status,
        }
    }
}

#[tokio::test]
async fn an_archive_that_cannot_be_unpacked_is_named_with_its_method() {
    let Some(folder) = tried("tried/12-zip-method") else {
        return;
    };
    let place = Place::new();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0", "--data", "served"]);
    for (name, says) in [
        ("bzip2.zip", "bzip2"),
        ("deflate64.zip", "Deflate64"),
        ("encrypted.zip", "password"),
    ] {
        let file = folder.join(name);
        let ended = place.run(&["registry", "import", text(&file), "--published", "2025-06-01"]);
        assert_eq!(ended.status, 2, "{ended:?}");
        assert!(
            ended.said.contains(says) && ended.said.contains(name),
            "{ended:?}"
        );
        let status = refusal(server.url.clone(), name, std::fs::read(&file).unwrap()).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().contains(says), "{status:?}");
    }
}

#[test]
fn names_are_found_whatever_stands_between_their_parts() {
    let Some(folder) = tried("tried/17-search-split-apostrophe") else {
        return;
    };
    let place = Place::new();
    let file = folder.join("INTEGRITY_Export_20250601.xlsx");
    place.done(&["registry", "import", text(&file)]);
    for (query, name) in [
        ("O Brien", "O'Brien's"),
        ("D Arrigo", "D'Arrigo"),
        ("O Neill", "O'Neill"),
    ] {
        let found = place.done(&["registry", "search", query, "--output", "jsonl"]);
        let first = found.out.lines().next().unwrap_or_default();
        assert!(
            first.replace('\u{2019}', "'").contains(name),
            "{query}: {found:?}"
        );
    }
}

#[test]
fn records_of_the_old_service_are_refused_once_by_their_fields() {
    let Some(folder) = tried("tried/18-rest-names-of-the-old-service") else {
        return;
    };
    let place = Place::new();
    for name in ["operations-2025-06-01.json", "operations-2025-06-01.xml"] {
        let file = folder.join(name);
        let ended = place.run(&["registry", "import", text(&file), "--full"]);
        assert_eq!(ended.status, 2, "{ended:?}");
        assert_eq!(ended.said.matches("NOPOperationID").count(), 1, "{ended:?}");
        assert!(ended.said.contains("NOPOperationStatus"), "{ended:?}");
        assert!(ended.said.contains("op_nopOpID"), "{ended:?}");
    }
}
