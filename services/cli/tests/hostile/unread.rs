//! Callers that ask and never read.

use std::time::Duration;

use bytes::Bytes;
use nopic_proto::entry_validation::{EntryLine, ValidateEntriesRequest};
use prost::Message as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::attacker::Attacker;
use crate::door::{Door, size};
use crate::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, Raw, call, frame, message};

/// How long a sender waits for a chunk to be taken, and how many it sends.
const PATIENCE: Duration = Duration::from_secs(2);
const MOST_CHUNKS: usize = 62;
const DOCUMENT: &str = "/nopic.entry_validation.v1.EntryValidationService/ValidateDocument";
const SERVICE: &str = "/nopic.entry_validation.v1.EntryValidationService/";

/// Lines that are answered at length.
fn lines(count: u32) -> Vec<u8> {
    let request = ValidateEntriesRequest {
        lines: (0..count)
            .map(|number| EntryLine {
                entry_number: format!("B76{number:07}0"),
                organic_claim: Some(true),
                ..EntryLine::default()
            })
            .collect(),
        ..ValidateEntriesRequest::default()
    };
    message(0, &request.encode_to_vec())
}

/// Many calls whose answers have no room; each has as many lines as are taken without asking.
async fn unread(door: &Door, method: &str, count: usize, flags: u8) -> String {
    let headers = frame(HEADERS, END_HEADERS, 0, &call(&format!("{SERVICE}{method}")));
    let body = lines(2_000);
    let mut connections = Vec::new();
    let mut sent = 0;
    for _ in 0..count.div_ceil(8) {
        let mut raw = Raw::connect(door.address, &[(INITIAL_WINDOW, 0)]).await;
        for stream in (1..16).step_by(2) {
            let mut begin = headers.clone();
            begin[5..9].copy_from_slice(&u32::to_be_bytes(stream));
            let mut all = begin;
            let mut pieces = body.chunks(16 << 10).peekable();
            while let Some(piece) = pieces.next() {
                let flags = if pieces.peek().is_none() { flags } else { 0 };
                all.extend(frame(DATA, flags, stream, piece));
            }
            sent += usize::from(raw.send(&all).await);
        }
        connections.push(raw);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let over: Vec<_> = connections
        .iter()
        .filter(|raw| raw.is_over())
        .map(Raw::said)
        .collect();
    assert!(over.is_empty(), "connections ended, by {over:?}");
    format!("{sent} calls of 2,000 lines on {} connections", connections.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_never_read() {
    let door = Door::open();
    let attack = unread(&door, "ValidateEntries", size(64, 400), END_STREAM);
    door.withstands("unread answers", attack).await;
}

/// Sends documents for as long as they are taken, on connections whose answers have no room; how much was taken.
async fn documents(door: &Door, count: usize, chunk: Vec<u8>) -> String {
    let part = |tag: u8, bytes: &[u8]| {
        let mut part = vec![tag];
        prost::encoding::encode_varint(bytes.len() as u64, &mut part);
        part.extend(bytes);
        Bytes::from(message(0, &part))
    };
    let (options, chunk) = (part(0x0a, &[]), part(0x12, &chunk));
    let mut sending = JoinSet::new();
    let mut answers = JoinSet::new();
    for _ in 0..count {
        let attacker = Attacker::unreading(door.address).await;
        let (pieces, answer) = attacker.begin(DOCUMENT, None);
        answers.spawn(answer);
        let (options, chunk) = (options.clone(), chunk.clone());
        sending.spawn(async move {
            let mut sent = 0;
            let mut next = options;
            while let Ok(Ok(())) = timeout(PATIENCE, pieces.send(next)).await {
                next = chunk.clone();
                sent += 1;
                if sent > MOST_CHUNKS {
                    break;
                }
            }
            // It stays open while others send.
            (sent, pieces)
        });
    }
    let sent = sending.join_all().await;
    let chunks: usize = sent.iter().map(|(sent, _)| sent).sum();
    format!("{chunks} chunks of 1 MB in {count} documents")
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_never_read() {
    let door = Door::open();
    let mut chunk = String::new();
    for number in 0..12_000 {
        use std::fmt::Write as _;
        writeln!(
            chunk,
            "{{\"entryNumber\":\"B76{number:07}0\",\"lineNumber\":1,\"organicClaim\":true}}"
        )
        .unwrap();
    }
    let attack = documents(&door, size(24, 200), chunk.into_bytes());
    door.withstands("unread documents", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workbooks_that_never_end() {
    let door = Door::open();
    // The beginning of a ZIP, and nothing of one behind it.
    let mut chunk = b"PK\x03\x04".to_vec();
    chunk.resize(1 << 20, 0);
    let attack = documents(&door, size(24, 100), chunk);
    door.withstands("endless workbooks", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_never_read() {
    let door = Door::open();
    let attack = unread(&door, "ValidateStream", size(64, 400), 0);
    door.withstands("unread streams", attack).await;
}
