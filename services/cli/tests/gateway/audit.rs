//! The logs of who changed what, asked for at a gateway by itself.

use crate::deployment::Deployment;

const SERVICES: [&str; 5] = [
    "registry",
    "certificate",
    "entry_validation",
    "notification",
    "access",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_verifies_the_logs_behind_it_and_names_those_that_it_could_not_see() {
    let mut deployment = Deployment::prepare().await;
    deployment.start_services();
    deployment.start_replica(0);
    deployment.start_notification();
    deployment.start_gateway(0);
    let verified = deployment.ask_gateway(0, &["audit", "verify"]);
    assert_eq!(verified.status, 0, "{verified:?}");
    for service in SERVICES {
        let whole = format!("{service}: all is as it was written");
        assert!(verified.out.contains(&whole), "{}", verified.out);
    }
    // Notes are sealed within a second, and in more on a busy machine.
    let heads = loop {
        let heads = deployment.ask_gateway(0, &["audit", "heads", "--output", "jsonl"]);
        assert_eq!(heads.status, 0, "{heads:?}");
        if !heads.out.is_empty() {
            break heads;
        }
    };
    // Heads that were kept are compared, wherever the log is.
    deployment.place.file("heads.jsonl", &heads.out);
    let anchored = ["audit", "verify", "--anchor", "heads.jsonl"];
    let verified = deployment.ask_gateway(0, &anchored);
    assert_eq!(verified.status, 0, "{verified:?}");
    let one = deployment.ask_gateway(0, &["audit", "verify", "--service", "certificate"]);
    assert_eq!((one.status, one.out.lines().count()), (0, 1), "{one:?}");

    deployment.stop_certificates();
    let verified = deployment.ask_gateway(0, &["audit", "verify"]);
    assert_eq!(verified.status, 2, "{verified:?}");
    assert!(
        verified.out.contains("certificate: NOT SEEN: "),
        "{}",
        verified.out
    );
    assert!(
        verified.said.contains("could not ask for the log of certificate"),
        "{}",
        verified.said
    );
    assert!(
        verified.out.contains("registry: all is as it was written"),
        "{}",
        verified.out
    );
    let listed = deployment.ask_gateway(0, &["audit", "verify", "--output", "jsonl"]);
    assert!(listed.out.contains("\"NOT_SEEN\""), "{}", listed.out);
}
