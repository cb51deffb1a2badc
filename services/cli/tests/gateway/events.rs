//! What happens behind a gateway by itself, told through it.

use std::collections::BTreeSet;

use nopic_proto::events::event_service_client::EventServiceClient;
use nopic_proto::events::{ReadEventsRequest, WatchEventsRequest};
use serde_json::Value;
use tonic::Code;

use crate::deployment::Deployment;

const SERVICES: [&str; 3] = ["registry", "certificate", "entry_validation"];

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_tells_what_happens_behind_it_and_no_more() {
    let mut deployment = Deployment::prepare().await;
    deployment.start_services();
    deployment.start_replica(0);
    deployment.start_gateway(0);
    deployment.start_gateway(1);
    deployment
        .place
        .file("flags.csv", "hts,flag,from,to\n0106110001,AM8,2024-01-01,\n");
    let imported = deployment.ask_gateway(0, &["flags", "import", "flags.csv"]);
    assert_eq!(imported.status, 0, "{imported:?}");
    let shown = deployment.ask_gateway(0, &["events", "--output", "jsonl"]);
    assert_eq!(shown.status, 0, "{shown:?}");
    let all = json_lines(&shown.out);
    assert!(all.iter().any(|event| event["revisionPublished"].is_object()));
    assert!(all.iter().any(|event| event["flagsChanged"].is_object()));

    // Page by page it is the same, whichever gateway is asked, and it says when there is more.
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let gateway = ids.len() % 2;
        let mut events = EventServiceClient::new(deployment.balanced(&[gateway]));
        let request = ReadEventsRequest {
            after,
            limit: 40,
            services: Vec::new(),
        };
        let page = events.read_events(request).await.unwrap().into_inner();
        ids.extend(page.events.into_iter().map(|event| event.id));
        after = page.position;
        if page.behind_seconds.is_none() {
            break;
        }
    }
    let distinct: BTreeSet<String> = ids.iter().cloned().collect();
    let shown: BTreeSet<String> = all
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((ids.len(), &distinct), (all.len(), &shown));
    for service in SERVICES {
        assert!(after.contains(&format!("{service}:")), "{after}");
    }

    // Whoever watches is sent on by a gateway that drains, and goes on at another one.
    let mut watching = EventServiceClient::new(deployment.balanced(&[0]));
    let request = WatchEventsRequest {
        after: after.clone(),
        services: Vec::new(),
    };
    let mut pages = watching.watch_events(request.clone()).await.unwrap().into_inner();
    let first = pages.message().await.unwrap().unwrap();
    assert_eq!((first.events.len(), &first.position), (0, &after));
    let mut events = EventServiceClient::new(deployment.balanced(&[1]));
    // Not even an operator reads what all tenants are told.
    let refused = events.read_all_events(ReadEventsRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let wrong = ReadEventsRequest {
        services: vec!["access".to_owned()],
        ..ReadEventsRequest::default()
    };
    let refused = events.read_events(wrong).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("\"access\" tells no events here"),
        "{refused}"
    );
    assert_eq!(deployment.gateways[0].take().unwrap().stop(), Some(0));
    while let Some(page) = pages.message().await.unwrap() {
        assert_eq!(page.events, []);
    }
    deployment
        .place
        .file("flags.csv", "hts,flag,from,to\n0106110002,AM8,2024-01-01,\n");
    let imported = deployment.ask_gateway(1, &["flags", "import", "flags.csv"]);
    assert_eq!(imported.status, 0, "{imported:?}");
    let mut pages = events.watch_events(request).await.unwrap().into_inner();
    let page = pages.message().await.unwrap().unwrap();
    assert_eq!(page.events.len(), 1, "{page:?}");
    assert_eq!(page.events[0].service, "entry_validation");

    // A service that is away is no silence.
    deployment.stop_certificates();
    let shown = deployment.ask_gateway(1, &["events"]);
    assert_eq!(shown.status, 2, "{shown:?}");
    assert!(
        shown.said.contains("What certificate tells is missing"),
        "{shown:?}"
    );
    assert!(
        shown.out.contains("FLAGS_CHANGED") && !shown.out.contains("CERTIFICATE_STEP"),
        "{shown:?}"
    );
    let page = events
        .read_events(ReadEventsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.unavailable_services, ["certificate"]);
    assert!(!page.position.contains("certificate:"), "{}", page.position);
    let shown = deployment.ask_gateway(1, &["events", "--service", "registry", "--output", "jsonl"]);
    assert_eq!(shown.status, 0, "{shown:?}");
    assert!(!shown.out.is_empty());
}
