//! Fetching from a server in this process that misbehaves as told.

use std::sync::{Arc, Mutex};

use nopic_chassis::retry::Backoff;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::output::Terminal;

const CONTENT: &[u8] = b"hello\n";
const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

/// A server that gives these answers, one a connection, the last one again and again; and the requests it got.
struct Server {
    url: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(path: &str, answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = address(&format!("http://{}/{path}", listener.local_addr().unwrap())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (
            Arc::clone(&requests),
            answers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        );
        tokio::spawn(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                seen.lock()
                    .unwrap()
                    .push(String::from_utf8(request).unwrap().to_lowercase());
                let answer = &answers[number.min(answers.len() - 1)];
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Self { url, requests }
    }

    async fn fetch(&self, change: impl FnOnce(&mut Wanted)) -> Result<Fetched, Failure> {
        let mut wanted = Wanted {
            url: self.url.clone(),
            known: None,
            sha256: None,
            retry: Retry {
                attempts: 3,
                pauses: Backoff::new(Duration::from_millis(2), Duration::from_millis(4)),
                most_time: Duration::from_secs(20),
            },
        };
        change(&mut wanted);
        let folder = tempfile::tempdir().unwrap();
        let progress = Progress::of_bytes(&Terminal::none(), None, "");
        let fetched = fetch(&wanted, folder.path(), &progress).await;
        if let Ok(Fetched::File(download)) = &fetched {
            assert_eq!(std::fs::read(download.file.path()).unwrap(), CONTENT);
        } else {
            let left = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(left, 0, "nothing half fetched is left behind");
        }
        fetched
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn ok(headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n{headers}\r\nhello\n")
}

fn file(fetched: Result<Fetched, Failure>) -> Download {
    match fetched.unwrap() {
        Fetched::File(download) => download,
        Fetched::NotModified => panic!("a file was expected"),
    }
}

#[tokio::test]
async fn a_file_comes_with_its_name_and_validators() {
    let answer = ok("ETag: \"v1\"\r\nLast-Modified: Tue, 01 Sep 2026 00:00:00 GMT\r\n");
    let server = Server::start("data/INTEGRITY_Export_20260901.xlsx?x=1", &[&answer]).await;
    let download = file(server.fetch(|_| ()).await);
    assert_eq!(download.name, "INTEGRITY_Export_20260901.xlsx");
    assert_eq!(download.validators.entity_tag, "\"v1\"");
    assert_eq!(download.validators.last_modified, "Tue, 01 Sep 2026 00:00:00 GMT");
}

#[tokio::test]
async fn the_server_may_name_the_file_but_not_its_folder() {
    let answer = ok("Content-Disposition: attachment; filename=\"../../etc/x.zip\"\r\n");
    let server = Server::start("download", &[&answer]).await;
    assert_eq!(file(server.fetch(|_| ()).await).name, "x.zip");
}

#[tokio::test]
async fn known_content_is_asked_for_conditionally() {
    let server = Server::start("x", &["HTTP/1.1 304 Not Modified\r\n\r\n"]).await;
    let fetched = server
        .fetch(|wanted| {
            wanted.known = Some(Validators {
                entity_tag: "\"v1\"".into(),
                last_modified: "Tue, 01 Sep 2026 00:00:00 GMT".into(),
            });
        })
        .await;
    assert!(matches!(fetched, Ok(Fetched::NotModified)));
    let request = server.requests.lock().unwrap()[0].clone();
    assert!(request.contains("if-none-match: \"v1\"\r\n"), "{request}");
    assert!(
        request.contains("if-modified-since: tue, 01 sep 2026"),
        "{request}"
    );
}

#[tokio::test]
async fn a_passing_fault_passes() {
    let fault = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    let broken = "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\nhello\n";
    let server = Server::start("x", &[fault, broken, &ok("")]).await;
    file(server.fetch(|_| ()).await);
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn trying_again_has_an_end() {
    for (answer, reason) in [
        (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            "503",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\nhello\n",
            "broke off",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\n\r\n",
            "broke off",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "empty"),
    ] {
        let server = Server::start("x", &[answer]).await;
        let said = server.fetch(|_| ()).await.unwrap_err().to_string();
        assert!(said.contains(reason) && said.contains("3 attempts"), "{said}");
        assert!(said.contains("goes on serving"), "{said}");
        assert_eq!(server.requests(), 3);
    }
}

#[tokio::test]
async fn a_wish_beyond_the_time_ends_it_at_once() {
    let answer = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start("x", &[answer]).await;
    assert!(server.fetch(|_| ()).await.is_err());
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    let server = Server::start("x", &["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]).await;
    let said = server.fetch(|_| ()).await.unwrap_err().to_string();
    assert!(said.contains("404 Not Found") && said.contains("moved"), "{said}");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn checksums_are_checked() {
    let server = Server::start("x", &[&ok("")]).await;
    file(
        server
            .fetch(|wanted| wanted.sha256 = Some(sha256(SHA256).unwrap()))
            .await,
    );
    let other = sha256(&"0".repeat(64)).unwrap();
    let said = server
        .fetch(|wanted| wanted.sha256 = Some(other))
        .await
        .unwrap_err();
    assert!(said.to_string().contains(SHA256), "{said}");
    assert_eq!(server.requests(), 2, "another content stays another content");

    let right = "Repr-Digest: sha-256=:WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=:\r\n";
    let wrong = "Digest: SHA-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n";
    let server = Server::start("x", &[&ok(wrong), &ok(right)]).await;
    file(server.fetch(|_| ()).await);
    assert_eq!(
        server.requests(),
        2,
        "a content that was garbled on the way is fetched again"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_without_secrets() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = Server {
        url: address(&format!("http://user:secret@127.0.0.1:{port}/x")).unwrap(),
        requests: Arc::default(),
    };
    let said = server.fetch(|_| ()).await.unwrap_err().to_string();
    assert!(said.contains("cannot be reached"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn addresses_are_checked() {
    assert!(address("https://example.org/x.zip").is_ok());
    for wrong in [
        "example.org/x.zip",
        "ftp://example.org/x",
        "file:///etc/passwd",
        "",
    ] {
        assert!(address(wrong).is_err(), "{wrong}");
    }
    let url = address("https://user:secret@example.org/x?y=1").unwrap();
    assert_eq!(shown(&url), "https://example.org/x?y=1");
}
