//! Streams: files up, lines down, and as clients of the Connect protocol have them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::{Value, json};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::StatusCode;

use super::{Behind, By, answers, call, connect};
use crate::Request;
use crate::json::frames::{Messages, frame};

/// A stream as clients of Connect read it: the messages, and the end.
fn enveloped(bytes: &[u8]) -> Vec<(u8, String)> {
    let mut found = Vec::new();
    let mut left = bytes;
    while let Some((&[flags, a, b, c, d], rest)) = left.split_first_chunk::<5>() {
        let (message, rest) = rest.split_at(u32::from_be_bytes([a, b, c, d]) as usize);
        found.push((flags, String::from_utf8(message.to_vec()).unwrap()));
        left = rest;
    }
    assert!(left.is_empty());
    found
}

#[tokio::test]
async fn streams_are_called_as_connect_clients_do() {
    let verdicts = r#"{"verdicts":[{"lineNumber":1}]}"#;
    let line = connect("ValidateStream");
    let headers = [("content-type", "application/connect+json")];
    let body: Bytes = [frame(0, br#"{"lines":[{"lineNumber":1}]}"#), frame(0, b"{}")]
        .concat()
        .into();
    let two = || vec![verdicts.to_owned(), "{}".to_owned()];
    let answered = call(
        Behind::Answers(two(), Status::ok("")),
        &line,
        &headers,
        body.clone(),
    )
    .await;
    assert_eq!(
        answered.asked(),
        r#"ValidateStream {"lines":[{"lineNumber":1}]} {}"#
    );
    assert_eq!(answered.content(), "application/connect+json");
    let end = r#"{"metadata":{"x-behind":["yes"]}}"#;
    let expected = [
        (0, verdicts.to_owned()),
        (0, "{}".to_owned()),
        (2, end.to_owned()),
    ];
    assert_eq!(enveloped(&answered.body), expected);

    let failed = Status::unavailable("later");
    let answered = call(
        Behind::Answers(two(), failed.clone()),
        &line,
        &headers,
        body.clone(),
    )
    .await;
    let end = enveloped(&answered.body).pop().unwrap();
    assert_eq!(answered.status, StatusCode::OK);
    assert!(
        end.1
            .contains(r#""error":{"code":"unavailable","message":"later"}"#),
        "{end:?}"
    );

    let answered = call(Behind::Refuses(failed), &line, &headers, body).await;
    assert_eq!(
        enveloped(&answered.body),
        [(
            2,
            r#"{"error":{"code":"unavailable","message":"later"}}"#.to_owned()
        )]
    );

    let answered = call(answers("{}"), &line, &headers, frame(0, br#"{"line":1}"#)).await;
    let end = enveloped(&answered.body).pop().unwrap();
    assert!(
        end.1
            .contains("there is no field \\\"line\\\" in ValidateStreamRequest: known are"),
        "{end:?}"
    );
}

#[tokio::test]
async fn a_file_is_answered_line_by_line() {
    let parts = vec![
        r#"{"verdicts":[{"lineNumber":1,"verdict":"ACCEPT"},{"lineNumber":2}],"rejects":[{"record":3}]}"#
            .to_owned(),
        r#"{"verdicts":[{"lineNumber":4}]}"#.to_owned(),
        r#"{"summary":{"lines":3,"rejects":1,"form":"CSV"}}"#.to_owned(),
    ];
    let line = "POST /v1/entries:validateDocument?form=CSV";
    let lines = "{\"lineNumber\":1,\"verdict\":\"ACCEPT\"}\n{\"lineNumber\":2}\n{\"rejects\":[{\"record\":3}]}\n{\"lineNumber\":4}\n";
    let answered = call(
        Behind::Answers(parts.clone(), Status::ok("")),
        line,
        &[("content-type", "text/csv")],
        "a,b",
    )
    .await;
    assert_eq!(
        answered.asked(),
        r#"ValidateDocument {"options":{"form":"CSV"}} {"chunk":"YSxi"} {"end":{}}"#
    );
    assert_eq!(
        (answered.status, answered.content()),
        (StatusCode::OK, "application/x-ndjson")
    );
    let summary = "{\"summary\":{\"lines\":3,\"rejects\":1,\"form\":\"CSV\"}}\n";
    assert_eq!(answered.text(), format!("{lines}{summary}"));

    let failed = Behind::Answers(parts[..2].to_vec(), Status::unavailable("later"));
    let answered = call(failed, line, &[], "a,b").await;
    let last = answered.text().strip_prefix(lines).unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(
        (&last["error"]["code"], &last["error"]["status"]),
        (&json!("UNAVAILABLE"), &json!(503))
    );

    // One answer for all of it.
    let answered = call(
        answers(r#"{"rows":2}"#),
        "POST /v1/flags:import?replace=true",
        &[],
        "x",
    )
    .await;
    assert_eq!(
        answered.asked(),
        r#"ImportFlags {"options":{"replace":true}} {"chunk":"eA=="} {"end":{}}"#
    );
    assert_eq!(
        (answered.content(), answered.text()),
        ("application/json", r#"{"rows":2}"#)
    );

    let answered = call(
        answers("{}"),
        "POST /v1/entries:fileDocument?requestId=a",
        &[],
        "x",
    )
    .await;
    assert_eq!(answered.status, StatusCode::BAD_REQUEST);
    assert!(
        answered.json()["detail"]
            .as_str()
            .unwrap()
            .contains("known are filing.requestId")
    );
}

#[tokio::test]
async fn a_stream_is_answered_line_by_line() {
    let events = vec![
        r#"{"change":{"nopId":"1","kind":"ADDED"}}"#.to_owned(),
        r#"{"reached":{"revision":2}}"#.to_owned(),
    ];
    let answered = call(
        Behind::Answers(events, Status::ok("")),
        "GET /v1/operations:watch?sinceRevision=1",
        &[],
        "",
    )
    .await;
    assert_eq!(answered.asked(), r#"WatchChanges {"sinceRevision":1}"#);
    assert_eq!(
        answered.text(),
        "{\"change\":{\"nopId\":\"1\",\"kind\":\"ADDED\"}}\n{\"reached\":{\"revision\":2}}\n"
    );
}

/// A file without end is read as far as the server behind reads, and not at all where it refuses.
#[tokio::test]
async fn no_more_of_a_file_is_read_than_the_server_behind_takes() {
    for (taken, most) in [(0, 0), (1, 0), (2, 1), (5, 4)] {
        let read = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&read);
        let endless = stream::repeat_with(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Status>(Frame::data(Bytes::from_static(b"line")))
        });
        let request = tonic::codegen::http::Request::post("/v1/entries:validateDocument")
            .body(Body::new(StreamBody::new(endless)))
            .unwrap();
        let behind = By(async |request: Request| {
            let mut messages = Messages::new(request.into_body(), 1 << 20);
            for _ in 0..taken {
                messages.next().await.unwrap().unwrap();
            }
            Status::permission_denied("no").into_http()
        });
        let answered = crate::json::answer(&behind, request).await;
        assert_eq!(answered.status(), StatusCode::FORBIDDEN);
        assert_eq!(read.load(Ordering::Relaxed), most, "{taken} messages taken");
    }
}
