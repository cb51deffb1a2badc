//! Lines are charged to their tenants: a batch that is too much is refused with when to come again, a stream waits.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::time::Duration;

use nopic_proto::entry_validation::entry_validation_service_client::EntryValidationServiceClient;
use nopic_proto::entry_validation::{
    EntryLine, ValidateEntriesRequest, ValidateEntriesResponse, ValidateStreamRequest,
};
use support::{Place, Serving};
use tokio::time::Instant;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

/// Lines of one entry.
fn lines(count: u32) -> Vec<EntryLine> {
    let line = |line_number| EntryLine {
        entry_number: "B7603245278".to_owned(),
        line_number,
        ..EntryLine::default()
    };
    (1..=count).map(line).collect()
}

/// A server that lets each tenant send so many lines a second and at once.
fn served(place: &Place, per_second: u32, burst: u32) -> Serving {
    let mut command = place.command(&["serve", "all", "--listen", "127.0.0.1:0"]);
    command
        .env("NOPIC_LIMITS_LINES_PER_SECOND", per_second.to_string())
        .env("NOPIC_LIMITS_LINES_BURST", burst.to_string());
    place.serve_by(command)
}

/// One broker's calls.
struct Broker {
    client: EntryValidationServiceClient<Channel>,
    credential: AsciiMetadataValue,
}

impl Broker {
    /// Of a tenant that is made for it.
    async fn of(place: &Place, server: &Serving, tenant: &str) -> Self {
        place.done(&["tenant", "create", tenant, "--all-filer-codes"]);
        place.done(&["person", "add", tenant, "maria", "--role", "broker"]);
        let key = place.done(&["key", "create", tenant, "maria"]).out;
        Self {
            client: EntryValidationServiceClient::connect(server.url.clone())
                .await
                .unwrap(),
            credential: format!("Bearer {}", key.trim()).parse().unwrap(),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.credential.clone());
        request
    }

    async fn batch(&mut self, count: u32) -> Result<Response<ValidateEntriesResponse>, Status> {
        let request = self.request(ValidateEntriesRequest {
            lines: lines(count),
            ..ValidateEntriesRequest::default()
        });
        self.client.validate_entries(request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_much_is_refused_and_nobody_else_is() {
    let place = Place::new();
    // What is taken once does not come back within the test.
    let server = served(&place, 1, 1_000);
    let mut one = Broker::of(&place, &server, "one").await;
    let mut other = Broker::of(&place, &server, "other").await;
    assert_eq!(one.batch(1_000).await.unwrap().into_inner().verdicts.len(), 1_000);
    let refused = one.batch(1_000).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    let details = refused.get_error_details();
    assert_eq!(
        details.quota_failure().unwrap().violations[0].subject,
        "tenant:one/lines"
    );
    let again = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(
        again > Duration::from_secs(500) && again <= Duration::from_secs(1_000),
        "{again:?}"
    );
    assert!(other.batch(1_000).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_waits_for_room() {
    let place = Place::new();
    let server = served(&place, 200, 200);
    let mut one = Broker::of(&place, &server, "one").await;
    let began = Instant::now();
    let messages = (0..4).map(|_| ValidateStreamRequest {
        lines: lines(200),
        ..ValidateStreamRequest::default()
    });
    let request = one.request(tokio_stream::iter(messages));
    let mut answers = one.client.validate_stream(request).await.unwrap().into_inner();
    let mut verdicts = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        verdicts += answer.verdicts.len();
    }
    assert_eq!(verdicts, 800);
    // The first two hundred go at once, the others as they come back.
    assert!(
        began.elapsed() > Duration::from_millis(2_500),
        "{:?}",
        began.elapsed()
    );
}
