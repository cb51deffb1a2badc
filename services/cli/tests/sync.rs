//! `registry sync` against a server in this process.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use support::Place;

/// A server that answers as told: a file with its tag, or 304 to whoever knows it; or an answer as it stands.
struct Server {
    url: String,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<usize>>,
}

#[derive(Clone)]
enum Answer {
    File(&'static str, Vec<u8>),
    Raw(Vec<u8>),
}

impl Server {
    fn start(path: &str, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}/{path}", listener.local_addr().unwrap()),
            answer: Arc::new(Mutex::new(answer)),
            requests: Arc::default(),
        };
        let (answer, requests) = (Arc::clone(&server.answer), Arc::clone(&server.requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = String::new();
                let mut lines = BufReader::new(stream.try_clone().unwrap());
                while !request.ends_with("\r\n\r\n") {
                    lines.read_line(&mut request).unwrap();
                }
                *requests.lock().unwrap() += 1;
                let answer = match answer.lock().unwrap().clone() {
                    Answer::Raw(answer) => answer,
                    Answer::File(tag, _) if request.contains(&format!("if-none-match: \"{tag}\"")) => {
                        b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec()
                    }
                    Answer::File(tag, content) => {
                        let mut answer = format!(
                            "HTTP/1.1 200 OK\r\nETag: \"{tag}\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                            content.len()
                        )
                        .into_bytes();
                        answer.extend(content);
                        answer
                    }
                };
                // A client that has heard enough may be gone.
                let _ = stream.write_all(&answer);
            }
        });
        server
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn requests(&self) -> usize {
        *self.requests.lock().unwrap()
    }
}

fn sample(place: &Place) -> Vec<u8> {
    place.sample(50, 0, 0, 3);
    std::fs::read(place.path().join("sample/operations-2024-09-30.zip")).unwrap()
}

fn revisions(place: &Place) -> usize {
    place
        .done(&["registry", "list", "--output", "jsonl"])
        .out
        .lines()
        .count()
}

#[test]
fn a_snapshot_is_fetched_once() {
    let place = Place::new();
    let content = sample(&place);
    let server = Server::start("operations-2024-09-30.zip", Answer::File("v1", content.clone()));
    let first = place.done(&["registry", "sync", &server.url]);
    assert!(first.out.contains("Revision 1 serves"), "{first:?}");
    let again = place.done(&["registry", "sync", &server.url]);
    assert!(
        again.out.is_empty() && again.said.contains("nothing is new"),
        "{again:?}"
    );
    // The same content under another tag changes nothing either.
    server.answers(Answer::File("v2", content));
    let same = place.done(&["registry", "sync", &server.url]);
    assert!(same.out.contains("Nothing changed"), "{same:?}");
    assert_eq!(server.requests(), 3);
    assert_eq!(revisions(&place), 1);
}

#[test]
fn what_goes_wrong_never_changes_what_serves() {
    let place = Place::new();
    let content = sample(&place);
    let server = Server::start("operations-2024-09-30.zip", Answer::File("v1", content.clone()));
    place.done(&["registry", "sync", &server.url]);
    let page = b"<!DOCTYPE html><html><body>Please log in</body></html>";
    let mut cut = content.clone();
    cut.truncate(content.len() / 2);
    let broken = [
        &b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n"[..],
        &content[..100],
    ]
    .concat();
    let fault = b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for (what, answer, arguments) in [
        ("a page", Answer::File("v2", page.to_vec()), &[][..]),
        ("half a file", Answer::File("v3", cut), &[]),
        ("a broken connection", Answer::Raw(broken), &["--attempts", "2"]),
        ("a fault", Answer::Raw(fault.to_vec()), &["--attempts", "2"]),
        (
            "another checksum",
            Answer::File("v4", content),
            &[
                "--sha256",
                "0000000000000000000000000000000000000000000000000000000000000000",
            ],
        ),
    ] {
        server.answers(answer);
        let arguments: Vec<&str> = ["registry", "sync", &server.url]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let ended = place.run(&arguments);
        assert_eq!(ended.status, 2, "{what}: {ended:?}");
        assert!(ended.out.is_empty() && ended.said.len() > 40, "{what}: {ended:?}");
        assert_eq!(revisions(&place), 1, "{what}");
    }
    let left: Vec<String> = std::fs::read_dir(place.path().join("nopic-data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "no download is left behind: {left:?}");
}
