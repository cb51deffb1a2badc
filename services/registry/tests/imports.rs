//! Importing through the gRPC client: what serves afterwards, and what does not.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod support;

use nopic_proto::registry as wire;
use nopic_sql::testing::Engine;
use rstest::rstest;
use support::{Fixture, case, farms, operation};
use wire::import_result::Outcome;

#[rstest]
#[tokio::test]
async fn real_files_of_the_three_forms(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let (Some(xlsx), Some(zip), Some(json)) = (
        case("INTEGRITY_Export_20240301.xlsx"),
        case("operations-2024-09-30.zip"),
        case("operations-2026-03-01.json"),
    ) else {
        return;
    };
    let mut registry = Fixture::new(engine).await;
    let report = registry
        .import(
            wire::ImportOptions::default(),
            &[("INTEGRITY_Export_20240301.xlsx", xlsx.clone())],
        )
        .await
        .unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported, "{report:?}");
    assert_eq!(registry.revision().await, (1, "2024-03-01".into()));
    let again = registry
        .import(
            wire::ImportOptions::default(),
            &[("INTEGRITY_Export_20240301.xlsx", xlsx)],
        )
        .await
        .unwrap();
    assert_eq!(again.result.outcome(), Outcome::Unchanged);
    let report = registry
        .import(
            wire::ImportOptions::default(),
            &[("operations-2024-09-30.zip", zip)],
        )
        .await
        .unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported, "{report:?}");
    let without = registry
        .import(
            wire::ImportOptions::default(),
            &[("operations-2026-03-01.json", json.clone())],
        )
        .await
        .unwrap_err();
    assert_eq!(without.code(), tonic::Code::InvalidArgument);
    assert!(without.message().contains("--partial"), "{without}");
    let report = registry
        .import(
            support::json_options("", true),
            &[("operations-2026-03-01.json", json)],
        )
        .await
        .unwrap();
    assert_eq!(report.result.outcome(), Outcome::Imported, "{report:?}");
    assert_eq!(registry.revision().await, (3, "2026-03-01".into()));
    let listed = registry.operation("2788547079").await.unwrap();
    assert_eq!(listed.name, "Société Agricole Ménard Farms");
    assert_eq!(listed.status, "Certified");
    assert!(
        listed
            .fields
            .iter()
            .any(|field| field.name == "op_clientID" && field.value == "C7079")
    );
    assert_eq!(
        registry.status("2788547079", "1990-01-01", 0).await,
        "?",
        "nothing is known before the first effective date"
    );
    assert_eq!(registry.status("2788547079", "2020-02-14", 0).await, "Certified");
    registry.leaves_nothing_behind().await;
}

#[rstest]
#[tokio::test]
async fn an_operation_that_is_no_longer_listed_becomes_unlisted(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    let first = [
        operation("0150000001", "Certified", "2020-01-01"),
        operation("0150000002", "Certified", "2020-01-01"),
    ];
    registry.import_json("2024-01-01", true, &first).await.unwrap();
    let report = registry
        .import_json("2024-02-01", true, &first[..1])
        .await
        .unwrap();
    assert_eq!(
        (report.result.added, report.result.changed, report.result.unlisted),
        (0, 0, 1)
    );
    assert_eq!(registry.status("0150000002", "2024-01-31", 0).await, "Certified");
    assert_eq!(registry.status("0150000002", "2024-02-01", 0).await, "Unlisted");
    assert_eq!(registry.status("0150000002", "2024-02-01", 1).await, "Certified");
    assert_eq!(registry.status("0150000003", "2024-02-01", 0).await, "-");
    // A partial one unlists nobody.
    registry
        .import_json(
            "2024-03-01",
            false,
            &[operation("0150000003", "Suspended", "2024-02-20")],
        )
        .await
        .unwrap();
    assert_eq!(registry.status("0150000001", "2024-03-05", 0).await, "Certified");
    assert_eq!(registry.status("0150000003", "2024-03-05", 0).await, "Suspended");
    assert_eq!(
        registry.revision().await,
        (3, "2024-02-01".into()),
        "staleness goes by the newest full snapshot"
    );
    // Now an older snapshot: it counts by its date.
    registry
        .import_json(
            "2023-12-01",
            true,
            &[operation("0150000009", "Certified", "2019-01-01")],
        )
        .await
        .unwrap();
    assert_eq!(registry.status("0150000009", "2023-12-31", 0).await, "Certified");
    assert_eq!(registry.status("0150000009", "2024-01-01", 0).await, "Unlisted");
    assert_eq!(registry.status("0150000009", "2024-01-01", 3).await, "-");
    assert_eq!(registry.status("0150000001", "2024-03-05", 0).await, "Certified");
    let mut registry = registry.restart().await;
    assert_eq!(registry.status("0150000009", "2023-12-31", 0).await, "Certified");
    assert_eq!(registry.status("0150000002", "2024-02-01", 0).await, "Unlisted");
    assert_eq!(registry.revision().await, (4, "2024-02-01".into()));
}

#[rstest]
#[tokio::test]
async fn of_two_rows_with_one_id_the_later_wins_and_both_are_reported(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    let rows = [
        operation("0150000001", "Certified", "2020-01-01"),
        operation("0150000002", "Certified", "2020-01-01"),
        operation("0150000001", "Suspended", "2020-01-01"),
    ];
    let report = registry.import_json("2024-01-01", true, &rows).await.unwrap();
    assert_eq!(report.result.duplicates, 1);
    let duplicate = &report.duplicates[0];
    assert_eq!(
        (
            duplicate.nop_id.as_str(),
            duplicate.lost_record,
            duplicate.won_record
        ),
        ("0150000001", 1, 3)
    );
    assert_eq!(registry.status("0150000001", "2024-01-01", 0).await, "Suspended");
}

#[rstest]
#[tokio::test]
async fn too_many_refused_rows_abort_and_fewer_leave_their_operations_as_they_were(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    let mut rows = farms(10, |_| "Certified", |_| "Tilia".into());
    registry.import_json("2024-01-01", true, &rows).await.unwrap();
    rows[3]["op_status"] = "".into();
    let refused = registry.import_json("2024-02-01", true, &rows).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(
        refused
            .message()
            .contains("1 of 10 operations were refused, more than 1 %"),
        "{refused}"
    );
    assert_eq!(registry.revision().await, (1, "2024-01-01".into()));
    registry.leaves_nothing_behind().await;

    let page = serde_json::json!({"success": true, "operations": rows}).to_string();
    let mut options = support::json_options("2024-02-01", true);
    options.max_rejects_percent = "10".into();
    let report = registry
        .import(options.clone(), &[("pages.json", page.into_bytes())])
        .await
        .unwrap();
    assert_eq!(report.rejects.len(), 1);
    let reject = &report.rejects[0];
    assert_eq!(
        (
            reject.file.as_str(),
            reject.record,
            reject.key.as_str(),
            reject.field.as_str()
        ),
        ("pages.json", 4, "0150000003", "op_status")
    );
    assert_eq!(report.result.unlisted, 0);
    assert_eq!(registry.status("0150000003", "2024-02-02", 0).await, "Certified");
    options.max_rejects_percent = "many".into();
    let wrong = registry.import(options, &[]).await.unwrap_err();
    assert_eq!(wrong.code(), tonic::Code::InvalidArgument);
}

#[rstest]
#[tokio::test]
async fn what_does_not_say_enough_is_refused_with_what_to_do(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    let rows = [operation("0150000001", "Certified", "2020-01-01")];
    let no_date = registry.import_json("", true, &rows).await.unwrap_err();
    assert!(no_date.message().contains("--published"), "{no_date}");
    let page = serde_json::json!({"success": true, "operations": rows})
        .to_string()
        .into_bytes();
    for (files, says) in [
        (vec![("a.json", b"<html>".to_vec())], "web page"),
        (vec![("a.json", Vec::new())], "empty"),
        (
            vec![("a.json", page.clone()), ("b.xml", b"<PublicData/>".to_vec())],
            "b.xml",
        ),
        (vec![], "no file"),
        (
            vec![("a.json", br#"{"success": true, "operations": []}"#.to_vec())],
            "no operation",
        ),
        (
            vec![(
                "a.json",
                br#"{"success": false, "errorMessage": "busy"}"#.to_vec(),
            )],
            "busy",
        ),
    ] {
        let refused = registry
            .import(support::json_options("2024-01-01", true), &files)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(says), "{refused}");
        assert!(
            !refused.message().contains("import-"),
            "our copy is nobody's business: {refused}"
        );
    }
    let future_form = registry
        .import(
            support::json_options("2024-13-01", true),
            &[("a.json", page.clone())],
        )
        .await
        .unwrap_err();
    assert!(future_form.message().contains("YYYY-MM-DD"), "{future_form}");
    assert_eq!(registry.revision().await, (0, String::new()));
    registry.leaves_nothing_behind().await;

    // The date of a file's name counts where nothing else tells it; several files of pages are one content.
    let second = serde_json::json!({"success": true, "operations": [operation("0150000002", "Certified", "2020-01-01")]});
    let report = registry
        .import(
            support::json_options("", true),
            &[
                ("pages-2024-01-05.json", page),
                ("more.json", second.to_string().into_bytes()),
            ],
        )
        .await
        .unwrap();
    let snapshot = report.result.snapshot.unwrap();
    assert_eq!((snapshot.rows, snapshot.published_on.as_str()), (2, "2024-01-05"));
    assert_eq!(snapshot.files, ["pages-2024-01-05.json", "more.json"]);
    assert_eq!(snapshot.imported_by, "tester");
    assert_eq!(snapshot.imported_at, "2026-04-01T12:00:00.000000Z");
}

/// Waits until the registry says that an import has its place.
async fn has_begun(answers: &mut tonic::Streaming<wire::ImportSnapshotResponse>) {
    use wire::import_snapshot_response::Part;
    let first = answers.message().await.unwrap().unwrap();
    assert_eq!(
        first.part,
        Some(Part::Progress(wire::ImportProgress { rows: 0, items: 0 }))
    );
}

#[rstest]
#[tokio::test]
async fn a_caller_that_goes_silent_gives_the_place_up(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = engine.database().await;
    let mut config = nopic_registry::Config::new(database.location, database.folder.path());
    config.schema_update = nopic_sql::SchemaUpdate::Apply;
    config.upload_pause = std::time::Duration::from_millis(500);
    let clock = nopic_chassis::clock::ManualClock::new(support::noon("2026-04-01"));
    let registry = nopic_registry::Registry::open(config, std::sync::Arc::new(clock))
        .await
        .unwrap();
    let mut client = support::connect(&registry);
    let rows = farms(1, |_| "Certified", |_| "Tilia".into());
    let page = serde_json::json!({"success": true, "operations": rows})
        .to_string()
        .into_bytes();
    let files = [("pages.json", page)];
    let options = support::json_options("2024-02-01", true);
    let upload = || {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let mut start = support::messages(options.clone(), &files);
        start.truncate(2);
        let requests = futures::StreamExt::chain(
            futures::stream::iter(start),
            tokio_stream::wrappers::ReceiverStream::new(receiver),
        );
        (sender, requests)
    };

    // One that still listens hears why.
    let (_silent, requests) = upload();
    let mut running = client.import_snapshot(requests).await.unwrap().into_inner();
    has_begun(&mut running).await;
    let ended = running.message().await.unwrap_err();
    assert_eq!(ended.code(), tonic::Code::DeadlineExceeded, "{ended}");
    assert!(ended.message().contains("0.5 s: nothing was imported"), "{ended}");

    // One that has dropped the answers but not its requests does not; these are ended too.
    let (sender, requests) = upload();
    let mut running = client.import_snapshot(requests).await.unwrap().into_inner();
    has_begun(&mut running).await;
    drop(running);
    sender.closed().await;
    registry.settled().await;
    let report = support::import(&mut client, options, &files).await.unwrap();
    assert_eq!(report.result.snapshot.unwrap().revision, 1);
}

#[rstest]
#[tokio::test]
async fn the_old_content_serves_while_an_import_runs_and_one_that_is_cut_off_leaves_nothing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    registry
        .import_json(
            "2024-01-01",
            true,
            &[operation("0150000001", "Certified", "2020-01-01")],
        )
        .await
        .unwrap();
    let rows = farms(3_000, |_| "Suspended", |_| "Tilia".into());
    let page = serde_json::json!({"success": true, "operations": rows})
        .to_string()
        .into_bytes();
    let messages = support::messages(support::json_options("2024-02-01", true), &[("pages.json", page)]);

    // The upload stands still before its end: old content, and no second import.
    let (sender, receiver) = tokio::sync::mpsc::channel(messages.len());
    let last = messages.len() - 1;
    for message in &messages[..last] {
        sender.send(message.clone()).await.unwrap();
    }
    let requests = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut running = registry
        .client
        .import_snapshot(requests)
        .await
        .unwrap()
        .into_inner();
    has_begun(&mut running).await;
    assert_eq!(registry.status("0150000001", "2024-02-01", 0).await, "Certified");
    let second = registry.import_json("2024-03-01", true, &rows).await.unwrap_err();
    assert_eq!(second.code(), tonic::Code::FailedPrecondition, "{second}");
    // It goes on, and is abandoned after its first answer.
    sender.send(messages[last].clone()).await.unwrap();
    drop(sender);
    running.message().await.unwrap().unwrap();
    drop(running);
    registry.registry.settled().await;
    let report = registry
        .import_json("2024-02-01", true, &rows[..10])
        .await
        .unwrap();
    let revision = report.result.snapshot.as_ref().unwrap().revision;
    assert!(
        revision == 2 || revision == 3,
        "the abandoned import either left nothing or was committed before its caller left"
    );
    if revision == 2 {
        assert_eq!(registry.status("0150002999", "2024-02-01", 0).await, "-");
    }
    registry.leaves_nothing_behind().await;
}

#[rstest]
#[tokio::test]
async fn an_upload_whose_caller_leaves_leaves_nothing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    let rows = farms(2_000, |_| "Certified", |_| "Tilia".into());
    let page = serde_json::json!({"success": true, "operations": rows})
        .to_string()
        .into_bytes();
    let messages = support::messages(support::json_options("2024-02-01", true), &[("pages.json", page)]);
    let upload = futures::StreamExt::chain(
        futures::stream::iter(messages[..messages.len() - 1].to_vec()),
        futures::stream::pending(),
    );
    // A process of its own, so to speak: all that it had open is cut when it ends.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(nopic_chassis::transport::serve(
        listener,
        support::protected(&registry.registry),
        nopic_chassis::transport::ServerOptions::default(),
        std::future::pending(),
    ));
    let other = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async move {
            let mut client = support::Client::connect(format!("http://{address}"))
                .await
                .unwrap();
            let mut running = client.import_snapshot(upload).await.unwrap().into_inner();
            has_begun(&mut running).await;
        });
        runtime
    });
    let other = other.await.unwrap();
    assert!(!registry.left_behind().is_empty(), "the copy is being made");
    other.shutdown_background();
    registry.registry.settled().await;
    let report = registry.import_json("2024-02-01", true, &rows).await.unwrap();
    assert_eq!(report.result.snapshot.unwrap().revision, 1);
    registry.leaves_nothing_behind().await;
}

#[rstest]
#[tokio::test]
async fn what_a_killed_process_left_is_removed_at_the_next_start(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut registry = Fixture::new(engine).await;
    registry
        .import_json(
            "2024-01-01",
            true,
            &[operation("0150000001", "Certified", "2020-01-01")],
        )
        .await
        .unwrap();
    std::fs::create_dir(registry.database.folder.path().join("import-abc")).unwrap();
    std::fs::write(registry.database.folder.path().join("import-abc/copy"), "half").unwrap();
    let mut registry = registry.restart().await;
    registry.leaves_nothing_behind().await;
    assert_eq!(registry.revision().await.0, 1);
}

/// An entry of a ZIP whose headers say that it is packed by another method, or encrypted.
fn zip_with(method: u16, flags: u16) -> Vec<u8> {
    let content = b"<r><l><Operation/></l></r>";
    let (length, name) = (u32::try_from(content.len()).unwrap(), b"stream");
    let mut common = Vec::new();
    for number in [20, flags, method, 0, 0x21] {
        common.extend_from_slice(&number.to_le_bytes());
    }
    for number in [0u32, length, length] {
        common.extend_from_slice(&number.to_le_bytes());
    }
    common.extend_from_slice(&6u16.to_le_bytes());
    let mut zip = [&b"PK\x03\x04"[..], &common, &[0, 0], name, content].concat();
    let directory_at = u32::try_from(zip.len()).unwrap();
    zip.extend([&b"PK\x01\x02\x14\0"[..], &common, &[0; 16], name].concat());
    let directory_length = u32::try_from(zip.len()).unwrap() - directory_at;
    zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend(directory_length.to_le_bytes());
    zip.extend(directory_at.to_le_bytes());
    zip.extend([0, 0]);
    zip
}

#[tokio::test]
async fn what_cannot_be_unpacked_or_is_another_service_s_is_the_caller_s_to_mend() {
    let mut registry = Fixture::new(Engine::Sqlite).await;
    let old_names =
        r#"{"Success": true, "Operations": [{"NOPOperationID": "2781234567"}, {"NOPOperationID": "1"}]}"#;
    for (name, bytes, says) in [
        ("a.zip", zip_with(9, 0), "Deflate64"),
        ("b.zip", zip_with(12, 0), "bzip2"),
        ("c.zip", zip_with(14, 0), "LZMA"),
        ("d.zip", zip_with(8, 1), "password"),
        ("e.json", old_names.into(), "NOPOperationID"),
    ] {
        let mut options = support::json_options("2024-01-01", true);
        options.max_rejects_percent = "100".into();
        let refusal = registry.import(options, &[(name, bytes)]).await.unwrap_err();
        assert_eq!(refusal.code(), tonic::Code::InvalidArgument, "{refusal}");
        assert!(refusal.message().contains(says), "{refusal}");
        assert!(refusal.message().starts_with(&format!("{name}: ")), "{refusal}");
    }
    assert_eq!(registry.snapshots().await.len(), 0);
}
