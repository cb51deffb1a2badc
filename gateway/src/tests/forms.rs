//! The forms in which calls come, over both versions of HTTP.

use http_body_util::BodyExt as _;
use tonic::Code;

use super::*;

fn web(path: &str, content: &str, body: &'static [u8]) -> http::Request<Full<Bytes>> {
    http::Request::post(path)
        .header("host", "door")
        .header("content-type", content)
        .header("authorization", "Bearer nopic_a")
        .body(Full::new(Bytes::from_static(body)))
        .unwrap()
}

#[tokio::test]
async fn grpc_web_is_the_same_call_over_http_1() {
    let door = Door::open(Bounds::default()).await;
    let stream = TcpStream::connect(door.address).await.unwrap();
    let (mut caller, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
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
