//! Calls by the paths of the contract.

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::StatusCode;

use super::{Behind, By, JSON, answers, call};
use crate::Request;
use crate::json::frames::Messages;

#[tokio::test]
async fn paths_lead_to_methods_with_their_fields() {
    for (line, body, asked) in [
        (
            "GET /v1/operations/1234567890",
            "",
            r#"GetOperation {"nopId":"1234567890"}"#,
        ),
        (
            "GET /v1/operations/1234567890?revision.exact=3",
            "",
            r#"GetOperation {"nopId":"1234567890","revision":{"exact":3}}"#,
        ),
        (
            "GET /v1/operations?query=Caf%C3%A9&pageSize=2",
            "",
            r#"SearchOperations {"query":"Café","pageSize":2}"#,
        ),
        (
            "GET /v1/audit/heads?services=registry&services=certificate",
            "",
            r#"ListHeads {"services":["registry","certificate"]}"#,
        ),
        (
            "GET /v1/decisions/18446744073709551615:explain",
            "",
            r#"ExplainDecision {"decisionId":"18446744073709551615"}"#,
        ),
        (
            "DELETE /v1/importerLinks/12%2F34",
            "",
            r#"UnlinkImporter {"importerOfRecord":"12/34"}"#,
        ),
        (
            "POST /v1/entries:validate",
            r#"{"line":{"entryNumber":"B7603245278","lineNumber":1}}"#,
            r#"ValidateEntry {"line":{"entryNumber":"B7603245278","lineNumber":1}}"#,
        ),
        (
            "POST /v1/certificateRequests/7:approve",
            r#"{"requestId":"a","request":"7","accepted":["X"]}"#,
            r#"ApproveCertificate {"requestId":"a","request":"7","accepted":["X"]}"#,
        ),
        ("POST /v1/snapshots:release", "", "ReleaseSnapshot {}"),
    ] {
        let answered = call(
            answers("{}"),
            line,
            &[JSON, ("x-mine", "1"), ("grpc-encoding", "gzip")],
            body,
        )
        .await;
        assert_eq!(
            (answered.status, answered.text()),
            (StatusCode::OK, "{}"),
            "{line}"
        );
        assert_eq!(answered.asked(), asked, "{line}");
        let headers = answered.seen.unwrap().headers;
        assert_eq!(headers["content-type"], "application/grpc");
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["x-mine"], "1");
        assert!(!headers.contains_key("grpc-encoding") && !headers.contains_key("content-length"));
    }
}

#[tokio::test]
async fn an_answer_is_protojson() {
    let answer = r#"{"verdict":{"entryNumber":"B7603245278","lineNumber":1,"pgaLineNumber":1,"verdict":"REJECT","findings":[{"code":"IMPORTER_NOT_CERTIFIED","severity":"REJECT","field":"importerNopId"}],"remedies":["REEXPORT"],"evidence":{"registryRevision":0},"declaration":"ORGANIC"}}"#;
    let answered = call(answers(answer), "POST /v1/entries:validate", &[JSON], "{}").await;
    assert_eq!(answered.text(), answer);
    assert_eq!(answered.content(), "application/json");
    assert_eq!(answered.headers["x-revision"], "7");
    assert!(!answered.headers.contains_key("x-behind"));
    let answered = call(
        answers(answer),
        "POST /v1/entries:validate",
        &[("content-type", "Application/JSON; charset=utf-8")],
        "{}",
    )
    .await;
    assert_eq!(answered.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_a_problem() {
    for (line, headers, body, status, code, detail) in [
        (
            "GET /v1/nothing",
            &[][..],
            "",
            404,
            "NOT_FOUND",
            "there is nothing at \"/v1/nothing\": /docs lists what there is",
        ),
        (
            "GET /v1/entries:validate",
            &[],
            "",
            405,
            "UNIMPLEMENTED",
            "this path takes POST",
        ),
        (
            "POST /docs",
            &[],
            "",
            405,
            "UNIMPLEMENTED",
            "this path takes GET, HEAD",
        ),
        (
            "POST /v1/entries:validate",
            &[("content-type", "application/x-www-form-urlencoded")],
            "{}",
            415,
            "INVALID_ARGUMENT",
            "the body is taken as application/json, not compressed: set the header content-type",
        ),
        (
            "POST /v1/entries:validate",
            &[],
            "{}",
            415,
            "INVALID_ARGUMENT",
            "the body is taken as application/json",
        ),
        (
            "POST /v1/entries:validate",
            &[JSON, ("content-encoding", "gzip")],
            "{}",
            415,
            "INVALID_ARGUMENT",
            "the body is taken as application/json, not compressed",
        ),
        (
            "POST /v1/entries:validateDocument",
            &[("content-type", "multipart/form-data; boundary=x")],
            "--x",
            415,
            "INVALID_ARGUMENT",
            "a file is taken as it is, alone in the body, and this one is part of a form (multipart): with curl, send it by --data-binary @FILE",
        ),
        (
            "POST /v1/entries:validateDocument",
            &[("content-encoding", "gzip")],
            "x",
            415,
            "INVALID_ARGUMENT",
            "a file is taken as it is, alone in the body, and this one is compressed (content-encoding)",
        ),
        (
            "POST /v1/entries:validate",
            &[JSON],
            r#"{"line":{"lineNumber":"x"}}"#,
            400,
            "INVALID_ARGUMENT",
            "line.lineNumber: a whole number from 0 to 4294967295 is wanted at line 1 column 25",
        ),
        (
            "POST /v1/entries:validate?a=1",
            &[JSON],
            "{}",
            400,
            "INVALID_ARGUMENT",
            "this path takes no parameters",
        ),
        (
            "GET /v1/operations/1?nopId=2",
            &[],
            "",
            400,
            "INVALID_ARGUMENT",
            "nopId: there is no such parameter: known are revision.exact, revision.atLeast",
        ),
        (
            "GET /v1/decisions/x",
            &[],
            "",
            400,
            "INVALID_ARGUMENT",
            "decisionId: a whole number from 0 to",
        ),
        (
            "POST /v1/certificateRequests/7:approve",
            &[JSON],
            r#"{"request":8}"#,
            400,
            "INVALID_ARGUMENT",
            "request: the path and the body name different ones",
        ),
    ] {
        let answered = call(answers("{}"), line, headers, body).await;
        let problem = answered.json();
        assert_eq!(answered.status, status, "{line} {problem}");
        assert_eq!(answered.content(), "application/problem+json");
        assert_eq!(
            (&problem["status"], &problem["code"]),
            (&json!(status), &json!(code)),
            "{line}"
        );
        assert_eq!(
            (&problem["type"], &problem["instance"]),
            (&json!("about:blank"), &json!("the-id"))
        );
        assert!(
            problem["detail"].as_str().unwrap().starts_with(detail),
            "{line} {problem}"
        );
        assert_eq!(answered.headers.contains_key("allow"), status == 405);
    }
}

#[tokio::test]
async fn the_field_that_is_wrong_is_told_to_programs_too() {
    let line = "POST /v1/entries:batchValidate";
    let answered = call(answers("{}"), line, &[JSON], r#"{"lines":[{"lineNumber":-1}]}"#).await;
    let details = json!([{
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{
            "field": "lines[0].lineNumber",
            "description": "a whole number from 0 to 4294967295 is wanted at line 1 column 26"
        }]
    }]);
    assert_eq!(answered.json()["details"], details);
}

#[tokio::test]
async fn a_body_has_bounds() {
    let long = format!(r#"{{"line":"{}"}}"#, "x".repeat(17 << 20));
    let answered = call(answers("{}"), "POST /v1/entries:validate", &[JSON], long).await;
    assert_eq!(
        (answered.status.as_u16(), &answered.json()["code"]),
        (413, &json!("RESOURCE_EXHAUSTED"))
    );
    let deep = format!("{}{}", r#"{"line":"#.repeat(10_000), "}".repeat(10_000));
    let answered = call(answers("{}"), "POST /v1/entries:validate", &[JSON], deep).await;
    assert_eq!(answered.status, StatusCode::BAD_REQUEST);
    let many = format!(r#"{{"lines":[{}{{}}]}}"#, "{},".repeat(10_000));
    let line = format!(r#"{{"lots":[{}""]}}"#, r#""","#.repeat(44));
    let lots = format!(r#"{{"lines":[{}{line}]}}"#, format!("{line},").repeat(9_000));
    for (body, reason) in [
        (many, "lines: more than 10000 elements"),
        (lots, "more than 400000 values"),
    ] {
        let answered = call(answers("{}"), "POST /v1/entries:batchValidate", &[JSON], body).await;
        let detail = answered.json()["detail"].to_string();
        assert!(
            answered.status == StatusCode::BAD_REQUEST && detail.contains(reason),
            "{detail}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let silent = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Status>>());
    let request = tonic::codegen::http::Request::post("/v1/entries:validate")
        .header("content-type", "application/json")
        .body(Body::new(silent))
        .unwrap();
    let behind = By(async |request: Request| {
        let ended = Messages::new(request.into_body(), 1 << 20).next().await;
        ended.unwrap_err().into_http()
    });
    let answered = crate::json::answer(&behind, request).await;
    assert_eq!(answered.status(), StatusCode::REQUEST_TIMEOUT);
}

/// Who calls is asked before what is sent: a body that nobody reads is not wrong.
#[tokio::test]
async fn whoever_may_not_call_is_told_that_first() {
    for line in [
        "POST /v1/entries:validate",
        "POST /v1/entries:validateDocument?wrong=1",
        "GET /v1/operations?wrong=1",
    ] {
        let refuses = Behind::Refuses(Status::unauthenticated("who are you"));
        let answered = call(refuses, line, &[JSON], "{wrong").await;
        assert_eq!(answered.status, StatusCode::UNAUTHORIZED, "{line}");
        assert_eq!(answered.headers["www-authenticate"], "Bearer");
        assert_eq!(answered.json()["detail"], "who are you");
    }
}

#[tokio::test]
async fn what_there_is_is_told_to_everybody() {
    let refuses = || Behind::Refuses(Status::unauthenticated("who are you"));
    let answered = call(refuses(), "GET /openapi.json", &[], "").await;
    assert_eq!(
        (answered.status, answered.content()),
        (StatusCode::OK, "application/json")
    );
    assert_eq!(answered.json()["openapi"], "3.1.0");
    let answered = call(refuses(), "GET /docs", &[], "").await;
    assert_eq!(
        (answered.status, answered.content()),
        (StatusCode::OK, "text/html; charset=utf-8")
    );
    assert!(answered.text().contains("/v1/entries:validate") && answered.seen.is_none());
}
