//! Callers that ask and never read.

use std::time::Duration;

use nopic_proto::entry_validation::{EntryLine, ValidateEntriesRequest};
use prost::Message as _;

use crate::door::{Door, size};
use crate::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, Raw, call, frame, message};

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

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_never_read() {
    let door = Door::open();
    let attack = unread(&door, "ValidateStream", size(64, 400), 0);
    door.withstands("unread streams", attack).await;
}
