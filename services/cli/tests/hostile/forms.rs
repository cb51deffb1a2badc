//! Requests in every wrong form: each is refused in words, none is the server's fault.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::door::Door;

/// What is answered to these bytes: the status line, and all of it.
async fn said(address: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever is refused early may not have taken all of it.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    (status.unwrap_or(0), answer)
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

const CONNECT: &str = "/nopic.entry_validation.v1.EntryValidationService/ValidateEntry";
const JSON: &str = "content-type: application/json\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_form_is_refused_in_words() {
    let door = Door::open();
    let attack = async {
        let nested = format!("{}{}", "{\"line\":".repeat(10_000), "}".repeat(10_000));
        let lists = format!("{{\"line\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let long = format!("{{\"line\":{{\"description\":\"{}\"}}}}", "x".repeat(17 << 20));
        let key = format!("authorization: Bearer {}\r\n", door.key());
        let twice = format!("{JSON}{key}authorization: Bearer other\r\n");
        let large = format!("x-large: {}\r\n", "l".repeat(1 << 20));
        let mut requests = vec![
            (post(CONNECT, JSON, &nested), 400),
            (post(CONNECT, JSON, &lists), 400),
            (post(CONNECT, JSON, &long), 413),
            (post(CONNECT, JSON, "{"), 400),
            (post(CONNECT, JSON, "\u{feff}{}"), 400),
            (
                post(
                    CONNECT,
                    "content-type: application/json; charset=utf-16\r\n",
                    "{}",
                ),
                415,
            ),
            (
                post(
                    CONNECT,
                    "content-type: application/json; charset=UTF-8\r\n",
                    "{\"line\":{}}",
                ),
                200,
            ),
            (post(CONNECT, "content-type: text/xml\r\n", "<a/>"), 415),
            (post(CONNECT, "", "{}"), 415),
            (post(CONNECT, &twice, "{\"line\":{}}"), 401),
            (post(CONNECT, &large, "{}"), 431),
            (post(CONNECT, "content-type: application/proto\r\n", "\x07"), 400),
        ];
        for path in [
            "/../../../../etc/passwd",
            "/v1/../v1/entries",
            "/v1/%2e%2e/%2e%2e/etc/passwd",
            "/v1/operations/%00",
            "/v1/operations/%ff%fe",
            "//nopic.entry_validation.v1.EntryValidationService/ValidateEntry",
            "/nopic.entry_validation.v1.EntryValidationService/ValidateEntry/",
            "/nopic.entry_validation.v1.EntryValidationService%2FValidateEntry",
            "/v1/operations/..%2f..%2f",
            "/%2e",
        ] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            requests.push((request.into_bytes(), 0));
        }
        requests.push((
            format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "p".repeat(1 << 20)).into_bytes(),
            0,
        ));
        let count = requests.len();
        for (request, expected) in requests {
            let begin = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
            let (status, answer) = said(door.address, &request).await;
            let is_refused = (400..500).contains(&status) || status == expected;
            assert!(is_refused, "{begin}: {status} {answer}");
            assert!(expected == 0 || status == expected, "{begin}: {status} {answer}");
        }
        format!("{count} requests")
    };
    door.withstands("wrong forms", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_no_base64_is_the_callers_fault() {
    let door = Door::open();
    let request = post(CONNECT, "content-type: application/grpc-web-text\r\n", "****");
    let (_, answer) = said(door.address, &request).await;
    let is_told = answer.contains("grpc-status: 3") || answer.contains("grpc-status:3");
    assert!(is_told, "{answer}");
}
