//! Calls as clients of the Connect protocol make them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use prost_reflect::prost::Message as _;
use serde_json::json;
use tonic::codegen::http::StatusCode;

use super::{JSON, answers, call, connect, message};
use crate::json::contract::Contract;
use crate::json::read;

#[tokio::test]
async fn every_unary_method_is_called_as_connect_clients_do() {
    for method in Contract::get().methods.iter().filter(|method| method.is_unary()) {
        let line = format!("POST {}", method.path);
        let headers = [
            JSON,
            ("connect-protocol-version", "1"),
            ("connect-timeout-ms", "1500"),
        ];
        let answered = call(answers("{}"), &line, &headers, "{}").await;
        assert_eq!(
            (answered.status, answered.text()),
            (StatusCode::OK, "{}"),
            "{line}"
        );
        assert_eq!(answered.content(), "application/json");
        assert_eq!(answered.headers["trailer-x-behind"], "yes");
        let seen = answered.seen.unwrap();
        assert_eq!(
            (seen.path.as_str(), &seen.headers["grpc-timeout"]),
            (method.path.as_str(), &"1500m".parse().unwrap())
        );
        assert!(!seen.headers.contains_key("connect-protocol-version"));
        let answered = call(answers("{}"), &line, &[("content-type", "application/proto")], "").await;
        assert_eq!((answered.status, answered.text()), (StatusCode::OK, ""), "{line}");
        assert_eq!(answered.content(), "application/proto");
    }
}

#[tokio::test]
async fn what_connect_clients_ask_wrongly_is_told_in_their_form() {
    let limits = connect("GetLimits");
    let get = limits.replace("POST", "GET");
    let stream = connect("WatchChanges");
    for (line, headers, body, status, code) in [
        (limits.as_str(), &[JSON][..], "{", 400, "invalid_argument"),
        (&limits, &[JSON], "", 400, "invalid_argument"),
        (&limits, &[JSON], r#"{"a":1}"#, 400, "invalid_argument"),
        (
            &limits,
            &[JSON, ("connect-protocol-version", "2")],
            "{}",
            400,
            "invalid_argument",
        ),
        (
            &limits,
            &[JSON, ("connect-timeout-ms", "soon")],
            "{}",
            400,
            "invalid_argument",
        ),
        (
            &limits,
            &[JSON, ("content-encoding", "gzip")],
            "{}",
            501,
            "unimplemented",
        ),
        (
            &limits,
            &[("content-type", "text/plain")],
            "{}",
            415,
            "invalid_argument",
        ),
        (
            &limits,
            &[("content-type", "application/connect+json")],
            "{}",
            415,
            "invalid_argument",
        ),
        (&stream, &[JSON], "{}", 415, "invalid_argument"),
        (&get, &[JSON], "", 405, "unimplemented"),
        (
            "POST /nopic.registry.v1.RegistryService/Nothing",
            &[JSON, ("connect-protocol-version", "1")],
            "{}",
            404,
            "unimplemented",
        ),
        (
            "POST /nothing.v1.Nothing/Nothing",
            &[("content-type", "application/proto")],
            "",
            404,
            "unimplemented",
        ),
    ] {
        let answered = call(answers("{}"), line, headers, body).await;
        assert_eq!(
            (answered.status.as_u16(), &answered.json()["code"]),
            (status, &json!(code)),
            "{line} {headers:?}"
        );
        assert_eq!(answered.content(), "application/json");
    }
}

/// The same bytes, whatever the form that they come in.
#[tokio::test]
async fn a_message_is_the_same_in_json_and_in_protobuf() {
    let line = connect("ValidateEntry");
    let method = Contract::get()
        .method(line.strip_prefix("POST ").unwrap())
        .unwrap();
    let json = r#"{"line":{"entryNumber":"B7603245278","lineNumber":1,"lots":["L1"]}}"#;
    let bytes = read::message(&method.input, json.as_bytes())
        .unwrap()
        .encode_to_vec();
    assert_eq!(BASE64_STANDARD.encode(&bytes), "ChQKC0I3NjAzMjQ1Mjc4GAGKAQJMMQ==");
    let verdict = r#"{"verdict":{"entryNumber":"B7603245278","verdict":"WARN"}}"#;
    for (line, content, body) in [
        (
            "POST /v1/entries:validate",
            "application/json",
            Bytes::from_static(json.as_bytes()),
        ),
        (&line, "application/json", Bytes::from_static(json.as_bytes())),
        (&line, "application/proto", bytes.into()),
    ] {
        let answered = call(answers(verdict), line, &[("content-type", content)], body).await;
        assert_eq!(answered.asked(), format!("ValidateEntry {json}"));
        let expected = match content {
            "application/proto" => message(method, verdict),
            _ => Bytes::from_static(verdict.as_bytes()),
        };
        assert_eq!(answered.body, expected);
    }
}
