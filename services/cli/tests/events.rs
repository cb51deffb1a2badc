//! What happened, from the command line and over a server.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use nopic_proto::events::event::What;
use nopic_proto::events::event_service_client::EventServiceClient;
use nopic_proto::events::{ReadEventsRequest, WatchEventsRequest};
use serde_json::Value;
use support::{Place, Serving};
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic::transport::Channel;

/// A folder with two revisions of the registry, a few certificates and entries: their events are many.
fn lived() -> Place {
    let place = Place::of_any_filing_day();
    place.sample(60, 20, 40, 9);
    for arguments in [
        &["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"][..],
        &["registry", "import", "sample/operations-2024-09-30.zip"],
        &["certificate", "import", "sample/certificates.jsonl"],
    ] {
        place.done(arguments);
    }
    // Lines that are refused make it end otherwise than well.
    let filed = place.run(&["entry", "file", "sample/entries.jsonl"]);
    assert!(filed.status < 2, "{filed:?}");
    place
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn what_happened_in_a_folder_is_shown_in_each_form_and_page_by_page() {
    let place = lived();
    let all = json_lines(&place.done(&["events", "--output", "jsonl"]).out);
    let of = |service: &str| all.iter().filter(|event| event["service"] == service).count();
    assert!(of("registry") > 2 && of("entry_validation") > 5, "{all:?}");
    let ids: std::collections::BTreeSet<_> = all.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), all.len());
    assert!(
        all.iter()
            .any(|event| event["revisionPublished"]["revision"] == 2)
    );
    let entry = all
        .iter()
        .find(|event| event["entryRecorded"].is_object())
        .unwrap();
    assert_eq!(entry["subject"], entry["entryRecorded"]["entryNumber"]);
    assert_eq!(entry["entryRecorded"]["kind"], "FILED");

    // A page and the rest are all.
    let first = json_lines(&place.done(&["events", "--limit", "7", "--output", "jsonl"]).out);
    assert_eq!(first.len(), 7);
    let position = first[6]["position"].as_str().unwrap();
    let rest = place.done(&["events", "--after", position, "--output", "jsonl"]);
    let rest = json_lines(&rest.out);
    let mut both: Vec<String> = first
        .iter()
        .chain(&rest)
        .map(|event| event["id"].to_string())
        .collect();
    both.sort();
    assert_eq!(both, ids.iter().cloned().collect::<Vec<_>>());
    let last = rest.last().unwrap()["position"].as_str().unwrap();
    let none = place.done(&["events", "--after", last]);
    assert!(none.said.contains("no events"), "{none:?}");

    let table = place.done(&["events", "--service", "registry"]).out;
    assert!(table.starts_with("RECORDED"), "{table}");
    assert!(
        table.contains("REVISION_PUBLISHED") && !table.contains("ENTRY_FILED"),
        "{table}"
    );
    let csv = place
        .done(&["events", "--service", "entry_validation", "--output", "csv"])
        .out;
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("recordedAt,service,what,subject,position"));
    assert_eq!(lines.count(), of("entry_validation"));

    for (arguments, words) in [
        (
            &["events", "--service", "nobody"][..],
            "\"nobody\" tells no events here",
        ),
        (&["events", "--after", "12"], "is no position"),
        (&["events", "--after", "registrie:0.1"], "is no position"),
        (
            &["events", "--after", "registry:0.99999"],
            "another than the one that told",
        ),
        (&["events", "--follow", "--output", "jsonl"], "nopic serve all"),
    ] {
        let refused = place.run(arguments);
        assert_ne!(refused.status, 0, "{arguments:?}");
        assert!(refused.said.contains(words), "{arguments:?}: {refused:?}");
    }
}

/// A program that follows; it ends with this.
struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Following {
    fn begin(place: &Place, arguments: &[&str]) -> Self {
        let mut child = place
            .command(&[&["events", "--follow"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended");
        line
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn following_tells_what_happens_and_goes_on_after_a_restart() {
    let place = Place::new();
    let port = nopic_testing::process::free_port();
    let listen = format!("127.0.0.1:{port}");
    let serve = || place.serve(&["serve", "all", "--listen", &listen]);
    let flags = |server: &Serving, code: u32| {
        place.file(
            "flags.csv",
            format!("hts,flag,from,to\n{code:010},AM8,2024-01-01,\n"),
        );
        place.done(&["flags", "import", "flags.csv", "--endpoint", &server.url]);
    };
    let server = serve();
    flags(&server, 106_110_001);
    let endpoint = server.url.clone();
    let of = ["--endpoint", &endpoint, "--service", "entry_validation"];
    let mut jsonl = Following::begin(&place, &[&of[..], &["--output", "jsonl"]].concat());
    let mut csv = Following::begin(&place, &[&of[..], &["--output", "csv"]].concat());
    let code = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["flagsChanged"]["htsCodes"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(code(&jsonl.next()), "0106110001");
    assert_eq!(csv.next().trim(), "recordedAt,service,what,subject,position");
    assert!(csv.next().contains(",entry_validation,FLAGS_CHANGED,"));
    flags(&server, 106_110_002);
    assert_eq!(code(&jsonl.next()), "0106110002");
    assert_eq!(server.stop(), Some(0));
    let server = serve();
    flags(&server, 106_110_003);
    assert_eq!(code(&jsonl.next()), "0106110003");
    assert!(csv.next().contains("FLAGS_CHANGED"));
    assert!(csv.next().contains("FLAGS_CHANGED"));
}

async fn client(server: &Serving) -> EventServiceClient<Channel> {
    EventServiceClient::connect(server.url.clone()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_tells_by_pages_with_their_age_and_refuses_what_makes_no_sense() {
    let place = lived();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let mut events = client(&server).await;
    let all = events.read_events(ReadEventsRequest {
        limit: 1_000,
        ..ReadEventsRequest::default()
    });
    let all = all.await.unwrap().into_inner();
    assert_eq!(all.behind_seconds, None);
    // Even the smallest pages say that there is more, whoever tells it, and come past all of it.
    let (mut read, mut after) = (Vec::new(), String::new());
    loop {
        let request = ReadEventsRequest {
            after: after.clone(),
            limit: 1,
            services: Vec::new(),
        };
        let page = events.read_events(request).await.unwrap().into_inner();
        assert!(page.events.len() <= 1);
        assert_eq!(
            page.behind_seconds.is_some(),
            read.len() + page.events.len() < all.events.len()
        );
        assert!(
            page.behind_seconds.is_none_or(|seconds| seconds < 600),
            "{page:?}"
        );
        if let Some(event) = page.events.first() {
            assert!(matches!(
                event.service.as_str(),
                "registry" | "certificate" | "entry_validation"
            ));
        }
        read.extend(page.events);
        after = page.position;
        if page.behind_seconds.is_none() {
            break;
        }
    }
    let ids = |events: &[nopic_proto::events::Event]| {
        let mut ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&read), ids(&all.events));
    assert_eq!(after, all.position);
    for (request, words) in [
        (
            ReadEventsRequest {
                limit: 1_001,
                ..ReadEventsRequest::default()
            },
            "limit: at most 1000",
        ),
        (
            ReadEventsRequest {
                services: vec!["notification".into()],
                ..ReadEventsRequest::default()
            },
            "tells no events here",
        ),
        (
            ReadEventsRequest {
                after: "registry:1".into(),
                ..ReadEventsRequest::default()
            },
            "is no position",
        ),
    ] {
        let refused = events.read_events(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(words), "{refused}");
    }
    // Everybody's events are for the service of notices, and for no role.
    let refused = events
        .read_all_events(ReadEventsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // As JSON.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::get(format!("{}/v1/events?limit=2&services=registry", server.url));
    let answer: Value = serde_json::from_str(&answer.await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(answer["events"].as_array().unwrap().len(), 2);
    assert!(
        answer["behindSeconds"].is_number() && answer["position"].is_string(),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_hears_at_once_is_told_where_it_is_and_is_sent_on_at_a_drain() {
    let place = Place::new();
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let mut pages = client(&server)
        .await
        .watch_events(WatchEventsRequest::default())
        .await
        .unwrap()
        .into_inner();
    // Where it begins is told before anything happens.
    let first = pages.message().await.unwrap().unwrap();
    assert_eq!((first.events.len(), first.behind_seconds), (0, None));
    assert!(first.position.contains("registry:"), "{first:?}");
    place.file("flags.csv", "hts,flag,from,to\n0106110001,AM8,2024-01-01,\n");
    let import = ["flags", "import", "flags.csv", "--endpoint", &server.url];
    place.done(&import);
    let imported = Instant::now();
    let news = pages.message().await.unwrap().unwrap();
    assert!(imported.elapsed() < Duration::from_secs(2));
    assert!(matches!(&news.events[0].what, Some(What::FlagsChanged(changed)) if changed.codes == 1));
    // Nothing more happens: the position is told again.
    let beat = timeout(Duration::from_secs(15), pages.message()).await.unwrap();
    let beat = beat.unwrap().unwrap();
    assert_eq!((beat.events.len(), &beat.position), (0, &news.position));
    assert!(imported.elapsed() > Duration::from_secs(8));
    assert_eq!(server.stop(), Some(0));
    while let Some(page) = pages.message().await.unwrap() {
        assert_eq!(page.events, []);
    }
    // It goes on elsewhere, from there.
    let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let request = WatchEventsRequest {
        after: beat.position.clone(),
        ..WatchEventsRequest::default()
    };
    let pages = client(&server).await.watch_events(request).await;
    let page = pages.unwrap().into_inner().message().await.unwrap().unwrap();
    assert_eq!((page.events.len(), page.position), (0, beat.position));
}
