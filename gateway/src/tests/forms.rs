//! The forms in which calls come, over both versions of HTTP.

use http_body_util::BodyExt as _;
use tonic::Code;

use super::*;
use crate::access_log::Noted;

fn web(path: &str, content: &str, body: &'static [u8]) -> http::Request<Full<Bytes>> {
    http::Request::post(path)
        .header("host", "door")
        .header("content-type", content)
        .header("authorization", "Bearer nopic_a")
        .body(Full::new(Bytes::from_static(body)))
        .unwrap()
}

async fn over_http_1(door: &Door) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(door.address).await.unwrap();
    let (caller, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    caller
}

#[tokio::test]
async fn grpc_web_is_the_same_call_over_http_1() {
    let door = Door::open(Bounds::default()).await;
    let mut caller = over_http_1(&door).await;
    let response = caller
        .send_request(web(SAY, "application/grpc-web+proto", b"\0\0\0\0\x02hi"))
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc-web+proto");
    assert_eq!(response.headers()["x-tenant"], "a");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"\0\0\0\0\x02hi\x80"), "{body:?}");
    assert!(body.ends_with(b"grpc-status:0\r\n"), "{body:?}");
    // A refusal is one in that form, too.
    let response = caller
        .send_request(web(OPERATE, "application/grpc-web+proto", b"\0\0\0\0\0"))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let in_headers = response
        .headers()
        .get("grpc-status")
        .map(|status| status.to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let denied = format!("{}", Code::PermissionDenied as i32);
    let in_body = String::from_utf8_lossy(&body).contains(&format!("grpc-status:{denied}"));
    assert!(in_headers == Some(denied) || in_body, "{in_headers:?} {body:?}");
}

/// Who calls is asked of JSON as of gRPC, before a byte of its body is looked at; what there is is told to everybody.
#[tokio::test]
async fn json_passes_the_same_door() {
    let door = Door::open(Bounds::default()).await;
    for (verb, path, key, status) in [
        ("POST", "/v1/entries:validate", None, 401),
        ("POST", "/v1/entries:validate", Some("Bearer nopic_unknown"), 401),
        (
            "POST",
            "/v1/entries:validate",
            Some("Bearer nopic_suspended"),
            403,
        ),
        (
            "POST",
            "/v1/entries:validate",
            Some("Bearer nopic_unavailable"),
            503,
        ),
        ("POST", "/v1/entries:validateDocument?wrong=1", None, 401),
        ("GET", "/v1/operations/1?wrong=1", None, 401),
        ("GET", "/openapi.json", None, 200),
        ("GET", "/docs", None, 200),
    ] {
        let mut request = http::Request::builder()
            .method(verb)
            .uri(path)
            .header("host", "door")
            .header("content-type", "application/json")
            .header("x-request-id", "mine");
        if let Some(key) = key {
            request = request.header("authorization", key);
        }
        let request = request.body(Full::new(Bytes::from_static(b"{wrong"))).unwrap();
        // What is refused unread ends its connection.
        let mut caller = over_http_1(&door).await;
        let response = caller.send_request(request).await.unwrap();
        assert_eq!(response.status(), status, "{path} {key:?}");
        assert_eq!(response.headers()["x-request-id"], "mine");
        let is_problem = response.headers()["content-type"] == "application/problem+json";
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(is_problem, status != 200, "{body:?}");
        if is_problem {
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["instance"], "mine");
        }
    }
}

#[tokio::test]
async fn a_connection_whose_request_was_not_read_says_that_it_ends() {
    let door = Door::open(Bounds::default()).await;
    for (key, ends) in [("nopic_unknown", true), ("nopic_a", false)] {
        let mut caller = over_http_1(&door).await;
        let mut request = web(SAY, "application/grpc-web+proto", b"\0\0\0\0\x02hi");
        request.headers_mut().insert(
            "authorization",
            HeaderValue::from_str(&format!("Bearer {key}")).unwrap(),
        );
        let response = caller.send_request(request).await.unwrap();
        let says = response
            .headers()
            .get("connection")
            .is_some_and(|value| value == "close");
        assert_eq!(says, ends, "{key}");
    }
}

#[tokio::test]
async fn grpc_over_http_1_is_refused_and_told_what_to_do() {
    let door = Door::open(Bounds::default()).await;
    let mut caller = over_http_1(&door).await;
    let response = caller
        .send_request(web(SAY, "application/grpc", b"\0\0\0\0\x02hi"))
        .await
        .unwrap();
    assert_eq!(response.status(), 505);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("gRPC-Web"), "{body:?}");
}

#[tokio::test]
async fn a_content_type_may_have_parameters() {
    let door = Door::open(Bounds::default()).await;
    let mut caller = door.connect().await;
    let mut request = request(SAY, Some("nopic_a"));
    let content = HeaderValue::from_static("application/grpc-web+proto; charset=utf-8");
    request.headers_mut().insert("content-type", content);
    let answer = caller.ask(request).await;
    assert!(answer.body.ends_with(b"grpc-status:0\r\n"), "{answer:?}");
}

#[tokio::test]
async fn who_asks_for_the_headers_alone_gets_no_body() {
    let door = Door::open(Bounds::default()).await;
    let mut caller = door.connect().await;
    let ask = |verb: http::Method| {
        http::Request::builder()
            .method(verb)
            .uri("http://localhost/openapi.json")
            .body(Full::default())
            .unwrap()
    };
    let whole = caller.ask(ask(http::Method::GET)).await;
    let head = caller.ask(ask(http::Method::HEAD)).await;
    assert!(head.body.is_empty() && !whole.body.is_empty());
    assert_eq!(
        head.header("content-length"),
        Some(whole.body.len().to_string().as_str())
    );
}

#[tokio::test]
async fn what_is_refused_before_and_at_the_door_is_counted() {
    let metrics = Metrics::default();
    let calls = calls(Bounds::default(), &metrics);
    let send = async |verb: &str, path: &str, content: &'static str| {
        let request = http::Request::builder()
            .method(verb)
            .uri(path)
            .header("content-type", content)
            .header("authorization", "Bearer nopic_a")
            .body(Body::new(Full::new(Bytes::from_static(b"{}"))));
        calls.answer(request.unwrap()).await.status().as_u16()
    };
    assert_eq!(send("GET", "/nothing", "application/json").await, 404);
    assert_eq!(send("GET", WHO_AM_I, "application/json").await, 405);
    assert_eq!(send("POST", WHO_AM_I, "text/plain").await, 415);
    assert_eq!(send("POST", WHO_AM_I, "application/grpc").await, 505);
    assert_eq!(send("POST", WHO_AM_I, "application/json").await, 200);
    drop(calls.answer(come(OPERATE, Some("nopic_a"))).await);
    let text = metrics.text();
    for line in [
        "gateway_requests_refused_total{status=\"404\"} 1",
        "gateway_requests_refused_total{status=\"405\"} 1",
        "gateway_requests_refused_total{status=\"415\"} 1",
        "gateway_requests_refused_total{status=\"505\"} 1",
        "gateway_requests_refused_total{status=\"other\"} 0",
        "rpc_server_calls_refused_by_role_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn how_a_call_ends_is_noted_whatever_its_form() {
    let calls = calls(Bounds::default(), &Metrics::default());
    for (path, content, body, code) in [
        (SAY, "application/grpc-web", &b"\0\0\0\0\x02hi"[..], Code::Ok),
        (
            OPERATE,
            "application/grpc-web",
            b"\0\0\0\0\0",
            Code::PermissionDenied,
        ),
        (WHO_AM_I, "application/json", b"{}", Code::Ok),
    ] {
        let noted = Noted::default();
        let request = http::Request::post(path)
            .header("content-type", content)
            .header("authorization", "Bearer nopic_a")
            .extension(noted.clone())
            .body(Body::new(Full::new(Bytes::from_static(body))));
        let answer = calls.answer(request.unwrap()).await;
        answer.into_body().collect().await.unwrap();
        assert_eq!(noted.noted_status(), Some(code as i32), "{path} {content}");
    }
}
