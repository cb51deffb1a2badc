//! A request and its answer over HTTP/1.1, as text: heads as they are, bodies that are no text as bytes in hexadecimal.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::forms::Request;

/// Headers of answers that say what a form promises; others are the server's own.
const KEPT: [&str; 6] = [
    "content-type",
    "connect-content-encoding",
    "grpc-message",
    "grpc-status",
    "retry-after",
    "www-authenticate",
];

/// What is said and answered.
pub(crate) fn exchange(address: &str, request: &Request) -> String {
    let mut text = format!("{} {}\n", request.verb, request.path);
    for (name, value) in &request.headers {
        writeln!(text, "{name}: {value}").unwrap();
    }
    show(&mut text, &request.body);
    let (head, body) = send(address, request);
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    writeln!(text, "---\n{status}").unwrap();
    let mut kept: Vec<&str> = lines
        .filter(|line| {
            line.split_once(": ")
                .is_some_and(|(name, _)| KEPT.contains(&name))
        })
        .collect();
    kept.sort_unstable();
    for line in kept {
        writeln!(text, "{line}").unwrap();
    }
    show(&mut text, &body);
    text
}

/// A body: as it is where it is text, else sixteen bytes a line, and what can be read of them.
fn show(text: &mut String, body: &[u8]) {
    if body.is_empty() {
        return;
    }
    text.push('\n');
    match std::str::from_utf8(body) {
        Ok(body) if !body.contains(|character: char| character.is_control() && character != '\n') => {
            text.push_str(body);
            if !body.ends_with('\n') {
                text.push('\n');
            }
        }
        _ => {
            for line in body.chunks(16) {
                let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
                let readable: String = line
                    .iter()
                    .map(|byte| {
                        if byte.is_ascii_graphic() {
                            char::from(*byte)
                        } else {
                            '.'
                        }
                    })
                    .collect();
                writeln!(text, "{:<48}{readable}", bytes.join(" ")).unwrap();
            }
        }
    }
}

fn send(address: &str, request: &Request) -> (String, Vec<u8>) {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nx-request-id: golden\r\n",
        request.verb, request.path
    );
    for (name, value) in &request.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if !request.body.is_empty() {
        write!(head, "content-length: {}\r\n", request.body.len()).unwrap();
    }
    head.push_str("\r\n");
    let mut connection = TcpStream::connect(address).unwrap();
    connection
        .write_all(&[head.as_bytes(), &request.body].concat())
        .unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_owned();
    let body = &answer[end + 4..];
    let body = if head.contains("transfer-encoding: chunked") {
        dechunked(body)
    } else {
        body.to_vec()
    };
    (head, body)
}

fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}
